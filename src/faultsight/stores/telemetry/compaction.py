"""Many small files become few: the files of a bucket and day are merged, what is old is given up.

A merge is written beside the files that it replaces and counts from the moment it is there (see
`faultsight.core.bucketed`), so readers and writers go on, and a killed merge changes nothing. What
it replaced is removed by a later call, when nobody reads it any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import polars as pl

from faultsight.core.bucketed import BucketedFiles, DayFile, day_window, locked, read_table_file
from faultsight.core.telemetry import TelemetryFolder

__all__ = ["Compacted", "compact_files", "compact_polls", "drop_days", "retain_polls"]

_RUN = 8
_ALIKE = 1.5


@dataclass(frozen=True)
class Compacted:
    """What a compaction did.

    Attributes
    ----------
    n_merged : int
        Files that were merged.
    n_written : int
        Merges written.
    n_removed : int
        Files removed, whose place an earlier merge had taken or whose writer was killed.
    """

    n_merged: int = 0
    n_written: int = 0
    n_removed: int = 0


def compact_files(
    files: BucketedFiles,
    read: Callable[[Path], pl.DataFrame],
    merge: Callable[[Sequence[pl.DataFrame]], pl.DataFrame],
    *,
    before_s: float,
    up_to: int | None = None,
    grace_s: float = 3600.0,
) -> Compacted:
    """Merge the files of each bucket and day; nobody else may at the same time.

    All files of a day that is over become one. Of a day that is not, the newest files are merged
    once there are eight alike, so that each row is written again a few times only, however many
    appends a day has.

    Parameters
    ----------
    files : BucketedFiles
        The folder.
    read : callable
        Reads a file; names it in what it raises.
    merge : callable
        Makes one table of several, which are told in the order in which they were written.
    before_s : float
        Days that end before it are over.
    up_to : int, optional
        Files of higher numbers are left alone: their writer has not finished.
    grace_s : float
        Files whose place was taken a shorter while ago are not yet removed.
    """
    n_removed = files.sweep(grace_s=grace_s)
    n_merged = n_written = 0
    for bucket in range(files.n_buckets):
        for day, of_day in groupby(files.live(bucket, up_to=up_to), key=lambda f: f.day):
            run = list(of_day)
            if day_window(day).end_s > before_s:
                run = _newest_alike(run)
            if len(run) < 2:
                continue
            table = merge([read(file.path) for file in run])
            files.write(bucket, day, run[0].first, run[-1].last, table)
            n_merged += len(run)
            n_written += 1
    return Compacted(n_merged, n_written, n_removed)


def _newest_alike(files: Sequence[DayFile]) -> list[DayFile]:
    """Return the newest files that are worth a merge: none is much larger than those after it."""
    run: list[DayFile] = []
    size = 0
    for file in reversed(files):
        of_file = file.path.stat().st_size
        if run and of_file > _ALIKE * size:
            break
        run.insert(0, file)
        size += of_file
    return run if len(run) >= _RUN else []


def drop_days(files: BucketedFiles, *, before_s: float) -> int:
    """Remove the files of days that end at a moment or before; say how many.

    Of each day those go first whose place a merge has taken: killed in between, nothing comes
    back.
    """
    n_removed = 0
    for bucket in range(files.n_buckets):
        for file in (*files.replaced(bucket), *files.live(bucket)):
            if day_window(file.day).end_s <= before_s:
                file.path.unlink(missing_ok=True)
                n_removed += 1
    return n_removed


def compact_polls(
    folder: TelemetryFolder, *, before_s: float, grace_s: float = 3600.0
) -> Compacted:
    """Merge the files of a folder of polls; whoever reads it is told the same as before.

    Parameters
    ----------
    folder : TelemetryFolder
        Polls of cable modems.
    before_s, grace_s : float
        See `compact_files`.

    Examples
    --------
    >>> import tempfile
    >>> folder = TelemetryFolder.create(Path(tempfile.mkdtemp()) / "pnm", n_buckets=1)
    >>> poll = pl.DataFrame({"timestamp": [0.0], "device_id": ["a"], "fnode": ["F1"],
    ...                      "channel": ["1"], "snr_db": [36.5]})
    >>> for snr_db in (35.0, 36.0):
    ...     _ = folder.append(poll.with_columns(snr_db=pl.lit(snr_db)))
    >>> compact_polls(folder, before_s=86400).n_merged
    2
    >>> next(TelemetryFolder(folder.path).nodes()).values["snr_db"].tolist()
    [[36.0]]
    """
    files = BucketedFiles(folder.path, folder.n_buckets)
    with locked(folder.path / ".compact.lock"):
        return compact_files(
            files, read_table_file, _merged_polls, before_s=before_s, grace_s=grace_s
        )


def retain_polls(folder: TelemetryFolder, *, keep_s: int, now_s: float) -> int:
    """Give up whole days of polls that ended ``keep_s`` ago or earlier; say how many files."""
    with locked(folder.path / ".compact.lock"):
        files = BucketedFiles(folder.path, folder.n_buckets)
        return drop_days(files, before_s=now_s - keep_s)


def _merged_polls(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put tables one after the other; rows of one poll stay in the order of their files.

    No row is left out, not even one that is told again: which of them counts is for the reader.
    """
    rows = pl.concat(tables, how="diagonal")
    return rows.sort("fnode", "device_id", "timestamp", maintain_order=True, nulls_last=True)
