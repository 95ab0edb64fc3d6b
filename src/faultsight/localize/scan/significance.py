"""Whether a gain could be noise.

Real cubes have structure of their own in every combination, which leaf noise does not explain:
traffic of a city drifts as one. So a gain is first divided by how much the other combinations
of like precision deviate beyond leaf noise (as genomic control does with test statistics), then
compared with what the best of all combinations would reach by chance.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["inflation", "p_value"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Quantiles of a chi-squared variable with one degree of freedom.
_CHI2_90 = 2.7055
_CHI2_99 = 6.6349
_LEAST_NEIGHBOURS = 20
_ENOUGH_FOR_THE_TAIL = 500


def inflation(
    gains: Array, precision: Array, counts: Mask, at: float, *, neighbours: int = 200
) -> float:
    """Return by how much gains are inflated among the combinations of like precision.

    Parameters
    ----------
    gains, precision : ndarray
        Of all combinations.
    counts : ndarray of bool
        Which of them count; those of precision 0 do not, whatever it says.
    at : float
        The precision to compare at.
    neighbours : int
        The range of precisions is widened until it holds so many.

    Returns
    -------
    float
        At least 1.

    Examples
    --------
    >>> z = np.random.default_rng(0).standard_normal(10_000)
    >>> inflation(z**2 / 2, np.ones(10_000), np.ones(10_000, bool), 1.0) < 1.1
    True
    >>> round(inflation(4 * z**2 / 2, np.ones(10_000), np.ones(10_000, bool), 1.0), 1)
    4.0
    """
    n_counting = _count_within(precision, counts, 0.0, np.inf)
    if at <= 0 or n_counting < _LEAST_NEIGHBOURS:
        return 1.0
    reach, n_near = 1.25, _count_within(precision, counts, at / 1.25, at * 1.25)
    while n_near < min(neighbours, n_counting):
        reach **= 1.5
        n_near = _count_within(precision, counts, at / reach, at * reach)
    squares = np.empty(n_near)
    _squares_within(gains, precision, counts, (at / reach, at * reach), squares)
    upper, uppermost = int(0.9 * len(squares)), int(0.99 * len(squares))
    squares.partition([upper, uppermost])
    worst = max(1.0, squares[upper] / _CHI2_90)
    if len(squares) >= _ENOUGH_FOR_THE_TAIL:
        worst = max(worst, squares[uppermost] / _CHI2_99)
    return float(worst)


@njit(cache=True, nogil=True)
def _count_within(precision: Array, counts: Mask, low: float, high: float) -> int:
    n = 0
    for i in range(len(precision)):
        n += counts[i] & (precision[i] >= low) & (precision[i] <= high) & (precision[i] > 0)
    return n


@njit(cache=True, nogil=True)
def _squares_within(
    gains: Array, precision: Array, counts: Mask, within: tuple[float, float], squares: Array
) -> None:
    low, high = within
    n = 0
    for i in range(len(precision)):
        if counts[i] and low <= precision[i] <= high and precision[i] > 0:
            squares[n] = 2 * abs(gains[i])
            n += 1


def p_value(gain: float, *, combinations: int, cuboids: int, leaves: int) -> float:
    """Return the chance that the best combination of any cuboid gains so much in noise.

    Bonferroni over the combinations of the cuboid and over the cuboids. With few leaves the noise
    itself is hardly known, and a gain is worth less (as in a t-test).

    Examples
    --------
    >>> p_value(30.0, combinations=100, cuboids=15, leaves=10_000) < 1e-9
    True
    >>> p_value(30.0, combinations=4, cuboids=3, leaves=4) > 0.01
    True
    """
    worth = 0.5 * leaves * math.log1p(2 * max(gain, 0.0) / leaves)
    return min(1.0, cuboids * combinations * math.erfc(math.sqrt(worth)))
