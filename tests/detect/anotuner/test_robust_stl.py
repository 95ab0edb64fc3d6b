"""RobustSTL: jumps stay sharp, outliers stay out, and windows are made anew from the parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.optimize import linprog

from faultsight.core.errors import InputError, SettingError
from faultsight.detect.anotuner._network import NetworkShape
from faultsight.detect.anotuner._rows import Windows
from faultsight.detect.anotuner._training import make_network
from faultsight.detect.anotuner.augmentation import Augmentation, augment
from faultsight.detect.anotuner.fine_tuning import Examples
from faultsight.detect.anotuner.robust_stl import (
    _least_absolute_trend,
    robust_stl,
    rstl_augment,
)

Floats = NDArray[np.float64]
PERIOD = 24


def days(n_days: int, *, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """A series of hours with a jump, a daily shape, noise and outliers; its trend and shape."""
    stream = np.random.default_rng(seed)
    row = np.arange(n_days * PERIOD)
    trend = np.where(row < 0.55 * len(row), 1.0, 5.0)
    shape = np.where(row % PERIOD < 12, 1.0, -1.0)
    series = trend + shape + stream.normal(0, 0.1, len(row))
    # Never at like times of neighbouring days: what comes back is seasonal.
    series[5 :: 2 * PERIOD + 11] += 8.0
    return series, trend, shape


def moving_mean(series: Floats, span: int) -> Floats:
    padded = np.pad(series, (span // 2, span - 1 - span // 2), mode="edge")
    return np.convolve(padded, np.full(span, 1.0 / span), mode="valid")


def cost(series: Floats, trend: Floats, lag: int, lambda_1: float, lambda_2: float) -> float:
    left = series - trend
    misfit = left[lag:] - left[:-lag] if lag else left
    return float(
        np.abs(misfit).sum()
        + lambda_1 * np.abs(np.diff(trend)).sum()
        + lambda_2 * np.abs(np.diff(trend, n=2)).sum()
    )


def least_cost(series: Floats, lag: int, lambda_1: float, lambda_2: float) -> float:
    """The same problem as a linear programme."""
    n = len(series)
    one = np.eye(n)
    fit = one[lag:] - one[:-lag] if lag else one
    terms = np.vstack([fit, lambda_1 * np.diff(one, axis=0), lambda_2 * np.diff(one, n=2, axis=0)])
    target = np.concatenate([fit @ series, np.zeros(2 * n - 3)])
    slack = np.eye(len(target))
    found = linprog(
        np.concatenate([np.zeros(n), np.ones(len(target))]),
        A_ub=np.block([[terms, -slack], [-terms, -slack]]),
        b_ub=np.concatenate([target, -target]),
        bounds=[(None, None)] * n + [(0, None)] * len(target),
    )
    return float(found.fun or np.nan)


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 3)),
           elements=st.floats(-1e3, 1e3)),
    st.sampled_from([None, 2, 5, 12]),
)  # fmt: skip
def test_the_parts_are_finite_and_add_up(series: Floats, period: int | None) -> None:
    parts = robust_stl(series, period=period)
    assert {part.shape for part in parts} == {series.shape}
    np.testing.assert_allclose(sum(parts), series, rtol=1e-12, atol=1e-9)
    assert all(np.isfinite(part).all() for part in parts)


@pytest.mark.parametrize("lag", [0, 12])
@pytest.mark.parametrize("lambda_1", [1.0, 10.0])
def test_the_trend_costs_little_more_than_that_of_the_linear_programme(
    lag: int, lambda_1: float
) -> None:
    stream = np.random.default_rng(0)
    rows = stream.normal(size=(4, 48)) + np.where(np.arange(48) < 20, 0.0, 3.0)
    trends = _least_absolute_trend(rows, lag, lambda_1, 0.5)
    for series, trend in zip(rows, trends, strict=True):
        least = least_cost(series, lag, lambda_1, 0.5)
        assert least * (1 - 1e-9) <= cost(series, trend, lag, lambda_1, 0.5) <= least * 1.005


def test_a_jump_is_found_where_it_is_and_better_than_by_a_moving_mean() -> None:
    series, trend, shape = days(14)
    parts = robust_stl(series, period=PERIOD)
    error = np.abs(parts.trend - trend)
    assert error.mean() < 0.1
    assert error.mean() < 0.3 * np.abs(moving_mean(series, PERIOD) - trend).mean()
    place = int(np.argmax(np.diff(trend)))
    assert abs(int(np.argmax(np.diff(parts.trend))) - place) <= 1
    assert np.diff(parts.trend).max() > 3.5
    assert np.abs(parts.seasonal - shape).mean() < 0.1


def test_outliers_end_in_the_remainder() -> None:
    series, trend, shape = days(14)
    outlying = np.abs(series - trend - shape) > 4.0
    parts = robust_stl(series, period=PERIOD)
    assert outlying.sum() == 6
    np.testing.assert_allclose(parts.remainder[outlying], 8.0, atol=1.0)
    assert np.median(np.abs(parts.remainder[~outlying])) < 0.2


def test_a_seasonal_part_needs_two_periods_and_has_no_level() -> None:
    series, _, _ = days(3)
    assert not robust_stl(series[: 2 * PERIOD - 1], period=PERIOD).seasonal.any()
    assert not robust_stl(series, period=None).seasonal.any()
    seasonal = robust_stl(series[: 2 * PERIOD], period=PERIOD).seasonal
    assert np.abs(seasonal).mean() > 0.5
    assert seasonal.mean() == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.01, 1e4), st.floats(-1e3, 1e3))
def test_units_do_not_matter(factor: float, offset: float) -> None:
    series, _, _ = days(4)
    parts, other = (robust_stl(s, period=PERIOD) for s in (series, factor * series + offset))
    np.testing.assert_allclose(other.trend, factor * parts.trend + offset, atol=0.01 * factor)
    np.testing.assert_allclose(other.seasonal, factor * parts.seasonal, atol=0.01 * factor)


def test_columns_are_decomposed_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.stack([days(3, seed=seed)[0] for seed in range(3)], axis=1)
    together = robust_stl(table, period=PERIOD)
    monkeypatch.setattr("faultsight.detect.anotuner.robust_stl._CELLS_AT_ONCE", 100)
    in_turn = robust_stl(table, period=PERIOD)
    for column in range(3):
        alone = robust_stl(table[:, column], period=PERIOD)
        for part in range(3):
            np.testing.assert_allclose(together[part][:, column], alone[part], atol=1e-6)
            np.testing.assert_allclose(in_turn[part][:, column], alone[part], atol=1e-6)


def test_what_cannot_be_decomposed_is_an_error() -> None:
    series, _, _ = days(3)
    series[5] = np.nan
    with pytest.raises(InputError, match="missing"):
        robust_stl(series, period=PERIOD)
    with pytest.raises(InputError, match="missing"):
        rstl_augment(np.full((1, 4, 1), np.nan, np.float32), seed=0)
    with pytest.raises(SettingError, match="period=1"):
        robust_stl(np.ones(5), period=1)
    with pytest.raises(SettingError, match=r"lambda_1=0\.0"):
        robust_stl(np.ones(5), period=None, lambda_1=0.0)


def windows(n: int, n_rows: int = 48, *, seed: int = 0) -> NDArray[np.float32]:
    stream = np.random.default_rng(seed)
    level = np.where(np.arange(n_rows) < n_rows // 2, 0.2, 0.8)[None, :, None]
    return (level + stream.normal(0, 0.05, (n, n_rows, 3))).astype(np.float32)


def test_augmentation_keeps_the_trend_and_draws_the_remainder_anew() -> None:
    rows = windows(5)
    again = rstl_augment(rows, seed=0)
    assert (again.shape, again.dtype) == (rows.shape, rows.dtype)
    assert (np.abs(again - rows).max(axis=1) > 0.02).all()
    halves = rows.reshape(5, 2, 24, 3).mean(axis=2), again.reshape(5, 2, 24, 3).mean(axis=2)
    np.testing.assert_allclose(halves[1], halves[0], atol=0.06)
    flat = np.moveaxis(rows, 1, 0).reshape(48, -1)
    parts = robust_stl(flat, period=None, lambda_1=1.0, lambda_2=0.5)
    drawn = np.moveaxis(again, 1, 0).reshape(48, -1) - parts.trend
    for column in range(flat.shape[1]):
        own = parts.remainder[:, column]
        assert np.abs(drawn[:, column, None] - own).min(axis=1).max() < 1e-6
        # Neighbours of a block of seven stay neighbours.
        place = np.abs(drawn[:, column, None] - own).argmin(axis=1)
        assert (np.diff(place[:7]) == 1).all()


def test_augmentation_with_a_period_keeps_the_seasonal_part() -> None:
    series, trend, shape = days(4, seed=1)
    rows = (series[None, :, None] / 10).astype(np.float32)
    again = rstl_augment(rows, seed=0, period=PERIOD)[0, :, 0] * 10
    assert np.median(np.abs(again - trend - shape)) < 0.3


def test_augmentation_follows_from_the_seed_and_not_from_later_windows() -> None:
    rows = windows(4)
    first = rstl_augment(rows, seed=3)
    assert rstl_augment(rows, seed=3).tobytes() == first.tobytes()
    np.testing.assert_allclose(rstl_augment(rows[:2], seed=3), first[:2], atol=1e-6)
    assert rstl_augment(rows, seed=4).tobytes() != first.tobytes()


def test_the_same_window_asked_for_twice_gives_two_windows() -> None:
    twice = rstl_augment(np.repeat(windows(1), 2, axis=0), seed=0)
    assert np.abs(twice[0] - twice[1]).max() > 0.02


@pytest.mark.parametrize("shape", [(2, 1, 1), (1, 2, 2), (0, 24, 3), (3, 0, 2)])
def test_tiny_windows_come_back_as_they_are_shaped(shape: tuple[int, int, int]) -> None:
    again = rstl_augment(np.full(shape, 0.5, np.float32), seed=0)
    assert again.shape == shape
    np.testing.assert_allclose(again, 0.5)


def test_the_tuning_step_gets_its_windows_from_here() -> None:
    rows = torch.from_numpy(windows(2, 12))
    told = torch.zeros((2, 12, 6))
    missed = Examples(
        Windows(rows, torch.ones_like(rows), told), torch.ones(2, dtype=torch.bool),
        torch.full((2, 3), 0.01), torch.zeros(2), torch.full((2,), 1.0),
    )  # fmt: skip
    network = make_network(
        "sliding", NetworkShape(3, 6, n_filters=4, n_hidden=8, n_latent=2), seed=0
    )
    made = augment(network, missed, 5, Augmentation("rstl"))
    assert made.windows.rows.shape == (5, 12, 3)
    assert made.windows.rows.dtype == torch.float32
    assert made.is_anomaly.all()
    assert not torch.equal(made.windows.rows[0], made.windows.rows[2])
