"""Resampling against a plain loop."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls
from faultsight.core.seed import random_stream
from faultsight.diagnose.preprocessing.resampling import resampled

METRICS = ("snr_db", "tx_power_dbmv")


def node(times: list[list[int]], seed: int, n_channels: int = 2) -> NodePolls:
    stream = random_stream(seed, "resampling")
    n = sum(map(len, times))
    values = {
        metric: stream.normal(30, 9, (n, n_channels)).astype(np.float32) for metric in METRICS
    }
    for column in values.values():
        column[stream.random(column.shape) < 0.3] = np.nan
    return NodePolls(
        "F",
        tuple("abcd"[: len(times)]),
        tuple("12"[:n_channels]),
        np.cumsum([0, *map(len, times)]),
        np.array([moment for mine in times for moment in mine], np.float64),
        values,
    )


def at(moment: float, known: list[tuple[float, float]]) -> float:
    """Return the value on the line between the two nearest known ones, or the nearest one."""
    if not known:
        return float("nan")
    if moment <= known[0][0]:
        return known[0][1]
    for (before, low), (after, high) in pairwise(known):
        if moment <= after:
            return low + (high - low) * (moment - before) / (after - before)
    return known[-1][1]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.sets(st.integers(0, 99), max_size=10).map(sorted), min_size=1, max_size=4),
    st.tuples(st.integers(0, 60), st.integers(5, 60)),
    st.integers(5, 30),
    st.integers(0, 10**6),
)
def test_against_a_plain_loop(
    times: list[list[int]], told: tuple[int, int], interval: int, seed: int
) -> None:
    polls = node(times, seed)
    window = TimeWindow(told[0], told[0] + told[1])
    slots, values = resampled(polls, window, metrics=METRICS, interval_s=float(interval))
    n_points = max(told[1] // interval, 1)
    grid = [window.start_s + (k + 0.5) * interval for k in range(n_points)]
    row = 0
    for device, mine in enumerate(times):
        inside = [i for i, moment in enumerate(mine) if window.holds(moment)]
        assert slots.n_slots[device] == (n_points if inside else 0)
        if not inside:
            continue
        assert slots.time_s[row : row + n_points].tolist() == grid
        assert (slots.poll[row : row + n_points] >= 0).all()  # nothing is missing any more
        first = int(polls.device_start[device])
        for m, metric in enumerate(METRICS):
            for channel in range(2):
                column = polls.values[metric][:, channel]
                known = [
                    (float(mine[i]), float(column[first + i]))
                    for i in inside
                    if not np.isnan(column[first + i])
                ]
                np.testing.assert_allclose(
                    values[m, row : row + n_points, channel], [at(t, known) for t in grid]
                )
        row += n_points
    assert row == values.shape[1] == len(slots.time_s)


def test_what_lies_outside_the_window_is_not_used() -> None:
    polls = node([[0, 50, 99]], 0)
    changed = node([[0, 50, 99]], 0)
    for column in changed.values.values():
        column[[0, 2]] = 1000.0
    window = TimeWindow(10, 90)
    first, second = (
        resampled(p, window, metrics=METRICS, interval_s=20.0)[1] for p in (polls, changed)
    )
    np.testing.assert_array_equal(first, second)


def test_no_metric() -> None:
    slots, values = resampled(node([[1, 2], []], 0), TimeWindow(0, 40), metrics=(), interval_s=20.0)
    assert (slots.n_slots.tolist(), values.shape) == ([2, 0], (0, 2, 2))
