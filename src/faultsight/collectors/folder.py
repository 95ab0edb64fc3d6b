"""Watches a folder: each file in it is taken in exactly once, however often one looks.

A file is known by name, size and content, so a file that changed is a new one, and after a crash
the collector goes on where it stopped. A file that cannot be used is noted with the reason and
others go on; the folder itself is only ever read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from faultsight.collectors._contract import Batch, Collector, FeedSink, Progress, Written
from faultsight.collectors._ledger import Ledger, file_key
from faultsight.collectors._set_aside import SetAside, by_reason, tally
from faultsight.core.errors import InputError, SettingError
from faultsight.core.tables import TABLE_SUFFIXES, table_batches

__all__ = ["FeedSink", "FolderCollector", "FolderConfig"]


@dataclass(frozen=True)
class FolderConfig:
    """How a folder is watched, and how its files are read.

    Parameters
    ----------
    entity : str
        Column that is taken as a name even if it looks like a number; it becomes ``entity``.
    timestamp : str
        Column of stamps; it becomes ``timestamp``.
    names : tuple of str
        More columns that are names, such as the attributes of a cube.
    settle_s : float
        A file that changed a shorter while ago may not be finished and is left for later.
    max_bytes : int
        Larger files are refused.
    max_rows : int
        A Parquet file that says it holds more is refused before it is read.
    """

    entity: str = "entity"
    timestamp: str = "timestamp"
    names: tuple[str, ...] = ()
    settle_s: float = 5.0
    max_bytes: int = 4_000_000_000
    max_rows: int = 20_000_000

    def __post_init__(self) -> None:
        if self.settle_s < 0 or self.max_bytes < 1 or self.max_rows < 1:
            raise SettingError("settle_s is not negative, max_bytes and max_rows are positive")


class FolderCollector(Collector):
    r"""Takes in the new CSV and Parquet files of a folder, in order of their names.

    Parameters
    ----------
    folder : path
        What is watched; folders in it are not, nor are links and names that start with a dot.
    ledger : Ledger
        Remembers which files were taken in.
    config : FolderConfig, optional
        How files are read.
    reader : callable, optional
        Makes a collector for one file, for files of polls such as `CsvExport` reads; what it
        gathers goes to the sink by ``append(table)``. If not given, the rows of a file are KPIs or
        leaves of a cube, and the sink is a `FeedSink`.
    clock : callable
        Tells the time, in seconds since 1970.

    Examples
    --------
    >>> import tempfile
    >>> from faultsight.collectors import FileLedger
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "monday.csv").write_text("entity,timestamp,drops\n007,0,1.5\n")
    >>> _ = (folder / "noise.parquet").write_bytes(b"what is this")
    >>> class Printing:
    ...     def append_parts(self, tables, *, source, received_at_s, key):
    ...         for table in tables:
    ...             print(source, table.rows())
    ...         return self
    ...     n_rows, n_files, quarantined = 1, 1, {}
    >>> collector = FolderCollector(folder, FileLedger(folder / "seen"), FolderConfig(settle_s=0))
    >>> done = collector.collect(Printing())
    monday.csv [('007', '0', 1.5)]
    >>> done.polled, done.answered, done.set_aside[0].reason
    (2, 1, 'the file cannot be used')
    >>> collector.collect(Printing()).polled
    0
    """

    def __init__(
        self,
        folder: Path | str,
        ledger: Ledger,
        config: FolderConfig | None = None,
        *,
        reader: Callable[[Path], Collector] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = Path(folder)
        self.ledger = ledger
        self.config = config or FolderConfig()
        self._reader = reader
        self._clock = clock
        self._keys: dict[str, tuple[tuple[int, int], str]] = {}

    def _collect(self, progress: Progress) -> Iterator[Batch]:
        """Yield a batch for each new file; polled are files, answered the good ones."""
        for path, key in self._new_files():
            progress(f"reading {path.name}")
            try:
                batch = self._batch(path, key)
            except InputError as error:
                batch = self._refused(path, key, error)
            yield batch

    def _new_files(self) -> Iterator[tuple[Path, str]]:
        """Yield files that were not taken in, with their keys."""
        try:
            paths = sorted(self.folder.iterdir(), key=lambda path: path.name)
        except OSError as error:
            raise InputError(
                f"cannot be watched: {error.strerror}", source=str(self.folder)
            ) from error
        for path in paths:
            if path.name.startswith(".") or path.suffix.lower() not in TABLE_SUFFIXES:
                continue
            try:
                key = self._settled_key(path)
            except OSError:
                continue  # gone meanwhile, or not ours to read yet: the next look will tell
            if key and not self.ledger.seen(key):
                yield path, key

    def _settled_key(self, path: Path) -> str:
        """Return the key of a file; none for what is no file or is still being written."""
        if path.is_symlink() or not path.is_file():
            return ""
        told = path.stat()
        if told.st_mtime > self._clock() - self.config.settle_s:
            return ""
        state = (told.st_size, told.st_mtime_ns)
        known = self._keys.get(path.name)
        if known is None or known[0] != state:
            # Content is read once as long as size and time stay the same.
            known = (state, file_key(path))
            self._keys[path.name] = known
        return known[1]

    def _batch(self, path: Path, key: str) -> Batch:
        if path.stat().st_size > self.config.max_bytes:
            raise InputError(f"larger than the {self.config.max_bytes:,} bytes of max_bytes")
        aside: list[SetAside] = []

        def write(sink: Any, _table: pl.DataFrame) -> Written:
            try:
                if self._reader is not None:
                    done = self._reader(path).collect(sink)
                    written, n_aside = Written(done.rows, done.files), done.set_aside
                    aside.extend(n_aside)
                    reasons = by_reason(n_aside)
                else:
                    told = sink.append_parts(
                        self._parts(path), source=path.name, received_at_s=self._clock(), key=key
                    )
                    written, reasons = Written(told.n_rows, told.n_files), dict(told.quarantined)
                    for rule, count in reasons.items():
                        aside.extend(tally(rule, count, example=path.name))
            except InputError as error:
                return self._refuse(path, key, error, aside)
            self.ledger.record(key, str(path), written.rows, sum(reasons.values()), reasons)
            return written

        return Batch(
            pl.DataFrame(), polled=1, answered=1, set_aside=aside, write=write, is_of_polls=False
        )

    def _parts(self, path: Path) -> Iterator[pl.DataFrame]:
        config = self.config
        if path.suffix.lower() == ".parquet":
            try:
                n_rows = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
                n_rows = 0  # reading says what is wrong, in better words
            if n_rows > config.max_rows:
                raise InputError(
                    f"{n_rows:,} rows are more than the {config.max_rows:,} of max_rows"
                )
        names = (config.entity, config.timestamp, *config.names)
        for part in table_batches(path, names=names):
            table = part
            for told, name in ((config.entity, "entity"), (config.timestamp, "timestamp")):
                if told != name and told in table.columns:
                    if name in table.columns:
                        raise InputError(f"there is a column {name!r} too", column=told)
                    table = table.rename({told: name})
            yield table

    def _refused(self, path: Path, key: str, error: InputError) -> Batch:
        aside: list[SetAside] = []

        def write(_sink: Any, _table: pl.DataFrame) -> Written:
            return self._refuse(path, key, error, aside)

        return Batch(
            pl.DataFrame(), polled=1, answered=1, set_aside=aside, write=write, is_of_polls=False
        )

    def _refuse(self, path: Path, key: str, error: InputError, aside: list[SetAside]) -> Written:
        """Note a file that cannot be used; its next version is looked at again."""
        place = f"column {error.column!r}: " if error.column is not None else ""
        place = f"row {error.row}: {place}" if error.row is not None else place
        reason = f"{place}{error.problem}"
        aside.extend(tally("the file cannot be used", 1, example=f"{path.name}: {reason}"))
        self.ledger.record(key, str(path), 0, 0, {reason: 1})
        return Written(0, 0, refused=1)
