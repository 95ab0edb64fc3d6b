"""Uploads: streamed to a file under a name of our own, measured, and only then read."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import IO

import polars as pl

from faultsight.app.folders import StateFolder
from faultsight.app.intake import Intake, Taken
from faultsight.app.roles import Principal
from faultsight.app.settings import LimitSettings
from faultsight.core.errors import InputError
from faultsight.stores.operations import Operations

__all__ = ["Incoming", "Uploads", "read_table"]


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

    def begin(self, feed: str, suffix: str) -> Incoming:
        """Begin an upload of ``.csv`` or ``.parquet``.

        Raises
        ------
        NotFoundError
            If there is no such feed.
        """
        self._ops.feeds.get(feed)
        self._folder.incoming.mkdir(parents=True, exist_ok=True)
        path = self._folder.incoming / f"{secrets.token_hex(16)}{suffix}"
        return Incoming(self._ops, self._intake, self._limits, feed, path)

    def drop_left_over(self) -> int:
        """Remove what a crash left on its way in; returns how many files."""
        left = list(self._folder.incoming.glob("*")) if self._folder.incoming.is_dir() else []
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)


class Incoming:
    """One upload on its way in; `close` removes its file whatever happened."""

    def __init__(
        self, ops: Operations, intake: Intake, limits: LimitSettings, feed: str, path: Path
    ) -> None:
        self._ops = ops
        self._intake = intake
        self._limits = limits
        self._feed = feed
        self._path = path
        self._digest = hashlib.sha256()
        self._size = 0
        self._file: IO[bytes] = path.open("xb")

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
        """
        self._file.close()
        if not self._size:
            raise InputError("the upload is empty")
        key = f"upload {self._size} {self._digest.hexdigest()}"
        if self._intake.seen(self._feed, key):
            return Taken(key, is_new=False)
        table = read_table(self._path, self._limits)
        taken = self._intake.take(self._feed, table, key=key, source=f"upload by {who.name}")
        detail = {"key": key, "n_rows": taken.n_rows, "n_quarantined": taken.n_quarantined}
        self._ops.audit.append(who.name, "uploaded", f"feed {self._feed}", detail=detail)
        return taken

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def read_table(path: Path, limits: LimitSettings) -> pl.DataFrame:
    """Return the table of a CSV or Parquet file, whose size is looked at before it is read.

    Raises
    ------
    InputError
        If it cannot be read, or has too many rows, columns, cells or distinct values. The name of
        the file is not told: it is ours, not the sender's.
    """
    is_csv = path.suffix == ".csv"
    try:
        lazy = _scan_csv(path) if is_csv else pl.scan_parquet(path, glob=False)
        names = lazy.collect_schema().names()
        _refuse("columns", len(names), limits.upload_columns)
        if not is_csv:
            n_rows = int(lazy.select(pl.len()).collect().item())
            _refuse("rows", n_rows, limits.upload_rows)
            _refuse("cells", n_rows * len(names), limits.upload_cells)
        table = lazy.head(limits.upload_rows + 1).collect()
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        kind = "CSV" if is_csv else "Parquet"
        raise InputError(f"the upload cannot be read as {kind}") from error
    except BaseException as error:
        # The reader's own panics are no ordinary exceptions.
        if type(error).__name__ != "PanicException":
            raise
        raise InputError("the upload cannot be read: it is damaged") from error
    _refuse("rows", table.height, limits.upload_rows)
    _refuse("cells", table.height * table.width, limits.upload_cells)
    for column in table.columns:
        if table[column].dtype == pl.String:
            _refuse("distinct values", table[column].n_unique(), limits.upload_values, column)
    return table


def _scan_csv(path: Path) -> pl.LazyFrame:
    # Types from all rows: a first text far down must not turn a column of numbers into an error.
    return pl.scan_csv(path, infer_schema_length=None, glob=False)


def _refuse(what: str, count: int, most: int, column: str | None = None) -> None:
    if count > most:
        raise InputError(f"{count:,} {what} are more than the {most:,} allowed", column=column)
