"""What STL makes of the last row of a history, as weights of the history's rows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from faultsight.core.errors import SettingError

__all__ = ["last_row_weights"]

_SEASONAL_SPAN = 7
_INNER_LOOPS = 5


@lru_cache(maxsize=8)
def last_row_weights(
    period: int, n_periods: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each row of a history counts for in the last row's trend and seasonal part.

    STL without robustness weights (Cleveland et al., 1990) is linear: each part of each row is a
    weighted sum of the series. The usual choices hold: seasonal span 7, trend span the least odd
    number of rows from ``1.5 period / (1 - 1.5 / 7)``, low-pass span the least odd number above
    the period, local lines, five inner loops.

    Parameters
    ----------
    period : int
        Rows of a season; at least 2.
    n_periods : int
        Seasons of history; at least 3.

    Returns
    -------
    trend, seasonal : arrays of shape (n_periods * period,)
        The weights, oldest row first; read-only, as they are computed once.

    Raises
    ------
    SettingError
        If the period or the history is too short.

    Examples
    --------
    The trend of a straight line is the line, and its seasonal part is zero.

    >>> trend, seasonal = last_row_weights(24, 7)
    >>> line = np.arange(168.0)
    >>> round(float(trend @ line), 6), abs(round(float(seasonal @ line), 6))
    (167.0, 0.0)
    """
    if period < 2 or n_periods < 3:
        raise SettingError(
            f"STL needs 3 periods of 2 rows or more, not {n_periods} periods of {period}"
        )
    step = _InnerLoop(period, n_periods)
    last = np.zeros(n_periods * period)
    last[-1] = 1.0
    seasonal = step.seasonal_weights(last)
    from_trend = step.trend.transposed(last)
    trend = from_trend - step.seasonal_weights(from_trend)
    trend.flags.writeable = seasonal.flags.writeable = False
    return trend, seasonal


class _InnerLoop:
    """One inner loop of STL, applied from the left: to weights of its result.

    With matrices `A` of steps 1 to 4 (from a detrended series to its seasonal part) and `B` of
    step 6 (from a deseasonalised series to its trend), the k-th loop is ``S_k = A (y - T_{k-1})``
    and ``T_k = B (y - S_k)`` with ``T_0 = 0``. Hence ``S_k = A - A B + A B A - ...``. To know one
    row of that, a row of weights is multiplied by one matrix after the other, and no matrix with
    as many rows and columns as the history is ever made.
    """

    def __init__(self, period: int, n_periods: int) -> None:
        n_rows = period * n_periods
        self.period, self.n_periods = period, n_periods
        self.trend = _Loess(
            _odd_from(int(np.ceil(1.5 * period / (1.0 - 1.5 / _SEASONAL_SPAN)))), n_rows
        )
        self.low_pass = _Loess(_odd_from(period + 1), n_rows)
        once = np.full(period, 1.0 / period)
        self.moving_means = np.convolve(np.convolve(once, once), np.full(3, 1.0 / 3.0))
        # Each slot of the season is smoothed over the periods, and one beyond each end.
        at = np.arange(n_periods + 2) - 1
        width = min(_SEASONAL_SPAN, n_periods)
        first = np.clip(at - _SEASONAL_SPAN // 2, 0, n_periods - width)
        weights = _loess_weights(at, first, _SEASONAL_SPAN, n_periods)
        self.cycle = np.zeros((n_periods + 2, n_periods))
        np.put_along_axis(self.cycle, first[:, None] + np.arange(width), weights, axis=1)

    def seasonal_weights(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``row S_k`` for the last loop."""
        total = np.zeros_like(row)
        for place in range(2 * _INNER_LOOPS - 1):
            if place % 2:
                row = self.trend.transposed(row)
                total -= row
            else:
                row = self._detrended_to_seasonal(row)
                total += row
        return total

    def _detrended_to_seasonal(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``row A``: the smoothed cycles less their low-pass."""
        extended = np.pad(row, self.period)
        extended -= fftconvolve(self.low_pass.transposed(row), self.moving_means)
        return (self.cycle.T @ extended.reshape(self.n_periods + 2, self.period)).ravel()


class _Loess:
    """Local lines through the nearest `span` rows (odd, fewer than there are rows).

    Away from the ends every row has the same weights, so only one kernel and the rows near the
    end are kept; those near the start are their mirror image.
    """

    def __init__(self, span: int, n_rows: int) -> None:
        self.half = span // 2
        at = np.arange(n_rows - self.half - 1, n_rows)
        weights = _loess_weights(at, np.full(len(at), n_rows - span), span, n_rows)
        self.kernel, self.end = weights[0], weights[1:]

    def transposed(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a row of weights of the smooth as weights of what is smoothed."""
        half, span = self.half, len(self.kernel)
        total = fftconvolve(row[half : len(row) - half], self.kernel)
        total[:span] += row[:half] @ self.end[::-1, ::-1]
        total[-span:] += row[-half:] @ self.end
        return total


def _loess_weights(
    at: NDArray[np.int64], first: NDArray[np.int64], span: int, n_rows: int
) -> NDArray[np.float64]:
    """Return the weights, (place, row), of a local line at places from the rows near each.

    The rows are ``min(span, n_rows)`` from `first` on. Distances have tricube weights; where the
    span is longer than the series it reaches further by half of what is lacking.
    """
    width = min(span, n_rows)
    offset = first[:, None] + np.arange(width) - at[:, None]
    distance = np.abs(offset)
    reach = distance.max(axis=1, keepdims=True) + max(span - n_rows, 0) // 2
    weights = np.where(distance <= 0.999 * reach, (1.0 - (distance / reach) ** 3) ** 3, 0.0)
    weights[distance <= 0.001 * reach] = 1.0
    weights /= weights.sum(axis=1, keepdims=True)
    centre = (weights * offset).sum(axis=1, keepdims=True)
    spread = (weights * (offset - centre) ** 2).sum(axis=1, keepdims=True)
    slope = np.zeros_like(spread)  # stays so where all weight is on one row
    np.divide(centre, spread, out=slope, where=np.sqrt(spread) > 0.001 * (n_rows - 1))
    return np.asarray(weights * (1.0 - slope * (offset - centre)))


def _odd_from(least: int) -> int:
    return least + (least % 2 == 0)
