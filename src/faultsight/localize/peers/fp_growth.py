"""FP-growth: association rules "this combination, so a fault" between elements and leaf labels.

Frequent itemset mining is what FP-growth and Apriori are fast ways for; the itemsets of a leaf
table are the attribute combinations, and their supports are cuboid sums, so that is how they are
counted here. The answer is the same as that of any FP-growth.

References
----------
J. Han, J. Pei, Y. Yin, "Mining frequent patterns without candidate generation", SIGMOD 2000. As a
localizer it is one of the usual baselines of the multi-dimensional localization literature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faultsight.core.errors import SettingError
from faultsight.localize.contract import Answer, Candidate, Finding, LayerTrace, Localizer
from faultsight.localize.leaves import Leaves

__all__ = ["FpGrowth", "FpGrowthConfig"]

_NEAREST = 10
# A leaf exactly on the threshold counts in whatever unit the KPI is given.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class FpGrowthConfig:
    """Settings of the association rules.

    Attributes
    ----------
    leaf_deviation_threshold : float
        A leaf is anomalous if it deviates by at least this share of its actual value. 0.2 is the
        customary value.
    min_support : float
        Least share of the anomalous leaves that a combination must hold; 0.001 leaves out next to
        nothing but single leaves of large faults.
    min_confidence : float
        Least share of a combination's leaves that must be anomalous; 0.8 is the customary value.

    Raises
    ------
    SettingError
        If a threshold is outside its range.
    """

    leaf_deviation_threshold: float = 0.2
    min_support: float = 0.001
    min_confidence: float = 0.8

    def __post_init__(self) -> None:
        if not self.leaf_deviation_threshold > 0:
            raise SettingError("leaf_deviation_threshold must be above 0")
        for name in ("min_support", "min_confidence"):
            if not 0 < getattr(self, name) <= 1:
                raise SettingError(f"{name} must lie in (0, 1], not {getattr(self, name)}")


class FpGrowth(Localizer):
    """Report the rules of the smallest itemset size that yields any, most supported first.

    Confidence only filters: the rule that holds the most anomalous leaves is ranked first.

    Parameters
    ----------
    config : FpGrowthConfig, optional
        Settings.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> cube = KpiCube.from_frame(pl.DataFrame({
    ...     "site": ["a", "a", "b", "b"], "os": ["x", "y", "x", "y"],
    ...     "real": [10.0, 12.0, 100.0, 99.0], "predict": [100.0, 100.0, 100.0, 100.0]}))
    >>> [p.combination.display(cube.attributes) for p in FpGrowth().localize(cube).patterns]
    ['(a, *)']
    """

    def __init__(self, *, config: FpGrowthConfig | None = None) -> None:
        self.config = config or FpGrowthConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        least = self.config.leaf_deviation_threshold * leaves.actual * (1 - _ROUNDING)
        is_anomalous = leaves.is_active & (np.abs(leaves.forecast - leaves.actual) >= least)
        n_anomalous = int(is_anomalous.sum())
        if n_anomalous == 0:
            return Answer(
                abstained="no leaf deviates by "
                f"{self.config.leaf_deviation_threshold:g} of its actual value"
            )
        cuboids = leaves.cuboids()
        sums = cuboids.sums(leaves.is_active.astype(np.float64), is_anomalous.astype(np.float64))
        trace = []
        for layer in range(1, len(leaves.cardinalities) + 1):
            visited = [a for a in cuboids.attribute_sets if len(a) == layer]
            rules: list[_Itemset] = []
            misses: list[_Itemset] = []
            n_frequent = 0
            for attributes in visited:
                total, anomalous = sums[attributes]
                frequent = np.flatnonzero(
                    (anomalous > 0) & (anomalous >= self.config.min_support * n_anomalous)
                )
                n_frequent += len(frequent)
                confidence = anomalous[frequent] / total[frequent]
                is_rule = confidence >= self.config.min_confidence
                nearest = np.argsort(-confidence[~is_rule], kind="stable")[:_NEAREST]
                for cells, found in (
                    (frequent[is_rule], rules),
                    (frequent[~is_rule][nearest], misses),
                ):
                    for cell in cells.tolist():
                        codes = cuboids.elements_of_cell(attributes, cell)
                        elements = dict(zip(attributes, map(int, codes), strict=True))
                        found.append(_Itemset(elements, int(total[cell]), int(anomalous[cell])))
            rules.sort(key=lambda rule: (-rule.anomalous, -rule.confidence))
            misses.sort(key=lambda miss: (-miss.confidence, -miss.anomalous))
            del misses[_NEAREST:]
            trace.append(
                LayerTrace(
                    title=f"layer {layer}",
                    cuboids=len(visited),
                    combinations=n_frequent,
                    accepted=tuple(self.name_of(leaves, rule.elements) for rule in rules),
                    dropped=tuple(self.name_of(leaves, miss.elements) for miss in misses),
                )
            )
            if rules:
                break
        return Answer(
            findings=[
                Finding(r.elements, r.anomalous / n_anomalous, r.confidence, r.reason)
                for r in rules
            ],
            dropped=[Candidate(m.elements, m.anomalous / n_anomalous, m.reason) for m in misses],
            abstained=f"no frequent combination has a confidence of {self.config.min_confidence:g}",
            trace=trace,
        )


@dataclass(frozen=True)
class _Itemset:
    """A frequent combination: its elements, its leaves and how many of them are anomalous."""

    elements: dict[int, int]
    leaves: int
    anomalous: int

    @property
    def confidence(self) -> float:
        return self.anomalous / self.leaves

    @property
    def reason(self) -> str:
        return f"{self.anomalous} of its {self.leaves} leaves are anomalous"
