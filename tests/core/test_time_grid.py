"""Steps and grids of stamps: jitter is seen through, what is regular or irregular stays."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.kpi_frame import KpiFrame
from faultsight.core.time_grid import grid_points, step_text, usual_step

HOUR_S = 3600
START_S = 1_767_225_600  # a Thursday's midnight
STEPS = (60, 300, 900, 1800, 3600, 2 * 3600, 6 * 3600, 86_400)


@st.composite
def jittered(draw: st.DrawFn, share: float) -> tuple[int, list[float], list[float]]:
    """Return a step, the stamps of its grid, and those moved by less than a share of it."""
    step = draw(st.sampled_from(STEPS))
    # Whole days before the start, so that every step has a row there.
    on_grid = [float(START_S + step * row) for row in range(draw(st.integers(20, 40)))]
    most = share * step
    late = st.floats(-most, most, exclude_min=True, exclude_max=True)
    moved = [time_s + draw(late) for time_s in on_grid]
    return step, on_grid, moved


def read(stamps: list[float], **how: int) -> KpiFrame:
    table = pl.DataFrame({"timestamp": stamps, "load": np.arange(float(len(stamps)))})
    (frame,) = KpiFrame.from_table(table, **how)  # type: ignore[arg-type]
    return frame


@settings(deadline=None)
@given(jittered(0.1))
def test_jitter_gives_the_regular_frame(drawn: tuple[int, list[float], list[float]]) -> None:
    step, on_grid, stamps = drawn
    regular = read(on_grid)
    for frame in (read(stamps), read(stamps, interval_s=step), read(stamps, expected_s=step)):
        assert (frame.start_s, frame.interval_s) == (regular.start_s, step)
        np.testing.assert_array_equal(frame.values, regular.values)
        assert dict(frame.dropped) == {}
        assert frame.n_moved == sum(a != b for a, b in zip(stamps, on_grid, strict=True))


@settings(deadline=None)
@given(jittered(0.25), st.floats(0, 1))
def test_jitter_below_a_quarter_step_about_any_phase_loses_no_row(
    drawn: tuple[int, list[float], list[float]], phase: float
) -> None:
    step, on_grid, stamps = drawn
    frame = read([time_s + phase * step for time_s in stamps])
    assert frame.interval_s == step
    assert frame.values.ravel().tolist() == list(map(float, range(len(on_grid))))
    # A grid between two rows of whole multiples of the step is one of them.
    assert (frame.start_s - START_S) // step in (-1, 0, 1)


@settings(deadline=None)
@given(jittered(0.09), st.integers(1, 19))
def test_later_rows_do_not_move_earlier_ones(
    drawn: tuple[int, list[float], list[float]], cut: int
) -> None:
    step, _, stamps = drawn
    before = grid_points(np.array(stamps[:cut]), step)
    np.testing.assert_array_equal(grid_points(np.array(stamps), step)[:cut], before)


def test_a_tenth_of_a_step_early_is_still_early() -> None:
    assert grid_points(np.array([3240.0]), 3600).tolist() == [1]
    assert grid_points(np.array([3239.0]), 3600).tolist() == [0]


@pytest.mark.parametrize(("low", "high"), [(-5, 5), (0, 59), (-300, 300)])
def test_stamps_of_a_real_clock_are_hourly(low: int, high: int) -> None:
    late = np.random.default_rng(0).integers(low, high, 200, endpoint=True)
    frame = read([float(START_S + HOUR_S * row + late[row]) for row in range(200)])
    assert (frame.start_s, frame.interval_s, len(frame)) == (START_S, HOUR_S, 200)
    assert not np.isnan(frame.values).any()
    assert frame.n_moved == np.count_nonzero(late)
    assert frame.moved_s == np.abs(late).max()


def test_gaps_and_rows_told_twice_do_not_hide_the_step() -> None:
    stream = np.random.default_rng(1)
    rows = np.sort(stream.choice(400, 300, replace=False))
    stamps = START_S + HOUR_S * rows + stream.integers(-30, 31, 300).astype(float)
    frame = read([*stamps.tolist(), float(stamps[7])])
    assert (frame.interval_s, frame.start_s) == (HOUR_S, START_S + HOUR_S * int(rows[0]))
    assert dict(frame.dropped) == {"conflicting": 1}
    assert np.flatnonzero(~np.isnan(frame.values[:, 0])).tolist() == (rows - rows[0]).tolist()


@pytest.mark.parametrize("step", [1, 7, 61, 3599, 3601, 100_000])
@pytest.mark.parametrize("phase", [0, 0.37, 0.8])
def test_what_is_exactly_regular_stays_on_its_own_step(step: int, phase: float) -> None:
    first = step * 1000 + int(phase * step)
    stamps = np.array([first + step * row for row in range(50) if row != 20], float)
    assert usual_step([stamps]) == step
    assert grid_points(stamps, step).tolist() == [1000 + row for row in range(50) if row != 20]


def test_stamps_without_rhythm_keep_the_row_in_which_they_lie() -> None:
    stamps = np.sort(np.random.default_rng(2).uniform(0, 200 * HOUR_S, 100))
    np.testing.assert_array_equal(grid_points(stamps, HOUR_S), stamps // HOUR_S)
    steps, counts = np.unique(np.rint(np.diff(stamps)), return_counts=True)
    assert usual_step([stamps]) == steps[np.argmax(counts)]


def test_entities_are_polled_at_moments_of_their_own() -> None:
    late = np.random.default_rng(3).integers(-5, 6, (2, 50))
    rows = np.arange(50) * HOUR_S
    polled = [rows + 1800.0 + late[0], rows + late[1].astype(float)]
    assert usual_step([np.sort(of_one) for of_one in polled]) == HOUR_S
    for of_one in polled:
        assert grid_points(of_one, HOUR_S).tolist() == list(range(50))


@pytest.mark.parametrize(
    ("stamps", "step"),
    [
        ([[7.0]], 3600),
        ([[7.0], [12.0]], 3600),
        ([[0.0, 5 * 3600.0], [0.0]], 3600),
        ([[0.0, 300.0]], 300),
        ([[float(7200 * row) for row in range(9)]], 7200),
        ([[float(900 * row) for row in range(9)]], 900),
        ([[3600.0 * row + 11 * (row % 3) for row in range(9)]], 3600),
    ],
)
def test_the_expected_step_is_taken_where_stamps_fit_it(
    stamps: list[list[float]], step: int
) -> None:
    assert usual_step([np.array(of_one) for of_one in stamps], 3600) == step


def test_steps_are_told_in_words() -> None:
    told = {1: "a second", 60: "a minute", 5400: "90 minutes", 7200: "2 hours", 86_400: "a day",
            604_800: "a week", 3599: "3,599 seconds"}  # fmt: skip
    assert {step: step_text(step) for step in told} == told
