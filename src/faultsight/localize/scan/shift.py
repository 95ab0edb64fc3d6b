"""A shift that all leaves share: the forecast was off as a whole, or everything changed alike.

What matters to an operator is what deviates from the rest. Where large roots cover much of the
cube, though, the middle of all leaves is itself moved by them. So a shift is believed only while
it is small beside the noise of single leaves, or if nearly all leaves share it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["common_shift", "shift_near"]

Array = NDArray[np.float64]

_MAD_TO_SD = 1.4826
_LEAST_LEAVES = 20
_MOST = 0.75
# Leaves beyond about three standard deviations have hardly any say.
_WELSCH = 4.5
_STEPS = 8


def common_shift(deviation: Array, weight: Array) -> float:
    """Return the relative deviation that nearly all leaves share, or 0 if there is none.

    Parameters
    ----------
    deviation, weight : ndarray
        Of each leaf: its relative deviation, and how much it tells.

    Examples
    --------
    >>> alike = 0.2 + 0.01 * np.random.default_rng(0).standard_normal(100)
    >>> round(common_shift(alike, np.ones(100)), 2)
    0.2
    >>> common_shift(np.where(np.arange(100) < 60, alike, 0.0), np.ones(100))
    0.0
    """
    if len(deviation) < _LEAST_LEAVES:
        return 0.0
    if 0.1 < weight[deviation > 0].sum() / weight.sum() < 0.9:
        return 0.0
    middle = _weighted_median(deviation, weight)
    off = np.abs(deviation - middle)
    spread = _MAD_TO_SD * _weighted_median(off, weight)
    if abs(middle) <= 2 * spread or abs(middle) < 1e-9:
        return 0.0
    is_close = off <= 4 * spread + 1e-9
    return middle if weight[is_close].sum() >= _MOST * weight.sum() else 0.0


def shift_near(
    deviation: Array, second_moment: Array, *, near: float, within: float, last: float
) -> float:
    """Return the most likely common shift within so many leaf standard deviations of a value.

    The place where most leaves agree, each with its own noise (a redescending location), so that
    anomalous leaves have no say. The search for it starts at `near`, `last` and between.
    """
    reach = within * math.sqrt(_median(second_moment))
    starts = [0.0, last - near] if last != near else [0.0, -0.6 * reach, 0.6 * reach]
    return near + float(_location(deviation - near, second_moment, reach, np.array(starts)))


def _weighted_median(values: Array, weight: Array) -> float:
    order = np.lexsort((weight, values))
    total = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(total, 0.5 * total[-1])]])


@njit(cache=True, nogil=True)
def _median(values: Array) -> float:
    return float(np.median(values))


@njit(cache=True, nogil=True, error_model="numpy")
def _location(deviation: Array, second_moment: Array, reach: float, starts: Array) -> float:
    scale = -1 / (_WELSCH * second_moment)
    weight = 1 / second_moment - 1
    best, best_at = -1.0, 0.0
    for start in starts:
        at = start
        for _ in range(_STEPS):
            total, moment = 1e-300, 0.0
            for i in range(len(deviation)):
                vote = math.exp((deviation[i] - at) ** 2 * scale[i]) * weight[i]
                total += vote
                moment += vote * deviation[i]
            last, at = at, moment / total
            if abs(at - last) <= 1e-3 * reach:
                break
        if abs(at) <= reach:
            agreed = 0.0
            for i in range(len(deviation)):
                agreed += math.exp((deviation[i] - at) ** 2 * scale[i]) * math.sqrt(weight[i])
            if agreed > best * (1 + 1e-6):
                best, best_at = agreed, at
    return best_at
