"""What is summed over collection periods, and a node's rhythm."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls
from faultsight.core.seed import random_stream
from faultsight.core.tickets import Tickets, read_tickets
from faultsight.diagnose.preprocessing.collection_periods import collection_periods_s
from faultsight.diagnose.telapart.prepared_node import (
    NodeRhythm,
    PreparedNode,
    prepare,
    rhythm_of,
)

LONGEST_S = 30.0
RHYTHM = NodeRhythm(20.0, LONGEST_S, 0.0, 1.0)

series = st.lists(st.sets(st.integers(0, 120), max_size=12).map(sorted), min_size=1, max_size=4)
windows = st.lists(
    st.tuples(st.integers(-20, 130), st.integers(0, 60)).map(lambda t: TimeWindow(t[0], sum(t))),
    max_size=5,
)


def node(times: list[list[int]]) -> PreparedNode:
    time_s = np.array([moment for mine in times for moment in mine], np.float64)
    start = np.cumsum([0, *(len(mine) for mine in times)])
    return PreparedNode(NodePolls("F", tuple("abcd"[: len(times)]), (), start, time_s), RHYTHM)


def tickets_of(seed: int, n: int) -> Tickets:
    stream = random_stream(seed, "tickets")
    return read_tickets(
        pl.DataFrame(
            {
                "ticket_id": [f"t{i}" for i in range(n)],
                "device_id": stream.choice(list("abcdx"), n).tolist(),
                "opened": stream.integers(-9, 160, n).astype(float).tolist(),
                "closed": [None] * n,
                "kind": stream.choice(["maintenance", "service"], n).tolist(),
            },
            schema_overrides={"opened": pl.Float64, "closed": pl.Float64},
        )
    )


class TestSums:
    @settings(deadline=None, max_examples=200)
    @given(series, windows, st.integers(0, 10**6), st.integers(0, 20))
    def test_totals_against_a_plain_loop(
        self, times: list[list[int]], asked: list[TimeWindow], seed: int, n_tickets: int
    ) -> None:
        prepared, tickets = node(times), tickets_of(seed, n_tickets)
        sums = prepared.totals(asked, tickets)
        periods = collection_periods_s(prepared.polls, LONGEST_S)
        expected = np.zeros((3, len(asked), len(times)))
        for w, window in enumerate(asked):
            for p in range(prepared.polls.n_polls):
                moment, device = prepared.polls.time_s[p], prepared.polls.device_of_poll[p]
                if not window.start_s <= moment < window.end_s:
                    continue
                expected[0, w, device] += periods[p]
                for t in range(len(tickets)):
                    is_mine = tickets.device_id[t] == prepared.polls.device_ids[device]
                    if is_mine and 0 <= tickets.opened_s[t] - moment < periods[p]:
                        expected[1 if tickets.is_maintenance[t] else 2, w, device] += 1
        found = (sums.covered_s, sums.maintenance_tickets, sums.service_tickets)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)

    @settings(deadline=None, max_examples=200)
    @given(series, windows)
    def test_covered_time_against_every_second(
        self, times: list[list[int]], asked: list[TimeWindow]
    ) -> None:
        prepared = node(times)
        found = prepared.covered_s(asked)
        assert found.shape == (len(asked), len(times))
        for w, window in enumerate(asked):
            for device, mine in enumerate(times):
                told = {
                    second
                    for moment in mine
                    for second in range(moment, moment + int(LONGEST_S))
                    if window.holds(second)
                }
                assert found[w, device] == len(told)

    @settings(deadline=None, max_examples=100)
    @given(series, windows, series)
    def test_later_polls_change_no_covered_time(
        self, times: list[list[int]], asked: list[TimeWindow], later: list[list[int]]
    ) -> None:
        for window in asked:
            end = window.end_s
            early = [[t for t in mine if t < end] for mine in times]
            more = [
                [*mine, *(end + t for t in (later[i] if i < len(later) else []))]
                for i, mine in enumerate(early)
            ]
            np.testing.assert_array_equal(
                node(early).covered_s([window]), node(more).covered_s([window])
            )


class TestRhythm:
    @pytest.mark.parametrize("round_ids", [False, True])
    def test_of_a_simulated_node(self, quiet_plant: Any, round_ids: bool) -> None:
        polls = quiet_plant.node().polls
        if round_ids:
            rounds = np.rint((polls.time_s - polls.time_s.min()) / 14_400).astype(np.int64)
            polls = NodePolls(
                polls.fnode, polls.device_ids, polls.channels, polls.device_start, polls.time_s,
                polls.values, rounds,
            )  # fmt: skip
        prepared = prepare(polls)
        assert prepared.rhythm.interval_s == 14_400
        # Rounds take from 0:30 to 1:00 and the silence in their midst ends them all.
        assert 2 * 3600 < prepared.rhythm.phase_s < 3.5 * 3600
        if round_ids:
            assert prepared.rhythm.threshold_s == 1.5 * 14_400
            assert np.isnan(prepared.rhythm.accuracy)
        else:
            assert 1.1 < prepared.rhythm.threshold_s / 14_400 < 1.7
            assert prepared.rhythm.accuracy > 0.999
        assert prepared.polls.n_polls < polls.n_polls  # without duplicates
        asked = TimeWindow(quiet_plant.config.end_s - 86_400, quiet_plant.config.end_s)
        quiet = prepared.quiet_window(asked)
        assert 3600 < asked.end_s - quiet.end_s < 3 * 3600

    def test_an_interval_that_is_known_is_taken(self) -> None:
        polls = node([[0, 20, 41, 60], [1, 22, 40, 61]]).polls
        assert rhythm_of(polls, 20.0).interval_s == 20.0
        assert prepare(polls, interval_s=20.0).rhythm.interval_s == 20.0
        assert prepare(polls, rhythm=RHYTHM).rhythm is RHYTHM

    @pytest.mark.parametrize("times", [[[]], [[5]], [[5], [9]]])
    def test_polls_that_tell_nothing(self, times: list[list[int]]) -> None:
        rhythm = rhythm_of(node(times).polls)
        assert (rhythm.interval_s, rhythm.threshold_s) == (14_400.0, 21_600.0)
        assert np.isnan(rhythm.accuracy)
