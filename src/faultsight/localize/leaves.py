"""Leaves: what a localizer sees of one KPI of a cube.

Every KPI, derived ones too, is given to localizers as an additive pair: an actual and an expected
value of each leaf that may be summed over leaves. For a ratio these are the failures counted and
the failures expected (denominator times baseline rate); for any other function of fundamental
KPIs they are its first-order expansion about the overall forecast.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from faultsight.core.cube import KpiCube
from faultsight.core.kpi import Kpi
from faultsight.localize.cuboids import Cuboids

__all__ = ["Leaves"]

Array = NDArray[np.float64]

# A leaf's own baseline rate counts as much as the rate of the whole once it has seen this many
# times the mean denominator of a leaf.
_RATE_SHRINKAGE = 1.0


@dataclass(frozen=True)
class Leaves:
    """The leaves of a cube as one KPI sees them.

    Attributes
    ----------
    cube : KpiCube
        Where they come from.
    kpi : Kpi
        The KPI that is localized.

    Examples
    --------
    >>> import polars as pl
    >>> cube = KpiCube.from_frame(pl.DataFrame({
    ...     "cdn": ["a", "b"], "stalls": [9.0, 2.0], "stalls_forecast": [2.0, 2.0],
    ...     "viewers": [100.0, 100.0], "viewers_forecast": [100.0, 100.0]}),
    ...     measures={"stalls": ("stalls", "stalls_forecast"),
    ...               "viewers": ("viewers", "viewers_forecast")},
    ...     kpis=[Kpi.ratio("stall_ratio", "stalls", "viewers")])
    >>> leaves = Leaves(cube, cube.kpis[0])
    >>> leaves.actual.tolist(), leaves.forecast.tolist()
    ([9.0, 2.0], [2.0, 2.0])
    """

    cube: KpiCube
    kpi: Kpi

    @property
    def codes(self) -> NDArray[np.int32]:
        """Element codes, shape (n_leaves, n_attributes)."""
        return self.cube.codes

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many elements each attribute has."""
        return self.cube.cardinalities

    @cached_property
    def parts(self) -> tuple[tuple[Array, Array], ...]:
        """The actual and forecast values of each measure of the KPI, in the KPI's order."""
        return tuple(self.cube.measure(name) for name in self.kpi.measures)

    @cached_property
    def _pair(self) -> tuple[Array, Array]:
        if self.kpi.is_additive:
            return self.parts[0]
        if self.kpi.is_ratio:
            return self._failures()
        return self._linearized()

    @property
    def actual(self) -> Array:
        """The additive actual value of each leaf, at least 0."""
        return self._pair[0]

    @property
    def forecast(self) -> Array:
        """The additive expected value of each leaf, at least 0."""
        return self._pair[1]

    @cached_property
    def deviation(self) -> Array:
        """Relative deviation (forecast - actual) / max(forecast, actual) of each leaf.

        In [-1, 1], positive for a drop, and 0 for a leaf that is 0 and was expected to be.
        """
        largest = np.maximum(self.forecast, self.actual)
        return np.divide(
            self.forecast - self.actual, largest, out=np.zeros(len(largest)), where=largest > 0
        )

    @cached_property
    def is_active(self) -> NDArray[np.bool_]:
        """Whether a leaf has any volume; leaves at 0 that were expected at 0 say nothing."""
        return (self.actual > 0) | (self.forecast > 0)

    def value(self, leaves: NDArray[np.intp] | slice) -> tuple[float, float]:
        """Return the KPI itself, actual and forecast, of a set of leaves taken together."""
        sums = [[np.array([side[leaves].sum()]) for side in part] for part in self.parts]
        actual = self.kpi.value(*(part[0] for part in sums))
        forecast = self.kpi.value(*(part[1] for part in sums))
        return float(actual[0]), float(forecast[0])

    def cuboids(self, max_layer: int | None = None) -> Cuboids:
        """Return the cuboids of the cube up to a layer."""
        return Cuboids(self.codes, self.cardinalities, max_layer=max_layer)

    def _failures(self) -> tuple[Array, Array]:
        (failures, failures_forecast), (total, total_forecast) = self.parts
        whole = total_forecast.sum()
        overall_rate = failures_forecast.sum() / whole if whole > 0 else 0.0
        prior = _RATE_SHRINKAGE * total_forecast.mean()
        weight = total_forecast + prior
        rate = np.divide(
            failures_forecast + prior * overall_rate,
            weight,
            out=np.full(len(weight), overall_rate),
            where=weight > 0,
        )
        return failures, total * rate

    def _linearized(self) -> tuple[Array, Array]:
        """Return b + sum_j g_j (v_j - f_j) and b, where g_j = dg/dK_j at the overall forecast."""
        totals = [np.array([forecast.sum()]) for _, forecast in self.parts]
        change = np.zeros(self.cube.n_leaves)
        base = np.zeros(self.cube.n_leaves)
        for position, (actual, forecast) in enumerate(self.parts):
            step = 1e-6 * max(abs(float(totals[position][0])), 1.0)
            up, down = list(totals), list(totals)
            up[position], down[position] = totals[position] + step, totals[position] - step
            slope = float((self.kpi.value(*up) - self.kpi.value(*down))[0]) / (2 * step)
            change += slope * (actual - forecast)
            base += abs(slope) * np.maximum(forecast, actual)
        return base + change, base
