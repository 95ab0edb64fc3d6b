"""Rows by whose they are and when: their order, and what becomes of rows told twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.bucketed import read_columns
from faultsight.core.errors import InputError

__all__ = ["Owners", "epoch_s", "gathered", "merged", "owners_of", "read_rows", "starts_of"]


@dataclass(frozen=True, eq=False)
class Owners:
    """Whose rows they are.

    Attributes
    ----------
    names : polars.DataFrame
        Each owner once, in order of the attributes; a missing element comes first.
    ids : ndarray of int64, shape (n_rows,)
        For each row its place in there.
    """

    names: pl.DataFrame
    ids: NDArray[np.int64]


def owners_of(columns: Sequence[pl.Series]) -> Owners:
    """Return whose rows they are, from the columns that tell it.

    Names are compared once for each run of equal rows, so that a table sorted by owner costs
    little more than its number of owners.
    """
    n_rows = len(columns[0])
    is_new = np.zeros(n_rows, np.bool_)
    is_new[:1] = True
    for column in columns:
        is_new[1:] |= column[1:].ne_missing(column[:-1]).to_numpy()
    heads = np.flatnonzero(is_new)
    combined = np.zeros(len(heads), np.int64)
    for column in columns:
        told = column.gather(heads)
        elements = told.drop_nulls().unique().sort()
        codes = told.cast(pl.Enum(elements)).to_physical().cast(pl.Int64) + 1
        combined = combined * (len(elements) + 1) + codes.fill_null(0).to_numpy()
        # Dense again: the product of many attributes' sizes would overflow.
        _, combined = np.unique(combined, return_inverse=True)
    _, first, ids = np.unique(combined, return_index=True, return_inverse=True)
    names = pl.DataFrame([column.gather(heads[first]) for column in columns])
    return Owners(names, np.repeat(ids, np.diff(heads, append=n_rows)).astype(np.int64))


def read_rows(path: Path, attributes: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """Return the rows of a file, with those columns that it has.

    Raises
    ------
    InputError
        If it cannot be read, lacks a key or has a column of another type; names it.
    """
    table = read_columns(
        path, (*attributes, "timestamp", *columns), needed=(*attributes, "timestamp")
    )
    for name, kind in table.schema.items():
        if name == "timestamp":
            is_fine = kind == pl.Datetime("ms", "UTC")
        else:
            is_fine = kind == pl.String if name in attributes else kind.is_float()
        if not is_fine:
            raise InputError(f"{kind} is not what a feed keeps", source=str(path), column=name)
    if table["timestamp"].null_count():
        raise InputError("a stamp is missing", source=str(path), column="timestamp")
    return table


def epoch_s(stamps: pl.Series) -> NDArray[np.int64]:
    """Return whole seconds since 1970 of a column of UTC stamps."""
    milliseconds: NDArray[np.int64] = stamps.dt.epoch("ms").to_numpy()
    return milliseconds // 1000


def starts_of(key: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return where runs of equal values start in a sorted key."""
    is_new = np.ones(len(key), np.bool_)
    is_new[1:] = key[1:] != key[:-1]
    return np.flatnonzero(is_new)


def gathered(table: pl.DataFrame, rows: NDArray[np.intp]) -> pl.DataFrame:
    """Return rows of a table; the table itself where that is all of them in order."""
    if len(rows) == table.height and bool((np.diff(rows) == 1).all()):
        return table
    return table[rows]


def merged(
    tables: Sequence[pl.DataFrame], attributes: Sequence[str], columns: Sequence[str]
) -> pl.DataFrame:
    """Return several tables as one, sorted by owner and time, with each such pair once.

    Where tables tell different values, the later table's counts; a missing value takes nothing
    away from an earlier one.

    Parameters
    ----------
    tables : sequence of polars.DataFrame
        In the order in which they were written.
    attributes, columns : sequence of str
        Columns that say whose row it is, and columns of values; those that are in no table are
        left out.
    """
    table = tables[0] if len(tables) == 1 else pl.concat(tables, how="diagonal")
    if not table.height:
        return table
    owners = owners_of([table[name] for name in attributes])
    time_s = epoch_s(table["timestamp"])
    is_sorted = (np.diff(owners.ids) > 0) | ((np.diff(owners.ids) == 0) & (np.diff(time_s) > 0))
    if not is_sorted.all():
        # The order is stable: of rows that share owner and time, the later table's come last.
        order = np.lexsort((time_s, owners.ids))
        table = gathered(table, order)
        span = int(time_s.max() - time_s.min()) + 1
        key = owners.ids[order] * span + (time_s[order] - time_s.min())
        table = _told_once(table, starts_of(key), [c for c in columns if c in table.columns])
    present = set(table.columns)
    return table.select(
        [table[name] for name in (*attributes, "timestamp", *columns) if name in present]
    )


def _told_once(
    table: pl.DataFrame, starts: NDArray[np.intp], columns: Sequence[str]
) -> pl.DataFrame:
    """Return the last row of each run, with what it lacks taken from the rows before it."""
    if len(starts) == table.height:
        return table
    lasts = np.append(starts[1:], table.height) - 1
    filled = {}
    for name in columns:
        is_known = table[name].is_not_null().to_numpy()
        if is_known.all():
            continue
        known = np.maximum.reduceat(np.where(is_known, np.arange(table.height), -1), starts)
        filled[name] = table[name].gather(np.where(known >= 0, known, lasts))
    once = table[lasts]
    return pl.DataFrame([filled.get(name, once[name]) for name in once.columns])
