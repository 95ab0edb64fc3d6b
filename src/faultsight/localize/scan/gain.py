"""How much better the leaves of a combination are explained if the combination deviates.

The gain is a log-likelihood ratio, and a function of a few columns of the leaves summed over the
combination, so that all combinations of the cube are scored from one roll-up.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from faultsight.localize.scan.noise import LeafNoise
from faultsight.localize.scan.shift import common_shift, shift_near

__all__ = ["DeviationGain", "ExcessGain", "Gain"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Some = NDArray[np.integer] | slice

_ALL = slice(None)
_CHI2_MEDIAN = 0.4549
# What is left of a sum of weights when all its terms were taken out.
_NOTHING = 1e-9


class Gain(ABC):
    """A model of normal leaves, and the gain of a combination over it.

    Leaves are the active ones only, numbered 0, 1, ... in the order of the arrays given.
    """

    shift: float = 0.0
    """The relative deviation that all leaves share and that no combination answers for."""

    is_shifted: bool = False
    """Whether nearly all leaves share a shift beyond noise."""

    @abstractmethod
    def fit(self, is_normal: Mask) -> None:
        """Fit the model of normal leaves to those that no root explains."""

    @abstractmethod
    def columns(self, leaves: Some = _ALL) -> tuple[Array, Array]:
        """Return the columns to sum, of some leaves; the first is the precision of a leaf."""

    @abstractmethod
    def signed_gains(self, first: Array, second: Array) -> Array:
        """Return the gain of each combination from its sums, negative where a root cannot be."""

    @abstractmethod
    def means(self, first: Array, second: Array) -> Array:
        """Return the relative deviation of combinations from their sums, positive for a drop."""

    @abstractmethod
    def levels(self, first: Array, second: Array, price: float) -> tuple[Array, Array]:
        """Return from which to which deviation, if all had it, each would gain over a price.

        The price is below their own gains. Deviations are on any scale that rises with them.
        """

    @abstractmethod
    def is_material(self, gain: float, leaves: NDArray[np.intp]) -> bool:
        """Whether the leaves deviate enough, each, to be worth a report."""


class DeviationGain(Gain):
    """Additive KPIs: the leaves of a combination share a mean relative deviation that is not 0.

    Leaf i deviates by d_i = (f - v) / max(f, v), about the common shift, with second moment m_i
    (`LeafNoise`) and weight w_i = 1 / m_i - 1. The gain of a combination is
    (sum w d)^2 / (2 sum w). Deviations are cut at `cap` standard deviations: one leaf that is far
    out must not outweigh many that agree.

    Parameters
    ----------
    actual, forecast : ndarray
        Of the active leaves, at least 0.
    cap : float
        See above.
    shift_within : float
        How many leaf standard deviations a common shift may have.
    least_effect : float
        A combination is material if its mean deviation is at least so many standard deviations of
        its leaves.

    Examples
    --------
    >>> stream = np.random.default_rng(0)
    >>> forecast = np.full(200, 100.0)
    >>> actual = forecast * (1 + 0.02 * stream.standard_normal(200))
    >>> actual[:20] *= 0.6
    >>> gain = DeviationGain(actual, forecast, cap=7.0, shift_within=0.5, least_effect=0.3)
    >>> gain.fit(np.ones(200, bool))
    >>> gains = gain.signed_gains(*gain.columns())
    >>> bool(gains[:20].min() > 20), bool(gains[20:].mean() < 1)
    (True, True)
    """

    def __init__(
        self,
        actual: Array,
        forecast: Array,
        *,
        cap: float,
        shift_within: float,
        least_effect: float,
    ) -> None:
        self.deviation = (forecast - actual) / np.maximum(forecast, actual)
        self._noise = LeafNoise(self.deviation, forecast + actual)
        self._cap = cap
        self._shift_within = shift_within
        self._least_effect = least_effect
        everything = self._noise.normal(np.ones(len(actual), dtype=bool))
        self._curve = self._noise.fit(everything, about=0.0)
        self._anchor = common_shift(self.deviation, 1 / self._second_moment(_ALL) - 1)
        if self._anchor:
            self._curve = self._noise.fit(everything, about=self._anchor)
        self.shift = self._anchor
        self.is_shifted = self._anchor != 0

    def fit(self, is_normal: Mask) -> None:
        """Fit the shift given the noise, then the noise about that shift."""
        normal = self._noise.normal(is_normal)
        sample = normal.sample()
        self.shift = shift_near(
            self.deviation[sample],
            self._second_moment(sample),
            near=self._anchor,
            within=self._shift_within,
            last=self.shift,
        )
        self._curve = self._noise.fit(normal, about=self.shift)

    def columns(self, leaves: Some = _ALL) -> tuple[Array, Array]:
        """Return weight, and weight times deviation."""
        weight = self._second_moment(leaves)
        weighted = np.empty_like(weight)
        _weigh(weight, self.deviation[leaves], self.shift, self._cap, weighted)
        return weight, weighted

    def signed_gains(self, first: Array, second: Array) -> Array:
        """Return (sum w d)^2 / (2 sum w)."""
        gains = np.empty(len(first))
        _gain_of_mean(np.ascontiguousarray(first), np.ascontiguousarray(second), gains)
        return gains

    def means(self, first: Array, second: Array) -> Array:
        """Return the weighted mean deviation."""
        return _divide(second, first)

    def levels(self, first: Array, second: Array, price: float) -> tuple[Array, Array]:
        """Return the roots m of m |sum w d| - m^2 sum w / 2 = price."""
        size = np.abs(second)
        far = size + np.sqrt(np.maximum(size**2 - 2 * first * price, 0.0))
        return 2 * price / far, far / first

    def is_material(self, gain: float, leaves: NDArray[np.intp]) -> bool:
        """Whether the mean is beyond `least_effect` standard deviations of the leaves."""
        informative = float((1 - self._second_moment(leaves)).sum())
        return 2 * gain >= self._least_effect**2 * informative

    def _second_moment(self, leaves: Some) -> Array:
        return self._curve.second_moment(self._noise.log_volume[leaves])


class ExcessGain(Gain):
    """Ratio KPIs: more failures in a combination than its denominators and past rate explain.

    With v failures counted and b expected, the gain is that of an overdispersed Poisson count,
    V ln(V / B) - (V - B), where V and B sum v / s and b / s. The scale s = u (1 + b / mean b)
    keeps one busy leaf, whose rate wanders by itself, from deciding for its whole combination; u
    makes the median leaf unremarkable, so the unit of the counts does not matter.

    Parameters
    ----------
    actual, expected : ndarray
        Of the active leaves, at least 0.
    least_share : float
        A combination is material if it holds at least this share of all excess failures.

    Examples
    --------
    >>> counted, expected = np.array([3.0, 40.0, 2.0]), np.array([4.0, 4.0, 3.0])
    >>> gain = ExcessGain(counted, expected, least_share=0.1)
    >>> gain.fit(np.ones(3, bool))
    >>> gain.signed_gains(*gain.columns()).round(1).tolist()
    [-0.2, 66.6, -0.3]
    """

    def __init__(self, actual: Array, expected: Array, *, least_share: float) -> None:
        self._actual = actual
        self._excess = np.maximum(actual - expected, 0.0)
        self._least_share = least_share
        usual = float(expected.mean()) or float(actual.mean())
        # Failures where none was ever expected are finite evidence.
        self._expected = np.maximum(expected, 1e-3 * usual)
        self._busy = 1 + self._expected / usual
        self._scale = self._busy

    def fit(self, is_normal: Mask) -> None:
        """Fit the dispersion to the median leaf."""
        actual, expected = self._actual[is_normal], self._expected[is_normal]
        squares = (actual - expected) ** 2 / (expected * self._busy[is_normal])
        unit = float(np.median(squares)) / _CHI2_MEDIAN
        self._scale = self._busy * max(unit, 1e-9 * float(expected.mean()))

    def columns(self, leaves: Some = _ALL) -> tuple[Array, Array]:
        """Return failures expected and counted, both scaled."""
        scale = self._scale[leaves]
        return self._expected[leaves] / scale, self._actual[leaves] / scale

    def signed_gains(self, first: Array, second: Array) -> Array:
        """Return the gain, negative where there are fewer failures than expected."""
        ratio = _divide(second, first)
        logs = np.log(ratio, out=np.zeros_like(ratio), where=ratio > 0)
        gains = second * logs - (second - first)
        return np.where(second > first, gains, -gains)

    def means(self, first: Array, second: Array) -> Array:
        """Return the relative deviation of the scaled counts."""
        return _divide(first - second, np.maximum(first, second))

    def levels(self, first: Array, second: Array, price: float) -> tuple[Array, Array]:
        """Return the roots q of V ln q - B (q - 1) = price, by Lambert's function."""
        from scipy.special import lambertw

        ratio = first / second
        at = -ratio * np.exp((price - first) / second)
        return -lambertw(at, 0).real / ratio, -lambertw(at, -1).real / ratio

    def is_material(self, gain: float, leaves: NDArray[np.intp]) -> bool:
        """Whether the leaves hold `least_share` of all excess failures."""
        held = float(self._excess[leaves].sum())
        return gain > 0 and held >= self._least_share * float(self._excess.sum())


def _divide(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above), where=below > _NOTHING)


_VALUES = types.Array(types.float64, 1, "C", readonly=True)
_WRITTEN = types.float64[::1]
_NUMBER = types.float64


# Divisions by 0 are ruled out, and checking for them would keep the loops from being vectorized.
@njit(
    types.void(_WRITTEN, _VALUES, _NUMBER, _NUMBER, _WRITTEN),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _weigh(moment: Array, deviation: Array, shift: float, cap: float, weighted: Array) -> None:
    """Turn second moments into weights, in place, and write the weighted, cut deviations."""
    for i in range(len(moment)):
        reach = cap * math.sqrt(moment[i])
        moment[i] = 1 / moment[i] - 1
        weighted[i] = moment[i] * min(max(deviation[i] - shift, -reach), reach)


@njit(types.void(_VALUES, _VALUES, _WRITTEN), cache=True, nogil=True, error_model="numpy")
def _gain_of_mean(first: Array, second: Array, gains: Array) -> None:
    for i in range(len(first)):
        twice = 2 * first[i]
        gains[i] = second[i] ** 2 / twice if twice > _NOTHING else 0.0
