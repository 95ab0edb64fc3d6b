"""The majority: everybody is healthy."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, PollTable
from faultsight.core.tickets import Tickets, read_tickets
from faultsight.diagnose import DIAGNOSERS
from faultsight.diagnose.contract import DAY_S, Verdict
from faultsight.diagnose.peers.majority import Majority

HOUR_S = 3600.0


def no_tickets() -> Tickets:
    return read_tickets(
        pl.DataFrame(schema=dict.fromkeys(
            ("ticket_id", "device_id", "opened", "closed", "kind"), pl.String
        ))
    )  # fmt: skip


def polls(*times_h: list[float], answered: list[bool] | None = None) -> NodePolls:
    time_s = np.array([hour * HOUR_S for times in times_h for hour in times])
    return NodePolls(
        "F",
        tuple("abc"[: len(times_h)]),
        (),
        np.cumsum([0, *(len(times) for times in times_h)]),
        time_s,
        answered=None if answered is None else np.array(answered),
    )


def test_all_are_healthy_in_every_window() -> None:
    telemetry = PollTable([polls([1, 30], [2, 47.9])])
    diagnoser = Majority().fit(telemetry, no_tickets())
    told = diagnoser.diagnose(telemetry, window=TimeWindow(0, 2 * DAY_S))
    assert [n.verdict.tolist() for n in told.nodes] == [[Verdict.HEALTHY] * 2] * 2
    assert all(n.groups == () for n in told.nodes)
    assert DIAGNOSERS.load("majority") is Majority


def test_covered_time_is_that_of_collection_periods_inside_the_window() -> None:
    # Six hours at most; from the day before; cut at the window's end; and a modem not yet heard of.
    telemetry = PollTable([polls([-3, 4, 8, 20, 30], [23], [25])])
    fitted = Majority().fit(telemetry, no_tickets())
    (told,) = fitted.diagnose(telemetry, window=TimeWindow(0, DAY_S)).nodes
    assert told.device_ids == ("a", "b")
    assert (told.covered_s / HOUR_S).tolist() == [3 + 4 + 6 + 4, 1]
    # Whatever comes after the window changes nothing.
    early = PollTable([polls([-3, 4, 8, 20], [23])])
    (again,) = fitted.diagnose(early, window=TimeWindow(0, DAY_S)).nodes
    np.testing.assert_array_equal(told.covered_s, again.covered_s)


def test_polls_without_an_answer_cover_nothing() -> None:
    telemetry = PollTable([polls([0, 4, 8], answered=[True, False, True])])
    (told,) = (
        Majority()
        .fit(telemetry, no_tickets())
        .diagnose(telemetry, window=TimeWindow(0, DAY_S))
        .nodes
    )
    assert (told.covered_s / HOUR_S).tolist() == [6 + 6]


def test_a_node_that_is_not_heard_of_yet_is_left_out() -> None:
    telemetry = PollTable(
        [polls([30]), NodePolls("G", ("x",), (), np.array([0, 1]), np.array([9.0]))]
    )
    fitted = Majority().fit(telemetry, no_tickets())
    told = fitted.diagnose(telemetry, window=TimeWindow(0, 2 * DAY_S))
    assert [(n.fnode, n.window.end_s // DAY_S) for n in told.nodes] == [
        ("F", 2),
        ("G", 1),
        ("G", 2),
    ]
    with pytest.raises(InputError, match="no poll"):
        fitted.diagnose(telemetry, window=TimeWindow(10 * DAY_S, 12 * DAY_S))
