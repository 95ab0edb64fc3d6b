"""RobustSTL, and windows made anew from its parts: the peer of the paper's augmentation.

The decomposition is that of Wen et al., "RobustSTL: A Robust Seasonal-Trend Decomposition
Algorithm for Long Time Series" (AAAI 2019). AnoTuner's authors compare with it in section 4.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from faultsight.core.errors import InputError, SettingError
from faultsight.core.seed import random_stream

__all__ = ["Decomposition", "robust_stl", "rstl_augment"]

_DENOISE_REACH = 3
_SEASONAL_REACH = 5
_SEASONAL_PERIODS = 2
_LIKE = 2.0
"""Values count as like if they differ by about so many standard deviations of the noise."""
_LEAST_NOISE = 1e-3
_MOST_UNLIKE = 5.0
_ROUNDINGS = np.geomspace(1.0, 1e-5, 80)
"""How far the absolute value's corner is rounded, in spreads, from step to step."""
_CELLS_AT_ONCE = 200_000
_WINDOW_LAMBDAS = 1.0, 0.5
"""For windows of a day or two: a change that lasts three rows is trend, a shorter one is not."""

Floats = NDArray[np.float64]


class Decomposition(NamedTuple):
    """The parts of a series, each of its shape; their sum is the series, but for rounding."""

    trend: Floats
    seasonal: Floats
    remainder: Floats


