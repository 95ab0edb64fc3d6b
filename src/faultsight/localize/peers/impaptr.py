"""ImpAPTr: the combinations without which a rate would not have got worse.

A breadth-first search of the lattice compares the rate of the whole with the rate of the whole
without a combination, before and after the change. Candidates are ranked by how much of the
change they brought, and by how much their own rate changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr
from scipy.stats import rankdata

from faultsight.core.errors import SettingError
from faultsight.localize.contract import Answer, Candidate, Finding, LayerTrace, Localizer
from faultsight.localize.leaves import Leaves

__all__ = ["ImpAPTr", "ImpAPTrConfig"]

Array = NDArray[np.float64]

_NEAREST = 10


@dataclass(frozen=True)
class ImpAPTrConfig:
    """Settings of ImpAPTr.

    Attributes
    ----------
    min_share : float
        The search goes below a combination only if it holds this share of the denominator. 0.05,
        as public implementations have it.
    n : int
        How many combinations are reported; the method cannot tell. 1, as public implementations
        have it.

    Raises
    ------
    SettingError
        If the share is outside [0, 1) or n is not positive.
    """

    min_share: float = 0.05
    n: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.min_share < 1:
            raise SettingError(f"min_share must lie in [0, 1), not {self.min_share}")
        if self.n < 1:
            raise SettingError(f"n must be at least 1, not {self.n}")


@dataclass(frozen=True)
class _Scored:
    """The candidates of one cuboid and their two measures."""

    attributes: tuple[int, ...]
    cells: NDArray[np.intp]
    contribution: Array
    diversity: Array


class ImpAPTr(Localizer):
    """Report the combinations that rank highest by contribution power and diversity together.

    A pattern's score is 1 for a combination that is first in both rankings of the candidates, and
    0 for one that is last in both.

    The method is one for a rate, such as a failure ratio: larger is worse here. An additive KPI is
    read as the rate of what came to what was expected, whose rate before is 1 everywhere; the side
    to which the whole deviates counts as worse. Other derived KPIs are read so by their additive
    pair.

    Parameters
    ----------
    config : ImpAPTrConfig, optional
        Settings.

    References
    ----------
    H. Wang et al., "ImpAPTr: a tool for identifying the clues to online service anomalies", ASE
    2020: impact factor, contribution power, diversity factor.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> cube = KpiCube.from_frame(pl.DataFrame({
    ...     "city": ["x", "x", "y", "y"], "isp": ["a", "b", "a", "b"],
    ...     "real": [10.0, 100.0, 100.0, 99.0], "predict": [100.0, 100.0, 100.0, 100.0]}))
    >>> [str(c) for c in ImpAPTr().localize(cube).combinations]
    ['city=x&isp=a']
    """

    def __init__(self, *, config: ImpAPTrConfig | None = None) -> None:
        self.config = config or ImpAPTrConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        rate = _Rate(leaves)
        if rate.total[1] <= 0 or rate.total[3] <= 0:
            return Answer(abstained="nothing was expected: there is no rate to compare with")
        if rate.change <= 0:
            return Answer(abstained=rate.unharmed)
        cuboids = leaves.cuboids()
        sums = cuboids.sums(*rate.columns)
        # Whether the search goes on below the cell that each leaf lies in.
        goes_on: dict[tuple[int, ...], NDArray[np.bool_]] = {}
        found: list[_Scored] = []
        trace = []
        for layer in range(1, len(leaves.cardinalities) + 1):
            visited = [a for a in cuboids.attribute_sets if len(a) == layer]
            reached = 0
            for attributes in visited:
                cells = cuboids.cell_of_leaves(attributes)
                above = [goes_on[tuple(a for a in attributes if a != free)] for free in attributes
                         ] if layer > 1 else [leaves.is_active]  # fmt: skip
                is_reached = np.zeros(sums[attributes].shape[1], dtype=bool)
                is_reached[cells[np.logical_or.reduce(above) & leaves.is_active]] = True
                impact, contribution = rate.impact(sums[attributes])
                share = sums[attributes][1] / rate.total[1]
                goes_down = is_reached & (share >= self.config.min_share) & (impact > 0)
                goes_on[attributes] = goes_down[cells]
                chosen = np.flatnonzero(is_reached & (contribution > 0))
                diversity = rate.diversity(sums[attributes][:, chosen])
                found.append(_Scored(attributes, chosen, contribution[chosen], diversity))
                reached += int(is_reached.sum())
            trace.append(LayerTrace(f"layer {layer}", len(visited), reached))
        ranked = self._ranked(leaves, found, cuboids.elements_of_cell)
        return Answer(
            findings=ranked[: self.config.n],
            dropped=[
                Candidate(f.elements, f.score, f"not among the first {self.config.n}")
                for f in ranked[self.config.n :]
            ],
            abstained="no combination made the rate worse",
            trace=trace,
        )

    def _ranked(
        self,
        leaves: Leaves,
        found: list[_Scored],
        elements_of_cell: Callable[[tuple[int, ...], int], tuple[int, ...]],
    ) -> list[Finding]:
        """Return the candidates that are reported and the ten next, best first."""
        contribution = np.concatenate([s.contribution for s in found]).round(12)
        diversity = np.concatenate([s.diversity for s in found]).round(12)
        if not contribution.size:
            return []
        worst = max(contribution.size - 1, 1)
        ranks = np.stack([rankdata(-x, method="min") - 1 for x in (contribution, diversity)])
        score = 1 - ranks.sum(axis=0) / (2 * worst)
        places = [(s.attributes, int(cell)) for s in found for cell in s.cells]
        n_wanted = self.config.n + _NEAREST
        cut = np.sort(score)[-min(n_wanted, score.size)]
        ranked = []
        # All that tie with the last one wanted, so that names decide among them, not positions.
        for position in np.flatnonzero(score >= cut):
            attributes, cell = places[position]
            elements = dict(zip(attributes, elements_of_cell(attributes, cell), strict=True))
            first, second = (int(rank) + 1 for rank in ranks[:, position])
            finding = Finding(
                elements=elements,
                score=float(score[position]),
                confidence=float(score[position]),
                reason=f"of {score.size} combinations that made the rate worse, number {first} by "
                f"contribution ({contribution[position]:.3g}) and {second} by diversity",
            )
            ranked.append(((-finding.score, leaves.cube.combination(elements)), finding))
        ranked.sort(key=lambda pair: pair[0])
        return [finding for _, finding in ranked[:n_wanted]]


class _Rate:
    """A KPI as a rate of which more is worse: numerator and denominator, after and before."""

    def __init__(self, leaves: Leaves) -> None:
        if leaves.kpi.is_ratio:
            (above, above_before), (below, below_before) = leaves.parts
            self.sign = 1.0
            self.unharmed = "the ratio as a whole did not rise"
        else:
            above, below = leaves.actual, leaves.forecast
            above_before = below_before = below
            self.sign = 1.0 if above.sum() >= below.sum() else -1.0
            self.unharmed = "the KPI as a whole is as forecast"
        self.columns = (above, below, above_before, below_before)
        self.total = np.array([column.sum() for column in self.columns])

    @property
    def change(self) -> float:
        """How much worse the whole got; 0 for the rounding that sums leave behind."""
        after, before = self.total[0] / self.total[1], self.total[2] / self.total[3]
        return 0.0 if np.isclose(after, before, rtol=1e-12) else self.sign * (after - before)

    def impact(self, sums: Array) -> tuple[Array, Array]:
        """Return the impact factor after the change, and the contribution power, of each cell.

        The impact factor of a combination is the rate of the whole less that of the whole without
        it; the contribution power is how much it grew. Without a combination that holds
        everything there is no rate: it contributes nothing, and the search goes on below it.
        """
        rest = self.total[:, None] - sums
        rest[np.abs(rest) <= 1e-12 * self.total[:, None]] = 0.0
        after = self.sign * (self.total[0] / self.total[1] - _divide(rest[0], rest[1]))
        before = self.sign * (self.total[2] / self.total[3] - _divide(rest[2], rest[3]))
        is_whole = (rest[1] <= 0) | (rest[3] <= 0)
        return np.where(is_whole, np.inf, after), np.where(is_whole, 0.0, after - before)

    def diversity(self, sums: Array) -> Array:
        """Return how much each cell's own rate changed: its Jensen-Shannon term.

        0 where there was nothing to divide by before, since no rate is known then.
        """
        p, q = _divide(sums[0], sums[1]), _divide(sums[2], sums[3])
        terms = 0.5 * (rel_entr(p, (p + q) / 2) + rel_entr(q, (p + q) / 2))
        return np.where(sums[3] > 0, terms, 0.0)


def _divide(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)
