"""Algorithm 1 against the loop it is written as."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls
from faultsight.diagnose.preprocessing.missing_points import Slots, infer_missing, missing_count

T = 40
"""Seconds; whole numbers, so that the loop's subtractions are exact."""

Slot = tuple[float, int]


def node(
    times: Sequence[Sequence[float]], **told: NDArray[np.int64] | NDArray[np.bool_]
) -> NodePolls:
    counts = [len(mine) for mine in times]
    names = tuple(f"m{i:02d}" for i in range(len(times)))
    time_s = np.array([moment for mine in times for moment in mine], np.float64)
    return NodePolls("F", names, (), np.cumsum([0, *counts]), time_s, **told)  # type: ignore[arg-type]


def literal(
    times: Sequence[float], window: TimeWindow, theta: float, *, gone_after_s: float = np.inf
) -> list[Slot]:
    """Return the slots of one modem as the paper's algorithm is written: one point at a time."""

    def between(before: float, after: float) -> list[Slot]:
        gap, n = after - before, 0
        while gap > theta:
            n, gap = n + 1, gap - T
        return [(before + (after - before) * k / (n + 1), -1) for k in range(1, n + 1)]

    known = [moment for moment in times if moment < window.end_s]
    if not known or window.end_s - known[-1] > gone_after_s:
        return []
    out: list[Slot] = []
    for i, moment in enumerate(known):
        if i > 0:
            out += between(known[i - 1], moment)
        out.append((moment, i))
    out += between(known[-1], window.end_s)
    return [slot for slot in out if slot[0] >= window.start_s]


def slots_of_device(slots: Slots, device: int) -> list[Slot]:
    mine = slice(*slots.device_start[device : device + 2])
    return list(zip(slots.time_s[mine].tolist(), slots.poll[mine].tolist(), strict=True))


series = st.sets(st.integers(0, 900), max_size=20).map(sorted)
windows = st.tuples(st.integers(-50, 900), st.integers(1, 400)).map(
    lambda told: TimeWindow(told[0], told[0] + told[1])
)
thresholds = st.integers(T, 2 * T)


class TestAgainstTheLoop:
    @settings(deadline=None, max_examples=400)
    @given(st.lists(series, min_size=1, max_size=4), windows, thresholds)
    def test_slots(self, times: list[list[float]], window: TimeWindow, theta: int) -> None:
        polls = node(times)
        slots = infer_missing(polls, window, threshold_s=theta, interval_s=T)
        assert slots.device_start[0] == 0
        assert slots.device_start[-1] == len(slots.time_s) == len(slots.poll)
        for device, mine in enumerate(times):
            first = int(polls.device_start[device])
            expected = [(t, p if p < 0 else p + first) for t, p in literal(mine, window, theta)]
            assert slots_of_device(slots, device) == expected

    @settings(deadline=None, max_examples=200)
    @given(series, windows, thresholds, st.integers(0, 500))
    def test_a_modem_that_is_gone_has_no_slot(
        self, times: list[float], window: TimeWindow, theta: int, gone_after_s: int
    ) -> None:
        slots = infer_missing(
            node([times]), window, threshold_s=theta, interval_s=T, gone_after_s=gone_after_s
        )
        expected = literal(times, window, theta, gone_after_s=gone_after_s)
        assert slots_of_device(slots, 0) == expected

    @settings(deadline=None, max_examples=300)
    @given(st.integers(0, 2000), thresholds)
    def test_count(self, gap: int, theta: int) -> None:
        n, left = 0, gap
        while left > theta:
            n, left = n + 1, left - T
        assert missing_count(float(gap), float(theta), float(T)) == n


class TestEdges:
    def test_a_gap_that_ends_in_the_window_is_filled_from_its_start_on(self) -> None:
        # The last point before the window is the left anchor: two points are missing after it.
        slots = infer_missing(node([[0, 120]]), TimeWindow(50, 130), threshold_s=60, interval_s=T)
        assert slots_of_device(slots, 0) == [(80.0, -1), (120.0, 1)]

    def test_before_the_first_poll_nothing_is_missing(self) -> None:
        slots = infer_missing(node([[300]]), TimeWindow(0, 310), threshold_s=60, interval_s=T)
        assert slots_of_device(slots, 0) == [(300.0, 0)]

    def test_an_outage_that_goes_on_is_seen(self) -> None:
        slots = infer_missing(node([[0, 40]]), TimeWindow(0, 160), threshold_s=60, interval_s=T)
        assert slots_of_device(slots, 0) == [(0.0, 0), (40.0, 1), (80.0, -1), (120.0, -1)]

    def test_the_window_is_half_open(self) -> None:
        slots = infer_missing(node([[0, 40, 80]]), TimeWindow(40, 80), threshold_s=60, interval_s=T)
        assert slots_of_device(slots, 0) == [(40.0, 1)]

    def test_an_outage_that_began_before_the_window(self) -> None:
        slots = infer_missing(node([[0]]), TimeWindow(100, 200), threshold_s=60, interval_s=T)
        # Four are missing until now, forty seconds apart; two of them in the window.
        assert slots_of_device(slots, 0) == [(120.0, -1), (160.0, -1)]

    @pytest.mark.parametrize(("gone_after_s", "n_slots"), [(99, 0), (100, 2)])
    def test_gone(self, gone_after_s: float, n_slots: int) -> None:
        slots = infer_missing(
            node([[0], [180]]), TimeWindow(0, 100), threshold_s=60, interval_s=T,
            gone_after_s=gone_after_s,
        )  # fmt: skip
        assert slots.n_slots.tolist() == [n_slots, 0]


