"""The ways to make a cuboid's sums: from the leaves, from a compressed cuboid, from a dense one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faultsight.localize.cuboids.codes import CodeTable, ElementBlock
from faultsight.localize.cuboids.kernels import add_to_cells, drop

__all__ = [
    "Attributes",
    "Copy",
    "Cuboid",
    "Drop",
    "LeafPass",
    "LookUp",
    "Pass",
    "Rows",
    "SortedPass",
]

Attributes = tuple[int, ...]
Rows = Sequence[NDArray[np.float64]] | NDArray[np.float64]


class Cuboid:
    """A cuboid, and how the cells of a wider one, or the leaves, fall into its own.

    Attributes
    ----------
    attributes : tuple of int
        Its attributes, ascending.
    n_cells : int
        How many cells it has.
    source : Cuboid, optional
        What it is made from; None for the leaves.
    first : ndarray of int or range, optional
        A leaf of each cell, if it is compressed: if it has a cell for those combinations only that
        hold a leaf. A range, if the leaves are its cells, in order. A dense one has a cell for
        every combination.
    index : ndarray of int, optional
        Its cell for each cell of the source, where that is looked up.
    place : slice, optional
        Where it lies among the cells that were asked for; None if it only leads to others.
    """

    __slots__ = ("attributes", "first", "index", "n_cells", "place", "source")

    def __init__(
        self,
        attributes: Attributes,
        n_cells: int,
        source: Cuboid | None = None,
        *,
        first: NDArray[np.integer] | range | None = None,
        index: NDArray[np.integer] | None = None,
    ) -> None:
        self.attributes = attributes
        self.n_cells = n_cells
        self.source = source
        self.first = first
        self.index = index
        self.place: slice | None = None

    @property
    def leaves(self) -> NDArray[np.integer] | None:
        """A leaf of each cell of a compressed cuboid; None if these are all leaves, in order."""
        return None if isinstance(self.first, range) else self.first


class Pass(Protocol):
    """One pass over a source, which makes one or more cuboids.

    Attributes
    ----------
    cuboids : tuple of Cuboid
        What it makes, all from the same source.
    """

    cuboids: tuple[Cuboid, ...]

    def run(self, source: Rows, targets: Sequence[NDArray[np.float64]]) -> None:
        """Write the sums of the source, a row for each column, into the target of each cuboid."""


class Drop:
    """A dense cuboid, from a dense one that has one attribute more.

    Parameters
    ----------
    cuboid : Cuboid
        What to make.
    shape : tuple of int
        Cells of the source: combinations of the attributes before the one that is dropped, its
        elements, combinations of those after it.
    """

    def __init__(self, cuboid: Cuboid, shape: tuple[int, int, int]) -> None:
        self.cuboids: tuple[Cuboid, ...] = (cuboid,)
        self._outer, self._dropped, self._inner = shape

    def run(self, source: Rows, targets: Sequence[NDArray[np.float64]]) -> None:
        """Sum over the elements of the attribute that is dropped."""
        (target,) = targets
        for row, values in zip(target, source, strict=True):
            drop(values, row, self._outer, self._dropped, self._inner)


class Copy:
    """The cuboid that has the leaves for cells, in order.

    Parameters
    ----------
    cuboid : Cuboid
        What to make.
    """

    def __init__(self, cuboid: Cuboid) -> None:
        self.cuboids: tuple[Cuboid, ...] = (cuboid,)

    def run(self, source: Rows, targets: Sequence[NDArray[np.float64]]) -> None:
        """Copy the leaves, unless their values are in the cells already."""
        (target,) = targets
        for row, values in zip(target, source, strict=True):
            if not np.may_share_memory(row, values):
                row[...] = values


class LookUp:
    """A cuboid whose index tells the cell of each cell of its source.

    Parameters
    ----------
    cuboid : Cuboid
        What to make.
    index : ndarray of int
        Its index.
    """

    def __init__(self, cuboid: Cuboid, index: NDArray[np.integer]) -> None:
        self.cuboids: tuple[Cuboid, ...] = (cuboid,)
        self._index = index

    def run(self, source: Rows, targets: Sequence[NDArray[np.float64]]) -> None:
        """Add every value to the cell that the index tells."""
        (target,) = targets
        target.fill(0.0)
        for row, values in zip(target, source, strict=True):
            add_to_cells(row, self._index, values)


class LeafPass:
    """A dense cuboid, from the leaves, whose cells are computed on the way.

    Parameters
    ----------
    table : CodeTable
        The leaves.
    cuboid : Cuboid
        What to make.
    """

    def __init__(self, table: CodeTable, cuboid: Cuboid) -> None:
        self.cuboids: tuple[Cuboid, ...] = (cuboid,)
        self._table = table

    def run(self, source: Rows, targets: Sequence[NDArray[np.float64]]) -> None:
        """Add every leaf to its cell."""
        (target,) = targets
        target.fill(0.0)
        for start, cells in self._table.key_blocks(self.cuboids[0].attributes):
            for row, values in zip(target, source, strict=True):
                add_to_cells(row, cells, values[start : start + len(cells)])


class SortedPass:
    """Dense cuboids that share an attribute, from the leaves sorted by it.

    With only a few elements of that attribute at a time, a cuboid has few cells, which stay in the
    cache of a core.

    Parameters
    ----------
    table : CodeTable
        The leaves.
    cuboids : iterable of Cuboid
        What to make.
    lead : int
        The attribute.
    """

    def __init__(self, table: CodeTable, cuboids: Iterable[Cuboid], lead: int) -> None:
        self.cuboids: tuple[Cuboid, ...] = tuple(sorted(cuboids, key=lambda c: c.attributes))
        self._table = table
        self._lead = lead
        self._order = table.order(lead)
        self._blocks = table.element_blocks(lead)
        self._others = sorted({a for c in self.cuboids for a in c.attributes if a != lead})

    def run(self, source: Rows, targets: Sequence[NDArray[np.float64]]) -> None:
        """Add every leaf to its cell of each cuboid."""
        # Arrays made anew for each block would cost more than what is done with them.
        longest = max(block.stop - block.start for block in self._blocks)
        values = np.empty((len(source), longest))
        codes = np.empty((self._table.n_attributes, longest), dtype=np.intp)
        shared = np.empty(longest, dtype=np.intp)
        cells = np.empty(longest, dtype=np.intp)
        n_elements = max(block.end - block.begin for block in self._blocks)
        scratch = np.empty(
            n_elements * max(self._n_around(c)[0] * self._n_around(c)[1] for c in self.cuboids)
        )
        for block in self._blocks:
            n = block.stop - block.start
            self._pick(block, source, values[:, :n], codes[:, :n])
            prefix: Attributes | None = None
            for cuboid, target in zip(self.cuboids, targets, strict=True):
                *head, last = self._lead_first(cuboid)
                if prefix != tuple(head):
                    prefix = tuple(head)
                    self._table.place(prefix, codes[:, :n], shared[:n])
                np.multiply(shared[:n], self._table.cardinalities[last], out=cells[:n])
                np.add(cells[:n], codes[last, :n], out=cells[:n])
                outer, inner = self._n_around(cuboid)
                sums = scratch[: (block.end - block.begin) * outer * inner]
                by_element = sums.reshape(-1, outer, inner).transpose(1, 0, 2)
                for row, column in zip(target, values, strict=True):
                    sums.fill(0.0)
                    add_to_cells(sums, cells[:n], column[:n])
                    row.reshape(outer, -1, inner)[:, block.begin : block.end] = by_element

    def _pick(
        self,
        block: ElementBlock,
        source: Rows,
        values: NDArray[np.float64],
        codes: NDArray[np.intp],
    ) -> None:
        """Write values and codes of the leaves of a block, the lead's relative to its first."""
        picked: slice | NDArray[np.intp] = slice(block.start, block.stop)
        if self._order is not None:
            picked = self._order[picked].astype(np.intp)
        for target, row in zip(values, source, strict=True):
            target[...] = row[picked]
        for a in self._others:
            codes[a] = self._table.columns[a][picked]
        codes[self._lead] = self._table.columns[self._lead][picked]
        codes[self._lead] -= block.begin

    def _lead_first(self, cuboid: Cuboid) -> Attributes:
        return (self._lead, *(a for a in cuboid.attributes if a != self._lead))

    def _n_around(self, cuboid: Cuboid) -> tuple[int, int]:
        """Return how many combinations the attributes before the lead have, and those after it."""
        at = cuboid.attributes.index(self._lead)
        n_products = self._table.n_products
        return n_products(cuboid.attributes[:at]), n_products(cuboid.attributes[at + 1 :])
