"""Kpi: how a value is computed from fundamental KPIs.

Fundamental KPIs are additive: the value of a coarse attribute combination is the sum over its
leaves. A derived KPI is a function of fundamental KPIs; it is never summed: the fundamental KPIs
are aggregated first and the function is applied to their sums (RAPMiner, section III.A).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError

__all__ = ["Kpi"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Kpi:
    """One KPI of a cube; made by `Kpi.additive`, `Kpi.ratio` or `Kpi.derived`.

    Attributes
    ----------
    name : str
        What the KPI is called.
    measures : tuple of str
        The fundamental KPIs it is made of; for a ratio, numerator then denominator.
    function : callable
        Maps the sums of the measures (arrays of one shape) to the KPI.
    is_ratio : bool
        Whether the KPI is numerator / denominator of counts, where the numerator counts failures.

    Examples
    --------
    >>> stall_ratio = Kpi.ratio("stall_ratio", "stalls", "viewers")
    >>> stall_ratio.value(np.array([30.0]), np.array([120.0])).tolist()
    [0.25]
    >>> Kpi.additive("requests").value(np.array([3.0])).tolist()
    [3.0]
    """

    name: str
    measures: tuple[str, ...]
    function: Callable[..., Array] = field(repr=False)
    is_ratio: bool = False

    @classmethod
    def additive(cls, measure: str) -> Kpi:
        """Return the fundamental KPI of that name."""
        return cls(measure, (measure,), _identity)

    @classmethod
    def ratio(cls, name: str, numerator: str, denominator: str) -> Kpi:
        """Return numerator / denominator; the numerator counts failures.

        Only a rise is a fault. For a success ratio such as the cache-hit ratio, count the
        failures instead (misses / requests): the counts of what is rare carry the evidence.
        """
        return cls(name, (numerator, denominator), _divide, is_ratio=True)

    @classmethod
    def derived(cls, name: str, measures: tuple[str, ...], function: Callable[..., Array]) -> Kpi:
        """Return any function of fundamental KPIs; it must be smooth near the overall sums.

        Raises
        ------
        SettingError
            If no measure is named.
        """
        if not measures:
            raise SettingError(f"the derived KPI {name!r} names no measure")
        return cls(name, measures, function)

    @property
    def is_additive(self) -> bool:
        """Whether values of parts add up to the value of the whole."""
        return self.function is _identity

    def value(self, *sums: Array) -> Array:
        """Return the KPI from sums of its measures, one array each, of one shape."""
        return np.asarray(self.function(*sums), dtype=np.float64)


def _identity(total: Array) -> Array:
    return total


def _divide(numerator: Array, denominator: Array) -> Array:
    """Return numerator / denominator, and 0 where there is nothing to divide by."""
    out = np.zeros(np.broadcast(numerator, denominator).shape)
    return np.divide(numerator, denominator, out=out, where=np.asarray(denominator) != 0)
