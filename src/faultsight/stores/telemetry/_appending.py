"""Rows that were checked are written, a file for each bucket and day."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.bucketed import BucketedFiles, bucket_of
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.telemetry._checking import Checked
from faultsight.stores.telemetry._feed import Feed
from faultsight.stores.telemetry._rows import starts_of

__all__ = ["Appender", "late_windows", "sync"]

_DAY_S = 86_400
# Compressing one file and waiting for the disk to keep another overlap.
_WRITERS = 4


class Appender:
    """Writes the rows of appends.

    Parameters
    ----------
    files : BucketedFiles
        Where to.
    feed : Feed
        What of.
    """

    def __init__(self, files: BucketedFiles, feed: Feed) -> None:
        self._files = files
        self._is_spread = feed.kind == "kpi" and feed.n_buckets > 1
        self._hashed: tuple[pl.Series, NDArray[np.int64]] | None = None

    def write(self, number: int, checked: Checked) -> int:
        """Write the files of an append, each kept by the disk; return how many.

        Raises
        ------
        OSError
            If one cannot be written; names it. Others may have been.
        """
        with ThreadPoolExecutor(_WRITERS) as pool:
            written = [pool.submit(self._write_part, number, *part)
                       for part in self._parts(checked)]  # fmt: skip
        return len([part.result() for part in written])

    def _write_part(self, number: int, bucket: int, day: date, part: pl.DataFrame) -> None:
        sync(self._files.write(bucket, day, number, number, part).path.parent)

    def _parts(self, checked: Checked) -> Iterator[tuple[int, date, pl.DataFrame]]:
        """Yield the rows of each bucket and day, as they are written."""
        table = checked.table
        if not table.height:
            return
        seconds = table["timestamp"].to_numpy()
        bucket = np.zeros(len(seconds), np.int64)
        if self._is_spread:
            bucket = self._buckets_of(checked.owners.names["entity"])[checked.owners.ids]
        stamps = pl.Series("timestamp", seconds * 1000).cast(pl.Datetime("ms", "UTC"))
        table = table.with_columns(stamps)
        day = seconds // _DAY_S
        n_days = int(day.max() - day.min()) + 1
        part = bucket * n_days + (day - day.min())
        # A stable order keeps rows sorted by owner and time within each part.
        order = np.argsort(part, kind="stable")
        starts = starts_of(part[order])
        for start, end in zip(starts, np.append(starts[1:], len(order)), strict=True):
            chosen = order[start:end]
            at = int(part[chosen[0]])
            moment = datetime.fromtimestamp((at % n_days + int(day.min())) * _DAY_S, UTC)
            yield at // n_days, moment.date(), table[chosen]

    def _buckets_of(self, names: pl.Series) -> NDArray[np.int64]:
        """Return the bucket of each name; the same names mostly come again and again."""
        if self._hashed is None or not self._hashed[0].equals(names):
            n_buckets = self._files.n_buckets
            self._hashed = names, np.array([bucket_of(name, n_buckets) for name in names])
        return self._hashed[1]


def late_windows(checked: Checked, feed: Feed) -> dict[str, TimeWindow]:
    """Return what an append touched, by entity, of the time that the feed had reached before."""
    if feed.newest_s is None or not checked.table.height:
        return {}
    seconds = checked.table["timestamp"].to_numpy()
    is_late = seconds <= feed.newest_s
    if not is_late.any():
        return {}
    late_s = seconds[is_late]

    def spanned(of_one: NDArray[np.int64]) -> TimeWindow:
        return TimeWindow(int(of_one.min()), int(of_one.max()) + feed.interval_s)

    if feed.kind == "cube":
        return {feed.name: spanned(late_s)}
    ids = checked.owners.ids[is_late]
    names = checked.owners.names["entity"]
    starts = starts_of(ids)
    ends = np.append(starts[1:], len(ids))
    return {
        names[int(ids[start])]: spanned(late_s[start:end])
        for start, end in zip(starts, ends, strict=True)
    }


def sync(folder: Path) -> None:
    """Make the names in a folder last: a commit must not outlive what it commits."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
