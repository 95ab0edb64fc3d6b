"""SimulatedCase: a leaf table and the roots of the fault that was put into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.combination import AttributeCombination

__all__ = ["Root", "SimulatedCase", "cells", "full_grid", "named"]

Root = Mapping[int, int]
"""A combination in a full grid: axis to position on it."""


@dataclass(frozen=True, eq=False)
class SimulatedCase:
    """One simulated fault.

    Attributes
    ----------
    name : str
        Unique in its recipe.
    table : polars.DataFrame
        Attribute columns, ``real`` and ``predict``; one row a leaf.
    truth : frozenset of AttributeCombination
        Where the fault was put.
    group : str
        The setting it was made in, if the recipe has several.
    """

    name: str
    table: pl.DataFrame
    truth: frozenset[AttributeCombination]
    group: str = ""


def full_grid(
    elements: Mapping[str, Sequence[str]],
    values: Mapping[str, NDArray[np.float64]],
) -> pl.DataFrame:
    """Return a table with a row for each leaf of a full grid.

    Parameters
    ----------
    elements : mapping of str to sequence of str
        Attributes, in the order of the axes, and their element names.
    values : mapping of str to ndarray
        Columns, each with one axis for each attribute.

    Examples
    --------
    >>> table = full_grid({"a": ["x", "y"], "b": ["z"]}, {"real": np.array([[1.0], [2.0]])})
    >>> table.rows()
    [('x', 'z', 1.0), ('y', 'z', 2.0)]
    """
    sizes = [len(names) for names in elements.values()]
    columns: dict[str, pl.Series | NDArray[np.float64]] = {}
    for axis, (attribute, names) in enumerate(elements.items()):
        before, after = int(np.prod(sizes[:axis])), int(np.prod(sizes[axis + 1 :]))
        codes = np.tile(np.repeat(np.arange(len(names), dtype=np.uint32), after), before)
        columns[attribute] = pl.Series(names, dtype=pl.Enum(names)).gather(codes)
    return pl.DataFrame(columns | {name: column.ravel() for name, column in values.items()})


def cells(root: Root, axes: int) -> tuple[int | slice, ...]:
    """Return the index of a full grid that selects a combination's leaves.

    Examples
    --------
    >>> cells({1: 4}, 3)
    (slice(None, None, None), 4, slice(None, None, None))
    """
    return tuple(root.get(axis, slice(None)) for axis in range(axes))


def named(root: Root, elements: Mapping[str, Sequence[str]]) -> AttributeCombination:
    """Return a combination in names.

    Examples
    --------
    >>> str(named({1: 0}, {"a": ["x"], "b": ["y"]}))
    'b=y'
    """
    attributes = list(elements)
    return AttributeCombination(
        {attributes[axis]: elements[attributes[axis]][code] for axis, code in root.items()}
    )
