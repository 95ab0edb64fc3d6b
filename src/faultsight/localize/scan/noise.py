"""How much leaves deviate when nothing is wrong, as a function of their volume.

Forecasts of small leaves are worse than those of large ones, but how much worse depends on the
data: Poisson counts follow 1 / volume, synthetic noise does not depend on it at all, and real page
views lie between. So no formula is assumed but that the noise does not grow with volume. Only
ratios and the order of volumes are used, so the unit of the KPI does not matter.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["LeafNoise"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Edges of the volume bins, as shares of the leaves: finer where the large leaves are, which hold
# most of the KPI and are few.
_EDGES = np.array([0, 0.15, 0.3, 0.45, 0.6, 0.7, 0.78, 0.84, 0.89, 0.93, 0.96, 0.98, 0.992, 1.0])
_LEAST_IN_BIN = 25
# The next bin starts at this factor of volume or more. Of leaves with equal forecasts some may have
# lost all: told apart by volume, their loss would pass for the noise of small leaves.
_LEAST_SPAN = math.log(2.0)
# Squares beyond 1.5^2 times the second moment are cut there, so that up to a third of the leaves
# may be anomalous; _KEPT is what a normal distribution keeps of its second moment.
_CLIP = 2.25
_KEPT = 0.7785
_LARGEST_SAMPLED = 1000
_OTHERS_SAMPLED = 500
_SMALLEST = 1e-12
# A leaf whose deviation is all or nothing (a second moment of 1) tells nothing.
_LARGEST = 0.999


class LeafNoise:
    """The second moment of the relative deviation of normal leaves.

    Leaves are put into bins by volume; each bin gets a second moment that a third of anomalous
    leaves hardly moves; neighbouring bins are pooled until it does not grow with volume; between
    the middles of bins it is interpolated in logarithms.

    Parameters
    ----------
    deviation : ndarray
        Relative deviation of each leaf, in [-1, 1].
    volume : ndarray
        Its volume, above 0.

    Examples
    --------
    >>> stream = np.random.default_rng(0)
    >>> volume = np.repeat([10.0, 1000.0], 500)
    >>> noise = LeafNoise(stream.normal(0, 1, 1000) / np.sqrt(volume), volume)
    >>> moment = noise.second_moment(np.ones(1000, bool), about=0.0)
    >>> moment[[0, -1]].round(3).tolist()
    [0.101, 0.001]
    """

    def __init__(self, deviation: Array, volume: Array) -> None:
        # Leaves of one volume may come in any order: they always share a bin.
        self._order = np.argsort(volume)
        self._log_volume = np.log(volume[self._order])
        self._deviation = deviation[self._order]

    def sample(self, is_normal: Mask) -> NDArray[np.intp]:
        """Return the largest leaves, which tell most, and some of every other volume."""
        chosen = self._order[is_normal[self._order]]
        others, largest = chosen[:-_LARGEST_SAMPLED], chosen[-_LARGEST_SAMPLED:]
        step = max(1, -(-len(others) // _OTHERS_SAMPLED))
        return np.concatenate([others[::step], largest])

    def second_moment(self, is_normal: Mask, *, about: float) -> Array:
        """Fit to some leaves and return the second moment about a value for all leaves."""
        moment = np.empty(len(self._order))
        moment[self._order] = _second_moment(
            self._log_volume, self._deviation, is_normal[self._order], about, _EDGES
        )
        return moment


@njit(cache=True)
def _clipped_moment(squares: Array) -> float:
    moment = squares.mean()
    for _ in range(30):
        last = moment
        most = _CLIP * last
        # Four sums that do not wait for each other.
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        even = len(squares) - len(squares) % 4
        for i in range(0, even, 4):
            a += min(squares[i], most)
            b += min(squares[i + 1], most)
            c += min(squares[i + 2], most)
            d += min(squares[i + 3], most)
        for i in range(even, len(squares)):
            a += min(squares[i], most)
        moment = (a + b + c + d) / (len(squares) * _KEPT)
        if abs(moment - last) <= 0.01 * last:
            break
    return float(max(moment, 1e-24))


@njit(cache=True)
def _pool(logs: Array, counts: Array) -> Array:
    """Return the closest series that does not grow (pool adjacent violators)."""
    n = len(logs)
    value, weight, size = np.empty(n), np.empty(n), np.empty(n, np.int64)
    m = 0
    for i in range(n):
        value[m], weight[m], size[m] = logs[i], counts[i], 1
        m += 1
        while m > 1 and value[m - 2] < value[m - 1]:
            total = weight[m - 2] + weight[m - 1]
            value[m - 2] = (value[m - 2] * weight[m - 2] + value[m - 1] * weight[m - 1]) / total
            weight[m - 2] = total
            size[m - 2] += size[m - 1]
            m -= 1
    return np.repeat(value[:m], size[:m])


@njit(cache=True)
def _second_moment(
    log_volume: Array, deviation: Array, is_normal: Mask, about: float, edges: Array
) -> Array:
    chosen = np.flatnonzero(is_normal)
    n = len(chosen)
    squares = (deviation[chosen] - about) ** 2
    stops = [0]
    for edge in edges[1:]:
        stop = round(edge * n)
        # Leaves of one volume stay together: which comes first means nothing.
        while 0 < stop < n and log_volume[chosen[stop]] == log_volume[chosen[stop - 1]]:
            stop += 1
        if stop == n or stop - stops[-1] < _LEAST_IN_BIN:
            continue
        if log_volume[chosen[stop]] - log_volume[chosen[stops[-1]]] >= _LEAST_SPAN:
            stops.append(stop)
    if len(stops) > 1 and n - stops[-1] < _LEAST_IN_BIN:
        stops[-1] = n
    else:
        stops.append(n)
    bins = len(stops) - 1
    middle, logs, counts = np.empty(bins), np.empty(bins), np.empty(bins)
    for k in range(bins):
        start, stop = stops[k], stops[k + 1]
        middle[k] = log_volume[chosen[(start + stop) // 2]]
        logs[k] = math.log(_clipped_moment(squares[start:stop]))
        counts[k] = stop - start
    logs = _pool(logs, counts)
    moment = np.empty(len(log_volume))
    k = 0
    for i in range(len(log_volume)):
        while k < bins - 2 and log_volume[i] > middle[k + 1]:
            k += 1
        share = 0.0
        if bins > 1:
            share = (log_volume[i] - middle[k]) / (middle[k + 1] - middle[k])
            share = min(max(share, 0.0), 1.0)
        fitted = math.exp(logs[k] + share * (logs[min(k + 1, bins - 1)] - logs[k]))
        moment[i] = min(max(fitted, _SMALLEST), _LARGEST)
    return moment
