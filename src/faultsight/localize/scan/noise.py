"""How much leaves deviate when nothing is wrong, as a function of their volume.

Forecasts of small leaves are worse than those of large ones, but how much worse depends on the
data: Poisson counts follow 1 / volume, synthetic noise does not depend on it at all, and real page
views lie between. So no formula is assumed but that the noise does not grow with volume. Only
ratios and the order of volumes are used, so the unit of the KPI does not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from faultsight.localize.scan.order import order_of

__all__ = ["Curve", "LeafNoise", "Normal"]

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


@dataclass(frozen=True)
class Normal:
    """The leaves that no root explains, in the order of their volume.

    Attributes
    ----------
    leaves : ndarray of int
        Which they are.
    deviation : ndarray
        Their relative deviations.
    """

    leaves: NDArray[np.integer]
    deviation: Array

    def sample(self) -> NDArray[np.integer]:
        """Return the largest leaves, which tell most, and some of every other volume."""
        others, largest = self.leaves[:-_LARGEST_SAMPLED], self.leaves[-_LARGEST_SAMPLED:]
        step = max(1, -(-len(others) // _OTHERS_SAMPLED))
        return np.concatenate([others[::step], largest])


@dataclass(frozen=True)
class Curve:
    """The second moment as a function of volume: straight between knots, in logarithms.

    Attributes
    ----------
    log_volume, log_moment : ndarray
        The knots; the moment does not grow with volume, and is constant beyond the last knots.
    """

    log_volume: Array
    log_moment: Array

    def second_moment(self, log_volume: Array) -> Array:
        """Return the second moment of leaves of given logarithms of volume."""
        moment = np.empty(len(log_volume))
        _interpolate(log_volume, self.log_volume, self.log_moment, moment)
        np.exp(moment, out=moment)
        np.maximum(moment, _SMALLEST, out=moment)
        return np.minimum(moment, _LARGEST, out=moment)


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

    Attributes
    ----------
    log_volume : ndarray
        The logarithm of each leaf's volume.

    Examples
    --------
    >>> stream = np.random.default_rng(0)
    >>> volume = np.repeat([10.0, 1000.0], 500)
    >>> noise = LeafNoise(stream.normal(0, 1, 1000) / np.sqrt(volume), volume)
    >>> curve = noise.fit(noise.normal(np.ones(1000, bool)), about=0.0)
    >>> curve.second_moment(np.log([10.0, 1000.0])).round(3).tolist()
    [0.101, 0.001]
    """

    def __init__(self, deviation: Array, volume: Array) -> None:
        self.log_volume = np.log(volume)
        self._order = order_of(volume)
        # Of all leaves only this, in their order, is read again and again.
        self._in_order = deviation[self._order]

    def normal(self, is_normal: Mask) -> Normal:
        """Return some leaves in the order of their volume."""
        n_normal = int(np.count_nonzero(is_normal))
        if n_normal == len(self._order):
            return Normal(self._order, self._in_order)
        # One place more: what is not chosen is written too, and then written over.
        leaves, deviation = np.empty(n_normal + 1, self._order.dtype), np.empty(n_normal + 1)
        # They are asked for in no order of place; a bit for each stays in the cache of a core.
        bits = np.packbits(is_normal, bitorder="little")
        _choose(self._order, self._in_order, bits, leaves, deviation)
        return Normal(leaves[:n_normal], deviation[:n_normal])

    def fit(self, normal: Normal, *, about: float) -> Curve:
        """Fit the second moment about a value to normal leaves."""
        stops = _stops(self.log_volume, normal.leaves, _EDGES)
        middle = normal.leaves[(stops[:-1] + stops[1:]) // 2]
        moments = _clipped_moments(normal.deviation, about, stops)
        return Curve(
            self.log_volume[middle], _pool(np.log(moments), np.diff(stops).astype(np.float64))
        )


@njit(cache=True, nogil=True)
def _choose(
    order: NDArray[np.integer],
    in_order: Array,
    bits: NDArray[np.uint8],
    leaves: NDArray[np.integer],
    deviation: Array,
) -> None:
    n = 0
    for i in range(len(order)):
        leaves[n], deviation[n] = order[i], in_order[i]
        leaf = np.uint64(order[i])
        n += (bits[leaf >> np.uint64(3)] >> (leaf & np.uint64(7))) & 1


@njit(cache=True, nogil=True)
def _stops(log_volume: Array, leaves: NDArray[np.integer], edges: Array) -> NDArray[np.int64]:
    """Return where bins stop among leaves in the order of their volume, after a first 0."""
    n = len(leaves)
    stops = [0]
    for edge in edges[1:]:
        stop = round(edge * n)
        # Leaves of one volume stay together: which comes first means nothing.
        while 0 < stop < n and log_volume[leaves[stop]] == log_volume[leaves[stop - 1]]:
            stop += 1
        if stop == n or stop - stops[-1] < _LEAST_IN_BIN:
            continue
        if log_volume[leaves[stop]] - log_volume[leaves[stops[-1]]] >= _LEAST_SPAN:
            stops.append(stop)
    if len(stops) > 1 and n - stops[-1] < _LEAST_IN_BIN:
        stops[-1] = n
    else:
        stops.append(n)
    return np.array(stops)


@njit(cache=True, nogil=True)
def _clipped_moments(deviation: Array, about: float, stops: NDArray[np.int64]) -> Array:
    moments = np.empty(len(stops) - 1)
    for k in range(len(moments)):
        moments[k] = _clipped_moment((deviation[stops[k] : stops[k + 1]] - about) ** 2)
    return moments


@njit(cache=True, nogil=True)
def _interpolate(log_volume: Array, knots: Array, values: Array, out: Array) -> None:
    """Write values that are interpolated between knots, as a sum of one ramp for each interval."""
    out[:] = values[0]
    for k in range(len(knots) - 1):
        rise, width, start = values[k + 1] - values[k], knots[k + 1] - knots[k], knots[k]
        if rise != 0.0:
            slope = rise / width
            for i in range(len(out)):
                out[i] += slope * min(max(log_volume[i] - start, 0.0), width)


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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
