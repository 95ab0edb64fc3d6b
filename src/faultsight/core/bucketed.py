"""Bucketed Parquet: the files of a bucket and day, numbered, and merged files that replace them.

``bucket=07/2026-01-03.0004.parquet`` holds rows of one day whose name falls into bucket 7; higher
numbers were written later. ``2026-01-03.0000-0004.parquet`` holds the rows of the numbers 0 to 4
and takes their place the moment it is there: a file whose numbers lie within another's is not
read. So a merge is one rename, whole or not at all, and what it replaced is removed at leisure.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path

import polars as pl

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.files import write_atomic
from faultsight.core.kpi_frame import TimeWindow

__all__ = [
    "BucketedFiles",
    "DayFile",
    "bucket_of",
    "day_window",
    "locked",
    "read_columns",
    "read_table_file",
    "remove_unfinished",
    "write_parquet",
]

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.(\d{4,})(?:-(\d{4,}))?\.parquet")
_DAY_S = 86_400


def bucket_of(name: str, n_buckets: int) -> int:
    """Return the bucket of a name, such as a fiber node's or a base station's.

    Examples
    --------
    >>> bucket_of("F1", 16) == bucket_of("F1", 16), 0 <= bucket_of("F2", 16) < 16
    (True, True)
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % n_buckets


def day_window(day: date) -> TimeWindow:
    """Return the seconds of a day, UTC.

    Examples
    --------
    >>> day_window(date(1970, 1, 2))
    TimeWindow(start_s=86400, end_s=172800)
    """
    start_s = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    return TimeWindow(start_s, start_s + _DAY_S)


@dataclass(frozen=True, order=True)
class DayFile:
    """A file of one bucket and day.

    Attributes
    ----------
    day : date
        Of its rows, UTC.
    first, last : int
        The numbers that it holds; equal unless it is a merge.
    path : Path
        Where it lies.

    Examples
    --------
    >>> merge = DayFile.at(Path("bucket=07/2026-01-03.0000-0004.parquet"))
    >>> merge.first, merge.last, merge.covers(DayFile.at(Path("2026-01-03.0002.parquet")))
    (0, 4, True)
    """

    day: date
    first: int
    last: int
    path: Path

    @classmethod
    def at(cls, path: Path) -> DayFile:
        """Return what a file's name tells.

        Raises
        ------
        InputError
            If it is not the name of such a file.
        """
        told = _NAME.fullmatch(path.name)
        try:
            if told is None:
                raise ValueError
            first = int(told[2])
            return cls(date.fromisoformat(told[1]), first, int(told[3] or first), path)
        except ValueError as error:
            raise InputError("not a file of telemetry", source=str(path)) from error

    def covers(self, other: DayFile) -> bool:
        """Whether this file takes the place of another of the same bucket."""
        return (
            self.path != other.path
            and self.day == other.day
            and self.first <= other.first
            and other.last <= self.last
        )


