"""Squeeze: bottom-up clusters of leaf deviations, each explained top-down.

References
----------
Z. Li, C. Luo, Y. Zhao, Y. Sun, K. Sui, X. Wang, D. Liu, X. Jin, Q. Wang, D. Pei, "Generic and
robust localization of multi-dimensional root causes", ISSRE 2019: section IV.B for the clusters,
IV.C for the generalized potential score and the search. The weight of the score is the authors'
later one, for that of the paper can be negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faultsight.core.errors import SettingError
from faultsight.localize.contract import Answer, Localizer
from faultsight.localize.leaves import Leaves
from faultsight.localize.peers._leaf_kpi import symmetric_deviation
from faultsight.localize.peers._squeeze_steps import (
    Search,
    Space,
    density_peaks,
    findings_of,
    large_amounts,
)

__all__ = ["Squeeze", "SqueezeConfig"]


@dataclass(frozen=True)
class SqueezeConfig:
    """Settings of Squeeze, all from its authors.

    Attributes
    ----------
    min_deviation : float
        Clusters whose mean deviation (f - v) / (f + v) is smaller in size are normal; 0.2.
    max_elements : int
        How many elements of a cuboid are tried together; 12.
    stop_score : float
        No deeper layer is visited once a potential score is above; 0.9.

    Raises
    ------
    SettingError
        If a number is outside its range.
    """

    min_deviation: float = 0.2
    max_elements: int = 12
    stop_score: float = 0.9

    def __post_init__(self) -> None:
        if not 0 <= self.min_deviation < 1:
            raise SettingError(f"min_deviation must lie in [0, 1), not {self.min_deviation}")
        if self.max_elements < 1:
            raise SettingError(f"max_elements must be at least 1, not {self.max_elements}")


class Squeeze(Localizer):
    """Report the elements behind each cluster of leaves that deviate alike.

    Leaves that were expected to be 0 do not take part. A pattern's score is its share of the
    overall absolute deviation, its confidence the generalized potential score.

    Parameters
    ----------
    config : SqueezeConfig, optional
        Settings.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> rng = np.random.default_rng(0)
    >>> sites, systems = np.repeat(range(10), 20), np.tile(range(20), 10)
    >>> forecast = rng.uniform(90.0, 110.0, 200)
    >>> real = forecast * rng.uniform(0.99, 1.01, 200) * np.where(sites == 4, 0.5, 1.0)
    >>> cube = KpiCube.from_frame(pl.DataFrame(
    ...     {"site": sites, "os": systems, "real": real, "predict": forecast}))
    >>> [p.combination.display(cube.attributes) for p in Squeeze().localize(cube).patterns]
    ['(4, *)']
    """

    def __init__(self, *, config: SqueezeConfig | None = None) -> None:
        self.config = config or SqueezeConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        expected = [leaves.forecast > 0]
        if leaves.kpi.is_ratio:
            expected = [forecast > 0 for _, forecast in leaves.parts]
        takes_part = np.logical_and.reduce(expected)
        if not takes_part.any():
            return Answer(abstained="every leaf was expected to be 0")
        space = Space.of(leaves, takes_part)
        deviation = symmetric_deviation(space.actual, space.forecast)
        large = deviation[large_amounts(np.abs(space.actual - space.forecast))]
        if large.size == 0:
            return Answer(abstained="no leaf deviates by a large amount")
        members = []
        edges = np.histogram_bin_edges(large, "auto")
        for low, high in density_peaks(large, np.ones(len(large)), edges, with_plateaus=False):
            peak = large[(large >= low) & (large <= high)]
            if peak.size and np.abs(peak).mean() >= self.config.min_deviation:
                members.append((deviation >= peak.min()) & (deviation <= peak.max()))
        if not members:
            return Answer(abstained="no cluster of leaves deviates enough")
        least = min(np.abs(deviation[m]).min() for m in members)
        search = Search(
            space,
            np.abs(deviation) < least,
            _score_weight(len(members), sum(m.mean() for m in members), space.n_elements),
            1.0,
            self.config.max_elements,
            self.config.stop_score,
        )
        clusters = [(float(deviation[m].mean()), m.astype(np.float64)) for m in members]
        findings, trace = findings_of(leaves, search, clusters)
        return Answer(findings, abstained="no cluster can be explained", trace=trace)


def _score_weight(n_clusters: int, coverage: float, n_elements: int) -> float:
    """Return what the score weighs against succinctness: more where less needs explaining."""
    few_clusters = np.log(n_clusters + 1) / n_clusters
    many_elements = n_elements / np.log(n_elements + 1)
    return float(few_clusters * many_elements * -np.log(coverage))
