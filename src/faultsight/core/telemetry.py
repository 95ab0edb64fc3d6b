"""Telemetry on disk: polls as Parquet, bucketed by fiber node and day.

``FOLDER/telemetry.json`` tells the format; ``FOLDER/bucket=07/2026-01-03.0000.parquet`` holds the
polls of one day of the fiber nodes whose name falls into bucket 7, sorted by fiber node, device,
time and channel. Simulators and collectors append files; readers see whole files only. Many files
may be merged into few meanwhile (`faultsight.core.bucketed`): open a folder anew now and then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cached_property
from io import BytesIO
from itertools import groupby
from pathlib import Path

import polars as pl

from faultsight.core.bucketed import BucketedFiles, bucket_of, locked
from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.files import write_atomic
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import (
    CHANNEL_STATES,
    COUNTERS,
    KEYS,
    LEVELS,
    NodePolls,
    joined_polls,
    merged_polls,
)

__all__ = ["TelemetryFolder", "bucket_of"]

_FORMAT = "faultsight telemetry 1"
_DAY_S = 86_400
_PART_BYTES = 8_000_000
"""Files read at a time; their rows take about ten times that in memory."""
_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
_SCHEMA: dict[str, pl.DataType] = {
    "fnode": pl.String(),
    "device_id": pl.String(),
    "timestamp": pl.Datetime("ms", "UTC"),
    "channel": pl.String(),
    **dict.fromkeys((*LEVELS, *COUNTERS), pl.Float32()),
    "requested_at": pl.Datetime("ms", "UTC"),
    "round_id": pl.Int64(),
    "answered": pl.Boolean(),
    "pre_equalization": pl.Binary(),
    # Of `faultsight.core.polls.CHANNEL_STATES`; no reader here asks for them.
    "is_muted": pl.Boolean(),
    "ranging": pl.String(),
    **dict.fromkeys(CHANNEL_STATES[2:], pl.Float32()),
}

_Schema = tuple[tuple[str, pl.DataType], ...]


class TelemetryFolder:
    """A folder of bucketed Parquet; satisfies `faultsight.core.polls.Telemetry`.

    Parameters
    ----------
    path : path
        The folder.

    Raises
    ------
    InputError
        If it is not a folder of telemetry.

    Examples
    --------
    >>> import tempfile
    >>> folder = TelemetryFolder.create(Path(tempfile.mkdtemp()) / "pnm", n_buckets=4)
    >>> folder.append(pl.DataFrame({"timestamp": [0.0], "device_id": ["a"], "fnode": ["F1"],
    ...                             "channel": ["1"], "snr_db": [36.5]}))
    1
    >>> folder.fnodes, next(folder.nodes()).values["snr_db"].tolist()
    (['F1'], [[36.5]])
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            told = json.loads((self.path / "telemetry.json").read_text(encoding="utf-8"))
            is_known, self.n_buckets = told["format"] == _FORMAT, int(told["n_buckets"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError("not a folder of telemetry", source=str(path)) from error
        if not is_known or self.n_buckets < 1:
            raise InputError(f"its format is not {_FORMAT!r}", source=str(path))

    @classmethod
    def create(cls, path: Path | str, *, n_buckets: int = 16) -> TelemetryFolder:
        """Make an empty folder, or open the one that is there."""
        path = Path(path)
        if not (path / "telemetry.json").exists():
            told = json.dumps({"format": _FORMAT, "n_buckets": n_buckets}, indent=1)
            write_atomic(path / "telemetry.json", told + "\n")
        return cls(path)

    @staticmethod
    def is_telemetry(path: Path | str) -> bool:
        """Whether a path is a folder of telemetry."""
        return (Path(path) / "telemetry.json").is_file()

    def append(self, table: pl.DataFrame) -> int:
        """Write the polls of a table, a new file for each bucket and day.

        Parameters
        ----------
        table : polars.DataFrame
            As `faultsight.core.polls.node_polls` reads it. Columns it does not know are refused.

        Returns
        -------
        int
            How many files were written; each is there whole or not at all.

        Raises
        ------
        InputError
            If a column is missing or not known, or a row lacks a fiber node, device or time.
        """
        for column in KEYS:
            if column not in table.columns:
                raise MissingColumnError(column, table.columns)
        unknown = [column for column in table.columns if column not in _SCHEMA]
        if unknown:
            raise InputError("telemetry has no such column", column=unknown[0])
        for column in ("fnode", "device_id", "timestamp"):
            _refuse_missing(table[column])
        if not isinstance(table.schema["timestamp"], pl.Datetime):
            milliseconds = (pl.col("timestamp").cast(pl.Float64) * 1000).round().cast(pl.Int64)
            table = table.with_columns(timestamp=pl.from_epoch(milliseconds, time_unit="ms"))
        stamp = table.schema["timestamp"]
        if isinstance(stamp, pl.Datetime) and stamp.time_zone is None:
            table = table.with_columns(pl.col("timestamp").dt.replace_time_zone("UTC"))
        table = table.select(
            pl.col(column).cast(kind) for column, kind in _SCHEMA.items() if column in table.columns
        ).sort(*KEYS, maintain_order=True, nulls_last=True)
        buckets = {name: bucket_of(name, self.n_buckets) for name in table["fnode"].unique()}
        parts = table.with_columns(
            pl.col("fnode").replace_strict(buckets, return_dtype=pl.Int64).alias("_bucket"),
            pl.col("timestamp").dt.date().alias("_day"),
        ).partition_by("_bucket", "_day", as_dict=True, include_key=False)
        # Two writers that took the same number would leave one file of two.
        with locked(self.path / "telemetry.json"):
            for key, part in sorted(parts.items(), key=lambda one: tuple(map(str, one[0]))):
                self._write(int(str(key[0])), str(key[1]), part)
        for known in ("_index", "fnodes"):
            self.__dict__.pop(known, None)
        return len(parts)

    def _write(self, bucket: int, day: str, part: pl.DataFrame) -> None:
        files = BucketedFiles(self.path, self.n_buckets)
        number = files.next_number(bucket, day)
        buffer = BytesIO()
        part.write_parquet(buffer, compression="zstd", compression_level=3, row_group_size=262_144)
        path = files.folder(bucket) / f"{day}.{number:04d}.parquet"
        write_atomic(path, buffer.getvalue())

    @cached_property
    def _index(self) -> dict[int, dict[date, list[Path]]]:
        """The files by bucket and day."""
        index: dict[int, dict[date, list[Path]]] = {}
        files = BucketedFiles(self.path, self.n_buckets)
        for bucket in range(self.n_buckets):
            days: dict[date, list[Path]] = {}
            for file in files.live(bucket):
                days.setdefault(file.day, []).append(file.path)
            if days:
                index[bucket] = days
        return index

    @cached_property
    def fnodes(self) -> list[str]:
        """The fiber nodes, sorted."""
        names: set[str] = set()
        for days in self._index.values():
            files = [file for of_day in days.values() for file in of_day]
            schemas = {file: _schema(file, ["fnode"]) for file in files}
            for table in _read_alike(files, schemas, lambda rows: rows.unique()):
                names.update(table["fnode"].to_list())
        return sorted(names)

    @property
    def window(self) -> TimeWindow:
        """From the first poll to the second after the last."""
        days = sorted({day for bucket in self._index.values() for day in bucket})
        if not days:
            return TimeWindow(0, 0)
        first, last = (
            pl.concat(self._read(bucket[day], ["timestamp"]) for bucket in self._index.values()
                      if day in bucket)["timestamp"]
            for day in (days[0], days[-1])
        )  # fmt: skip
        start, end = first.dt.epoch("ms").min(), last.dt.epoch("ms").max()
        return TimeWindow(int(str(start)) // 1000, int(str(end)) // 1000 + 1)

    def nodes(
        self,
        window: TimeWindow | None = None,
        *,
        fnodes: Sequence[str] | None = None,
        metrics: Sequence[str] = LEVELS,
        with_pre_equalization: bool = False,
    ) -> Iterator[NodePolls]:
        """Yield the polls of each fiber node, bucket by bucket; see `Telemetry.nodes`.

        Nodes come bucket by bucket, so that never more than one bucket is in memory; within a
        bucket in order of their names.
        """
        wanted = None if fnodes is None else sorted(set(fnodes))
        columns = [*KEYS, *metrics, "round_id", "answered"]
        columns += ["pre_equalization"] if with_pre_equalization else []
        for bucket, days in self._index.items():
            names = wanted and [n for n in wanted if bucket_of(n, self.n_buckets) == bucket]
            if wanted is not None and not names:
                continue
            chosen = [(day, files) for day, files in sorted(days.items()) if _meets(day, window)]
            if not chosen:
                continue
            parts: dict[str, list[NodePolls]] = {}
            for table in self._tables([files for _, files in chosen], columns, window, names):
                for node in joined_polls([table]):
                    parts.setdefault(node.fnode, []).append(node)
            for fnode in sorted(parts):
                yield merged_polls(parts.pop(fnode))

    def _tables(
        self,
        days: Sequence[Sequence[Path]],
        columns: Sequence[str],
        window: TimeWindow | None,
        names: Sequence[str] | None,
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of some days at a time, so that memory does not grow with their number.

        A poll is whole in one table, for all files of a day are read together. All tables have the
        columns that any of them has.
        """

        def asked_for(rows: pl.LazyFrame) -> pl.LazyFrame:
            if names:
                rows = rows.filter(pl.col("fnode").is_in(names))
            if window is not None:
                start, end = _moment(window.start_s), _moment(window.end_s)
                rows = rows.filter(pl.col("timestamp").is_between(start, end, closed="left"))
            return rows

        schemas = {file: _schema(file, columns) for files in days for file in files}
        nothing = [pl.DataFrame(schema=dict(schema)) for schema in dict.fromkeys(schemas.values())]
        for part in _parts(days):
            table = pl.concat([*_read_alike(part, schemas, asked_for), *nothing], how="diagonal")
            if table.height:
                yield table

    def _read(self, files: Sequence[Path], columns: Sequence[str]) -> pl.DataFrame:
        schemas = {file: _schema(file, columns) for file in files}
        return pl.concat(_read_alike(files, schemas), how="diagonal")


def _schema(file: Path, columns: Sequence[str]) -> _Schema:
    """Return those of some columns that a file has, and their types."""
    with _named(file):
        present = pl.read_parquet_schema(file)
    for column in columns:
        if column in KEYS and column not in present:
            raise MissingColumnError(column, present, source=str(file))
    return tuple((column, present[column]) for column in columns if column in present)


def _read_alike(
    files: Iterable[Path],
    schemas: Mapping[Path, _Schema],
    query: Callable[[pl.LazyFrame], pl.LazyFrame] = lambda rows: rows,
) -> list[pl.DataFrame]:
    """Return what a query asks of files, in order; files of the same columns are read at once."""
    tables = []
    for schema, alike in groupby(files, schemas.__getitem__):
        group = list(alike)
        try:
            tables.append(query(_scanned(group, schema)).collect())
        except _UNREADABLE:
            for file in group:  # Which of them is it?
                with _named(file):
                    tables.append(query(_scanned([file], schema)).collect())
    return tables


def _scanned(files: list[Path], schema: _Schema) -> pl.LazyFrame:
    # A file may have columns that others lack, and that nobody asks for.
    rows = pl.scan_parquet(files, glob=False, extra_columns="ignore")
    return rows.select(name for name, _ in schema)


def _parts(days: Sequence[Sequence[Path]]) -> Iterator[list[Path]]:
    """Join days that follow each other while their files are small."""
    part: list[Path] = []
    n_bytes = 0
    for files in days:
        size = 0
        for file in files:
            with _named(file):
                size += file.stat().st_size
        if part and n_bytes + size > _PART_BYTES:
            yield part
            part, n_bytes = [], 0
        part.extend(files)
        n_bytes += size
    if part:
        yield part


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Name the file in what is raised when it cannot be read."""
    try:
        yield
    except _UNREADABLE as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"cannot be read: {reason}", source=str(file)) from error


def _refuse_missing(column: pl.Series) -> None:
    is_missing = column.is_null()
    if column.dtype.is_float():
        is_missing |= ~column.is_finite()
    if is_missing.any():
        row = int(is_missing.arg_true()[0]) + 1
        raise InputError("the value is missing", column=column.name, row=row)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _meets(day: date, window: TimeWindow | None) -> bool:
    if window is None:
        return True
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    return start < window.end_s and window.start_s < start + _DAY_S
