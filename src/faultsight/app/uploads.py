"""Uploads: streamed to a file under a name of our own, measured, and only then read."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import polars as pl

from faultsight.app.busy import AtMost
from faultsight.app.folders import StateFolder
from faultsight.app.intake import Intake, Taken
from faultsight.app.roles import Principal
from faultsight.app.settings import LimitSettings
from faultsight.core.errors import InputError
from faultsight.core.tables import table_batches
from faultsight.stores.operations import Operations

__all__ = ["Incoming", "Uploads", "look_through"]

_LONGEST_LINE = 4_000_000
_MOST_OPEN, _MOST_READ, _WAIT_S = 8, 2, 30.0
"""Uploads on their way; those in memory at one time; how long the others wait for that."""


class Uploads:
    """Takes files of telemetry in.

    Parameters
    ----------
    ops, folder, intake
        Where what happened is noted, where files lie meanwhile, and what takes tables in.
    limits : LimitSettings
        How large a file, and the table in it, may be.
    """

    def __init__(
        self, ops: Operations, folder: StateFolder, intake: Intake, limits: LimitSettings
    ) -> None:
        self._ops = ops
        self._folder = folder
        self._intake = intake
        self._limits = limits
        self._open = AtMost(_MOST_OPEN, "uploads", wait_s=0.0)
        self._reading = AtMost(_MOST_READ, "uploads", wait_s=_WAIT_S)

    def begin(self, feed: str, suffix: str) -> Incoming:
        """Begin an upload of ``.csv`` or ``.parquet``.

        Raises
        ------
        NotFoundError
            If there is no such feed.
        BusyError
            If too many are on their way in.
        """
        self._ops.feeds.get(feed)
        self._folder.incoming.mkdir(parents=True, exist_ok=True)
        path = self._folder.incoming / f"{secrets.token_hex(16)}{suffix}"
        turns = self._open, self._reading
        return Incoming(self._ops, self._intake, self._limits, turns, feed, path)

    def drop_left_over(self) -> int:
        """Remove what a crash left, and nothing that may still come; returns how many files."""
        folder = self._folder.incoming
        oldest_s = time.time() - self._limits.upload_s - _WAIT_S
        left = [path for path in folder.glob("*") if path.stat().st_mtime < oldest_s]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)


class Incoming:
    """One upload on its way in; `close` removes its file whatever happened."""

    def __init__(
        self,
        ops: Operations,
        intake: Intake,
        limits: LimitSettings,
        turns: tuple[AtMost, AtMost],
        feed: str,
        path: Path,
    ) -> None:
        being_open, self._reading = turns
        self._held = ExitStack()
        self._held.enter_context(being_open)
        self._ops = ops
        self._intake = intake
        self._limits = limits
        self._feed = feed
        self._path = path
        self._digest = hashlib.sha256()
        self._size = 0
        try:
            self._file: IO[bytes] = path.open("xb")
        except OSError:
            self._held.close()
            raise

    def write(self, part: bytes) -> None:
        """Add bytes."""
        self._size += len(part)
        self._digest.update(part)
        self._file.write(part)

    def take_in(self, who: Principal) -> Taken:
        """Read the file and take its rows in.

        Raises
        ------
        InputError
            If it is empty, cannot be read, or passes a limit.
        BusyError
            If others are being read all the while.
        """
        self._file.close()
        if not self._size:
            raise InputError("the upload is empty")
        key = f"upload {self._size} {self._digest.hexdigest()}"
        if self._intake.seen(self._feed, key):
            return Taken(key, is_new=False)
        with self._reading:
            taken = self._read(key, f"upload by {who.name}")
        detail = {"key": key, "n_rows": taken.n_rows, "n_quarantined": taken.n_quarantined}
        self._ops.audit.append(who.name, "uploaded", f"feed {self._feed}", detail=detail)
        return taken

    def _read(self, key: str, source: str) -> Taken:
        if self._ops.feeds.get(self._feed).kind == "polls":
            look_at_size(self._path, self._limits)
            return self._intake.take_polls(self._feed, self._path, key=key, source=source)
        names = self._intake.name_columns(self._feed)
        look_through(self._path, self._limits, names)
        parts = _in_parts(self._path, names)
        return self._intake.take_parts(self._feed, parts, key=key, source=source)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)
        self._held.close()


def look_through(path: Path, limits: LimitSettings, names: Sequence[str]) -> int:
    """Return how many rows a CSV or Parquet file has that can be read and keeps to the limits.

    Its size is looked at before any of it is unpacked, and then a part at a time, so that no part
    is stored of a file that turns out bad at its end.

    Parameters
    ----------
    path : pathlib.Path
        The file; its name is ours, not the sender's, and is not told.
    limits : LimitSettings
        What it may hold.
    names : sequence of str
        Columns that hold names, even where they look like numbers.

    Raises
    ------
    InputError
        If it cannot be read, or has too many rows, columns, cells or distinct values.
    """
    look_at_size(path, limits)
    n_rows = 0
    values: dict[str, pl.Series] = {}
    for table in _in_parts(path, names):
        n_rows += table.height
        _refuse("rows", n_rows, limits.upload_rows)
        for column in table.columns:
            if table[column].dtype != pl.String or column == "timestamp":
                continue
            told = table[column].unique()
            if column in values:
                told = values[column].append(told).unique()
            _refuse("distinct values", len(told), limits.upload_values, column)
            values[column] = told
    return n_rows


def _in_parts(path: Path, names: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield the tables of a file, whose path is not told."""
    try:
        yield from table_batches(path, names=names)
    except InputError as error:
        raise InputError(error.problem.replace(str(path), "it"), column=error.column) from error


def look_at_size(path: Path, limits: LimitSettings) -> None:
    """Refuse a table that would be too large, before any of it is unpacked.

    A Parquet file tells its rows itself, packed as tightly as it likes; of CSV the lines are
    counted.
    """
    try:
        if path.suffix == ".parquet":
            lazy = pl.scan_parquet(path, glob=False)
            n_columns = len(lazy.collect_schema())
            n_rows = int(lazy.select(pl.len()).collect().item())
        else:
            n_columns, n_rows = _csv_shape(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise InputError("the upload cannot be read: it is damaged") from error
    _refuse("columns", n_columns, limits.upload_columns)
    _refuse("rows", n_rows, limits.upload_rows)
    _refuse("cells", n_rows * n_columns, limits.upload_cells)


def _csv_shape(path: Path) -> tuple[int, int]:
    """Return the columns of the first line and the number of the lines after it."""
    n_lines = 0
    with path.open("rb") as file:
        first = file.readline(_LONGEST_LINE)
        if len(first) == _LONGEST_LINE:
            raise InputError("the first line is too long to name columns")
        while part := file.read(1 << 20):
            n_lines += part.count(b"\n")
    return first.count(b",") + 1, n_lines


def _refuse(what: str, count: int, most: int, column: str | None = None) -> None:
    if count > most:
        raise InputError(f"{count:,} {what} are more than the {most:,} allowed", column=column)
