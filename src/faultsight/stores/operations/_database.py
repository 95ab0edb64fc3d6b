"""One database, and how it is opened, read and written.

SQLite's rules: a writer takes the write lock when it begins (``BEGIN IMMEDIATE``: a lock taken
later can fail after work is done), waits for others instead of failing, and every commit is on
disk when it returns. The write-ahead log is used where this SQLite is free of the race in which
it could lose a commit, else the rollback journal.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from faultsight.core.errors import SettingError, StoreError
from faultsight.stores.operations.schema import canonical_json

__all__ = ["Clock", "Database", "Transaction", "may_use_wal"]

Clock = Callable[[], float]
"""Seconds since 1970 UTC."""

Transaction = sa.Connection
"""An open transaction, as `Operations.transaction` gives it."""

_BUSY_TIMEOUT_S = 60
_WRITE_LOCK = 0x0FA017


def may_use_wal(version: tuple[int, int, int]) -> bool:
    """Whether the write-ahead log of an SQLite version is free of the lost-commit race.

    Examples
    --------
    >>> [may_use_wal(v) for v in ((3, 40, 1), (3, 44, 6), (3, 46, 0), (3, 50, 7), (3, 51, 3))]
    [False, True, False, True, True]
    """
    fixed_in = {(3, 44): 6, (3, 50): 7, (3, 51): 3}
    return version >= (3, 52, 0) or version[2] >= fixed_in.get(version[:2], 1 << 30)


class Database:
    """A database, opened.

    Parameters
    ----------
    path_or_url : path or str
        A file for SQLite, or a database URL.
    clock : callable
        Says what time it is; tests set it.

    Raises
    ------
    StoreError
        If the database cannot be opened.
    """

    def __init__(self, path_or_url: Path | str, *, clock: Clock = time.time) -> None:
        self.clock = clock
        if "://" in str(path_or_url):
            self.url = sa.make_url(str(path_or_url))
        else:
            # Not through text, so that the path may hold any character.
            path = Path(path_or_url).absolute()
            self.url = sa.URL.create("sqlite", database=str(path))
        options: dict[str, Any] = {"json_serializer": canonical_json}
        if self.is_sqlite:
            options["connect_args"] = {"timeout": _BUSY_TIMEOUT_S, "isolation_level": None}
            options |= {"pool_size": 8, "max_overflow": -1}
        self.engine = sa.create_engine(self.url, **options)
        sa.event.listen(self.engine, "begin", _on_begin)
        if self.is_sqlite:
            sa.event.listen(self.engine, "connect", _on_connect)
            with self._errors_told():
                self._make_file()
                self._choose_journal()
        self._writer = self.engine.execution_options(is_writer=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def place(self) -> str:
        """Where it is, for messages; no password."""
        return self.url.database or "" if self.is_sqlite else self.url.render_as_string()

    def now_s(self) -> int:
        """Return the whole second that the clock shows."""
        return int(self.clock())

    @contextmanager
    def writing(self, tx: Transaction | None = None) -> Iterator[Transaction]:
        """Go on in an open transaction, or make one that commits at the end.

        Raises
        ------
        StoreError
            If the database cannot be written: full, read-only, locked for too long, damaged.
        """
        if tx is not None:
            yield tx
            return
        with self._errors_told(), self._writer.begin() as own:
            yield own

    @contextmanager
    def reading(self, tx: Transaction | None = None) -> Iterator[Transaction]:
        """Go on in an open transaction, or make one that sees a single state.

        Keep it short: a reader holds up commits where the rollback journal is used.
        """
        if tx is not None:
            yield tx
            return
        with self._errors_told(), self.engine.begin() as own:
            yield own

    def backup(self, path: Path | str) -> Path:
        """Write a consistent copy while others write; see `Operations.backup`."""
        if not self.is_sqlite:
            raise SettingError("a PostgreSQL database is backed up with pg_dump")
        path = Path(path).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
        try:
            with self._errors_told():
                source = sqlite3.connect(self.place, timeout=_BUSY_TIMEOUT_S)
                copy = sqlite3.connect(name)
                try:
                    # In one step: in many, every commit of another process starts it over.
                    source.backup(copy, pages=-1)
                    (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
                finally:
                    copy.close()
                    source.close()
            if verdict != "ok":
                raise StoreError(f"the copy of {self.place} is damaged: {verdict}")
            with Path(name).open("rb") as file:
                os.fsync(file.fileno())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
        return path

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _make_file(self) -> None:
        # Made here, so that nobody else can read the password hashes in it.
        path = Path(self.place)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error

    def _choose_journal(self) -> None:
        mode = "wal" if may_use_wal(sqlite3.sqlite_version_info[:3]) else "delete"
        connection = self.engine.raw_connection()
        try:
            cursor = connection.cursor()
            (before,) = cursor.execute("PRAGMA journal_mode").fetchone()
            if before != mode:
                cursor.execute(f"PRAGMA journal_mode={mode}")
        finally:
            connection.close()

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.IntegrityError, sqlite3.IntegrityError):
            raise
        except sa.exc.DBAPIError as error:
            raise StoreError(f"{self.place}: {error.orig}") from error
        except sqlite3.Error as error:
            raise StoreError(f"{self.place}: {error}") from error


def _on_connect(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    # A commit that has returned survives a power cut, also with the write-ahead log.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _on_begin(connection: sa.Connection) -> None:
    is_writer = connection.get_execution_options().get("is_writer", False)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")
    elif is_writer:
        # One writer at a time here too, so that what was read still holds when it is written.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITE_LOCK)))