class BucketedFiles:
    """The files of a folder by bucket and day.

    Parameters
    ----------
    path : Path
        The folder.
    n_buckets : int
        Among how many buckets names are spread.

    Examples
    --------
    >>> import tempfile
    >>> files = BucketedFiles(Path(tempfile.mkdtemp()), 4)
    >>> table = pl.DataFrame({"entity": ["a", "b"]})
    >>> day = date(2026, 1, 3)
    >>> for number in (0, 1):
    ...     _ = files.write(2, day, number, number, table)
    >>> merged = files.write(2, day, 0, 1, pl.concat([table, table]))
    >>> [file.path.name for file in files.live(2)], len(files.replaced(2))
    (['2026-01-03.0000-0001.parquet'], 2)
    """

    def __init__(self, path: Path, n_buckets: int) -> None:
        self.path = path
        self.n_buckets = n_buckets

    def folder(self, bucket: int) -> Path:
        """Return the folder of a bucket; it need not be there."""
        return self.path / f"bucket={bucket:02d}"

    def all(self, bucket: int) -> list[DayFile]:
        """Return every file of a bucket, by day and number."""
        return sorted(DayFile.at(path) for path in self.folder(bucket).glob("*.parquet")
                      if not path.name.startswith("."))  # fmt: skip

    def live(self, bucket: int, *, up_to: int | None = None) -> list[DayFile]:
        """Return the files of a bucket that are read, by day and number.

        Parameters
        ----------
        bucket : int
            Its number.
        up_to : int, optional
            Files of higher numbers are not looked at: their writer has not finished.

        Raises
        ------
        FileNotFoundError
            If a merge holds such numbers too, so that what it replaced may be gone: look again
            up to which number there are files.
        """
        return self._split(bucket, up_to)[0]

    def replaced(self, bucket: int, *, up_to: int | None = None) -> list[DayFile]:
        """Return the files of a bucket whose place a merge has taken."""
        return self._split(bucket, up_to)[1]

    def _split(self, bucket: int, up_to: int | None) -> tuple[list[DayFile], list[DayFile]]:
        live: list[DayFile] = []
        replaced: list[DayFile] = []
        widest: DayFile | None = None
        files = self.all(bucket)
        if up_to is not None:
            for file in files:
                if file.first <= up_to < file.last:
                    raise FileNotFoundError(errno.ENOENT, "merged with later files", str(file.path))
            files = [file for file in files if file.last <= up_to]
        # The widest of those that start together comes first, so one look back is enough.
        for file in sorted(files, key=lambda f: (f.day, f.first, -f.last, f.path)):
            if widest is not None and widest.covers(file):
                replaced.append(file)
            else:
                live.append(file)
                widest = file
        return live, replaced

    def next_number(self, bucket: int, day: date | str) -> int:
        """Return the number after the highest of a bucket and day."""
        files = map(DayFile.at, self.folder(bucket).glob(f"{day}.*.parquet"))
        return 1 + max((file.last for file in files), default=-1)

    def write(self, bucket: int, day: date, first: int, last: int, table: pl.DataFrame) -> DayFile:
        """Write a file, whole or not at all.

        Raises
        ------
        OSError
            If it cannot be written, such as on a full disk; names the file.
        """
        numbers = f"{first:04d}" if first == last else f"{first:04d}-{last:04d}"
        path = self.folder(bucket) / f"{day}.{numbers}.parquet"
        return DayFile(day, first, last, write_parquet(path, table))

    def sweep(self, *, grace_s: float = 3600.0) -> int:
        """Remove files that a merge replaced, and what killed writers left; say how many.

        Parameters
        ----------
        grace_s : float
            What was replaced a shorter while ago stays: somebody may be reading it.
        """
        before = time.time() - grace_s
        n_removed = 0
        for bucket in range(self.n_buckets):
            live, replaced = self._split(bucket, None)
            for file in replaced:
                merges = [merge for merge in live if merge.covers(file)]
                if _changed_before(before, *(merge.path for merge in merges)):
                    file.path.unlink(missing_ok=True)
                    n_removed += 1
            n_removed += remove_unfinished(self.folder(bucket), before)
        return n_removed


def remove_unfinished(folder: Path, before_s: float) -> int:
    """Remove temporary files that killed writers left; say how many."""
    left = [path for path in folder.glob(".*.tmp") if _changed_before(before_s, path)]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _changed_before(moment_s: float, *paths: Path) -> bool:
    try:
        return all(path.stat().st_mtime <= moment_s for path in paths)
    except FileNotFoundError:
        return False


def write_parquet(path: Path, table: pl.DataFrame) -> Path:
    """Write a table, whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written, such as on a full disk; names the file.

    Examples
    --------
    >>> import tempfile
    >>> path = write_parquet(Path(tempfile.mkdtemp()) / "a.parquet", pl.DataFrame({"a": [1]}))
    >>> pl.read_parquet(path).rows()
    [(1,)]
    """
    buffer = BytesIO()
    # Level 1 is three times as fast as 3, and its files are 6 % larger.
    table.write_parquet(buffer, compression="zstd", compression_level=1, row_group_size=131_072)
    try:
        return write_atomic(path, buffer.getvalue())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def read_columns(path: Path, columns: Iterable[str], *, needed: Iterable[str] = ()) -> pl.DataFrame:
    """Return those columns of a Parquet file that it has.

    Raises
    ------
    MissingColumnError
        If one that is needed is not there; names the file.
    InputError
        If the file cannot be read; names it.
    FileNotFoundError
        If it is gone.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.parquet"
    >>> pl.DataFrame({"^.*$": [1], "b": [2]}).write_parquet(path)
    >>> read_columns(path, ["^.*$", "c"]).columns
    ['^.*$']
    """
    with _naming(path):
        with path.open("rb") as file:
            present = list(pl.read_parquet_schema(file))
        for column in needed:
            if column not in present:
                raise MissingColumnError(column, present, source=str(path))
        # Columns are named by position: polars takes a name such as "^.*$" for a pattern.
        place = {column: position for position, column in enumerate(present)}
        wanted = [place[column] for column in columns if column in place]
        return pl.read_parquet(path, columns=wanted, glob=False, hive_partitioning=False)


def read_table_file(path: Path) -> pl.DataFrame:
    """Return a Parquet file as it is.

    Raises
    ------
    InputError
        If the file cannot be read; names it.
    FileNotFoundError
        If it is gone.
    """
    with _naming(path):
        return pl.read_parquet(path, glob=False, hive_partitioning=False)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in what is raised when it cannot be read."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"cannot be read: {reason}", source=str(path)) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock among all processes of this machine; waits until it is free.

    A killed process holds no lock.

    Examples
    --------
    >>> import tempfile
    >>> with locked(Path(tempfile.mkdtemp()) / ".lock"):
    ...     pass
    """
    import fcntl  # of POSIX only

    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
