"""How the sums of all cuboids are made in about two passes over the leaves.

A cuboid is rolled up from the smallest cuboid that is there already and has one attribute more.
Where no such cuboid is small (a sparse cube, of which only the first layers are asked for), wider
cuboids of few cells are made from the leaves first, each of which then yields many others.

A cuboid is *dense* if its cells are all combinations of its elements; else it is *compressed*:
its cells are those combinations that hold a leaf, in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from faultsight.localize.codes import BLOCK, CodeTable

__all__ = ["Attributes", "Cuboid", "Plan"]

Attributes = tuple[int, ...]
Rows = Sequence[NDArray[np.float64]] | NDArray[np.float64]

# Beyond this many cells for each leaf, looking up compressed cells costs less than passing over
# dense ones that are mostly empty.
_DENSE_CELLS_PER_LEAF = 4
# Scattering leaves into more cells than this misses the cache of a core.
_BASE_CELLS = 200_000
# Adding a cell to a dense parent's sum costs this much of adding one through an index.
_REDUCE_COST = 0.35
# Columns of more leaves than this are rolled up one by one, since one alone may fit the cache.
_LARGE = 1 << 16
_KEPT_KEYS = 1 << 18


class Cuboid:
    """A cuboid that the plan makes: what it is made from, and how.

    Attributes
    ----------
    attributes : tuple of int
        Its attributes.
    n_cells : int
        How many cells it has.
    source : Cuboid, optional
        What it is rolled up from; None for the leaves.
    first : ndarray, optional
        For a compressed cuboid, a leaf of each cell.
    index : ndarray, optional
        The cell of each cell of the source, where these are looked up.
    place : slice, optional
        Where it lies among all cells; None if it is only a step to others.
    """

    __slots__ = ("_shape", "attributes", "first", "index", "n_cells", "place", "source")

    def __init__(
        self,
        attributes: Attributes,
        n_cells: int,
        source: Cuboid | None = None,
        *,
        first: NDArray[np.integer] | None = None,
        index: NDArray[np.integer] | None = None,
        shape: tuple[int, int, int] | None = None,
    ) -> None:
        self.attributes = attributes
        self.n_cells = n_cells
        self.source = source
        self.first = first
        self.index = index
        self.place: slice | None = None
        self._shape = shape

    @property
    def is_dense(self) -> bool:
        """Whether its cells are all combinations of its elements."""
        return self.first is None

    def fill(self, table: CodeTable, source: Rows, target: NDArray[np.float64]) -> None:
        """Sum the rows of the source into the cells, one row of the target for each."""
        if self._shape is not None:
            self._reduce(source, target, *self._shape)
            return
        target.fill(0.0)
        for start, keys in self._keys(table):
            for row, values in zip(target, source, strict=True):
                np.add.at(row, keys, values[start : start + len(keys)])

    def _reduce(
        self, source: Rows, target: NDArray[np.float64], outer: int, dropped: int, inner: int
    ) -> None:
        if isinstance(source, np.ndarray):
            np.einsum(
                "koji->koi",
                source.reshape(-1, outer, dropped, inner),
                out=target.reshape(-1, outer, inner),
            )
            return
        for row, values in zip(target, source, strict=True):
            np.einsum(
                "oji->oi", values.reshape(outer, dropped, inner), out=row.reshape(outer, inner)
            )

    def _keys(self, table: CodeTable) -> Iterator[tuple[int, NDArray[np.intp]]]:
        if self.index is None:
            yield from table.key_blocks(self.attributes)
        elif self.index.dtype == np.intp:
            yield 0, self.index
        else:
            for start in range(0, len(self.index), BLOCK):
                yield start, self.index[start : start + BLOCK].astype(np.intp)


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
    n_cells : int
        How many cells they have in all.
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
        self._is_wanted = frozenset(self._wanted)
        self._whole = tuple(range(table.n_attributes))
        self._is_full = table.is_full
        self._made: dict[Attributes, Cuboid] = {}
        self._steps: list[Cuboid] = []
        self.work = 0.0
        self._draw_up()
        self.cuboids = {attributes: self._made[attributes] for attributes in self._wanted}
        self.n_cells = 0
        for cuboid in self.cuboids.values():
            cuboid.place = slice(self.n_cells, self.n_cells + cuboid.n_cells)
            self.n_cells += cuboid.n_cells
        self.places = {attributes: c.place for attributes, c in self.cuboids.items() if c.place}
        self._last_uses = self._find_last_uses()
        self._is_split = self._is_full and table.n_leaves > _LARGE

    def run(self, columns: Sequence[NDArray[np.float64]], flat: NDArray[np.float64]) -> None:
        """Sum columns of leaf values into the cells of all cuboids, a row for each column."""
        if not self._is_split:
            self._run(columns, flat)
            return
        for position, column in enumerate(columns):
            self._run([column], flat[position : position + 1])

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
        if cuboid.index is not None and cuboid.source is not None:
            cells = cuboid.index[self.cells_of(cuboid.source, leaves, known)]
            return cells.astype(np.intp, copy=False)
        if cuboid.index is not None:
            cells = cuboid.index.copy() if leaves is None else cuboid.index[leaves]
            return cells.astype(np.intp, copy=False)
        if leaves is None:
            return self._table.keys(cuboid.attributes)
        *head, last = cuboid.attributes
        column = self._table.columns[last][leaves]
        if not head:
            return column.astype(np.intp)
        cells = self.cells_of(self.cuboids[tuple(head)], leaves, known)
        cells = cells * self._table.cardinalities[last]
        cells += column
        return cells

    def _run(self, columns: Sequence[NDArray[np.float64]], flat: NDArray[np.float64]) -> None:
        arrays: dict[Cuboid, Rows] = {}
        for cuboid, finished in zip(self._steps, self._last_uses, strict=True):
            source = columns if cuboid.source is None else arrays[cuboid.source]
            if cuboid.source is None and cuboid.attributes == self._whole and self._is_full:
                arrays[cuboid] = self._leaves(cuboid, columns, flat)
                continue
            if cuboid.place is None:
                target = np.empty((len(columns), cuboid.n_cells))
            else:
                target = flat[:, cuboid.place]
            cuboid.fill(self._table, source, target)
            arrays[cuboid] = target
            for passing in finished:
                del arrays[passing]

    @staticmethod
    def _leaves(
        cuboid: Cuboid, columns: Sequence[NDArray[np.float64]], flat: NDArray[np.float64]
    ) -> Rows:
        if cuboid.place is None:
            return columns
        target = flat[:, cuboid.place]
        for row, values in zip(target, columns, strict=True):
            row[...] = values
        return target

    def _draw_up(self) -> None:
        if self._is_dense(self._whole):
            self._scatter(self._whole)
        layers = [list(sets) for _, sets in groupby(sorted(self._wanted, key=len), key=len)]
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
        largest = min(_BASE_CELLS, self._table.n_leaves // 2)
        small = [a for a in wanted if self._table.n_products(a) <= largest]
        for base, members in _cover(small, self._table.cardinalities, largest):
            root = self._scatter(base)
            for attributes in members:
                self._descend(attributes, root)
            for attributes in [a for a in self._made if a not in self._is_wanted]:
                del self._made[attributes]
        for attributes in wanted:
            if attributes not in self._made:
                if self._is_dense(attributes):
                    self._scatter(attributes)
                else:
                    self._compress(attributes, None)

    def _roll_up(self, attributes: Attributes) -> None:
        parents = [
            self._made[parent]
            for a in self._whole
            if a not in attributes and (parent := tuple(sorted((*attributes, a)))) in self._made
        ]
        parent = min(parents, key=_pass_cost)
        source = parent if _pass_cost(parent) <= self._table.n_leaves else None
        if not self._is_dense(attributes):
            self._compress(attributes, source)
        elif source is None:
            self._scatter(attributes)
        elif source.is_dense:
            self._reduce(attributes, source)
        else:
            self._spread(attributes, source)

    def _descend(self, attributes: Attributes, source: Cuboid) -> None:
        """Drop one attribute after the other, the one that leaves the fewest cells first."""
        cardinalities = self._table.cardinalities
        surplus = set(source.attributes) - set(attributes)
        for dropped in sorted(surplus, key=lambda a: (-cardinalities[a], a)):
            narrower = tuple(a for a in source.attributes if a != dropped)
            source = self._made.get(narrower) or self._reduce(narrower, source)

    def _scatter(self, attributes: Attributes) -> Cuboid:
        """Make a dense cuboid from the leaves."""
        n_leaves = self._table.n_leaves
        is_kept = n_leaves <= _KEPT_KEYS and not (self._is_full and attributes == self._whole)
        index = self._table.keys(attributes) if is_kept else None
        return self._add(Cuboid(attributes, self._table.n_products(attributes), index=index))

    def _reduce(self, attributes: Attributes, source: Cuboid) -> Cuboid:
        """Make a dense cuboid from a dense one that has one attribute more."""
        (dropped,) = set(source.attributes) - set(attributes)
        at = source.attributes.index(dropped)
        products = self._table.n_products
        shape = (
            products(source.attributes[:at]),
            self._table.cardinalities[dropped],
            products(source.attributes[at + 1 :]),
        )
        return self._add(Cuboid(attributes, products(attributes), source, shape=shape))

    def _spread(self, attributes: Attributes, source: Cuboid) -> Cuboid:
        """Make a dense cuboid from a compressed one."""
        index = np.zeros(source.n_cells, dtype=np.intp)
        for a in attributes:
            index *= self._table.cardinalities[a]
            index += self._table.columns[a][source.first]
        return self._add(
            Cuboid(
                attributes,
                self._table.n_products(attributes),
                source,
                index=self._kept(index),
            )
        )

    def _compress(self, attributes: Attributes, source: Cuboid | None) -> Cuboid:
        """Make a compressed cuboid from a wider one that is compressed too, or from the leaves."""
        leaves = source.first if source else None
        index, first = self._table.distinct(attributes, leaves)
        if leaves is not None:
            first = leaves[first]
        return self._add(
            Cuboid(
                attributes, len(first), source, first=self._kept(first), index=self._kept(index)
            )
        )

    def _add(self, cuboid: Cuboid) -> Cuboid:
        self._made[cuboid.attributes] = cuboid
        self._steps.append(cuboid)
        self.work += self._table.n_leaves if cuboid.source is None else _pass_cost(cuboid.source)
        return cuboid

    def _is_dense(self, attributes: Attributes) -> bool:
        n_leaves = self._table.n_leaves
        return 0 < n_leaves and (
            self._table.n_products(attributes) <= _DENSE_CELLS_PER_LEAF * n_leaves
        )

    def _kept(self, index: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return a long index in half the memory."""
        largest = _DENSE_CELLS_PER_LEAF * self._table.n_leaves
        is_narrowed = len(index) > _KEPT_KEYS and largest <= np.iinfo(np.int32).max
        return index.astype(np.int32) if is_narrowed else index

    def _find_last_uses(self) -> list[list[Cuboid]]:
        """Return which passing cuboids are of no more use after each step."""
        last: dict[Cuboid, int] = {}
        for position, cuboid in enumerate(self._steps):
            if cuboid.source is not None and cuboid.source.place is None:
                last[cuboid.source] = position
        finished: list[list[Cuboid]] = [[] for _ in self._steps]
        for passing, position in last.items():
            finished[position].append(passing)
        return finished


