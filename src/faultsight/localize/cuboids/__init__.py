"""All cuboids of a leaf table, and sums of leaf values over each of their cells.

A cuboid is a non-empty subset of the attributes; its layer is how many they are; its cells are the
combinations of their elements. n attributes have 2^n - 1 cuboids.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.localize.cuboids.codes import CodeTable
from faultsight.localize.cuboids.passes import Attributes, Cuboid, Rows
from faultsight.localize.cuboids.rollup import Plan

__all__ = ["Cells", "Cuboids"]

# Taking a leaf out of a cell costs this much of adding a value in a planned pass.
_LOOK_UP_COST = 2.0

ScalarT = TypeVar("ScalarT", bound=np.generic)


class Cells(Mapping[Attributes, NDArray[ScalarT]], Generic[ScalarT]):
    """Values of every cell of every cuboid.

    A mapping from the attributes of a cuboid to the values of its cells, which are views of one
    array, so that all cuboids can be worked on at once.

    Parameters
    ----------
    flat : ndarray, shape (..., n_cells of all cuboids)
        The values, one cuboid after the other.
    places : mapping of tuple of int to slice
        Where the cells of each cuboid lie.

    Examples
    --------
    >>> cells = Cells(np.array([3.0, 4.0, 5.0]), {(0,): slice(0, 2), (1,): slice(2, 3)})
    >>> cells[0,].tolist(), cells.flat.max()
    ([3.0, 4.0], np.float64(5.0))
    """

    __slots__ = ("_places", "flat")

    def __init__(self, flat: NDArray[ScalarT], places: Mapping[Attributes, slice]) -> None:
        self.flat = flat
        self._places = places

    def __getitem__(self, attributes: Attributes) -> NDArray[ScalarT]:
        return self.flat[..., self._places[attributes]]

    def __iter__(self) -> Iterator[Attributes]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Cuboids:
    """All cuboids of a leaf table up to a layer.

    How each is made from another is settled once, here; `sums` then costs about two passes over
    the leaves. Cells are numbered in lexicographic order of their elements. A cuboid with many
    more combinations than leaves has a cell for those only that hold a leaf; any other has a cell
    for every combination, and `counts` tells the empty ones.

    Parameters
    ----------
    codes : array of int, shape (n_leaves, n_attributes)
        The elements of each leaf. The rows may come in any order and repeat; a table of all
        combinations in lexicographic order is the fastest.
    cardinalities : sequence of int
        How many elements each attribute has; codes are less.
    max_layer : int, optional
        The widest cuboids to have; all by default.

    Attributes
    ----------
    attribute_sets : tuple of tuple of int
        The cuboids, by layer, then lexicographically.
    cardinalities : tuple of int
        As given.
    max_layer : int
        The layer of the last of them.
    n_leaves : int
        How many rows the table has.
    offsets : ndarray of intp, shape (n_cuboids + 1,)
        Where the cells of each cuboid begin among those of all, and the number of all cells.

    Examples
    --------
    Traffic of two locations and three sites, one of which one location never asks for.

    >>> cuboids = Cuboids([[0, 0], [0, 1], [0, 2], [1, 0], [1, 2]], [2, 3])
    >>> cuboids.attribute_sets
    ((0,), (1,), (0, 1))
    >>> sums = cuboids.sums(np.array([1.0, 2.0, 4.0, 8.0, 16.0]))
    >>> sums[0,], sums[0, 1]
    (array([[ 7., 24.]]), array([[ 1.,  2.,  4.,  8.,  0., 16.]]))
    >>> cuboids.counts[0, 1]
    array([1, 1, 1, 1, 0, 1])
    >>> cuboids.n_combinations((0, 1)), cuboids.leaves_of_cell((1,), 2)
    (5, array([2, 4]))
    """

    def __init__(
        self, codes: ArrayLike, cardinalities: Sequence[int], *, max_layer: int | None = None
    ) -> None:
        self._table = CodeTable(codes, cardinalities)
        n_attributes = self._table.n_attributes
        if max_layer is not None and max_layer < 1:
            raise SettingError(f"max_layer must be at least 1, not {max_layer}")
        self.n_leaves = self._table.n_leaves
        self.cardinalities = self._table.cardinalities
        self.max_layer = n_attributes if max_layer is None else min(max_layer, n_attributes)
        self.attribute_sets: tuple[Attributes, ...] = tuple(
            attributes
            for layer in range(1, self.max_layer + 1)
            for attributes in combinations(range(n_attributes), layer)
        )
        self._plan = Plan(self._table, self.attribute_sets)
        self._places = self._plan.places
        self._starts = [place.start for place in self._places.values()]
        self.offsets = np.array([*self._starts, self._plan.n_cells])

    def __len__(self) -> int:
        return len(self.attribute_sets)

    def sums(self, *columns: ArrayLike) -> Cells[np.float64]:
        """Return the sums of leaf values over the cells of every cuboid.

        The order of the additions depends on the table only, so equal input gives equal bytes.

        Parameters
        ----------
        *columns : array of float, shape (n_leaves,)
            Values of the leaves.

        Returns
        -------
        Cells
            For each cuboid an array of shape (n_columns, n_cells).
        """
        rows = [self._column(column) for column in columns]
        sums = self.empty(len(rows))
        self._plan.run(rows, sums.flat)
        return sums

    def empty(self, n_columns: int) -> Cells[np.float64]:
        """Return cells for so many columns whose values are still to be written."""
        return Cells(np.empty((n_columns, self._plan.n_cells)), self._places)

    def fill(self, sums: Cells[np.float64], columns: Rows | None = None) -> None:
        """Write the sums of leaf values over what cells hold, which saves making new ones.

        Parameters
        ----------
        sums : Cells
            The cells to write, a row for each column.
        columns : array of float, shape (n_columns, n_leaves), optional
            Values of the leaves; by default those that were written to `leaf_cells`.

        Examples
        --------
        >>> cuboids = Cuboids([[0, 0], [0, 1], [1, 0], [1, 1]], [2, 2])
        >>> sums = cuboids.empty(1)
        >>> cuboids.leaf_cells(sums)[:] = [1.0, 2.0, 3.0, 4.0]
        >>> cuboids.fill(sums)
        >>> sums[0,], sums[1,]
        (array([[3., 7.]]), array([[4., 6.]]))
        """
        if columns is None and not self._plan.has_leaf_cells:
            raise InputError("the leaves are no cells of their own here; give their values")
        rows = None if columns is None else [self._column(column) for column in columns]
        self._plan.run(rows, sums.flat)

    def leaf_cells(self, sums: Cells[np.float64]) -> NDArray[np.float64] | None:
        """Return the cells of the widest cuboid where these are the leaves, in order; or None."""
        return sums[self.attribute_sets[-1]] if self._plan.has_leaf_cells else None

    def subtract(
        self, sums: Cells[np.float64], leaves: NDArray[np.integer], *columns: ArrayLike
    ) -> None:
        """Take leaves out of sums, in place, at a cost that goes with their number.

        A cell that loses its last leaf keeps a rounding error unless its values are integers; a
        column of ones counts the leaves that are left exactly.

        Parameters
        ----------
        sums : Cells
            What `sums` returned for the columns.
        leaves : array of int
            The leaves to take out, each once.
        *columns : array of float, shape (n_leaves,)
            Values of all leaves, as given to `sums`.

        Examples
        --------
        >>> cuboids = Cuboids([[0, 0], [0, 1], [1, 0], [1, 1]], [2, 2])
        >>> values = np.array([1.0, 2.0, 3.0, 4.0])
        >>> sums = cuboids.sums(values)
        >>> cuboids.subtract(sums, np.array([2, 3]), values)
        >>> sums[0,], sums[1,]
        (array([[3., 0.]]), array([[1., 2.]]))
        """
        rows = [self._column(column) for column in columns]
        if len(rows) != len(sums.flat):
            raise InputError(f"{len(rows)} columns do not fit sums of {len(sums.flat)}")
        if _LOOK_UP_COST * len(leaves) * len(self) > self._plan.work:
            # All columns at once are faster, one at a time needs less memory.
            width = 1 if self._plan.is_large else len(rows)
            for start in range(0, len(rows), width):
                some = rows[start : start + width]
                taken = np.zeros((len(some), self.n_leaves))
                for target, row in zip(taken, some, strict=True):
                    target[leaves] = row[leaves]
                sums.flat[start : start + width] -= self.sums(*taken).flat
            return
        known: dict[Cuboid, NDArray[np.intp]] = {}
        taken_values = [row[leaves] for row in rows]
        for attributes, place in self._places.items():
            cells = self._plan.cells_of(self._plan.cuboids[attributes], leaves, known)
            for target, values in zip(sums.flat, taken_values, strict=True):
                np.subtract.at(target[place], cells, values)

    @cached_property
    def counts(self) -> Cells[np.int64]:
        """How many leaves each cell holds; 0 for a combination that does not occur."""
        return Cells(self.sums(np.ones(self.n_leaves)).flat[0].astype(np.int64), self._places)

    def n_cells(self, attributes: Attributes) -> int:
        """Return how many cells a cuboid has, empty ones included."""
        return self._plan.cuboids[attributes].n_cells

    def n_combinations(self, attributes: Attributes | None = None) -> int:
        """Return how many combinations hold a leaf, in one cuboid or in all."""
        counts = self.counts.flat if attributes is None else self.counts[attributes]
        return int(np.count_nonzero(counts))

    def locate(self, position: int) -> tuple[Attributes, int]:
        """Return the cuboid and the cell at a position among the cells of all cuboids.

        Examples
        --------
        >>> cuboids = Cuboids([[0, 0], [0, 1], [1, 0], [1, 1]], [2, 2])
        >>> sums = cuboids.sums([1.0, 2.0, 3.0, 9.0])
        >>> cuboids.locate(int(np.argmax(sums.flat[0])))
        ((0,), 1)
        """
        if not 0 <= position < self._plan.n_cells:
            raise IndexError(f"no cell {position} among {self._plan.n_cells}")
        cuboid = bisect_right(self._starts, position) - 1
        return self.attribute_sets[cuboid], position - self._starts[cuboid]

    def cell_of_leaves(self, attributes: Attributes) -> NDArray[np.intp]:
        """Return the cell of each leaf in a cuboid."""
        return self._plan.cells_of(self._plan.cuboids[attributes])

    def leaves_of_cell(self, attributes: Attributes, cell: int) -> NDArray[np.intp]:
        """Return the leaves of a cell, ascending."""
        return self._table.where(attributes, self.elements_of_cell(attributes, cell))

    def elements_of_cell(self, attributes: Attributes, cell: int) -> tuple[int, ...]:
        """Return the element of each attribute of a cell."""
        cuboid = self._plan.cuboids[attributes]
        if not 0 <= cell < cuboid.n_cells:
            raise IndexError(f"no cell {cell} in a cuboid of {cuboid.n_cells}")
        if cuboid.first is not None:
            return self._table.elements(attributes, cuboid.first[cell])
        elements = []
        for a in reversed(attributes):
            cell, element = divmod(int(cell), self.cardinalities[a])
            elements.append(element)
        return tuple(reversed(elements))

    def cell_of_elements(self, attributes: Attributes, elements: Sequence[int]) -> int:
        """Return the cell of a combination; KeyError if no leaf has it."""
        cuboid = self._plan.cuboids[attributes]
        key = tuple(int(element) for element in elements)
        cell = 0
        if cuboid.first is not None:
            cell = bisect_left(cuboid.first, key, key=lambda i: self._table.elements(attributes, i))
        else:
            for a, element in zip(attributes, key, strict=True):
                cell = cell * self.cardinalities[a] + element
        is_found = (
            0 <= cell < cuboid.n_cells
            and self.elements_of_cell(attributes, cell) == key
            and self.counts[attributes][cell] > 0
        )
        if not is_found:
            raise KeyError(f"no leaf has the elements {key} of the attributes {attributes}")
        return cell

    def _column(self, column: ArrayLike) -> NDArray[np.float64]:
        values = np.ascontiguousarray(column, dtype=np.float64)
        if values.shape != (self.n_leaves,):
            raise InputError(
                f"a column of shape {values.shape} does not fit {self.n_leaves} leaves"
            )
        return values