def robust_stl(
    series: NDArray[np.floating],
    *,
    period: int | None,
    lambda_1: float = 10.0,
    lambda_2: float = 0.5,
) -> Decomposition:
    """Return trend, seasonal part and remainder; neither outliers nor jumps blur the others.

    The series is denoised by a bilateral filter (the paper's step 1). The trend is the one whose
    seasonal differences come closest to those of the series in absolute terms, while its first
    and second differences stay small in absolute terms (step 2). The seasonal part is a mean of
    like values at like times of the two periods before (step 3), less its own mean, which goes to
    the trend (step 4). The paper repeats these steps on the remainder; here they are done once,
    as again would move noise into the other parts.

    Parameters
    ----------
    series : array of shape (time,) or (time, series)
        Without gaps. Each column is decomposed by itself, in units of its own spread.
    period : int or None
        Rows of a season. If none is given, or two do not fit into the series, the seasonal part
        is zero, and the trend is fitted to values where it else is to seasonal differences.
        Time grows with its square: seconds for 2,000 rows with a period of 288.
    lambda_1, lambda_2 : float
        Weights of the trend's first and second differences. A change counts as trend if it lasts
        more than about ``lambda_1 + 2 lambda_2`` rows. The defaults are the paper's, for periods
        of some tens of rows.

    Raises
    ------
    InputError
        If a value is missing or infinite.
    SettingError
        If a setting is out of range.

    Examples
    --------
    >>> row = np.arange(60)
    >>> series = np.where(row < 30, 1.0, 4.0) + np.where(row == 12, 9.0, 0.0)
    >>> parts = robust_stl(series, period=None)
    >>> np.round(parts.trend[[0, 12, 27, 32, 59]], 2).tolist()
    [1.0, 1.0, 1.0, 4.0, 4.0]
    >>> round(float(parts.remainder[12]), 2)
    9.0
    """
    if lambda_1 <= 0 or lambda_2 <= 0 or (period is not None and period < 2):
        raise SettingError(
            "RobustSTL needs a period of 2 rows or more and weights above 0, not "
            f"{period=}, {lambda_1=}, {lambda_2=}"
        )
    whole = np.asarray(series, dtype=np.float64)
    if not np.isfinite(whole).all():
        raise InputError("RobustSTL takes no missing or infinite values")
    if not whole.size:
        return Decomposition(whole.copy(), whole.copy(), whole.copy())
    rows = np.atleast_2d(whole.T)
    lag = period if period is not None and 2 * period <= rows.shape[1] else 0
    trend, seasonal = np.empty_like(rows), np.empty_like(rows)
    n_at_once = max(_CELLS_AT_ONCE // rows.shape[1], 1)
    for first in range(0, len(rows), n_at_once):
        some = slice(first, first + n_at_once)
        trend[some], seasonal[some] = _decompose(rows[some], lag, lambda_1, lambda_2)
    remainder = rows - (trend + seasonal)
    return Decomposition(*(part.T.reshape(whole.shape) for part in (trend, seasonal, remainder)))


def rstl_augment(
    rows: NDArray[np.float32], *, seed: int, period: int | None = None
) -> NDArray[np.float32]:
    """Return windows with the trends and seasonal parts of these, and their remainders reordered.

    Each KPI of each window is decomposed by itself, with weights of 1 and 0.5 as windows are
    short. Its remainder is drawn anew as blocks of about ``sqrt(row)`` neighbouring rows, each
    from a random place, KPI by KPI: as AnoTuner's authors find (section 4.4), what held between
    the KPIs is lost.

    Parameters
    ----------
    rows : array of shape (window, row, kpi)
        Scaled values without gaps.
    seed : int
        Of the draws; a window's draws do not depend on the windows after it.
    period : int, optional
        Rows of a season. Windows shorter than two periods have no seasonal part.

    Returns
    -------
    array of shape (window, row, kpi)
        float32.

    Examples
    --------
    >>> window = np.random.default_rng(0).normal(size=(1, 24, 2)).astype(np.float32)
    >>> again = rstl_augment(window, seed=0)
    >>> again.shape, bool(np.isin(again, window).all())
    ((1, 24, 2), False)
    """
    n_windows, n_rows, n_kpis = rows.shape
    if not rows.size:
        return rows.astype(np.float32)
    # The same few windows are often asked for many times.
    distinct, which = np.unique(rows, axis=0, return_inverse=True)
    lambda_1, lambda_2 = _WINDOW_LAMBDAS
    parts = robust_stl(
        np.moveaxis(distinct, 1, 0).reshape(n_rows, -1),
        period=period, lambda_1=lambda_1, lambda_2=lambda_2,
    )  # fmt: skip
    kept, remainder = (
        np.moveaxis(part.reshape(n_rows, len(distinct), n_kpis), 0, 1)[which.ravel()]
        for part in (parts.trend + parts.seasonal, parts.remainder)
    )
    length = max(round(n_rows**0.5), 1)
    n_blocks = -(-n_rows // length)
    stream = random_stream(seed, "rstl blocks")
    starts = stream.integers(n_rows - length + 1, size=(n_windows, n_blocks, 1, n_kpis))
    place = (starts + np.arange(length)[:, None]).reshape(n_windows, -1, n_kpis)[:, :n_rows]
    return np.asarray(kept + np.take_along_axis(remainder, place, axis=1), dtype=np.float32)


def _decompose(rows: Floats, lag: int, lambda_1: float, lambda_2: float) -> tuple[Floats, Floats]:
    """Return trend and seasonal part of rows (series, time); no seasonal part if `lag` is 0."""
    centre = np.median(rows, axis=1, keepdims=True)
    spread = np.abs(rows - centre).mean(axis=1, keepdims=True)
    spread = np.where(spread > 0, spread, 1.0)
    scaled = (rows - centre) / spread
    likeness = _LIKE * np.maximum(_noise(scaled), _LEAST_NOISE)
    denoised = _mean_of_like(scaled, [0], _DENOISE_REACH, likeness)
    trend = _least_absolute_trend(denoised, lag, lambda_1, lambda_2)
    seasonal = np.zeros_like(rows)
    if lag:
        seasonal = _season(denoised - trend, lag, likeness)
        level = seasonal[:, : rows.shape[1] // lag * lag].mean(axis=1, keepdims=True)
        trend, seasonal = trend + level, seasonal - level
    return centre + spread * trend, spread * seasonal


def _noise(rows: Floats) -> Floats:
    """Return the standard deviation of noise, by the median step; of shape (series, 1)."""
    steps = np.abs(np.diff(rows, axis=1, append=rows[:, -1:]))
    return np.asarray(np.median(steps, axis=1, keepdims=True) * (1.4826 / np.sqrt(2.0)))


def _season(detrended: Floats, lag: int, likeness: Floats) -> Floats:
    """Return the mean of like values around the same time of the periods before.

    The first period has none before it, and looks at those after it.
    """
    before = [-lag * k for k in range(1, _SEASONAL_PERIODS + 1)]
    found = _mean_of_like(detrended, before, _SEASONAL_REACH, likeness)
    start = detrended[:, : lag * (_SEASONAL_PERIODS + 1) + _SEASONAL_REACH]
    after = _mean_of_like(start, [-shift for shift in before], _SEASONAL_REACH, likeness)
    found[:, :lag] = after[:, :lag]
    return found


def _mean_of_like(rows: Floats, shifts: Sequence[int], reach: int, likeness: Floats) -> Floats:
    """Return the bilateral mean around ``row + shift``: near in time and like the row in value."""
    n_rows = rows.shape[1]
    total, weighted = np.zeros_like(rows), np.zeros_like(rows)
    for shift in shifts:
        for away in range(-reach, reach + 1):
            place = np.arange(n_rows) + shift + away
            inside = (place >= 0) & (place < n_rows)
            value = rows[:, np.where(inside, place, 0)]
            # Bounded, so that what is like nothing is replaced by what is near in time.
            unlike = np.minimum(np.abs(value - rows) / likeness, _MOST_UNLIKE)
            weight = inside * np.exp(-0.5 * ((2.0 * away / reach) ** 2 + unlike**2))
            total += weight
            weighted += weight * value
    mean = np.zeros_like(rows)
    np.divide(weighted, total, out=mean, where=total > 0)
    return mean


def _least_absolute_trend(rows: Floats, lag: int, lambda_1: float, lambda_2: float) -> Floats:
    """Return the trend of rows (series, time) whose weighted absolute terms are least.

    The terms are what is left of the rows (or, with a lag, of their seasonal differences, the
    trend starting at 0), and the trend's first and second differences. They are minimised by
    least squares whose weights are set anew from the terms, ever closer to the absolute value.
    All series make up one banded system.
    """
    n_series, n_rows = rows.shape
    fit = {0: -1.0, lag: 1.0} if lag else {0: 1.0}
    terms = [
        (fit, _apply(fit, rows), 1.0),
        ({0: -1.0, 1: 1.0}, None, lambda_1),
        ({0: 1.0, 1: -2.0, 2: 1.0}, None, lambda_2),
    ]
    trend = np.zeros_like(rows)
    for rounding in _ROUNDINGS:
        bands = np.zeros((max(lag, 2) + 1, n_series, n_rows))
        right = np.zeros_like(rows)
        if lag:
            bands[0, :, 0] = 1.0
        for stencil, target, weight in terms:
            residual = _apply(stencil, trend)
            if target is not None:
                residual -= target
            weights = weight / np.hypot(residual, rounding)
            n_terms = weights.shape[1]
            for first, a in stencil.items():
                mine = slice(first, first + n_terms)
                for second, b in stencil.items():
                    if second >= first:
                        bands[second - first, :, mine] += a * b * weights
                if target is not None:
                    right[:, mine] += a * weights * target
        trend = solveh_banded(
            bands.reshape(len(bands), -1), right.ravel(), lower=True, check_finite=False
        ).reshape(n_series, n_rows)
    return trend


def _apply(stencil: Mapping[int, float], rows: Floats) -> Floats:
    """Return the sums of neighbours times coefficients, of which there are fewer than rows."""
    n_terms = max(rows.shape[1] - max(stencil), 0)
    return np.asarray(sum(c * rows[:, first : first + n_terms] for first, c in stencil.items()))
