"""PSqueeze: Squeeze that counts every leaf as the distribution of what could have been counted.

A leaf of few counts deviates by chance. Each leaf stands for three, one count less, as it is, and
one more, weighted by a Poisson distribution about what was seen.

References
----------
Z. Li et al., "Generic and robust root cause localization for multi-dimensional data in online
service systems", Journal of Systems and Software 203 (2023) 111748: probabilistic clustering,
generalized potential score, and external root causes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import InputError, SettingError
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

__all__ = ["PSqueeze", "PSqueezeConfig", "external_root_cause_threshold"]

Array = NDArray[np.float64]

_AS_SEEN = 1
_PENALTY_POWER = 2.0
_NO_VALLEY = 0.8


@dataclass(frozen=True)
class PSqueezeConfig:
    """Settings of PSqueeze, all from its authors.

    Attributes
    ----------
    min_deviation : float
        Clusters whose mean deviation (f - v) / (f + v) is smaller in size are normal; 0.2.
    min_share_as_seen : float
        A cluster with a smaller share of values as they were seen is reduced to those; 0.25.
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
    min_share_as_seen: float = 0.25
    max_elements: int = 12
    stop_score: float = 0.9

    def __post_init__(self) -> None:
        for name in ("min_deviation", "min_share_as_seen"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingError(f"{name} must lie in [0, 1), not {getattr(self, name)}")
        if self.max_elements < 1:
            raise SettingError(f"max_elements must be at least 1, not {self.max_elements}")


class PSqueeze(Localizer):
    """Report the elements behind each cluster of values that deviate alike.

    A pattern's score is its share of the overall absolute deviation, its confidence the
    generalized potential score. Whether the root cause is external, outside the attributes
    altogether, is told over many cases: see `external_root_cause_threshold`.

    Parameters
    ----------
    config : PSqueezeConfig, optional
        Settings.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> rng = np.random.default_rng(0)
    >>> sites, systems = np.repeat(range(10), 20), np.tile(range(20), 10)
    >>> forecast = rng.uniform(900.0, 1100.0, 200)
    >>> real = forecast * rng.uniform(0.99, 1.01, 200) * np.where(sites == 4, 0.5, 1.0)
    >>> cube = KpiCube.from_frame(pl.DataFrame(
    ...     {"site": sites, "os": systems, "real": real, "predict": forecast}))
    >>> [p.combination.display(cube.attributes) for p in PSqueeze().localize(cube).patterns]
    ['(4, *)']
    """

    excused: ClassVar[Mapping[str, str]] = {
        "check_unit_changes_nothing": "one count more or less means something in counts only",
    }

    def __init__(self, *, config: PSqueezeConfig | None = None) -> None:
        self.config = config or PSqueezeConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        whole, whole_forecast = (
            leaves.parts[-1]
            if leaves.kpi.is_ratio
            else (
                leaves.actual,
                leaves.forecast,
            )
        )
        space = Space.of(leaves, (whole > 0) | (whole_forecast > 0))
        deviation, weights = _variants(space)
        amounts = np.log(np.abs(space.actual - space.forecast) + 1) / 10
        chosen = large_amounts(amounts)
        if chosen.size == 0:
            return Answer(abstained="no leaf deviates by a large amount")
        values = deviation[chosen].ravel()
        as_seen = deviation[chosen, _AS_SEEN]
        edges = np.histogram_bin_edges(as_seen, "auto", range=(values.min(), values.max()))
        members = []
        for low, high in density_peaks(values, weights[chosen].ravel(), edges, with_plateaus=True):
            peak = values[(values >= low) & (values <= high)]
            if peak.size and np.abs(peak).mean() >= self.config.min_deviation:
                members.append((deviation >= peak.min()) & (deviation <= peak.max()))
        if not members:
            return Answer(abstained="no cluster of values deviates enough")
        least = min(np.abs(deviation[m]).min() for m in members)
        search = Search(
            space,
            np.abs(deviation).max(axis=1) < least,
            _score_weight(len(members), sum(m.mean() for m in members), space.n_elements),
            _PENALTY_POWER,
            self.config.max_elements,
            self.config.stop_score,
        )
        clusters = []
        for member in members:
            is_few = member[:, _AS_SEEN].sum() < self.config.min_share_as_seen * member.sum()
            kept = member & (np.arange(3) == _AS_SEEN) if is_few else member
            if kept.any():
                clusters.append((float(deviation[kept].mean()), (weights * kept).sum(axis=1)))
        findings, trace = findings_of(leaves, search, clusters)
        return Answer(findings, abstained="no cluster can be explained", trace=trace)


def external_root_cause_threshold(lowest_scores: ArrayLike) -> float:
    """Return the potential score below which a case's root cause is outside the attributes.

    It is the last valley of the scores' distribution before its last peak, so it needs many cases
    of one system; 0.8 where there is no valley.

    Parameters
    ----------
    lowest_scores : array of float, shape (n_cases,)
        Of each case the least `confidence` of its patterns.

    Raises
    ------
    InputError
        If there is no case.

    Examples
    --------
    >>> threshold = external_root_cause_threshold([0.1, 0.15, 0.2] * 10 + [0.9, 0.92, 0.95] * 10)
    >>> 0.2 < threshold < 0.9
    True
    """
    scores = np.asarray(lowest_scores, dtype=np.float64)
    if scores.size == 0:
        raise InputError("a threshold needs the scores of at least one case")
    mass, edges = np.histogram(scores, bins="auto", range=(-0.2, 1.2))
    width = max(int(np.count_nonzero(mass)) // 10, 1)
    average = np.convolve(mass, np.ones(width), mode="valid") / width
    smooth = np.concatenate([mass[: width - 1], average])
    before, after = np.roll(smooth, 1), np.roll(smooth, -1)
    peaks = np.flatnonzero((smooth >= before) & (smooth >= after) & (smooth > 0))
    valleys = np.flatnonzero((smooth <= before) & (smooth <= after))
    below = valleys[valleys < peaks[-1]] if peaks.size else valleys[:0]
    return float((edges[below[-1]] + edges[below[-1] + 1]) / 2) if below.size else _NO_VALLEY


def _variants(space: Space) -> tuple[Array, Array]:
    """Return the deviations of each leaf with one count less, as seen, and one more; and weights.

    The weights are the Poisson probabilities of the three counts about the one seen, n, which are
    in the ratio of 1 to 1 to n / (n + 1). A ratio has no counts of its own: its variants agree.
    """
    step = 0.0 if space.is_ratio else 1.0
    actual = [np.maximum(space.actual + change, 0.0) for change in (-step, 0.0, step)]
    deviation = np.stack([symmetric_deviation(v, space.forecast) for v in actual], axis=1)
    count = np.maximum(np.floor(space.actual + 0.5), 1.0)
    more = count / (count + 1) if step else np.ones(len(count))
    weights = np.stack([np.ones(len(count)), np.ones(len(count)), more], axis=1)
    return deviation, weights / weights.sum(axis=1, keepdims=True)


def _score_weight(n_clusters: int, coverage: float, n_elements: int) -> float:
    """Return what the score weighs against succinctness: more where less needs explaining."""
    few_clusters = np.log(n_clusters + 1) / n_clusters
    many_elements = n_elements / np.log(n_elements + 1)
    return float(few_clusters * many_elements * -np.log(coverage))
