"""AutoRoot: one element for each cluster of leaf deviations, by three scores that need no tuning.

References
----------
P. Jing, Y. Han, J. Sun, T. Lin, Y. Hu, "AutoRoot: a novel fault localization schema of
multi-dimensional root causes", WCNC 2021: deviation score, density clustering, and the new
potential score with local and cluster frequency.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gaussian_kde

from faultsight.core.errors import SettingError
from faultsight.localize.contract import Answer, Candidate, Finding, LayerTrace, Localizer
from faultsight.localize.cuboids import Cuboids
from faultsight.localize.leaves import Leaves
from faultsight.localize.peers._leaf_kpi import leaf_kpi, symmetric_deviation

__all__ = ["AutoRoot", "AutoRootConfig"]

Array = NDArray[np.float64]

_NEAREST = 10
_GRID = np.linspace(-2.0, 2.0, 400)


@dataclass(frozen=True)
class AutoRootConfig:
    """Settings of AutoRoot.

    Attributes
    ----------
    deviation_threshold : float
        Leaves whose deviation 2 (f - v) / (f + v) is no larger in size are normal; 0.2, as in the
        paper.
    frequency_threshold : float
        Least share of the cluster's leaves that an element must hold, and least share of its own
        leaves that must lie in the cluster; 0.25, which also limits each cuboid to three elements.

    Raises
    ------
    SettingError
        If a threshold is outside its range.
    """

    deviation_threshold: float = 0.2
    frequency_threshold: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.deviation_threshold < 2:
            raise SettingError(f"deviation_threshold {self.deviation_threshold} is not in [0, 2)")
        if not 0 <= self.frequency_threshold < 1:
            raise SettingError(f"frequency_threshold {self.frequency_threshold} is not in [0, 1)")


class AutoRoot(Localizer):
    """Report the best element of each cluster that does not lie inside another one's.

    A pattern's score is the mean of the three scores that it won by.

    Parameters
    ----------
    config : AutoRootConfig, optional
        Settings.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> cube = KpiCube.from_frame(pl.DataFrame({
    ...     "site": ["a", "a", "b", "b"], "os": ["x", "y", "x", "y"],
    ...     "real": [50.0, 48.0, 100.0, 99.0], "predict": [100.0, 100.0, 100.0, 100.0]}))
    >>> [p.combination.display(cube.attributes) for p in AutoRoot().localize(cube).patterns]
    ['(a, *)']
    """

    def __init__(self, *, config: AutoRootConfig | None = None) -> None:
        self.config = config or AutoRootConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        actual, forecast = leaf_kpi(leaves)
        deviation = 2 * symmetric_deviation(actual, forecast)
        relevant = np.flatnonzero(np.abs(deviation) > self.config.deviation_threshold)
        if relevant.size == 0:
            return Answer(
                abstained=f"no leaf deviates by more than {self.config.deviation_threshold:g}"
            )
        clusters = _density_clusters(deviation[relevant])
        cuboids = leaves.cuboids()
        errors = _relative_error(actual, forecast)
        best: dict[tuple[tuple[int, int], ...], Finding] = {}
        dropped: list[Candidate] = []
        trace: list[LayerTrace] = []
        for number in range(int(clusters.max()) + 1):
            cluster = relevant[clusters == number]
            if cluster.size == 0:
                continue
            found = self._search(cuboids, cluster, actual, forecast, errors)
            found.sort(key=lambda f: -f.score)
            trace.append(
                LayerTrace(
                    title=f"cluster at {deviation[cluster].mean():+.2f}",
                    cuboids=len(cuboids),
                    combinations=len(found),
                    accepted=tuple(self.name_of(leaves, f.elements) for f in found[:1]),
                    dropped=tuple(self.name_of(leaves, f.elements) for f in found[1:_NEAREST]),
                    note=f"{cluster.size} leaves",
                )
            )
            for finding in found[:1]:
                key = tuple(sorted(finding.elements.items()))
                if key not in best or finding.score > best[key].score:
                    best[key] = finding
            dropped += [
                Candidate(f.elements, f.score, "another element of the cluster scores higher")
                for f in found[1:_NEAREST]
            ]
        roots: dict[tuple[tuple[int, int], ...], Finding] = {}
        for key, finding in best.items():
            if any(set(other) < set(key) for other in best):
                dropped.append(Candidate(finding.elements, finding.score, "lies inside a root"))
            else:
                roots[key] = finding
        return Answer(
            list(roots.values()),
            [c for c in dropped if tuple(sorted(c.elements.items())) not in roots],
            "no element holds enough of a cluster",
            trace,
        )

    def _search(
        self, cuboids: Cuboids, cluster: NDArray[np.intp], actual: Array, forecast: Array, b: Array
    ) -> list[Finding]:
        """Return the element of each cuboid whose new potential score is largest."""
        least = self.config.frequency_threshold
        is_in_cluster = np.zeros(cuboids.n_leaves)
        is_in_cluster[cluster] = 1.0
        sums = cuboids.sums(is_in_cluster)
        found = []
        for attributes in cuboids.attribute_sets:
            held = sums[attributes][0]
            counts = cuboids.counts[attributes]
            often = (held > least * cluster.size) & (held > least * counts)
            leader: Finding | None = None
            highest = -1.0
            for cell in np.flatnonzero(often).tolist():
                inside = cuboids.leaves_of_cell(attributes, cell)
                potential = _new_potential_score(inside, actual, forecast, b)
                if potential > highest:
                    highest = potential
                    local = float(held[cell] / counts[cell])
                    share = float(held[cell] / cluster.size)
                    codes = cuboids.elements_of_cell(attributes, cell)
                    leader = Finding(
                        dict(zip(attributes, codes, strict=True)),
                        (potential + local + share) / 3,
                        local,
                        f"{local:.0%} of its leaves are in the cluster, {share:.0%} of which it "
                        f"holds; new potential score {potential:.2f}",
                    )
            if leader is not None and leader.score > -1.0:
                found.append(leader)
        return found


def _density_clusters(deviation: Array) -> NDArray[np.intp]:
    """Cut deviations at the minima of their density; return the cluster of each."""
    if (deviation == deviation[0]).all():
        return np.zeros(len(deviation), dtype=np.intp)
    density = gaussian_kde(deviation, bw_method="silverman")(_GRID)
    is_minimum = (density[1:-1] < density[:-2]) & (density[1:-1] < density[2:])
    return np.searchsorted(_GRID[1:-1][is_minimum], deviation, side="left")


def _relative_error(actual: Array, expected: Array) -> Array:
    """Return abs(v - e) / v of each leaf, and 0 where v is 0, as the authors' formula is run."""
    error = np.abs(actual - expected)
    return np.divide(error, actual, out=np.zeros(len(error)), where=actual > 0)


def _new_potential_score(
    inside: NDArray[np.intp], actual: Array, forecast: Array, errors: Array
) -> float:
    """Return 1 - (A + C) / (B + C): errors under a common change, now, and of the other leaves."""
    v, f = actual[inside], forecast[inside]
    expected = f * (v.sum() / f.sum()) if f.sum() > 0 else f
    a = float(_relative_error(v, expected).mean())
    b = float(errors[inside].mean())
    n_rest = len(errors) - len(inside)
    c = max(float(errors.sum() - errors[inside].sum()), 0.0) / n_rest if n_rest else 0.0
    # To 12 digits, so that neither the unit nor the order of the leaves decides between equals.
    return round(1 - (a + c) / (b + c), 12) if b + c > 0 else -1.0
