"""The greedy search: the best combination of all cuboids, then the best of what it leaves.

At the end, what was found early and is explained by what was found later is taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from faultsight.localize.cuboids import Cuboids
from faultsight.localize.scan.gain import Gain
from faultsight.localize.scan.ranking import Ranking, count_combinations
from faultsight.localize.scan.significance import inflation, p_value
from faultsight.localize.scan.subsets import best_subset, lines
from faultsight.localize.threads import run_all

__all__ = ["Found", "Scored", "Search", "Step"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Gains closer than this are a tie: sums in another order differ in their last digits.
_TIE = 1e-9
_FEWEST_LEFT = 10
_LEAST_SHARE_LEFT = 0.02
# Leaves taken at a time, so that what is made of them stays in the cache of a core.
_BLOCK = 1 << 15


@dataclass(frozen=True)
class Scored:
    """A combination in codes, and its gain less the price of naming it."""

    elements: dict[int, int]
    score: float


@dataclass(frozen=True)
class Found:
    """A combination that was tested.

    Attributes
    ----------
    elements : dict of int to int
        Attribute position to element code.
    inside : ndarray of int
        Its active leaves.
    leaves : ndarray of int
        Those that it explains: all but those of roots found before.
    gain, inflation, p_value : float
        The gain under the noise that remains without it, divided by `inflation`.
    score : float
        That gain less ln of the number of combinations in its cuboid.
    mean : float
        Its relative deviation, positive for a drop.
    purity : float
        Weighted share of its leaves that deviate by at least half of that.
    is_material : bool
        Whether it deviates enough to be worth a report.
    others : tuple of dict
        The further members, if a set of siblings was tested as one; the rest is of the whole set.
    """

    elements: dict[int, int]
    inside: NDArray[np.intp]
    leaves: NDArray[np.intp]
    gain: float
    inflation: float
    p_value: float
    score: float
    mean: float
    purity: float
    is_material: bool
    others: tuple[dict[int, int], ...] = ()

    @property
    def members(self) -> tuple[dict[int, int], ...]:
        """The combination, or all of the set."""
        return (self.elements, *self.others)


@dataclass(frozen=True)
class Step:
    """One step: what was tested, and, of the first step, what came next."""

    found: Found
    next_best: tuple[Scored, ...]


@dataclass
class Search:
    """Repeatedly take the combination that explains most, and remove its leaves.

    The best combination maximizes gain - ln(number of combinations in its cuboid): its leaves
    are all its own (a parent mixes in normal ones) and none is left out (a child leaves some).
    Whether it is a root is judged after its removal, by the noise of what remains: the anomaly
    itself must not pass for noise, nor must roots found before.

    Parameters
    ----------
    cuboids : Cuboids
        Of all leaves of the cube.
    active : ndarray of int or slice
        Its active leaves, which the gain numbers 0, 1, ...; a slice if these are all leaves.
    gain : Gain
        The model.
    names : sequence of str
        Of the attributes; decide exact ties, so that the attributes' order does not.
    weight : ndarray, optional
        How often each active leaf counts (for the bootstrap).
    least_leaves : int
        Combinations of fewer active leaves are no candidates.
    next_best : int
        How many runners-up of the first step to keep.
    value_subsets : bool
        Whether to test the best set of siblings of a combination in its place.
    """

    cuboids: Cuboids
    active: NDArray[np.intp] | slice
    gain: Gain
    names: Sequence[str]
    weight: Array | None = None
    least_leaves: int = 1
    next_best: int = 0
    value_subsets: bool = False
    steps: list[Step] = field(default_factory=list)
    redundant: list[Found] = field(default_factory=list)
    n_roots: int = 0

    def __post_init__(self) -> None:
        self._n = self.cuboids.n_leaves if isinstance(self.active, slice) else len(self.active)
        self._position = {attributes: i for i, attributes in enumerate(self.cuboids.attribute_sets)}
        self._names_of: dict[int, list[str]] = {}
        self._is_left: Mask = np.ones(self._n, dtype=bool)
        if self.weight is not None:
            self._is_left = self.weight > 0
        self._sums = self.cuboids.empty(3)
        self._first, self._second, self._count = self._sums.flat
        self._refit()
        self._combinations = count_combinations(self._count, self.cuboids.offsets)
        self._prices = np.log(np.maximum(self._combinations, 1))

    @property
    def n_combinations(self) -> int:
        """How many combinations hold an active leaf."""
        return int(self._combinations.sum())

    def leaves_of(self, numbers: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return which leaves of the cube have these numbers among the active ones."""
        return numbers if isinstance(self.active, slice) else self.active[numbers]

    def roots(self, *, alpha: float, most: int, told: int | None) -> list[Found]:
        """Return the roots; `steps` also holds the candidate at which the search ended."""
        found: list[Found] = []
        while len(found) < (told or most):
            cell = self._best()
            if cell is None:
                break
            before = float(self._gains[cell]) - self._price(cell)
            next_best = () if self.steps or not self.next_best else self._next_best(cell)
            cells = self._siblings(cell) if self.value_subsets else [cell]
            left = self._is_left.copy()
            candidate = self._test(cells)
            if len(cells) > 1 and not (candidate.p_value <= alpha and candidate.is_material):
                # Where gains are inflated, members can cost more than they bring.
                self._is_left = left
                candidate = self._test([cell])
            self.steps.append(Step(candidate, _as_far_behind(next_best, before, candidate.score)))
            is_root = candidate.p_value <= alpha and candidate.is_material
            if told is None and not is_root:
                break
            found.append(candidate)
            self.n_roots += 1
            if not self._is_left.any():
                break
        return self._without_redundant(found, alpha) if told is None else found

    def _without_redundant(self, found: list[Found], alpha: float) -> list[Found]:
        """Drop roots that later ones explain: the leaves they hold alone could be noise."""
        if len(found) < 2:
            return found
        held = np.zeros(self._n, dtype=np.intp)
        for root in found:
            held[root.inside] += 1
        taken_back = []
        for root in sorted(found, key=lambda root: root.score):
            own = root.leaves[held[root.leaves] == 1]
            if len(own) < len(root.leaves) and self._p_value(own, root.elements) > alpha:
                held[root.inside] -= 1
                taken_back.append(id(root))
                self.redundant.append(root)
        return [root for root in found if id(root) not in taken_back]

    def _p_value(self, leaves: NDArray[np.intp], elements: Mapping[int, int]) -> float:
        """Return the p-value of some leaves of a combination under the noise as last fitted."""
        counted = np.ones(len(leaves)) if self.weight is None else self.weight[leaves]
        first, second = (np.array([column @ counted]) for column in self.gain.columns(leaves))
        gain = float(self.gain.signed_gains(first, second)[0])
        position = self._position[tuple(sorted(elements))]
        return p_value(
            gain / self._inflation(float(first[0])),
            combinations=int(self._combinations[position]),
            cuboids=len(self.cuboids),
            leaves=self._n,
        )

    def _refit(self) -> None:
        # Those of the last fit are not asked for again, and would be held beside the new ones.
        self._gains = np.empty(0)
        self.gain.fit(self._is_left)
        own_cells = self.cuboids.leaf_cells(self._sums)
        rows = np.empty((3, self.cuboids.n_leaves)) if own_cells is None else own_cells
        if not isinstance(self.active, slice):
            rows.fill(0.0)
        self._write_columns(rows)
        self.cuboids.fill(self._sums, rows if own_cells is None else None)
        self._gains = self.gain.signed_gains(self._first, self._second)
        # Where all leaves are gone, sums that were rounded would speak.
        self._gains[self._count <= 0] = 0.0

    def _write_columns(self, rows: Array) -> None:
        """Write what is summed: the columns of the gain and a count, of leaves that are left."""
        blocks = [slice(start, start + _BLOCK) for start in range(0, self._n, _BLOCK)]
        tasks = [partial(self._write_block, rows, block) for block in blocks]
        run_all(tasks)

    def _write_block(self, rows: Array, block: slice) -> None:
        place = block if isinstance(self.active, slice) else self.active[block]
        rows[2, place] = self._is_left[block]
        if self.weight is not None:
            rows[2, place] *= self.weight[block]
        counted = rows[2, place]
        for row, values in zip(rows, self.gain.columns(block), strict=False):
            row[place] = np.multiply(values, counted, out=values)

    def _price(self, cell: int) -> float:
        """Return what naming a combination costs."""
        attributes, _ = self.cuboids.locate(cell)
        return float(self._prices[self._position[attributes]])

    def _ranking(self) -> Ranking:
        return Ranking(
            self._gains, self._count, self.cuboids.offsets, self._prices, self.least_leaves
        )

    def _best(self) -> int | None:
        ranking = self._ranking()
        best = ranking.highest()
        if best == -np.inf:
            return None
        tied = ranking.at_least(best - _TIE * max(abs(best), 1.0)).tolist()
        return int(tied[0]) if len(tied) == 1 else min(tied, key=self._tie_order)

    def _tie_order(self, cell: int) -> tuple[int, int, float, list[str]]:
        """Shallow first; then what does not depend on the order of attributes; then names."""
        attributes, _ = self.cuboids.locate(cell)
        position = self._position[attributes]
        start, stop = self.cuboids.offsets[position : position + 2]
        whole = float(f"{np.abs(self._gains[start:stop]).sum():.9g}")
        return len(attributes), int(self._combinations[position]), -whole, self._names(position)

    def _names(self, position: int) -> list[str]:
        """Return the names of a cuboid's attributes, which decide between equals."""
        if position not in self._names_of:
            attributes = self.cuboids.attribute_sets[position]
            self._names_of[position] = sorted(self.names[a] for a in attributes)
        return self._names_of[position]

    def _siblings(self, winner: int) -> list[int]:
        """Return the best set of cells that differ from the best cell in one attribute."""
        attributes, place = self.cuboids.locate(winner)
        start = winner - place
        cuboid = slice(start, start + self.cuboids.n_cells(attributes))
        price = self._price(winner)
        is_candidate = (self._count[cuboid] >= self.least_leaves) & (self._gains[cuboid] > 0)
        scores = np.where(is_candidate, self._gains[cuboid] - price, -np.inf)
        worthy = start + np.flatnonzero(scores > 0)
        best, best_score = [winner], float(scores[place])
        if winner not in worthy:
            return best
        elements = [self.cuboids.elements_of_cell(attributes, c - start) for c in worthy.tolist()]
        is_drop = bool(self.gain.means(self._first[[winner]], self._second[[winner]])[0] > 0)
        found = lines(np.array(elements), int(np.searchsorted(worthy, winner)))
        for _, rows in sorted(found, key=lambda line: self.names[attributes[line[0]]]):
            line = worthy[rows]
            members, score = best_subset(
                self.gain, self._first[line], self._second[line], price=price, is_drop=is_drop
            )
            if score > best_score + _TIE * max(best_score, 1.0):
                best, best_score = line[members].tolist(), score
        return best

    def _test(self, cells: Sequence[int]) -> Found:
        places = [self.cuboids.locate(cell) for cell in cells]
        attributes = places[0][0]
        elements, *others = (
            dict(zip(attributes, self.cuboids.elements_of_cell(attributes, place), strict=True))
            for _, place in places
        )
        inside = self._numbers_of(
            np.concatenate([self.cuboids.leaves_of_cell(attributes, at) for _, at in places])
        )
        leaves = inside[self._is_left[inside]]
        combinations = int(self._combinations[self._position[attributes]])
        self._is_left[leaves] = False
        n_left = int(np.count_nonzero(self._is_left))
        too_few = n_left < max(_FEWEST_LEFT, _LEAST_SHARE_LEFT * self._n)
        if too_few:
            self._is_left[:] = False
        else:
            self._refit()
        counted = np.ones(len(leaves)) if self.weight is None else self.weight[leaves]
        first, second = (column * counted for column in self.gain.columns(leaves))
        precision = float(first.sum())
        gain = float(self.gain.signed_gains(first.sum(keepdims=True), second.sum(keepdims=True))[0])
        mean = float(self.gain.means(first.sum(keepdims=True), second.sum(keepdims=True))[0])
        # Members drift each by itself: their sum is as inflated as they are.
        factor = 1.0 if too_few else self._inflation(precision / len(cells))
        price = float(np.log(max(combinations, 1)))
        return Found(
            elements=elements,
            inside=inside,
            leaves=leaves,
            gain=gain / factor,
            inflation=factor,
            p_value=p_value(
                gain / factor - len(others) * price,
                combinations=combinations,
                cuboids=len(self.cuboids),
                leaves=self._n,
            ),
            score=gain / factor - len(cells) * price,
            mean=mean,
            purity=self._purity(first, second, mean),
            is_material=self.gain.is_material(gain, leaves),
            others=tuple(others),
        )

    def _numbers_of(self, leaves: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the numbers of the active ones among some leaves of the cube."""
        if isinstance(self.active, slice):
            return leaves
        numbers = np.minimum(np.searchsorted(self.active, leaves), self._n - 1)
        found: NDArray[np.intp] = numbers[self.active[numbers] == leaves]
        return found

    def _inflation(self, precision: float) -> float:
        counts = self._count > 1.5
        # Of single leaves, the widest cuboid holds each once; elsewhere they would be repeats.
        widest = slice(self.cuboids.offsets[-2], None)
        counts[widest] |= self._count[widest] > 0
        return inflation(self._gains, self._first, counts, precision)

    def _purity(self, first: Array, second: Array, mean: float) -> float:
        agrees = self.gain.means(first, second) * np.sign(mean) >= 0.5 * abs(mean)
        return float(first[agrees].sum() / first.sum()) if first.sum() > 0 else 0.0

    def _next_best(self, winner: int) -> tuple[Scored, ...]:
        """Return the runners-up, one for each set of leaves: those of one set have equal sums."""
        ranked = []
        for cell in self._ranking().top(4 * self.next_best + 8).tolist():
            attributes, _ = self.cuboids.locate(cell)
            position = self._position[attributes]
            score = float(self._gains[cell] - self._prices[position])
            ranked.append((-float(f"{score:.9g}"), len(attributes), self._names(position), cell))
        seen = {self._fingerprint(winner)}
        chosen: list[Scored] = []
        for minus_score, _, _, cell in sorted(ranked):
            mark = self._fingerprint(cell)
            if mark in seen:
                continue
            seen.add(mark)
            attributes, place = self.cuboids.locate(cell)
            elements = self.cuboids.elements_of_cell(attributes, place)
            chosen.append(Scored(dict(zip(attributes, elements, strict=True)), -minus_score))
            if len(chosen) == self.next_best:
                break
        return tuple(chosen)

    def _fingerprint(self, cell: int) -> tuple[str, ...]:
        sums = (self._first[cell], self._second[cell], self._count[cell])
        return tuple(f"{value:.9g}" for value in sums)


def _as_far_behind(losers: Sequence[Scored], before: float, after: float) -> tuple[Scored, ...]:
    """Return runners-up as far behind the winner after its test as they were before it."""
    return tuple(
        Scored(loser.elements, float(f"{loser.score - before + after:.9g}")) for loser in losers
    )
