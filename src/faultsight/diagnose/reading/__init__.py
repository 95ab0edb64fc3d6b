"""Polls of cable modems as they are exported, to polls that can be diagnosed.

Files and tables in; out come polls by fiber node, and a list of what was set aside. What cannot be
what it claims to be is refused with the likely cause: a wrong unit would move every threshold.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from faultsight.core.errors import InputError, SettingError
from faultsight.core.exported_tables import read_export, with_plain_headings
from faultsight.core.polls import PollTable, Telemetry, joined_polls
from faultsight.core.tables import TABLE_SUFFIXES, as_polars
from faultsight.core.telemetry import TelemetryFolder
from faultsight.diagnose.preprocessing.duplicates import DUPLICATE_GAP_S
from faultsight.diagnose.reading._export import Export
from faultsight.diagnose.reading._mac_spellings import in_one_spelling
from faultsight.diagnose.reading._one_poll import joined
from faultsight.diagnose.reading._poll_checks import (
    note_constant_channels,
    note_moved_modems,
    refuse_dense_polls,
    refuse_running_totals,
    without_duplicate_rows,
    without_shared_snr,
)
from faultsight.diagnose.reading._poll_rows import FILE, ROW, rows_of_polls
from faultsight.diagnose.reading._quarantine import Quarantine, QuarantinedPolls

__all__ = ["QuarantinedPolls", "read_polls"]

_IN_MEMORY = ""


def read_polls(
    source: Any,
    *,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    now_s: float | None = None,
) -> tuple[Telemetry, list[QuarantinedPolls]]:
    """Return the polls of an export, and what was set aside.

    Parameters
    ----------
    source : path or frame
        A CSV or Parquet file, a folder of them (folders in it too), or a frame (polars, pandas,
        Arrow): a row for each poll and channel. A folder of telemetry, as collectors and
        simulators write it, is opened as it is.
    columns : mapping of str to str, optional
        What columns are called there, by our name: ``{"snr_db": "snr"}``. Ours are ``timestamp``,
        ``device_id``, ``fnode``, ``channel``, ``snr_db``, ``tx_power_dbmv``, ``rx_power_dbmv``,
        counters as in `faultsight.core.polls.COUNTERS`, ``round_id``, ``answered``,
        ``pre_equalization``.
    units : mapping of str to str, optional
        By our name: ``{"snr_db": "tenth dB", "tx_power_dbmv": "dBuV", "timestamp": "ms"}``.
    now_s : float, optional
        The present, seconds since 1970; the clock's if not given. Rows more than an hour ahead of
        it are set aside.

    Returns
    -------
    telemetry : Telemetry
        The polls; the same for any order of rows, but for rows that contradict each other, of which
        the last counts.
    quarantined : list of QuarantinedPolls
        What was set aside, repaired or noticed. Of several files, one that cannot be read is set
        aside as a whole.

    Raises
    ------
    InputError
        If nothing can be read, a column is missing, is in another unit than stated, or is of
        channels and not of modems; names file, column and row.
    SettingError
        If a column or unit is not known.

    Examples
    --------
    >>> export = pl.DataFrame({
    ...     "time": ["2026-01-01T00:10Z", "2026-01-01T04:10Z", "2026-01-01T04:10Z"],
    ...     "mac": ["a", "a", None], "node": ["F1"] * 3, "us": [1, 1, 1], "snr": [365, 371, 369]})
    >>> names = {"timestamp": "time", "device_id": "mac", "fnode": "node", "channel": "us",
    ...          "snr_db": "snr"}
    >>> telemetry, quarantined = read_polls(export, columns=names, units={"snr_db": "tenth dB"})
    >>> next(telemetry.nodes()).values["snr_db"].ravel().round(1).tolist()
    [36.5, 37.099998474121094]
    >>> [(q.reason, q.column, q.rows) for q in quarantined]
    [('no modem: row set aside', 'device_id', 1)]
    """
    if not isinstance(source, (str, Path)):
        export = _export(columns, units, now_s)
        quarantine = Quarantine([_IN_MEMORY])
        rows = rows_of_polls(
            with_plain_headings(as_polars(source)), export, quarantine, file=0, source=None
        )
        return _telemetry([rows], quarantine, None)
    path = Path(source)
    if TelemetryFolder.is_telemetry(path):
        if columns or units:
            raise SettingError(f"{path} is a folder of telemetry: its columns and units are known")
        return TelemetryFolder(path), []
    export = _export(columns, units, now_s)
    files = list(_files(path))
    quarantine = Quarantine([str(file) for file in files])
    parts, first_error = [], None
    for place, (file, table) in enumerate(_tables(files)):
        try:
            if isinstance(table, InputError):
                raise table
            parts.append(rows_of_polls(table, export, quarantine, file=place, source=str(file)))
        except InputError as error:
            # A unit is wrong in every file, and a mapping too: only a file that is not a table
            # of polls at all is passed over for the others.
            if len(files) == 1 or error.column is not None:
                raise
            first_error = first_error or error
            quarantine.add_file(error.problem, place)
    if not parts and first_error is not None:
        raise first_error
    return _telemetry(parts, quarantine, str(path))


def _export(
    columns: Mapping[str, str] | None, units: Mapping[str, str] | None, now_s: float | None
) -> Export:
    return Export(dict(columns or {}), dict(units or {}), time.time() if now_s is None else now_s)


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise InputError("no such file or folder", source=str(path))
    if not path.is_dir():
        yield path
        return
    inside = sorted(
        p for p in path.rglob("*") if p.suffix.lower() in TABLE_SUFFIXES and p.is_file()
    )
    if TelemetryFolder.is_telemetry(path / "telemetry"):
        raise InputError(f"the polls are in its folder {path / 'telemetry'}", source=str(path))
    if not inside:
        raise InputError(f"holds no {' or '.join(TABLE_SUFFIXES)} file", source=str(path))
    yield from inside


def _tables(files: list[Path]) -> Iterator[tuple[Path, pl.DataFrame | InputError]]:
    for file in files:
        try:
            yield file, read_export(file)
        except InputError as error:
            yield file, error


def _telemetry(
    parts: list[pl.DataFrame], quarantine: Quarantine, source: str | None
) -> tuple[Telemetry, list[QuarantinedPolls]]:
    """Return the polls of all rows, and all that was set aside."""
    rows = pl.concat(parts, how="diagonal") if parts else pl.DataFrame()
    if not rows.height:
        why = "; ".join(f"{n.column}: {n.reason} ({n.rows:,})" for n in quarantine.notes)
        raise InputError(f"no row is left{': ' if why else ''}{why}", source=source)
    rows = in_one_spelling(rows, quarantine)
    names: dict[Any, Any] = {
        name: pl.Enum(rows[name].unique().drop_nulls().sort())
        for name in ("fnode", "device_id", "channel")
    }
    rows = _in_order(rows.cast(names))
    try:
        rows = without_duplicate_rows(rows, quarantine)
        rows = joined(rows, quarantine, within_s=DUPLICATE_GAP_S)
        refuse_dense_polls(rows, DUPLICATE_GAP_S)
        refuse_running_totals(rows)
        rows = without_shared_snr(rows, quarantine)
    except InputError as error:
        raise InputError(error.problem, source=source, column=error.column) from error
    note_moved_modems(rows, quarantine)
    note_constant_channels(rows, quarantine)
    return PollTable(joined_polls([rows.drop(ROW, FILE)])), quarantine.notes


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows sorted by fiber node, modem, time and channel (none last), stably.

    Sorting codes is several times faster than sorting names.
    """
    channel = rows["channel"].to_physical().cast(pl.Int64)
    keys = [rows[name].to_physical().to_numpy() for name in ("device_id", "fnode")]
    last = np.iinfo(np.int64).max
    order = np.lexsort((channel.fill_null(last).to_numpy(), rows["timestamp"].to_numpy(), *keys))
    return rows[order]
