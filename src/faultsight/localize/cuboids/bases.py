"""Which cuboids of a sparse cube to make from the leaves, and which of them in one pass."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from faultsight.localize.cuboids.codes import CodeTable
from faultsight.localize.cuboids.passes import Attributes

__all__ = ["BASE_CELLS", "cover", "split_by_lead"]

BASE_CELLS = 200_000
"""Scattering leaves into more cells than this misses the cache of a core."""

# Sorting the leaves by an attribute on each pass costs this many adds for each leaf.
_SORTED_COST = 7.0


def cover(
    wanted: Sequence[Attributes], cardinalities: Sequence[int], largest: int
) -> Iterator[tuple[Attributes, list[Attributes]]]:
    """Choose bases of at most so many cells from which every wanted cuboid can be rolled up.

    Yields
    ------
    base : tuple of int
        The attributes of a base.
    members : list of tuple of int
        What is to be rolled up from it.

    Examples
    --------
    >>> for base, members in cover([(0, 1), (0, 2), (1, 2), (2, 3)], [10, 10, 10, 90], 1000):
    ...     print(base, members)
    (2, 3) [(2, 3)]
    (0, 1, 2) [(0, 1), (0, 2), (1, 2)]
    """
    sizes = np.array(cardinalities)
    has = np.zeros((len(wanted), len(sizes)), dtype=bool)
    for row, attributes in zip(has, wanted, strict=True):
        row[list(attributes)] = True
    n_cells = [math.prod(cardinalities[a] for a in attributes) for attributes in wanted]
    is_open = np.ones(len(wanted), dtype=bool)
    for seed in sorted(range(len(wanted)), key=lambda i: -n_cells[i]):
        if not is_open[seed]:
            continue
        base, room = has[seed].copy(), largest // n_cells[seed]
        while True:
            lacks_one = is_open & ((has & ~base).sum(axis=1) == 1)
            gains = has[lacks_one].sum(axis=0) * (~base & (sizes <= room))
            if not gains.any():
                break
            chosen = int(np.argmax(gains / np.log(np.maximum(sizes, 2))))
            base[chosen] = True
            room //= cardinalities[chosen]
        is_member = is_open & ~(has & ~base).any(axis=1)
        is_open &= ~is_member
        members = [wanted[i] for i in np.flatnonzero(is_member).tolist()]
        yield tuple(np.flatnonzero(base).tolist()), members


def split_by_lead(
    table: CodeTable, sets: Sequence[Attributes]
) -> Iterator[tuple[int | None, list[Attributes]]]:
    """Split cuboids by the attribute to sort the leaves by for making them.

    Yields
    ------
    lead : int, optional
        An attribute that all of them have; None where sorting does not pay.
    sets : list of tuple of int
        Cuboids to be made in one pass.

    Examples
    --------
    >>> list(split_by_lead(CodeTable([[0, 0], [1, 1]], [2, 2]), [(0,), (1,)]))
    [(None, [(0,)]), (None, [(1,)])]
    """
    gains = np.zeros((len(sets), table.n_attributes))
    for row, attributes in zip(gains, sets, strict=True):
        n_cells = table.n_products(attributes)
        for a in attributes:
            row[a] = _add_cost(n_cells) - _add_cost(n_cells // table.cardinalities[a])
    is_open = np.ones(len(sets), dtype=bool)
    while True:
        gain = gains[is_open].sum(axis=0)
        lead = int(np.argmax(gain))
        if gain[lead] <= _SORTED_COST:
            break
        is_led = is_open & (gains[:, lead] > 0)
        is_open &= ~is_led
        yield lead, [sets[i] for i in np.flatnonzero(is_led).tolist()]
    for i in np.flatnonzero(is_open).tolist():
        yield None, [sets[i]]


def _add_cost(n_cells: int) -> float:
    """Return the cost of adding to one of so many cells, in adds within the cache."""
    return 1.0 + min(n_cells / BASE_CELLS, 10.0)
