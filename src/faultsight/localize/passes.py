"""The ways to make a cuboid's sums: from the leaves, from a compressed cuboid, from a dense one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faultsight.localize.codes import BLOCK, CodeTable

__all__ = ["Attributes", "Copy", "Cuboid", "Drop", "LeafPass", "LookUp", "Pass", "Rows"]

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
    first : ndarray of int, optional
        A leaf of each cell, if it is compressed: if it has a cell for those combinations only that
        hold a leaf. A dense one has a cell for every combination.
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
        first: NDArray[np.integer] | None = None,
        index: NDArray[np.integer] | None = None,
    ) -> None:
        self.attributes = attributes
        self.n_cells = n_cells
        self.source = source
        self.first = first
        self.index = index
        self.place: slice | None = None


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


class Copy:
    """The leaves themselves, which are the cells of the widest cuboid."""

    def __init__(self, cuboid: Cuboid) -> None:
        self.cuboids = (cuboid,)

    def run(self, source: Rows, targets: Sequence[NDArray[np.float64]]) -> None:
        """Copy the values."""
        for row, values in zip(targets[0], source, strict=True):
            row[...] = values


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
        self.cuboids = (cuboid,)
        self._outer, self._dropped, self._inner = shape

    def run(self, source: Rows, targets: Sequence[NDArray[np.float64]]) -> None:
        """Sum over the elements of the attribute that is dropped."""
        outer, dropped, inner = self._outer, self._dropped, self._inner
        (target,) = targets
        # einsum is several times as fast as add.reduce where the inner extent is small.
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


class LookUp:
    """A cuboid whose index tells the cell of each cell of its source."""

    def __init__(self, cuboid: Cuboid) -> None:
        self.cuboids = (cuboid,)
        self._index = np.zeros(0, dtype=np.intp) if cuboid.index is None else cuboid.index

    def run(self, source: Rows, targets: Sequence[NDArray[np.float64]]) -> None:
        """Add every value to the cell that the index tells."""
        (target,) = targets
        target.fill(0.0)
        # add.at is fast only if the index has the machine's own type.
        size = len(self._index) if self._index.dtype == np.intp else BLOCK
        for start in range(0, len(self._index), max(size, 1)):
            cells = self._index[start : start + size].astype(np.intp, copy=False)
            for row, values in zip(target, source, strict=True):
                np.add.at(row, cells, values[start : start + size])


class LeafPass:
    """Dense cuboids from the leaves, whose cells are computed on the way.

    Parameters
    ----------
    table : CodeTable
        The leaves.
    cuboids : iterable of Cuboid
        What to make.
    order : ndarray of int, optional
        The order in which to take the leaves: sorted by an attribute that all the cuboids have, so
        that only few of their cells are touched at a time.
    """

    def __init__(
        self,
        table: CodeTable,
        cuboids: Iterable[Cuboid],
        order: NDArray[np.integer] | None = None,
    ) -> None:
        self.cuboids = tuple(sorted(cuboids, key=lambda cuboid: cuboid.attributes))
        self._table = table
        self._order = order
        self._attributes = sorted({a for cuboid in self.cuboids for a in cuboid.attributes})

    def run(self, source: Rows, targets: Sequence[NDArray[np.float64]]) -> None:
        """Add every leaf to its cell of each cuboid."""
        for target in targets:
            target.fill(0.0)
        for start in range(0, self._table.n_leaves, BLOCK):
            block = slice(start, start + BLOCK)
            leaves = block if self._order is None else self._order[block]
            values = [row[leaves] for row in source]
            codes = {a: self._table.columns[a][leaves] for a in self._attributes}
            prefix: Attributes = ()
            for cuboid, target in zip(self.cuboids, targets, strict=True):
                *head, last = cuboid.attributes
                if not head:
                    keys = codes[last].astype(np.intp)
                else:
                    if prefix != tuple(head):
                        prefix = tuple(head)
                        shared = self._table.horner(prefix, codes)
                    keys = shared * self._table.cardinalities[last]
                    keys += codes[last]
                for row, column in zip(target, values, strict=True):
                    np.add.at(row, keys, column)
