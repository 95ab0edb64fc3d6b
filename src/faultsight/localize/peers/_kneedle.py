"""Kneedle: where a concave curve bends, and the cumulated density that it is asked about.

References
----------
V. Satopaa, J. Albrecht, D. Irwin, B. Raghavan, "Finding a 'kneedle' in a haystack: detecting knee
points in system behavior", ICDCS workshops 2011, section III.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["cumulated_density", "knee"]

Array = NDArray[np.float64]

# Beyond so many bandwidths a Gaussian adds less than the rounding of the sum.
_REACH = 8.5


def knee(x: Array, y: Array, *, sensitivity: float = 1.0) -> float | None:
    """Return the first knee of an increasing concave curve, or None if it has none.

    Parameters
    ----------
    x, y : ndarray of float64, shape (n,)
        The curve; `x` ascends.
    sensitivity : float
        How many mean steps of x the curve must fall below a peak of its distance from the
        diagonal before the peak is a knee.

    Examples
    --------
    >>> x = np.arange(11.0)
    >>> knee(x, np.minimum(x, 3.0))
    3.0
    >>> knee(x, x) is None
    True
    """
    if len(x) < 2 or x[-1] <= x[0] or y.max() <= y.min():
        return None
    x_unit = (x - x[0]) / (x[-1] - x[0])
    distance = (y - y.min()) / (y.max() - y.min()) - x_unit
    padded = np.concatenate([distance[:1], distance, distance[-1:]])
    is_peak = (distance >= padded[:-2]) & (distance >= padded[2:])
    is_valley = (distance <= padded[:-2]) & (distance <= padded[2:])
    step = sensitivity / (len(x) - 1)
    peak = None
    for i in range(len(x) - 1):
        if is_peak[i]:
            peak = i
        # After a valley nothing is a knee until the next peak; a plateau is a valley too.
        if is_valley[i]:
            peak = None
        if peak is not None and distance[i + 1] < distance[peak] - step:
            return float(x[peak])
    return None


def cumulated_density(values: Array, n_points: int = 1000) -> tuple[Array, Array]:
    """Return a grid from the least to the largest value and the running sum of their density.

    The density is a Gaussian kernel estimate with Scott's bandwidth. The values must differ.

    Examples
    --------
    >>> grid, total = cumulated_density(np.array([0.0, 1.0]), n_points=3)
    >>> grid.tolist(), bool(total[0] < total[1] < total[2])
    ([0.0, 0.5, 1.0], True)
    """
    ordered = np.sort(values)
    grid = np.linspace(ordered[0], ordered[-1], n_points)
    bandwidth = float(np.std(ordered, ddof=1)) * len(ordered) ** -0.2
    first = np.searchsorted(ordered, grid - _REACH * bandwidth, side="left")
    last = np.searchsorted(ordered, grid + _REACH * bandwidth, side="right")
    density = np.empty(n_points)
    for i, point in enumerate(grid):
        distance = (ordered[first[i] : last[i]] - point) / bandwidth
        density[i] = np.exp(-0.5 * distance * distance).sum()
    return grid, np.cumsum(density / (len(ordered) * bandwidth * np.sqrt(2 * np.pi)))