def _pass_cost(source: Cuboid) -> float:
    return source.n_cells * (_REDUCE_COST if source.is_dense else 1.0)


def _cover(
    wanted: Sequence[Attributes], cardinalities: Sequence[int], largest: int
) -> Iterator[tuple[Attributes, list[Attributes]]]:
    """Yield bases of at most so many cells, each with those of the wanted sets it is to yield."""
    sizes = np.array(cardinalities)
    has = np.zeros((len(wanted), len(sizes)), dtype=bool)
    for row, attributes in zip(has, wanted, strict=True):
        row[list(attributes)] = True
    is_open = np.ones(len(wanted), dtype=bool)
    for seed in sorted(range(len(wanted)), key=lambda i: -_product(sizes, wanted[i])):
        if not is_open[seed]:
            continue
        in_base = has[seed].copy()
        while True:
            room = largest // _product(sizes, np.flatnonzero(in_base))
            n_outside = (has & ~in_base).sum(axis=1)
            gains = has[is_open & (n_outside == 1)].sum(axis=0) * ~in_base * (sizes <= room)
            if not gains.any():
                break
            in_base[np.argmax(gains / np.log(np.maximum(sizes, 2)))] = True
        is_covered = is_open & ~(has & ~in_base).any(axis=1)
        is_open &= ~is_covered
        members = [wanted[i] for i in np.flatnonzero(is_covered)]
        yield tuple(np.flatnonzero(in_base).tolist()), members


def _product(sizes: NDArray[np.integer], attributes: Iterable[int]) -> int:
    return math.prod(int(sizes[a]) for a in attributes)
