"""The element codes of a leaf table, column by column and as narrow as they can be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import InputError
from faultsight.localize.cuboids.kernels import append_code

__all__ = ["BLOCK", "CodeTable", "ElementBlock", "group"]

BLOCK = 1 << 16
"""Rows taken at a time, so that what is made of them stays in the cache of a core."""

_LARGEST = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True)
class ElementBlock:
    """Successive elements of an attribute, and their leaves in the order that sorts by it.

    Attributes
    ----------
    begin, end : int
        The first element, and the one after the last.
    start, stop : int
        Where their leaves start and stop in that order.
    """

    begin: int
    end: int
    start: int
    stop: int


class CodeTable:
    """Element codes of the leaves of a cube.

    Parameters
    ----------
    codes : array of int, shape (n_leaves, n_attributes)
        Rows in any order; equal rows may repeat.
    cardinalities : sequence of int
        How many elements each attribute has.

    Examples
    --------
    >>> table = CodeTable([[0, 0], [0, 1], [1, 0], [1, 1]], [2, 2])
    >>> table.is_full, table.keys((0, 1)).tolist()
    (True, [0, 1, 2, 3])
    """

    def __init__(self, codes: ArrayLike, cardinalities: Sequence[int]) -> None:
        table = np.asarray(codes)
        self.cardinalities = tuple(int(c) for c in cardinalities)
        if table.ndim != 2 or table.shape[1] != len(self.cardinalities) or not table.shape[1]:
            raise InputError(
                f"codes of shape {table.shape} do not fit {len(self.cardinalities)} attributes"
            )
        if table.dtype.kind not in "iu":
            raise InputError(f"codes must be integers, not {table.dtype}")
        self.n_leaves = len(table)
        self.columns = tuple(
            np.empty(self.n_leaves, dtype=_narrowest(c)) for c in self.cardinalities
        )
        self._fill(table)

    @property
    def n_attributes(self) -> int:
        """How many attributes there are."""
        return len(self.columns)

    @property
    def is_full(self) -> bool:
        """Whether the leaves are all combinations of elements there can be, in canonical order."""
        if not self.n_leaves or self.n_leaves != self.n_products(range(self.n_attributes)):
            return False
        inner = self.n_leaves
        for column, cardinality in zip(self.columns, self.cardinalities, strict=True):
            inner //= cardinality
            expected = np.arange(cardinality, dtype=column.dtype)[:, None]
            if not (column.reshape(-1, cardinality, inner) == expected).all():
                return False
        return True

    @cached_property
    def is_ascending(self) -> bool:
        """Whether the leaves differ, and are in lexicographic order."""
        if self.n_products(range(self.n_attributes)) > _LARGEST:
            return False  # Their places among all combinations are no numbers to compare.
        last = -1
        for _, keys in self.key_blocks(range(self.n_attributes)):
            if keys[0] <= last or not (keys[1:] > keys[:-1]).all():
                return False
            last = int(keys[-1])
        return True

    def n_products(self, attributes: Sequence[int]) -> int:
        """Return how many combinations of elements these attributes could have."""
        return math.prod(self.cardinalities[a] for a in attributes)

    def elements(self, attributes: Sequence[int], leaf: int) -> tuple[int, ...]:
        """Return the elements of a leaf."""
        return tuple(int(self.columns[a][leaf]) for a in attributes)

    def where(self, attributes: Sequence[int], elements: Sequence[int]) -> NDArray[np.intp]:
        """Return the leaves that have these elements, ascending."""
        leaves = np.flatnonzero(self.columns[attributes[0]] == elements[0])
        for a, element in zip(attributes[1:], elements[1:], strict=True):
            leaves = leaves[self.columns[a][leaves] == element]
        return leaves

    def place(
        self,
        attributes: Sequence[int],
        codes: Mapping[int, NDArray[np.integer]] | NDArray[np.intp],
        out: NDArray[np.intp],
    ) -> None:
        """Write the place among all combinations of attributes, given the codes of each of them."""
        out.fill(0)
        for a in attributes:
            append_code(out, self.cardinalities[a], codes[a])

    def keys(
        self, attributes: Sequence[int], leaves: NDArray[np.integer] | None = None
    ) -> NDArray[np.intp]:
        """Return the place of leaves (all, unless given) among all combinations of attributes."""
        keys = np.empty(self.n_leaves if leaves is None else len(leaves), dtype=np.intp)
        if leaves is not None:
            self.place(attributes, {a: self.columns[a][leaves] for a in attributes}, keys)
            return keys
        for start, block in self.key_blocks(attributes):
            keys[start : start + len(block)] = block
        return keys

    def key_blocks(self, attributes: Sequence[int]) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """Yield where some leaves start, and their keys, in a buffer that is used again."""
        buffer = np.empty(min(BLOCK, self.n_leaves), dtype=np.intp)
        for start in range(0, self.n_leaves, BLOCK):
            keys = buffer[: self.n_leaves - start]
            stop = start + len(keys)
            self.place(attributes, {a: self.columns[a][start:stop] for a in attributes}, keys)
            yield start, keys

    def order(self, attribute: int) -> NDArray[np.integer] | None:
        """Return the order that sorts the leaves by an attribute; None if they are so already."""
        column = self.columns[attribute]
        if (column[1:] >= column[:-1]).all():
            return None
        order = np.argsort(column, kind="stable")
        return order.astype(np.int32) if self.n_leaves <= np.iinfo(np.int32).max else order

    def element_blocks(self, attribute: int) -> list[ElementBlock]:
        """Split the elements of an attribute into runs of about as many leaves as a block."""
        counts = np.bincount(self.columns[attribute], minlength=self.cardinalities[attribute])
        stops = np.cumsum(counts)
        blocks: list[ElementBlock] = []
        begin = start = 0
        while begin < len(stops):
            end = max(begin + 1, int(np.searchsorted(stops, start + BLOCK, side="right")))
            stop = int(stops[end - 1])
            blocks.append(ElementBlock(begin, end, start, stop))
            begin, start = end, stop
        return blocks

    def distinct(
        self, attributes: Sequence[int], leaves: NDArray[np.integer] | None
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Group leaves (all, unless given) by the elements of attributes, in their order.

        Returns
        -------
        ranks : ndarray of intp
            The group of each leaf.
        first : ndarray of intp
            The first leaf of each group, as a position in `leaves`.
        """
        n = self.n_leaves if leaves is None else len(leaves)
        keys = np.zeros(n, dtype=np.int64)
        bound = 1
        for a in attributes:
            if bound * self.cardinalities[a] > _LARGEST:
                keys, first = group(keys, bound)
                bound = len(first)
            keys *= self.cardinalities[a]
            keys += self.columns[a] if leaves is None else self.columns[a][leaves]
            bound *= self.cardinalities[a]
        return group(keys, bound)

    def _fill(self, table: NDArray[np.integer]) -> None:
        buffer = np.empty(min(BLOCK, self.n_leaves), dtype=table.dtype)
        for start in range(0, self.n_leaves, BLOCK):
            rows = table[start : start + BLOCK]
            block = buffer[: len(rows)]
            for a, cardinality in enumerate(self.cardinalities):
                block[...] = rows[:, a]
                least, most = int(block.min()), int(block.max())
                if least < 0 or most >= cardinality:
                    raise InputError(
                        f"attribute {a} has {cardinality} elements, but a leaf has the code "
                        f"{least if least < 0 else most}"
                    )
                self.columns[a][start : start + len(rows)] = block


