"""Fixed hours: the Welsh television is found, what merely lasts is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from faultsight.core.polls import NodePolls, PollTable
from faultsight.diagnose.contract import DAY_S
from faultsight.diagnose.faults import tell_recurrence, track_faults
from faultsight.diagnose.faults.recurrence import recurrence, recurrence_of_days
from faultsight.sim.cable_plant import CablePlantConfig, simulate_node

HOURS = np.array([3.0, 7.0, 11.0, 15.0, 19.0, 23.0])


def days_with(slots: list[int], n_days: int) -> NDArray[np.float64]:
    bad = np.zeros((n_days, 6))
    bad[:, slots] = 1.0
    return bad


@pytest.mark.parametrize(
    ("slots", "words"),
    [
        ([1], "every day around 07:00 UTC"),
        ([1, 2], "every day from 07:00 to 11:00 UTC"),
        ([5, 0], "every day from 23:00 to 03:00 UTC"),
        ([1, 4], "every day around 07:00 and around 19:00 UTC"),
    ],
)
def test_fixed_hours_are_named(slots: list[int], words: str) -> None:
    found = recurrence_of_days(days_with(slots, 10), HOURS)
    assert found.is_recurrent
    assert found.in_words() == words


def test_it_takes_three_days() -> None:
    assert recurrence_of_days(days_with([1], 2), HOURS).p_value == 1.0
    assert recurrence_of_days(days_with([1], 3), HOURS).p_value < 0.05
    assert not recurrence_of_days(days_with([1], 3), HOURS).is_recurrent, "chance: 1 in 36"
    assert recurrence_of_days(days_with([1], 5), HOURS).is_recurrent


def test_days_without_polls_do_not_count() -> None:
    bad = days_with([1], 6)
    bad[2:] = np.nan
    assert recurrence_of_days(bad, HOURS).n_days == 2
    assert not recurrence_of_days(bad, HOURS).is_recurrent


def test_what_is_always_bad_has_no_hour() -> None:
    found = recurrence_of_days(days_with([0, 1, 2, 3, 4, 5], 10), HOURS)
    assert found.p_value == 1.0
    assert found.in_words() == ""


def test_some_days_off_are_said() -> None:
    bad = days_with([1], 12)
    bad[[3, 7]] = 0.0
    assert recurrence_of_days(bad, HOURS).in_words() == "on most days around 07:00 UTC"


def test_false_alarms_are_as_rare_as_they_say() -> None:
    """Runs of some hours at random hours of each day: one time in a hundred at most, about."""
    stream = np.random.default_rng(3)
    alarms = 0
    for _ in range(300):
        bad = np.zeros((8, 6))
        for day in bad:
            start, length = stream.integers(6), stream.integers(1, 4)
            day[(start + np.arange(length)) % 6] = 1.0
        alarms += recurrence_of_days(bad, HOURS).p_value <= 0.01
    assert alarms <= 8


def polls_of_two(bad: NDArray[np.bool_]) -> NodePolls:
    """Return polls of two modems, six a day, a week of history first."""
    n = len(bad) + 42
    time_s = np.arange(n) * 14_400.0 + 3600
    level = np.full(n, 36.0)
    level[42:][bad] = 31.0
    snr_db = np.concatenate([level, level - 1.0]).astype(np.float32)[:, None]
    return NodePolls("F", ("a", "b"), ("1",), np.array([0, n, 2 * n]), np.tile(time_s, 2),
                     {"snr_db": snr_db})  # fmt: skip


def test_polls_are_laid_out_by_day_and_hour() -> None:
    bad = np.zeros((9, 6), np.bool_)
    bad[:, 1] = True
    found = recurrence(
        polls_of_two(bad.ravel()), np.array([True, True]), "snr_db", 7 * DAY_S, 16 * DAY_S
    )
    assert found.n_days == 10, "the node's days begin in its silence, so the ends are parts"
    assert found.in_words() == "every day around 05:00 UTC"
    assert np.nansum(found.bad_share) == 1.0


def test_modems_without_a_poll_have_no_hours() -> None:
    polls = polls_of_two(np.zeros(54, np.bool_))
    everyone = np.array([True, True])
    assert not recurrence(polls, everyone, "snr_db", 30 * DAY_S, 36 * DAY_S).is_recurrent


def test_missing_polls_count_where_most_members_miss_them() -> None:
    polls = polls_of_two(np.zeros(54, np.bool_))
    hour = (polls.time_s % DAY_S) // 3600
    keep = ~((hour == 9) & (polls.time_s > 7 * DAY_S))
    gone = polls.take(keep)
    found = recurrence(gone, np.array([True, True]), "missing", 7 * DAY_S, 16 * DAY_S)
    assert found.in_words() == "every day around 09:00 UTC"
    half = polls.take(keep | (polls.device_of_poll == 1))
    both = recurrence(half, np.array([True, True]), "missing", 7 * DAY_S, 16 * DAY_S)
    assert both.in_words() == ""


@pytest.mark.parametrize(
    ("rates", "least", "most"),
    [
        # A set that is on for less than polls are apart may never be met by one.
        (
            {"televisions_per_day": 1 / 25, "maintenance_per_day": 0.0, "television_h": (4, 5)},
            0.75,
            1.0,
        ),
        ({"televisions_per_day": 0.0, "maintenance_per_day": 1 / 25}, 0.0, 0.2),
    ],
)
def test_the_simulators_televisions_are_found_and_telegraphs_are_not(
    rates: dict[str, Any], least: float, most: float
) -> None:
    config = CablePlantConfig(
        days=40, modems=(24, 30), maintenance_mix={"ingress": 1.0}, maintenance_median_h=200.0,
        service_rate=0.0, **rates,
    )  # fmt: skip
    found = []
    for index in range(24):
        node = simulate_node(config, index, seed=1031)
        everyone = np.ones(node.polls.n_devices, np.bool_)
        faults = node.faults.filter(pl.col("kind") == "maintenance")
        if len(faults) != 1:
            continue
        start_s = max(faults["start"][0].timestamp(), config.start_s + 7.0 * DAY_S)
        end_s = min(faults["end"][0].timestamp(), float(config.end_s))
        if end_s - start_s >= 5 * DAY_S:
            told = recurrence(node.polls, everyone, "snr_db", start_s, end_s)
            found.append(told.is_recurrent)
    assert len(found) >= 4
    assert least <= np.mean(found) <= most


def test_faults_are_told_their_hours(network: Any) -> None:
    faults = track_faults(network.diagnosis)
    told = tell_recurrence(faults, network.telemetry)
    assert str([replace(fault, recurrence="") for fault in told]) == str(faults)
    assert all(fault.duration_h >= 72 for fault in told if fault.recurrence)


def test_only_a_fault_of_fixed_hours_is_told_them(a_fault: Any) -> None:
    n_days = 9
    at_five = np.zeros((n_days, 6), np.bool_)
    at_five[:, 1] = True
    # As many bad polls, a run of nine and no more.
    once = np.zeros((n_days, 6), np.bool_)
    once.ravel()[20:29] = True
    fault = a_fault("ab", days=(7, 7 + n_days))
    for bad, words in ((at_five, "every day around 05:00 UTC"), (once, "")):
        telemetry = PollTable([polls_of_two(bad.ravel())])
        assert tell_recurrence([fault], telemetry) == [replace(fault, recurrence=words)]
    # Fixed hours take three days to show.
    short = a_fault("ab", days=(7, 9))
    assert tell_recurrence([short], PollTable([polls_of_two(at_five.ravel())])) == [short]


def test_each_fault_of_a_list_is_told_its_own_hours(a_fault: Any) -> None:
    at_five = np.zeros((9, 6), np.bool_)
    at_five[:, 1] = True
    polls = polls_of_two(at_five.ravel())
    of_b = polls.device_of_poll == 1
    values = np.where(of_b[:, None], np.float32(35.0), polls.values["snr_db"])
    telemetry = PollTable([replace(polls, values={"snr_db": values})])
    faults = [a_fault("b", fault_id="f1", days=(7, 16)), a_fault("a", fault_id="f2", days=(7, 16))]
    told = tell_recurrence(faults, telemetry)
    assert [fault.recurrence for fault in told] == ["", "every day around 05:00 UTC"]
    assert [fault.fault_id for fault in told] == ["f1", "f2"]
