"""iDice: the combinations whose counts changed, and that best set the change apart.

Made for emerging issues in reports of users: of the combinations that hold enough reports and
that changed, those are kept whose cut of the cube isolates the change better than any cut with
one attribute more or less. Here the forecast is the count before the change and the actual value
the count after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr, xlogy
from scipy.stats import chi2

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import SettingError
from faultsight.localize.contract import Answer, Candidate, Finding, LayerTrace, Localizer
from faultsight.localize.cuboids import Cuboids
from faultsight.localize.leaves import Leaves

__all__ = ["IDice", "IDiceConfig"]

Array = NDArray[np.float64]
Sums = Mapping[tuple[int, ...], Array]

# Two cuts of the same leaves isolate alike, whatever the order in which they were summed.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class IDiceConfig:
    """Settings of iDice; the paper's own values are not known to us.

    Attributes
    ----------
    min_share : float
        Least share of the larger of the two totals that a combination must hold in its time.
        0.01: below it a root moves the whole by less than most forecasts are wrong.
    significance : float
        A combination changed if two counts so far apart have at most this chance under one rate.
        0.01, a customary level.
    k : int
        How many combinations are reported. 3: most faults have no more roots.

    Raises
    ------
    SettingError
        If a share is outside (0, 1) or k is not positive.
    """

    min_share: float = 0.01
    significance: float = 0.01
    k: int = 3

    def __post_init__(self) -> None:
        for name in ("min_share", "significance"):
            if not 0 < getattr(self, name) < 1:
                raise SettingError(f"{name} must lie in (0, 1), not {getattr(self, name)}")
        if self.k < 1:
            raise SettingError(f"k must be at least 1, not {self.k}")


class IDice(Localizer):
    """Report combinations of enough impact that changed and isolate the change locally best.

    A pattern's score is p ln(p / q), where p and q are the combination's shares of the whole with
    the issue and without; its confidence is the part of its larger count that is not in the
    smaller one.

    The paper finds the change in the series of each combination. A cube holds no series but two
    counts, so that a likelihood-ratio test of these replaces it: twice the log-likelihood gain of
    two Poisson rates over one, against chi-squared with one degree of freedom. Values must be
    counts for it, in units of one.

    The paper reads a rise. Where the whole drops, the two times change places: what went missing
    is sought as what would have emerged.

    Parameters
    ----------
    config : IDiceConfig, optional
        Settings.

    References
    ----------
    Q. Lin et al., "iDice: problem identification for emerging issues", ICSE 2016: pruning by
    impact, by change detection, and by isolation power; ranking.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> cube = KpiCube.from_frame(pl.DataFrame({
    ...     "country": ["x", "x", "y", "y"], "os": ["a", "b", "a", "b"],
    ...     "real": [90.0, 10.0, 10.0, 10.0], "predict": [10.0, 10.0, 10.0, 10.0]}))
    >>> [str(c) for c in IDice().localize(cube).combinations]
    ['country=x&os=a']
    """

    excused: ClassVar[Mapping[str, str]] = {
        "check_unit_changes_nothing": "its change detection is a test on counts: ten reports more "
        "mean less than ten thousand more, so the unit must be one report",
    }

    def __init__(self, *, config: IDiceConfig | None = None) -> None:
        self.config = config or IDiceConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        after, before = leaves.actual, leaves.forecast
        if after.sum() < before.sum():
            after, before = before, after
        cuboids = leaves.cuboids()
        sums = cuboids.sums(after, before)
        total = np.array([after.sum(), before.sum()])
        power = {a: isolation_power(s, total) for a, s in sums.items()}
        beaten = _beaten(cuboids, power, float(isolation_power(total[:, None], total)[0]))
        limit = chi2.isf(self.config.significance, df=1)
        kept: list[tuple[AttributeCombination, Finding]] = []
        trace: list[LayerTrace] = []
        for layer in range(1, len(leaves.cardinalities) + 1):
            visited = [a for a in cuboids.attribute_sets if len(a) == layer]
            scored = n_large = n_changed = 0
            for attributes in visited:
                x_after, x_before = sums[attributes]
                is_large = x_after >= self.config.min_share * total[0]
                is_changed = is_large & (x_after > x_before)
                is_changed &= change_statistic(x_after, x_before) > limit
                scored += int((x_after + x_before > 0).sum())
                n_large += int(is_large.sum())
                n_changed += int(is_changed.sum())
                for cell in np.flatnonzero(is_changed & ~beaten[attributes]):
                    codes = cuboids.elements_of_cell(attributes, int(cell))
                    elements = dict(zip(attributes, map(int, codes), strict=True))
                    finding = _finding(elements, x_after[cell], x_before[cell], total)
                    kept.append((leaves.cube.combination(elements), finding))
            trace.append(
                LayerTrace(
                    title=f"layer {layer}",
                    cuboids=len(visited),
                    combinations=scored,
                    note=f"{n_large} have enough impact, {n_changed} of them changed",
                )
            )
        kept.sort(key=lambda pair: (-round(pair[1].score, 12), pair[0]))
        return Answer(
            findings=[finding for _, finding in kept[: self.config.k]],
            dropped=[
                Candidate(f.elements, f.score, f"not among the {self.config.k} highest scores")
                for _, f in kept[self.config.k :][:10]
            ],
            abstained="no combination of enough impact changed and sets the change apart",
            trace=trace,
        )


def isolation_power(sums: Array, total: Array) -> Array:
    """Return minus the entropy of "before or after", given "inside or outside", of each cut.

    Parameters
    ----------
    sums : ndarray of float64, shape (2, n_cells)
        Counts after and before of each combination.
    total : ndarray of float64, shape (2,)
        Counts after and before of the whole.

    Returns
    -------
    ndarray of float64, shape (n_cells,)
        In nats, at most 0; the nearer to 0, the better the cut sets the change apart.

    Examples
    --------
    >>> isolation_power(np.array([[8.0], [0.0]]), np.array([12.0, 4.0])).round(4).tolist()
    [-0.3466]
    """
    power = np.zeros(sums.shape[1])
    for side in (sums, np.maximum(total[:, None] - sums, 0.0)):
        # x ln(x / (x + y)) + y ln(y / (x + y))
        power += xlogy(side, side).sum(axis=0) - xlogy(side.sum(axis=0), side.sum(axis=0))
    return np.asarray(power / total.sum(), dtype=np.float64)


def change_statistic(after: Array, before: Array) -> Array:
    """Return twice the log-likelihood gain of two Poisson rates over one for the two counts.

    Examples
    --------
    >>> change_statistic(np.array([20.0, 5.0]), np.array([10.0, 5.0])).round(3).tolist()
    [3.398, 0.0]
    """
    mean = (after + before) / 2
    return np.asarray(2 * (rel_entr(after, mean) + rel_entr(before, mean)), dtype=np.float64)


def _beaten(
    cuboids: Cuboids, power: Sums, uncut: float
) -> dict[tuple[int, ...], NDArray[np.bool_]]:
    """Return, for each cell, whether a parent isolates as well or a child better.

    Of cuts of the same leaves, the one that fixes fewer attributes stands.
    """
    beaten = {a: p <= uncut + _ROUNDING for a, p in power.items()}
    for attributes in power:
        if len(attributes) == 1:
            continue
        # The cell and the cell above it that each leaf lies in.
        here = cuboids.cell_of_leaves(attributes)
        power_here = power[attributes][here]
        for free in attributes:
            above = tuple(a for a in attributes if a != free)
            up = cuboids.cell_of_leaves(above)
            power_above = power[above][up]
            beaten[attributes][here[power_above >= power_here - _ROUNDING]] = True
            beaten[above][up[power_here > power_above + _ROUNDING]] = True
    return beaten


def _finding(elements: dict[int, int], x_after: float, x_before: float, total: Array) -> Finding:
    # A combination with nothing before has no ratio: half a report stands in.
    p, q = x_after / total[0], max(x_before, 0.5) / max(total[1], 0.5)
    return Finding(
        elements=elements,
        score=float(p * np.log(p / q)),
        confidence=float(1 - x_before / x_after),
        reason=f"its share of the whole is {p:.1%} with the issue and {q:.1%} without, and no "
        "cut with one attribute more or less sets the change apart better",
    )