class TestWhatThePollerTells:
    def test_polls_without_an_answer_are_missing_where_they_are(self) -> None:
        polls = node([[0, 41, 79]], answered=np.array([True, False, True]))
        slots = infer_missing(polls, TimeWindow(0, 100), threshold_s=60, interval_s=T)
        assert slots_of_device(slots, 0) == [(0.0, 0), (41.0, -1), (79.0, 2)]

    @settings(deadline=None, max_examples=200)
    @given(
        st.lists(st.tuples(st.integers(1, 4), st.integers(0, 30)), min_size=1, max_size=12),
        windows,
        thresholds,
    )
    def test_rounds_say_how_many_are_missing(
        self, told: list[tuple[int, int]], window: TimeWindow, theta: int
    ) -> None:
        rounds = np.cumsum([step for step, _ in told])
        times = [int(r) * T + late for r, (_, late) in zip(rounds, told, strict=True)]
        slots = infer_missing(
            node([times], round_id=rounds), window, threshold_s=theta, interval_s=T
        )
        known = [i for i, moment in enumerate(times) if moment < window.end_s]
        inside = [slot for slot in slots_of_device(slots, 0) if slot[1] < 0]
        # Between the last poll and now no round is told: the threshold says what is missing.
        until = [s for s in inside if known and s[0] < times[known[-1]]]
        expected = []
        for i in known[1:]:
            n, gap = int(rounds[i] - rounds[i - 1]) - 1, times[i] - times[i - 1]
            expected += [times[i - 1] + gap * k / (n + 1) for k in range(1, n + 1)]
        assert [t for t, _ in until] == [t for t in expected if t >= window.start_s]

    def test_where_a_round_is_not_known_the_threshold_says(self) -> None:
        times = [0, 120, 240]
        polls = node([times], round_id=np.array([0, -1, 3]))
        slots = infer_missing(polls, TimeWindow(0, 250), threshold_s=60, interval_s=T)
        assert slots_of_device(slots, 0) == literal(times, TimeWindow(0, 250), 60)

    @pytest.mark.parametrize("rounds", [[5, 6, 1_000_000, 1_000_001], [900, 901, 0, 1]])
    def test_a_poller_that_counts_anew_is_not_believed(self, rounds: list[int]) -> None:
        times = [0, 40, 200, 240]
        polls = node([times] * 50, round_id=np.array(rounds * 50))
        slots = infer_missing(polls, TimeWindow(0, 250), threshold_s=60, interval_s=T)
        first = literal(times, TimeWindow(0, 250), 60)
        assert len(first) == 7
        assert slots_of_device(slots, 0) == first
        assert slots.n_slots.tolist() == [7] * 50


class TestCausality:
    @settings(deadline=None, max_examples=200)
    @given(st.lists(series, min_size=1, max_size=4), windows, thresholds, st.data())
    def test_a_later_poll_never_changes_an_earlier_windows_slots(
        self, times: list[list[float]], window: TimeWindow, theta: int, data: st.DataObject
    ) -> None:
        early = [[moment for moment in mine if moment < window.end_s] for mine in times]
        late = st.sets(st.integers(window.end_s, window.end_s + 200), max_size=8).map(sorted)
        whole = [[*mine, *data.draw(late)] for mine in early]
        found = []
        for polls in (node(early), node(whole)):
            slots = infer_missing(polls, window, threshold_s=theta, interval_s=T)
            times_s = polls.time_s[slots.poll]
            found.append(
                (slots.device_start.tolist(), slots.time_s.tolist(), (slots.poll < 0).tolist())
            )
            assert (times_s[slots.poll >= 0] == slots.time_s[slots.poll >= 0]).all()
        assert found[0] == found[1]
