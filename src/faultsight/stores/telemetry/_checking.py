"""What an append brings: which rows are kept as they are, which are mended, which are set aside.

Rules that set a whole row aside: ``no_timestamp``, ``not_a_time``, ``ambiguous_time``,
``before_1970``, ``future``, ``before_retention``, ``no_entity``, ``name_too_long``,
``name_with_nul`` (no database holds such a text, so no alarm could be of it). Rules that set a copy
aside while the row is kept: ``not_a_number`` and ``not_finite`` (the cell is missing then) and
``conflicting``.

Rows of one owner on one grid point become one row: of each column the largest value told. So
neither the order of rows nor how often they were told can change what is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.time_grid import EARLY_SHARE
from faultsight.stores.telemetry._feed import Feed
from faultsight.stores.telemetry._rows import Owners, gathered, owners_of, starts_of
from faultsight.stores.telemetry._stamps import read_stamps

__all__ = ["Checked", "check_rows"]

_NOT_KPIS = ("timestamp", "label")
_SHOWN = 80


@dataclass
class Checked:
    """An append after it was looked at.

    Attributes
    ----------
    table : polars.DataFrame
        Attributes, ``timestamp`` (epoch seconds on the feed's grid) and values; sorted by owner
        and time, each such pair once.
    owners : Owners
        Whose rows they are.
    columns : tuple of str
        The feed's columns, with those that this append adds.
    ignored : tuple of str
        Columns that are no KPIs.
    n_merged : int
        Rows that became one with another.
    set_aside : dict of str to ndarray of int
        By rule: positions of rows in the table given.
    """

    table: pl.DataFrame
    owners: Owners
    columns: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    n_merged: int = 0
    set_aside: dict[str, NDArray[np.intp]] = field(default_factory=dict)

    def note(self, rule: str, rows: NDArray[np.intp]) -> None:
        """Add rows to what is set aside by a rule; each row counts once."""
        if len(rows):
            known = self.set_aside.get(rule, np.empty(0, np.intp))
            self.set_aside[rule] = np.union1d(known, rows)


def check_rows(table: pl.DataFrame, feed: Feed, *, source: str, received_at_s: float) -> Checked:
    """Look at every row of a table.

    Raises
    ------
    InputError
        If a column that says whose or when is missing or of no use, or a cap is passed; names
        source and column.
    """
    limits = feed.limits
    if table.height > limits.max_rows:
        raise InputError(
            f"{table.height:,} rows are more than the {limits.max_rows:,} of max_rows",
            source=source or None,
        )
    for name in (*feed.attributes, "timestamp"):
        if name not in table.columns:
            raise MissingColumnError(name, table.columns[:_SHOWN], source=source or None)
    columns, ignored = _columns(table, feed, source)
    told = Checked(table.clear(), Owners(pl.DataFrame(), np.empty(0, np.int64)), columns, ignored)
    seconds, is_kept = _stamped(table, feed, received_at_s, told, source)
    owners, is_kept = _owned(table, feed, is_kept, told, source)
    rows = np.flatnonzero(is_kept)
    values = {name: _numbers(table[name], feed, is_kept, told)
              for name in columns if name in table.columns}  # fmt: skip
    names = {column.name: column for column in owners}
    parts = {**names, "timestamp": pl.Series("timestamp", seconds), **values}
    clean = gathered(pl.DataFrame([part.alias(name) for name, part in parts.items()]), rows)
    _sort(clean, feed, rows, told)
    return told


def _columns(
    table: pl.DataFrame, feed: Feed, source: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the feed's columns with new ones of this table, and those that are ignored."""
    known = set(feed.columns)
    new: list[str] = []
    ignored: list[str] = []
    for name, kind in table.schema.items():
        if name in known or name in feed.attributes or name == "timestamp":
            continue
        is_kpi = feed.is_open and name not in _NOT_KPIS and _looks_like_numbers(table[name], kind)
        (new if is_kpi else ignored).append(name)
    limits = feed.limits
    too_long = [name for name in new if len(name.encode()) > limits.max_name_bytes]
    if too_long:
        raise InputError(
            f"its name is longer than the {limits.max_name_bytes} bytes of max_name_bytes",
            source=source or None, column=f"{too_long[0][:_SHOWN]}...",
        )  # fmt: skip
    if len(known) + len(new) > limits.max_columns:
        raise InputError(
            f"{len(known) + len(new):,} columns are more than the {limits.max_columns:,} of "
            "max_columns",
            source=source or None, column=new[limits.max_columns - len(known)],
        )  # fmt: skip
    return (*feed.columns, *new), tuple(ignored)


def _looks_like_numbers(column: pl.Series, kind: pl.DataType) -> bool:
    """Whether a column that nobody knows yet is a KPI: numbers, or texts of which most are."""
    if kind.is_numeric() or kind == pl.Boolean:
        return True
    if kind != pl.String:
        return False
    # Each text once: how often a row is told again must not decide it.
    texts = column.str.strip_chars().replace("", None).unique()
    return 2 * texts.cast(pl.Float64, strict=False).count() > texts.count()


def _stamped(
    table: pl.DataFrame, feed: Feed, received_at_s: float, told: Checked, source: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the grid point of each row, and which rows have one that is believed."""
    try:
        stamps = read_stamps(table["timestamp"], feed.limits.time_zone)
    except InputError as error:
        raise InputError(error.problem, source=source or None, column=error.column) from error
    is_kept = np.ones(table.height, np.bool_)
    for rule, refused in stamps.reasons.items():
        told.note(rule, np.flatnonzero(refused))
        is_kept &= ~refused
    # By the stamp alone, so that neither the order of appends nor their size can change a row.
    early_s = feed.interval_s // EARLY_SHARE
    grid_s = (stamps.seconds + early_s) // feed.interval_s * feed.interval_s
    since_s = feed.kept_from_s
    for rule, refused in (
        ("future", stamps.seconds > received_at_s + feed.limits.skew_s),
        ("before_1970", stamps.seconds < 0),
        ("before_retention", grid_s < (0 if since_s is None else since_s)),
    ):
        rows = is_kept & refused
        told.note(rule, np.flatnonzero(rows))
        is_kept &= ~rows
    return grid_s, is_kept


def _owned(
    table: pl.DataFrame, feed: Feed, is_kept: NDArray[np.bool_], told: Checked, source: str
) -> tuple[list[pl.Series], NDArray[np.bool_]]:
    """Return the columns that say whose row it is, as texts, and the rows that have one."""
    owners = []
    for name in feed.attributes:
        column = table[name]
        if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
            raise InputError(f"{column.dtype} is no name", source=source or None, column=name)
        column = column.cast(pl.String)
        if feed.kind == "kpi":
            rows = is_kept & (column.is_null() | (column == "")).fill_null(value=True).to_numpy()
            told.note("no_entity", np.flatnonzero(rows))
            is_kept = is_kept & ~rows
        for rule, refused in (
            ("name_too_long", column.str.len_bytes() > feed.limits.max_name_bytes),
            ("name_with_nul", column.str.contains("\0", literal=True)),
        ):
            rows = is_kept & refused.fill_null(value=False).to_numpy()
            told.note(rule, np.flatnonzero(rows))
            is_kept = is_kept & ~rows
        owners.append(column)
    return owners, is_kept


def _numbers(column: pl.Series, feed: Feed, is_kept: NDArray[np.bool_], told: Checked) -> pl.Series:
    """Return a column of finite numbers; what is none is missing, and its rows are noted."""
    kind = column.dtype
    if kind == pl.String:
        texts = column.str.strip_chars().replace("", None)
        numbers = texts.cast(pl.Float64, strict=False)
        wrong = texts.is_not_null() & numbers.is_null()
    elif kind.is_numeric() or kind in (pl.Boolean, pl.Null):
        numbers, wrong = column, None
    else:
        numbers = pl.Series(column.name, [None], dtype=pl.Float64).new_from_index(0, len(column))
        wrong = column.is_not_null()
    if wrong is not None and wrong.any():
        told.note("not_a_number", np.flatnonzero(wrong.to_numpy() & is_kept))
    values = numbers.cast(pl.Float64 if feed.kind == "cube" else pl.Float32).to_numpy()
    # The sum makes -0.0 the 0.0 that it equals: what is equal must be the same bytes.
    values = values + values.dtype.type(0)
    is_finite = np.isfinite(values)
    if is_finite.all():
        return pl.Series(column.name, values)
    told.note("not_finite", np.flatnonzero(np.isinf(values) & is_kept))
    return pl.Series(column.name, values).set(pl.Series(~is_finite), None)


def _sort(clean: pl.DataFrame, feed: Feed, rows: NDArray[np.intp], told: Checked) -> None:
    """Sort by owner and time, and make one row of those that share both."""
    if not clean.height:
        told.table = clean
        return
    owners = owners_of([clean[name] for name in feed.attributes])
    grid = clean["timestamp"].to_numpy() // feed.interval_s
    span = int(grid.max() - grid.min()) + 1
    key = owners.ids * span + (grid - grid.min())
    order = np.argsort(key, kind="stable")
    clean, key = gathered(clean, order), key[order]
    starts = starts_of(key)
    told.owners = Owners(owners.names, owners.ids[order][starts])
    told.n_merged = clean.height - len(starts)
    if told.n_merged:
        columns = [name for name in told.columns if name in clean.columns]
        clean, lost = _largest(clean, starts, columns)
        told.note("conflicting", np.sort(rows[order[lost]]))
    told.table = clean


def _largest(
    table: pl.DataFrame, starts: NDArray[np.intp], columns: list[str]
) -> tuple[pl.DataFrame, NDArray[np.intp]]:
    """Return one row for each run, of each column the largest value; and the rows that told less.

    Only the rows that were told more than once are looked at.
    """
    lengths = np.diff(starts, append=table.height)
    is_several = lengths > 1
    several = np.flatnonzero(np.repeat(is_several, lengths))
    run = np.repeat(np.arange(int(is_several.sum())), lengths[is_several])
    run_starts = starts_of(run)
    once = table[starts]
    is_lost = np.zeros(len(several), np.bool_)
    mended = {}
    at = np.flatnonzero(is_several)
    for name in columns:
        values = table[name].gather(several).to_numpy()
        largest = np.fmax.reduceat(values, run_starts)
        is_lost |= ~np.isnan(values) & (values != largest[run])
        mended[name] = once[name].scatter(at, pl.Series(largest).fill_nan(None))
    return once.with_columns(list(mended.values())), several[is_lost]
