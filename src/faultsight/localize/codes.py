"""The element codes of a leaf table, column by column and as narrow as they can be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import InputError

__all__ = ["BLOCK", "CodeTable", "group"]

BLOCK = 1 << 15
"""Rows taken at a time, so that what is made of them stays in the cache of a core."""

_KEY_LIMIT = 1 << 62


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

    def n_products(self, attributes: Sequence[int]) -> int:
        """Return how many combinations of elements these attributes could have."""
        return math.prod(self.cardinalities[a] for a in attributes)

    @property
    def is_full(self) -> bool:
        """Whether the leaves are all combinations of elements there can be, in canonical order."""
        n_products = self.n_products(range(self.n_attributes))
        if not self.n_leaves or self.n_leaves != n_products:
            return False
        inner = self.n_leaves
        for column, cardinality in zip(self.columns, self.cardinalities, strict=True):
            inner //= cardinality
            expected = np.arange(cardinality, dtype=column.dtype)[:, None]
            if not (column.reshape(-1, cardinality, inner) == expected).all():
                return False
        return True

    def keys(
        self, attributes: Sequence[int], leaves: NDArray[np.integer] | None = None
    ) -> NDArray[np.intp]:
        """Return the place of leaves (all, unless given) among all combinations of attributes."""
        n = self.n_leaves if leaves is None else len(leaves)
        keys = np.empty(n, dtype=np.intp)
        for start in range(0, n, BLOCK):
            block = slice(start, start + BLOCK)
            picked = block if leaves is None else leaves[block]
            keys[block] = self.horner(attributes, {a: self.columns[a][picked] for a in attributes})
        return keys

    def horner(
        self, attributes: Sequence[int], codes: Mapping[int, NDArray[np.unsignedinteger]]
    ) -> NDArray[np.intp]:
        """Return the place among all combinations of attributes, from the codes of each of them."""
        head, *tail = attributes
        keys = codes[head].astype(np.intp)
        for a in tail:
            keys *= self.cardinalities[a]
            keys += codes[a]
        return keys

    def order(self, attribute: int) -> NDArray[np.integer] | None:
        """Return the order that sorts the leaves by an attribute; None if they are so already."""
        column = self.columns[attribute]
        if (column[1:] >= column[:-1]).all():
            return None
        order = np.argsort(column, kind="stable")
        return order.astype(np.int32) if self.n_leaves <= np.iinfo(np.int32).max else order

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
            if bound * self.cardinalities[a] >= _KEY_LIMIT:
                keys, first = group(keys, bound)
                bound = len(first)
            keys *= self.cardinalities[a]
            keys += self.columns[a] if leaves is None else self.columns[a][leaves]
            bound *= self.cardinalities[a]
        return group(keys, bound)

    def elements(self, attributes: Sequence[int], leaf: int) -> tuple[int, ...]:
        """Return the elements of a leaf."""
        return tuple(int(self.columns[a][leaf]) for a in attributes)

    def where(self, attributes: Sequence[int], elements: Sequence[int]) -> NDArray[np.intp]:
        """Return the leaves that have these elements, ascending."""
        (a, element), *others = zip(attributes, elements, strict=True)
        leaves = np.flatnonzero(self.columns[a] == element)
        for a, element in others:
            leaves = leaves[self.columns[a][leaves] == element]
        return leaves

    def _fill(self, table: NDArray[np.integer]) -> None:
        buffer = np.empty(min(BLOCK, self.n_leaves), dtype=table.dtype)
        for start in range(0, self.n_leaves, BLOCK):
            rows = table[start : start + BLOCK]
            for a, cardinality in enumerate(self.cardinalities):
                block = buffer[: len(rows)]
                block[...] = rows[:, a]
                if block.min() < 0 or block.max() >= cardinality:
                    raise InputError(
                        f"attribute {a} has {cardinality} elements, but a leaf has the code "
                        f"{block.min() if block.min() < 0 else block.max()}"
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
    elif bound.bit_length() + bits <= 63:
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