def group(keys: NDArray[np.int64], bound: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rank of each key among the distinct keys, and where each first occurs.

    Every key is at least 0 and less than `bound`.

    Examples
    --------
    >>> ranks, first = group(np.array([7, 3, 7]), 8)
    >>> ranks.tolist(), first.tolist()
    ([1, 0, 1], [1, 0])
    """
    n = len(keys)
    bits = n.bit_length()
    order = None
    if (keys[1:] >= keys[:-1]).all():
        ordered = keys
    elif (bound - 1).bit_length() + bits <= 63:
        # Sorting key and position as one number is several times as fast as an argsort.
        ordered = keys << bits
        ordered |= np.arange(n)
        ordered.sort()
        order = ordered & ((1 << bits) - 1)
        ordered >>= bits
    else:
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
    is_first = np.ones(n, dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    sorted_ranks = np.cumsum(is_first, dtype=np.intp)
    sorted_ranks -= 1
    if order is None:
        return sorted_ranks, np.flatnonzero(is_first)
    ranks = np.empty(n, dtype=np.intp)
    ranks[order] = sorted_ranks
    return ranks, order[is_first]


def _narrowest(cardinality: int) -> type[np.unsignedinteger]:
    for dtype in (np.uint8, np.uint16, np.uint32):
        if cardinality - 1 <= np.iinfo(dtype).max:
            return dtype
    raise InputError(f"an attribute of {cardinality} elements is more than fits")
