"""The KPI of each leaf by itself, as the peers of Squeeze's family look at it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.localize.leaves import Leaves

__all__ = ["leaf_kpi", "symmetric_deviation"]

Array = NDArray[np.float64]


def leaf_kpi(leaves: Leaves) -> tuple[Array, Array]:
    """Return the actual and forecast KPI of each leaf: its rate if the KPI is a ratio.

    Any other derived KPI is taken as the additive pair that stands for it.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> from faultsight.core.kpi import Kpi
    >>> cube = KpiCube.from_frame(pl.DataFrame({"cdn": ["a"], "bad": [3.0], "bad_forecast": [1.0],
    ...     "all": [6.0], "all_forecast": [4.0]}),
    ...     measures={m: (m, m + "_forecast") for m in ("bad", "all")},
    ...     kpis=[Kpi.ratio("rate", "bad", "all")])
    >>> [side.tolist() for side in leaf_kpi(Leaves(cube, cube.kpis[0]))]
    [[0.5], [0.25]]
    """
    if not leaves.kpi.is_ratio:
        return leaves.actual, leaves.forecast
    actual = leaves.kpi.value(*(part[0] for part in leaves.parts))
    forecast = leaves.kpi.value(*(part[1] for part in leaves.parts))
    return actual, forecast


def symmetric_deviation(actual: Array, forecast: Array) -> Array:
    """Return (forecast - actual) / (forecast + actual), in [-1, 1]; 0 where both are 0.

    Digits that the unit of the KPI could change are rounded off, for it is asked later whether
    two deviations are the same.

    Examples
    --------
    >>> symmetric_deviation(np.array([1.0, 3.0, 0.0]), np.array([3.0, 0.0, 0.0])).tolist()
    [0.5, -1.0, 0.0]
    """
    total = forecast + actual
    quotient = np.zeros(len(total))
    np.divide(forecast - actual, total, out=quotient, where=total > 0)
    return quotient.round(12)
