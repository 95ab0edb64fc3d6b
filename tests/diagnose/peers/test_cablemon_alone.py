"""CableMon by itself as a diagnoser: service wherever an event is seen, and never later polls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, PollTable
from faultsight.core.seed import random_stream
from faultsight.core.tickets import Tickets
from faultsight.diagnose import DIAGNOSERS, NodeDiagnosis, Verdict
from faultsight.diagnose.cablemon import CableMonConfig
from faultsight.diagnose.contract import DAY_S
from faultsight.diagnose.peers.cablemon_alone import CableMonAlone, CableMonAloneConfig

N_DAYS, N_DEVICES = 40, 30
SMALL = CableMonAloneConfig(CableMonConfig(windows_polls=(1, 3), weights=()))


def plant() -> tuple[NodePolls, Tickets]:
    """Modem m00 has a low SNR on channel 2 on every second run of four days, and calls then."""
    stream = random_stream(1000, "plant")
    n_rounds = 6 * N_DAYS
    snr_db = stream.normal(36, 0.5, (N_DEVICES, n_rounds, 2))
    is_faulty = np.arange(n_rounds) // 24 % 2 == 1
    snr_db[0, is_faulty, 1] -= 10
    time_s = np.arange(n_rounds) * 14_400.0 + stream.uniform(0, 1800, (N_DEVICES, n_rounds))
    node = NodePolls(
        "F1",
        tuple(f"m{i:02}" for i in range(N_DEVICES)),
        ("1", "2"),
        np.arange(N_DEVICES + 1) * n_rounds,
        time_s.ravel(),
        {"snr_db": snr_db.reshape(-1, 2).astype(np.float32)},
    )
    opened_s = np.concatenate([time_s[0, is_faulty][::4] + 60, time_s[:, 10] + 60])
    devices = np.array(["m00"] * (len(opened_s) - N_DEVICES) + list(node.device_ids))
    order = np.argsort(opened_s, kind="stable")
    ids = np.array([f"t{i}" for i in range(len(opened_s))])
    return node, Tickets(
        ids, devices[order], opened_s[order], opened_s[order] + DAY_S,
        np.zeros(len(ids), np.bool_), np.full(len(ids), ""),
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted() -> CableMonAlone:
    node, tickets = plant()
    return CableMonAlone(SMALL).fit(PollTable([node]), tickets)


def day(fitted: CableMonAlone, node: NodePolls, day: int) -> NodeDiagnosis:
    window = TimeWindow(day * DAY_S, (day + 1) * DAY_S)
    (told,) = fitted.diagnose(PollTable([node]), window=window).nodes
    return told


def test_it_is_a_member() -> None:
    assert DIAGNOSERS.load("cablemon_alone") is CableMonAlone
    with pytest.raises(InputError, match="not fitted"):
        CableMonAlone().diagnose(PollTable([plant()[0]]))


def test_only_the_modem_with_an_event_gets_a_technician(fitted: CableMonAlone) -> None:
    told = day(fitted, plant()[0], 6)  # the third day of a fault
    assert [told.device_ids[i] for i in np.flatnonzero(told.verdict == Verdict.SERVICE)] == ["m00"]
    assert told.count(Verdict.HEALTHY) == N_DEVICES - 1
    (group,) = told.groups
    assert (group.feature, group.channel, group.members.tolist()) == ("snr_db", "2", [0])
    assert group.verdict == Verdict.SERVICE
    assert told.anomalies["snr_db"].tolist() == [True] + [False] * (N_DEVICES - 1)
    assert told.covered_s == pytest.approx(np.full(N_DEVICES, DAY_S - 900), abs=900)
    # Neither the day before the fault, nor one whose polls have seen its end for two days.
    assert day(fitted, plant()[0], 3).count(Verdict.SERVICE) == 0
    assert day(fitted, plant()[0], 10).count(Verdict.SERVICE) == 0


def test_an_event_needs_several_abnormal_polls(fitted: CableMonAlone) -> None:
    """By the end of the first day of a fault 6 of 12 polls are abnormal: 5 suffice, 7 do not."""
    node = plant()[0]
    assert day(fitted, node, 4).count(Verdict.SERVICE) == 1
    strict = CableMonAlone(replace(SMALL, cablemon=replace(SMALL.cablemon, decision_abnormal=7)))
    strict.thresholds, strict.is_fitted = fitted.thresholds, True
    assert day(strict, node, 4).count(Verdict.SERVICE) == 0
    assert day(strict, node, 5).count(Verdict.SERVICE) == 1


def test_few_polls_are_not_called_healthy(fitted: CableMonAlone) -> None:
    node = plant()[0]
    silent = node.device_of_poll == 5
    silent &= (node.time_s >= 6 * DAY_S + 8 * 3600) & (node.time_s < 7 * DAY_S)
    told = day(fitted, node.take(~silent), 6)
    assert told.verdict[5] == Verdict.INSUFFICIENT
    assert told.verdict[6] == Verdict.HEALTHY
    assert told.covered_s[5] < 0.5 * DAY_S < told.covered_s[6]
    # A modem never heard of before is not listed; one long silent is, while history knows it.
    unheard = node.take((node.device_of_poll != 5) | (node.time_s >= 7 * DAY_S))
    assert "m05" not in day(fitted, unheard, 6).device_ids


def same(a: NodeDiagnosis, b: NodeDiagnosis) -> bool:
    return (
        a.device_ids == b.device_ids
        and np.array_equal(a.verdict, b.verdict)
        and np.array_equal(a.covered_s, b.covered_s)
        and [(g.feature, g.members.tolist(), g.channel) for g in a.groups]
        == [(g.feature, g.members.tolist(), g.channel) for g in b.groups]
    )


def test_no_window_depends_on_later_polls(fitted: CableMonAlone) -> None:
    node = plant()[0]
    for number in (6, 12, 20):
        end_s = (number + 1) * DAY_S
        late = node.time_s >= end_s
        values = node.values["snr_db"].copy()
        values[late] = 0
        changed = replace(node, values={"snr_db": values})
        # A poll right after the window, that would pass for a second telling of the last inside.
        first_late = np.flatnonzero(late & (node.device_of_poll == 0))[0]
        time_s = node.time_s.copy()
        time_s[first_late - 1], time_s[first_late] = end_s - 10.0, end_s + 10.0
        near, cut = replace(changed, time_s=time_s), replace(node, time_s=time_s).take(~late)
        assert same(day(fitted, changed, number), day(fitted, node.take(~late), number))
        assert same(day(fitted, near, number), day(fitted, cut, number))


def test_a_poll_after_the_window_never_takes_the_place_of_one_inside(
    fitted: CableMonAlone,
) -> None:
    """Modem m05 answers three times on day 6, at last ten seconds before its end."""
    node, end_s = plant()[0], 7 * DAY_S
    mine = np.flatnonzero((node.device_of_poll == 5) & (node.time_s >= 6 * DAY_S))
    time_s = node.time_s.copy()
    time_s[mine[5]], time_s[mine[6]] = end_s - 10.0, end_s + 10.0
    keep = np.ones(node.n_polls, np.bool_)
    keep[mine[2:5]] = False
    batch = PollTable([replace(node, time_s=time_s).take(keep)])
    window = TimeWindow(6 * DAY_S, 9 * DAY_S)
    assert fitted.diagnose(batch, window=window).nodes[0].verdict[5] == Verdict.HEALTHY
    keep[mine[5]] = False
    fewer = PollTable([replace(node, time_s=time_s).take(keep)])
    assert fitted.diagnose(fewer, window=window).nodes[0].verdict[5] == Verdict.INSUFFICIENT


def test_one_window_says_what_a_batch_says(fitted: CableMonAlone) -> None:
    node = plant()[0]
    # One modem falls silent for good: history forgets it in both.
    node = node.take((node.device_of_poll != 7) | (node.time_s < 11 * DAY_S))
    span = TimeWindow(10 * DAY_S, 30 * DAY_S)
    batch = fitted.diagnose(PollTable([node]), window=span, workers=2)
    assert len(batch) == 20
    for told in batch.nodes:
        assert same(told, day(fitted, node, told.window.start_s // DAY_S))
    assert [len(told.device_ids) for told in batch.nodes[::19]] == [N_DEVICES, N_DEVICES - 1]
    assert batch.count(Verdict.SERVICE) > 5
    table = batch.to_table()
    assert set(table["features"].unique()) == {"", "snr_db"}


def test_refuses_settings_that_cannot_be() -> None:
    for settings in ({"poll_interval_s": 0.0}, {"least_polls": -1}):
        with pytest.raises(SettingError):
            CableMonAloneConfig(**settings)
