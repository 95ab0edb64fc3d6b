"""One table of an export, to rows of polls: columns by name, values in our units.

A row is set aside where it does not say whose poll it is or when; a value alone where it cannot be.
A modem that answered nonsense has answered: were its row set aside, it would look silent.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from faultsight.core.polls import COUNTERS, LEVELS
from faultsight.diagnose.reading._cells import names, numbers, octets, truth
from faultsight.diagnose.reading._export import COLUMNS, Export, present_columns, tell_passed_over
from faultsight.diagnose.reading._levels import check_units, possible_values
from faultsight.diagnose.reading._quarantine import Quarantine
from faultsight.diagnose.reading._stamps import EARLIEST_S, read_stamps

__all__ = ["FILE", "ROW", "rows_of_polls"]

ROW, FILE = "_row", "_file"
"""Where a row stood: counted from 1 without the header, and the file's place in the list."""

_NAMES = ("fnode", "device_id", "channel")
_AHEAD_S = 3600.0


def rows_of_polls(
    table: pl.DataFrame, export: Export, quarantine: Quarantine, *, file: int, source: str | None
) -> pl.DataFrame:
    """Return the usable rows of one table.

    Parameters
    ----------
    table : polars.DataFrame
        As exported.
    export : Export
        How it is to be read.
    quarantine : Quarantine
        Told what was set aside.
    file : int
        Its place in the list of files.
    source : str, optional
        The file, for messages.

    Returns
    -------
    polars.DataFrame
        The columns of `COLUMNS` that are there, ``timestamp`` as seconds since 1970, and where each
        row stood.

    Raises
    ------
    InputError
        If a column is missing or holds something else; names file, column and row.
    """
    present = present_columns(table, export, source)
    chosen = {ours: table[export.name_of(ours)].alias(ours) for ours in present}
    stamps = read_stamps(chosen["timestamp"], export.stamp_unit, source)
    columns: dict[str, pl.Series] = {
        name: names(chosen[name], source).str.strip_chars().replace("", None) for name in _NAMES
    }
    columns["timestamp"] = stamps.seconds
    columns[ROW] = pl.Series(np.arange(1, table.height + 1, dtype=np.int64))
    if "answered" in present:
        columns["answered"] = truth(chosen["answered"], quarantine, file, source)
    keep = _keep(columns, chosen["timestamp"], stamps.has_zone, export, quarantine, file)
    rows = columns[ROW]
    tell_passed_over(table, present, export, quarantine, file)
    for name in (*LEVELS, *COUNTERS, "round_id"):
        if name in present:
            columns[name] = numbers(chosen[name], rows, quarantine, file, source, keep=keep)
    levels = [level for level in LEVELS if level in present]
    check_units({level: columns[level].filter(keep) for level in levels}, export, source)
    for level in levels:
        unit = export.level_units[level]
        columns[level] = possible_values(level, columns[level], unit, rows, keep, quarantine, file)
    if "round_id" in present:
        whole = columns["round_id"].round() == columns["round_id"]
        quarantine.add(
            "not a whole number: value set aside", "round_id", rows.filter(keep & ~whole), file
        )
        columns["round_id"] = pl.select(pl.when(whole).then(columns["round_id"])).to_series()
        columns["round_id"] = columns["round_id"].cast(pl.Int64, strict=False)
    for counter in COUNTERS:
        if counter in present:
            below = columns[counter] < 0
            quarantine.add(
                "negative count: value set aside", counter, rows.filter(keep & below), file
            )
            columns[counter] = pl.select(pl.when(~below).then(columns[counter])).to_series()
    if "pre_equalization" in present:
        columns["pre_equalization"] = octets(
            chosen["pre_equalization"], rows, quarantine, file, source
        )
    order = [*(c for c in COLUMNS if c in columns), ROW]
    kinds = dict.fromkeys((*LEVELS, *COUNTERS), pl.Float32)
    return (
        pl.DataFrame([columns[c].alias(c) for c in order])
        .cast({c: kind for c, kind in kinds.items() if c in columns})
        .with_columns(pl.lit(file, pl.Int32).alias(FILE))
        .filter(keep)
    )


def _keep(
    columns: Mapping[str, pl.Series],
    told: pl.Series,
    has_zone: pl.Series,
    export: Export,
    quarantine: Quarantine,
    file: int,
) -> pl.Series:
    """Return which rows say whose poll they are, and when; the others are set aside."""
    rows, seconds = columns[ROW], columns["timestamp"]
    keep = pl.Series([True]).new_from_index(0, len(rows))

    def without(bad: pl.Series, reason: str, column: str) -> None:
        nonlocal keep
        bad = bad.fill_null(value=False) & keep
        quarantine.add(f"{reason}: row set aside", column, rows.filter(bad), file)
        keep = keep & ~bad

    empty = told.is_null()
    if told.dtype == pl.String:
        empty = empty | (told.str.strip_chars() == "").fill_null(value=False)
    elif told.dtype.is_float():
        empty = empty | told.is_nan().fill_null(value=False)
    without(empty, "no stamp", "timestamp")
    without(seconds.is_null(), "a stamp that cannot be read", "timestamp")
    without(seconds < EARLIEST_S, "a stamp before 1997", "timestamp")
    without(
        seconds > export.now_s + _AHEAD_S,
        "more than an hour ahead of now (is the stamps' zone told?)",
        "timestamp",
    )
    without(columns["device_id"].is_null(), "no modem", "device_id")
    without(columns["fnode"].is_null(), "no fiber node", "fnode")
    no_channel = columns["channel"].is_null()
    if "answered" in columns:
        # A poll without an answer has no channel; the row is what makes the silence known.
        no_channel = no_channel & columns["answered"].fill_null(value=True)
    without(no_channel, "no channel", "channel")
    is_naive = keep & ~has_zone.fill_null(value=True)
    if is_naive.any() and (keep & has_zone.fill_null(value=False)).any():
        quarantine.add(
            "a stamp without a zone beside stamps with one: read as UTC", "timestamp",
            rows.filter(is_naive), file,
        )  # fmt: skip
    return keep
