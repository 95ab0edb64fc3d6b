"""How the sums of all cuboids are made in about two passes over the leaves.

A cuboid is rolled up from the smallest cuboid that is there already and has one attribute more.
Where there is none (a sparse cube, of which only the first layers are asked for), wider cuboids of
few cells are made from the leaves first, each of which then yields many others. What is made from
the leaves, with all that is made from that, is a tree; the trees of a large table are shared out
among the cores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from faultsight.localize.cuboids.bases import BASE_CELLS, cover, split_by_lead
from faultsight.localize.cuboids.codes import CodeTable
from faultsight.localize.cuboids.dense import RollUp
from faultsight.localize.cuboids.passes import (
    Attributes,
    Copy,
    Cuboid,
    Drop,
    LeafPass,
    LookUp,
    Pass,
    Rows,
    SortedPass,
)
from faultsight.localize.threads import run_all

__all__ = ["Plan"]

# Beyond this many cells for each leaf, looking up compressed cells costs less than passing over
# dense ones that are mostly empty.
_DENSE_CELLS_PER_LEAF = 4
# Adding a cell of a dense source costs this much of adding one through an index.
_DROP_COST = 0.35
# Columns of more leaves than this are worth more than one thread, and each a roll-up of its own.
_LARGE = 1 << 16
# Where the leaves are no more than this, their cells are kept and not computed on each pass.
_KEPT = 1 << 18


class Plan:
    """What to make from what, in which order, for a set of cuboids.

    Parameters
    ----------
    table : CodeTable
        The leaves.
    wanted : iterable of tuple of int
        The cuboids: all up to a layer, each with its attributes ascending.

    Attributes
    ----------
    cuboids : dict
        The cuboids that were asked for, in the order given.
    places : dict
        Where each of them lies among their cells.
    n_cells : int
        How many cells they have in all.
    is_large : bool
        Whether columns had better be taken one by one than all at once.
    work : float
        The cost of making them all, in values added through an index.

    Examples
    --------
    >>> plan = Plan(CodeTable([[0, 0], [0, 1], [1, 0], [1, 1]], [2, 2]), [(0,), (1,), (0, 1)])
    >>> flat = np.empty((1, plan.n_cells))
    >>> plan.run([np.array([1.0, 2.0, 3.0, 4.0])], flat)
    >>> flat[0].tolist()
    [3.0, 7.0, 4.0, 6.0, 1.0, 2.0, 3.0, 4.0]
    """

    def __init__(self, table: CodeTable, wanted: Iterable[Attributes]) -> None:
        self._table = table
        self._wanted = tuple(wanted)
        self._whole = tuple(range(table.n_attributes))
        self.is_large = table.n_leaves > _LARGE
        self._is_full = table.is_full
        # Stands for the leaves where these are all combinations and need not be copied.
        self._leaves = Cuboid(self._whole, table.n_leaves)
        self._made: dict[Attributes, Cuboid] = {}
        self._passes: list[Pass] = []
        self._is_rolled_up = self._whole in self._wanted and self._is_dense(self._whole)
        self.work = 0.0
        self._draw_up()

        self.cuboids = {attributes: self._made[attributes] for attributes in self._wanted}
        self.places: dict[Attributes, slice] = {}
        self.n_cells = 0
        for attributes, cuboid in self.cuboids.items():
            place = slice(self.n_cells, self.n_cells + cuboid.n_cells)
            self.places[attributes] = cuboid.place = place
            self.n_cells = place.stop
        self._roll_up_of_whole: RollUp | None = None
        if self._is_rolled_up:
            starts = {attributes: place.start for attributes, place in self.places.items()}
            self._roll_up_of_whole = RollUp(table.cardinalities, starts)
            self.work += _DROP_COST * self._roll_up_of_whole.work
        self._trees = self._find_trees()

    @property
    def has_leaf_cells(self) -> bool:
        """Whether the cells of the last cuboid are the leaves, in order."""
        return (self._is_rolled_up and self._is_full) or self._holds_leaves(self._whole)

    def _holds_leaves(self, attributes: Attributes) -> bool:
        """Whether a compressed cuboid has the leaves for cells, in order."""
        made = self._made.get(attributes)
        return made is not None and isinstance(made.first, range)

    def run(self, columns: Rows | None, flat: NDArray[np.float64]) -> None:
        """Sum columns of leaf values into the cells of all cuboids, a row for each column.

        Where the last cuboid has the leaves for cells, values may be there already.
        """
        if columns is None and not self._is_rolled_up:
            columns = flat[:, self.places[self._whole]]
        if columns is not None:
            trees = [partial(self._grow, tree, columns, flat) for tree in self._trees]
            run_all(trees, workers=None if self.is_large else 1)
        if self._roll_up_of_whole is not None:
            source = columns if self._is_full else None
            self._roll_up_of_whole.run(source, flat, in_threads=self.is_large)

    def cells_of(
        self,
        cuboid: Cuboid,
        leaves: NDArray[np.integer] | None = None,
        known: dict[Cuboid, NDArray[np.intp]] | None = None,
    ) -> NDArray[np.intp]:
        """Return the cell of each leaf (all, unless given) in a cuboid.

        What is found on the way is looked up and noted in `known`.
        """
        known = {} if known is None else known
        if cuboid not in known:
            known[cuboid] = self._cells_of(cuboid, leaves, known)
        return known[cuboid]

    def _cells_of(
        self,
        cuboid: Cuboid,
        leaves: NDArray[np.integer] | None,
        known: dict[Cuboid, NDArray[np.intp]],
    ) -> NDArray[np.intp]:
        cells: NDArray[np.intp]
        if isinstance(cuboid.first, range):
            n_leaves = self._table.n_leaves
            cells = np.arange(n_leaves) if leaves is None else leaves.astype(np.intp)
        elif cuboid.index is not None:
            if cuboid.source is not None:
                index = cuboid.index[self.cells_of(cuboid.source, leaves, known)]
            else:
                index = cuboid.index.copy() if leaves is None else cuboid.index[leaves]
            cells = index.astype(np.intp, copy=False)
        elif leaves is None:
            cells = self._table.keys(cuboid.attributes)
        else:
            *head, last = cuboid.attributes
            cells = self._table.columns[last][leaves].astype(np.intp)
            if head:
                above = self.cells_of(self.cuboids[tuple(head)], leaves, known)
                cells += above * self._table.cardinalities[last]
        return cells

    def _grow(
        self,
        tree: Sequence[Pass],
        columns: Rows,
        flat: NDArray[np.float64],
    ) -> None:
        """Make what comes of one pass over the leaves."""
        arrays: dict[Cuboid | None, Rows] = {None: columns, self._leaves: columns}
        for step, finished in zip(tree, _find_finished(tree), strict=True):
            targets = [
                np.empty((len(columns), cuboid.n_cells))
                if cuboid.place is None
                else flat[:, cuboid.place]
                for cuboid in step.cuboids
            ]
            step.run(arrays[step.cuboids[0].source], targets)
            arrays.update(zip(step.cuboids, targets, strict=True))
            for cuboid in finished:
                del arrays[cuboid]

    def _draw_up(self) -> None:
        if self._is_rolled_up:
            self._made = {a: Cuboid(a, self._table.n_products(a)) for a in self._wanted}
            if not self._is_full:
                self._scatter([self._whole])
            return
        layers = [list(sets) for _, sets in groupby(sorted(self._wanted, key=len), key=len)]
        if self._is_full:
            self._made[self._whole] = self._leaves
        elif self._is_dense(self._whole):
            self._scatter([self._whole])
        for depth, sets in enumerate(reversed(layers)):
            missing = [attributes for attributes in sets if attributes not in self._made]
            if depth > 0:
                for attributes in missing:
                    self._roll_up(attributes)
            elif self._whole in self._made:
                for attributes in missing:
                    self._descend(attributes, self._made[self._whole])
            else:
                self._start(missing)

    def _start(self, wanted: Sequence[Attributes]) -> None:
        """Make the widest cuboids of a sparse cube from the leaves, by way of shared bases."""
        n_leaves = self._table.n_leaves
        largest = min(BASE_CELLS, n_leaves // 2)
        small = [
            attributes for attributes in wanted if self._table.n_products(attributes) <= largest
        ]
        single: list[Attributes] = []
        for base, members in cover(small, self._table.cardinalities, largest):
            if len(members) == 1:
                single.extend(members)
                continue
            self._scatter([base])
            for attributes in members:
                self._descend(attributes, self._made[base])
            for attributes in set(self._made).difference(wanted):
                del self._made[attributes]
        single.extend(set(wanted).difference(self._made, single))
        if self._whole in single and self._table.is_ascending:
            single.remove(self._whole)
            self._add(Copy(Cuboid(self._whole, n_leaves, first=range(n_leaves))))
        dense = sorted(attributes for attributes in single if self._is_dense(attributes))
        for lead, sets in split_by_lead(self._table, dense):
            self._scatter(sets, lead)
        for attributes in sorted(set(single).difference(dense)):
            self._compress(attributes, None)

    def _roll_up(self, attributes: Attributes) -> None:
        """Make a cuboid from the cheapest that has one attribute more, or from the leaves."""
        parents = [
            self._made[tuple(sorted((*attributes, a)))] for a in self._whole if a not in attributes
        ]
        cheapest = min(parents, key=_pass_cost)
        costs_more = _pass_cost(cheapest) > self._table.n_leaves
        # What has the leaves for cells is no better a source than they are.
        source = None if costs_more or isinstance(cheapest.first, range) else cheapest
        if not self._is_dense(attributes):
            self._compress(attributes, source)
        elif source is None:
            self._scatter([attributes])
        elif source.first is None:
            self._drop(attributes, source)
        else:
            cuboid = Cuboid(attributes, self._table.n_products(attributes), source)
            self._look_up(cuboid, self._table.keys(attributes, source.leaves))

    def _descend(self, attributes: Attributes, source: Cuboid) -> None:
        """Drop one attribute after the other, the one that leaves the fewest cells first."""
        cardinalities = self._table.cardinalities
        surplus = set(source.attributes).difference(attributes)
        for dropped in sorted(surplus, key=lambda a: (-cardinalities[a], a)):
            narrower = tuple(a for a in source.attributes if a != dropped)
            if narrower not in self._made:
                self._drop(narrower, source)
            source = self._made[narrower]

    def _drop(self, attributes: Attributes, source: Cuboid) -> None:
        """Make a dense cuboid from a dense one that has one attribute more."""
        (dropped,) = set(source.attributes).difference(attributes)
        at = source.attributes.index(dropped)
        n_products = self._table.n_products
        shape = (
            n_products(source.attributes[:at]),
            self._table.cardinalities[dropped],
            n_products(source.attributes[at + 1 :]),
        )
        self._add(Drop(Cuboid(attributes, n_products(attributes), source), shape))

    def _scatter(self, sets: Sequence[Attributes], lead: int | None = None) -> None:
        """Make dense cuboids from the leaves, sorted by an attribute if one is given."""
        table = self._table
        if table.n_leaves <= _KEPT:
            for attributes in sets:
                cuboid = Cuboid(attributes, table.n_products(attributes))
                self._look_up(cuboid, table.keys(attributes))
            return
        cuboids = [Cuboid(attributes, table.n_products(attributes)) for attributes in sets]
        if lead is None:
            for cuboid in cuboids:
                self._add(LeafPass(table, cuboid))
        else:
            self._add(SortedPass(table, cuboids, lead))

    def _compress(self, attributes: Attributes, source: Cuboid | None) -> None:
        """Make a compressed cuboid from a wider one that is compressed too, or from the leaves."""
        leaves = None if source is None else source.leaves
        index, positions = self._table.distinct(attributes, leaves)
        first = positions if leaves is None else leaves[positions]
        self._look_up(Cuboid(attributes, len(first), source, first=self._kept(first)), index)

    def _look_up(self, cuboid: Cuboid, index: NDArray[np.integer]) -> None:
        cuboid.index = self._kept(index)
        self._add(LookUp(cuboid, cuboid.index))

    def _kept(self, index: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return an index as it is to be kept: of many leaves, in half the memory."""
        largest = _DENSE_CELLS_PER_LEAF * self._table.n_leaves
        is_halved = self._table.n_leaves > _KEPT and largest <= np.iinfo(np.int32).max
        return index.astype(np.int32) if is_halved else index

    def _add(self, step: Pass) -> None:
        self._passes.append(step)
        for cuboid in step.cuboids:
            self._made[cuboid.attributes] = cuboid
            source = cuboid.source
            self.work += self._table.n_leaves if source is None else _pass_cost(source)

    def _is_dense(self, attributes: Attributes) -> bool:
        n_leaves = self._table.n_leaves
        n_products = self._table.n_products(attributes)
        return n_leaves > 0 and n_products <= _DENSE_CELLS_PER_LEAF * n_leaves

    def _find_trees(self) -> list[list[Pass]]:
        """Split the passes into those that have nothing to do with each other."""
        tree_of: dict[Cuboid, list[Pass]] = {}
        trees: list[list[Pass]] = []
        for step in self._passes:
            source = step.cuboids[0].source
            if source in tree_of:
                tree = tree_of[source]
            else:
                tree = []
                trees.append(tree)
            tree.append(step)
            tree_of.update((cuboid, tree) for cuboid in step.cuboids)
        return trees


def _find_finished(tree: Sequence[Pass]) -> list[list[Cuboid]]:
    """Return which cuboids that only lead to others have done so after each pass."""
    last = {
        cuboid.source: position
        for position, step in enumerate(tree)
        for cuboid in step.cuboids
        if cuboid.source is not None and cuboid.source.place is None
    }
    finished: list[list[Cuboid]] = [[] for _ in tree]
    for cuboid, position in last.items():
        finished[position].append(cuboid)
    return finished


def _pass_cost(source: Cuboid) -> float:
    return source.n_cells * (_DROP_COST if source.first is None else 1.0)
