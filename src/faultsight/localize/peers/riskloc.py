"""RiskLoc: elements whose weighted abnormal leaves outweigh the normal ones.

The leaves are split in two by a cutoff on their deviation that the quiet side of the distribution
gives. An element is risky if most of the weight of its leaves is abnormal, and if its leaves
deviate alike (the ripple effect); the risky element with the largest explanatory power is a root.

References
----------
M. Kalander, "RiskLoc: localization of multi-dimensional root causes by weighted risk",
arXiv:2205.10004 (2022), section 4: partition and weights, risk score, layer-wise search.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.localize.contract import Answer, Candidate, Finding, LayerTrace, Localizer
from faultsight.localize.cuboids import Cuboids
from faultsight.localize.leaves import Leaves
from faultsight.localize.peers._leaf_kpi import leaf_kpi, symmetric_deviation

__all__ = ["RiskLoc", "RiskLocConfig"]

Array = NDArray[np.float64]

_NEAREST = 10


@dataclass(frozen=True)
class RiskLocConfig:
    """Settings of RiskLoc, all from the paper.

    Attributes
    ----------
    risk_threshold : float
        Least risk of a root, share of abnormal weight less the ripple-effect error; 0.5.
    explanatory_power_threshold : float
        Least explanatory power of a root, as a share of that of all abnormal leaves, and what
        may be left unexplained; 0.02.
    n_outliers : int
        How many of the smallest and of the largest distinct deviations are left out when the
        cutoff is chosen; 5.

    Raises
    ------
    SettingError
        If a threshold is outside [0, 1] or a number is negative.
    """

    risk_threshold: float = 0.5
    explanatory_power_threshold: float = 0.02
    n_outliers: int = 5

    def __post_init__(self) -> None:
        for name in ("risk_threshold", "explanatory_power_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"{name} must lie in [0, 1], not {getattr(self, name)}")
        if self.n_outliers < 0:
            raise SettingError(f"n_outliers must be at least 0, not {self.n_outliers}")


class RiskLoc(Localizer):
    """Report risky elements, the first layer that has one at a time, until all is explained.

    A pattern's score is its explanatory power as a share of that of all abnormal leaves. The
    authors' pruning of layer 1 is left out: it saves time and can never change the answer, for
    no part of an element has more positive explanatory power than the element.

    Parameters
    ----------
    config : RiskLocConfig, optional
        Settings.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> rng = np.random.default_rng(0)
    >>> sites, systems = np.repeat(range(6), 8), np.tile(range(8), 6)
    >>> forecast = np.full(48, 100.0)
    >>> real = forecast * rng.uniform(0.98, 1.02, 48) * np.where(sites == 4, 0.5, 1.0)
    >>> cube = KpiCube.from_frame(pl.DataFrame(
    ...     {"site": sites, "os": systems, "real": real, "predict": forecast}))
    >>> [p.combination.display(cube.attributes) for p in RiskLoc().localize(cube).patterns]
    ['(4, *)']
    """

    def __init__(self, *, config: RiskLocConfig | None = None) -> None:
        self.config = config or RiskLocConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        partition = _Partition.of(leaves, self.config.n_outliers)
        if not partition.is_abnormal.any():
            return Answer(abstained="no leaf deviates beyond the cutoff")
        if partition.total <= 0:
            return Answer(abstained="the leaves beyond the cutoff explain none of the change")
        cuboids = leaves.cuboids()
        left = np.ones(len(leaves.codes), dtype=bool)
        findings: list[Finding] = []
        losers: dict[tuple[tuple[int, int], ...], Candidate] = {}
        trace: list[LayerTrace] = []
        least = self.config.explanatory_power_threshold
        while (partition.power * partition.is_abnormal)[left].sum() >= least:
            root, dropped, layers = self._search(leaves, cuboids, partition, left)
            number = len(findings) + 1
            trace += [replace(t, title=f"root {number}, {t.title}") for t in layers]
            for candidate in dropped:
                losers.setdefault(tuple(candidate.elements.items()), candidate)
            if root is None:
                break
            findings.append(root)
            attributes = tuple(root.elements)
            cell = cuboids.cell_of_elements(attributes, tuple(root.elements.values()))
            left[cuboids.leaves_of_cell(attributes, cell)] = False
        for root in findings:
            losers.pop(tuple(root.elements.items()), None)
        nearest = sorted(losers.values(), key=lambda candidate: -candidate.score)[:_NEAREST]
        return Answer(findings, nearest, "no element is risky enough", trace)

    def _search(
        self, leaves: Leaves, cuboids: Cuboids, partition: _Partition, left: NDArray[np.bool_]
    ) -> tuple[Finding | None, list[Candidate], list[LayerTrace]]:
        """Return the risky element of most power in the first layer that has one, and losers."""
        sums = cuboids.sums(*(column * left for column in partition.columns))
        n_abnormal, power, abnormal_weight, normal_weight = sums.flat
        power = np.round(power, 12)
        abnormal_share = abnormal_weight / (abnormal_weight + normal_weight + 1)
        is_candidate = (n_abnormal > 0) & (power > self.config.explanatory_power_threshold)
        # The ripple-effect error only lowers the risk, so it need not be known of the others.
        is_candidate &= abnormal_share >= self.config.risk_threshold
        dropped: list[Candidate] = []
        trace = []
        for layer, start, stop in _layers(cuboids):
            places = start + np.flatnonzero(is_candidate[start:stop])
            places = places[np.argsort(-power[places], kind="stable")]
            root = None
            losers: list[Candidate] = []
            for place in places.tolist():
                attributes, cell = cuboids.locate(place)
                inside = cuboids.leaves_of_cell(attributes, cell)
                error = partition.ripple_error(inside[left[inside]])
                risk = float(abnormal_share[place]) - error
                codes = cuboids.elements_of_cell(attributes, cell)
                elements = dict(zip(attributes, codes, strict=True))
                if risk >= self.config.risk_threshold:
                    reason = (
                        f"{abnormal_share[place]:.0%} of its weight is abnormal, its leaves "
                        f"differ from a common change by {error:.0%} of their deviation"
                    )
                    root = Finding(elements, float(power[place]), risk, reason)
                    break
                if len(losers) < _NEAREST:
                    reason = f"its leaves do not change alike: risk {risk:.2f}"
                    losers.append(Candidate(elements, float(power[place]), reason))
            dropped += losers
            trace.append(
                LayerTrace(
                    title=f"layer {layer}",
                    cuboids=sum(len(a) == layer for a in cuboids.attribute_sets),
                    combinations=len(places),
                    accepted=(self.name_of(leaves, root.elements),) if root else (),
                    dropped=tuple(self.name_of(leaves, c.elements) for c in losers),
                )
            )
            if root:
                return root, dropped, trace
        return None, dropped, trace


@dataclass(frozen=True)
class _Partition:
    """The leaves on both sides of the cutoff.

    `power` is the explanatory power of each leaf, in shares of that of all abnormal leaves;
    `columns` are what is summed over elements: abnormal leaves, power, abnormal and normal weight.
    """

    actual: Array
    forecast: Array
    deviation: Array
    is_abnormal: NDArray[np.bool_]
    power: Array
    columns: tuple[Array, ...]
    total: float

    @classmethod
    def of(cls, leaves: Leaves, n_outliers: int) -> _Partition:
        actual, forecast = leaf_kpi(leaves)
        deviation = 2 * symmetric_deviation(actual, forecast)
        cutoff = _cutoff(deviation, n_outliers)
        # A cutoff at 0 has no side of its own; the abnormal one is where most deviation lies.
        upward = cutoff > 0 or (cutoff == 0 and deviation.sum() > 0)
        is_abnormal = deviation > cutoff if upward else deviation < cutoff
        weight = np.minimum(np.abs(np.where(is_abnormal, deviation, cutoff - deviation)), 1.0)
        weight[(actual == 0) & (forecast == 0)] = 0.0
        power = _explanatory_power(leaves)
        total = abs(float(power[is_abnormal].sum()))
        if power[is_abnormal].sum() < 0:
            power = -power
        if total > 0:
            power = power / total
        columns = (
            is_abnormal.astype(np.float64),
            power,
            weight * is_abnormal,
            weight * ~is_abnormal,
        )
        return cls(actual, forecast, deviation, is_abnormal, power, columns, total)

    def ripple_error(self, leaves: NDArray[np.intp]) -> float:
        """Return how far leaves are from one common relative change, against their deviation."""
        leaves = leaves[(self.actual[leaves] > 0) & (self.forecast[leaves] > 0)]
        if leaves.size == 0:
            return 0.0
        actual, forecast = self.actual[leaves], self.forecast[leaves]
        expected = forecast * (actual.sum() / forecast.sum())
        deviation = float(np.abs(self.deviation[leaves]).mean())
        error = float(np.abs(2 * (expected - actual) / (expected + actual)).mean())
        # A leaf alone changes like itself, whatever the rounding; such roots sit on the threshold.
        return round(error / deviation, 12) if deviation > 0 else 0.0


def _cutoff(deviation: Array, n_outliers: int) -> float:
    """Return minus the extreme of smaller size, once outliers are left out."""
    distinct = np.unique(deviation)
    last = len(distinct) - 1
    lowest = float(distinct[min(n_outliers, last)])
    highest = float(distinct[max(last - n_outliers, 0)])
    return -min(lowest, highest, key=abs)


def _explanatory_power(leaves: Leaves) -> Array:
    """Return a number for each leaf that goes with its explanatory power.

    For a ratio it is the change of the leaf's counts to first order in the overall ratio
    (Adtributor, section 3.2): [(a - f_a) F_b - (b - f_b) F_a] / [F_b (F_b + b - f_b)].
    """
    if not leaves.kpi.is_ratio:
        return leaves.actual - leaves.forecast
    (failures, failures_forecast), (total, total_forecast) = leaves.parts
    whole_failures, whole = failures_forecast.sum(), total_forecast.sum()
    grown = whole + total - total_forecast
    change = (failures - failures_forecast) * whole - (total - total_forecast) * whole_failures
    power: Array = np.divide(change, whole * grown, out=np.zeros(len(change)), where=grown > 0)
    return power if whole > 0 else failures - failures_forecast


def _layers(cuboids: Cuboids) -> list[tuple[int, int, int]]:
    """Return each layer with the first and last place of its cells among those of all cuboids."""
    bounds = []
    for layer in range(1, cuboids.max_layer + 1):
        within = [i for i, a in enumerate(cuboids.attribute_sets) if len(a) == layer]
        bounds.append(
            (layer, int(cuboids.offsets[within[0]]), int(cuboids.offsets[within[-1] + 1]))
        )
    return bounds
