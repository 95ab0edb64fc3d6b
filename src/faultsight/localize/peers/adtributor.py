"""Adtributor: the values of one attribute that explain a change and are surprising.

Each attribute is judged alone. A value has explanatory power, its share of the overall change, and
surprise, how much its share of the whole moved. An attribute whose surprising values explain
enough of the change is a candidate; the candidates are ranked by surprise. Roots of more than one
attribute are out of its reach by design.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from faultsight.core.errors import SettingError
from faultsight.localize.contract import Answer, Candidate, Finding, LayerTrace, Localizer
from faultsight.localize.leaves import Leaves

__all__ = ["Adtributor", "AdtributorConfig", "columns_of", "explanatory_power", "surprise"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class AdtributorConfig:
    """Settings of Adtributor.

    Attributes
    ----------
    t_eep : float
        A value must explain more than this share of the change. 0.4, where the paper has 0.1:
        the public implementation that is usually compared with shares the change out over the
        values of all attributes at once, so that its 0.1 is 0.4 of one of four attributes.
    t_ep : float
        The values of an attribute must together explain more than this share. 0.4 in the same
        way; the paper has 0.67.
    n_attributes : int
        How many attributes are reported. The paper's 3.

    Raises
    ------
    SettingError
        If a threshold is outside [0, 1) or no attribute is to be reported.
    """

    t_eep: float = 0.4
    t_ep: float = 0.4
    n_attributes: int = 3

    def __post_init__(self) -> None:
        for name in ("t_eep", "t_ep"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingError(f"{name} must lie in [0, 1), not {getattr(self, name)}")
        if self.n_attributes < 1:
            raise SettingError(f"n_attributes must be at least 1, not {self.n_attributes}")


@dataclass(frozen=True)
class _ValueSet:
    """The values of one attribute that explain the change, the most surprising first."""

    attribute: int
    values: NDArray[np.intp]
    power: Array
    surprise: Array

    @property
    def total(self) -> float:
        # Attributes that split the cube alike must tie, whatever the order of their sums.
        return round(float(self.surprise.sum()), 12)


class Adtributor(Localizer):
    """Report the surprising values of the attributes that explain the change.

    The paper's answer is a set of values for each attribute. A value's score here is the surprise
    of its set less that of the values taken before it, so that the first value of each attribute
    carries the attribute's rank.

    Parameters
    ----------
    config : AdtributorConfig, optional
        Settings.

    References
    ----------
    R. Bhagwan et al., "Adtributor: revenue debugging in advertising systems", NSDI 2014:
    Algorithm 1; explanatory power of fundamental and derived measures, and surprise, in its
    sections on each.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> cube = KpiCube.from_frame(pl.DataFrame({
    ...     "center": ["x", "x", "y", "y"], "os": ["a", "b", "a", "b"],
    ...     "real": [5.0, 10.0, 50.0, 50.0], "predict": [50.0, 50.0, 50.0, 50.0]}))
    >>> [(str(p.combination), round(p.confidence, 3)) for p in Adtributor().localize(cube).patterns]
    [('center=x', 1.0), ('os=a', 0.529)]
    """

    def __init__(self, *, config: AdtributorConfig | None = None) -> None:
        self.config = config or AdtributorConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        names = leaves.cube.attributes
        cuboids = leaves.cuboids(max_layer=1)
        sums = cuboids.sums(*columns_of(leaves))
        found: list[_ValueSet] = []
        dropped: list[Candidate] = []
        for (attribute,) in cuboids.attribute_sets:
            power = explanatory_power(sums[(attribute,)])
            if power is None:
                return Answer(abstained="the KPI as a whole is as forecast: nothing to explain")
            moved = surprise(sums[(attribute,)])
            order = np.argsort(-moved, kind="stable")
            order = order[power[order] > self.config.t_eep]
            enough = np.flatnonzero(np.cumsum(power[order]) > self.config.t_ep)
            if enough.size:
                chosen = order[: enough[0] + 1]
                found.append(_ValueSet(attribute, chosen, power[chosen], moved[chosen]))
            elif order.size:
                reason = f"the values of {names[attribute]!r} explain {power[order].sum():.0%} only"
                dropped.append(Candidate({attribute: int(order[0])}, moved[order[0]], reason))
        found.sort(key=lambda s: (-s.total, names[s.attribute]))
        reported = found[: self.config.n_attributes]
        dropped += [
            Candidate({s.attribute: int(s.values[0])}, s.total, "other attributes surprise more")
            for s in found[len(reported) :]
        ]
        findings = [
            Finding(
                elements={s.attribute: int(value)},
                score=s.total - float(s.surprise[:position].sum()),
                confidence=float(s.power[position]),
                reason=f"explains {s.power[position]:.0%} of the change, and its share of the "
                f"whole moved (surprise {s.surprise[position]:.4f})",
            )
            for s in reported
            for position, value in enumerate(s.values)
        ]
        return Answer(
            findings=findings,
            dropped=dropped,
            abstained=f"no attribute has values that explain more than {self.config.t_ep:.0%} of "
            f"the change with more than {self.config.t_eep:.0%} each",
            trace=[
                LayerTrace(
                    title="layer 1",
                    cuboids=len(cuboids.attribute_sets),
                    combinations=sum(leaves.cardinalities),
                    accepted=tuple(self.name_of(leaves, f.elements) for f in findings),
                    dropped=tuple(self.name_of(leaves, c.elements) for c in dropped[:10]),
                )
            ],
        )


def columns_of(leaves: Leaves) -> list[Array]:
    """Return actual and forecast of each measure that the formulas take, one value a leaf.

    One pair for additive KPIs (and for derived KPIs that are no ratio), two for ratios, numerator
    first.
    """
    if leaves.kpi.is_ratio:
        return [side for pair in leaves.parts for side in pair]
    return [leaves.actual, leaves.forecast]


def explanatory_power(sums: Array) -> Array | None:
    """Return the share of the overall change that each value of an attribute explains.

    Parameters
    ----------
    sums : ndarray of float64, shape (2, n_values) or (4, n_values)
        Actual and forecast of an additive KPI; of a ratio those of the numerator, then those of
        the denominator.

    Returns
    -------
    ndarray of float64, shape (n_values,), or None
        Shares that add up to 1; None if there is no change to share out. A ratio's change is
        shared out by the partial derivatives of the ratio, normalised.

    Examples
    --------
    >>> explanatory_power(np.array([[6.0, 9.0], [10.0, 10.0]])).tolist()
    [0.8, 0.2]
    """
    actual, forecast = sums[:2]
    change = actual - forecast
    if len(sums) == 4:
        below, below_forecast = sums[2:]
        whole = below_forecast.sum()
        change = change * whole - (below - below_forecast) * forecast.sum()
        room = whole * (whole + below - below_forecast)
        change = np.divide(change, room, out=np.zeros(len(change)), where=room > 0)
    overall = change.sum()
    # Sums that cancel leave rounding behind; that is no change to share out.
    if abs(overall) <= 1e-12 * np.abs(change).sum():
        return None
    return np.asarray(change / overall, dtype=np.float64)


def surprise(sums: Array) -> Array:
    """Return how much the share of each value moved: its term of the Jensen-Shannon divergence.

    Parameters
    ----------
    sums : ndarray of float64, shape (2, n_values) or (4, n_values)
        As for `explanatory_power`; the surprises of numerator and denominator are added.

    Examples
    --------
    >>> surprise(np.array([[0.0, 5.0], [10.0, 10.0]])).round(4).tolist()
    [0.1733, 0.0425]
    """
    total = np.zeros(sums.shape[1])
    for actual, forecast in zip(sums[::2], sums[1::2], strict=True):
        q, p = (x / x.sum() if x.sum() > 0 else np.zeros(len(x)) for x in (actual, forecast))
        total += 0.5 * (rel_entr(p, (p + q) / 2) + rel_entr(q, (p + q) / 2))
    return total
