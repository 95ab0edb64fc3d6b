"""KpiStore: the telemetry of one feed as bucketed Parquet, appended whole or not at all."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from faultsight.core.bucketed import (
    BucketedFiles,
    DayFile,
    bucket_of,
    day_window,
    locked,
    read_columns,
    remove_unfinished,
)
from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.core.tables import as_polars
from faultsight.stores.telemetry._appending import Appender, late_windows, sync
from faultsight.stores.telemetry._checking import Checked, check_rows
from faultsight.stores.telemetry._feed import Feed, FeedKind, FeedLimits
from faultsight.stores.telemetry._frames import cut_frames
from faultsight.stores.telemetry._names import KnownNames
from faultsight.stores.telemetry._rows import epoch_s, merged, owners_of, read_rows
from faultsight.stores.telemetry.compaction import Compacted, compact_files, drop_days
from faultsight.stores.telemetry.quarantine import Quarantine

__all__ = ["Appended", "KpiStore"]

_KEYS_KEPT = 32
_RELISTED = 3

T = TypeVar("T")


@dataclass(frozen=True)
class Appended:
    """What an append did.

    Attributes
    ----------
    n_rows, n_files : int
        Rows and files written.
    quarantined : dict of str to int
        Rows set aside, by rule. Rows of the rules ``not_a_number``, ``not_finite`` and
        ``conflicting`` are kept too, without the cell that was wrong or lost.
    windows : dict of str to TimeWindow
        Of entities with rows that are not newer than the feed's newest before: what is to be
        scored again. Of a cube the one entity is called like the feed.
    n_merged : int
        Rows that became one with another of the same owner and grid point.
    ignored : tuple of str
        Columns that are no KPIs.
    is_known : bool
        Whether the key was appended before: the figures are of then, ``n_files`` is 0.
    """

    n_rows: int
    n_files: int
    quarantined: dict[str, int] = field(default_factory=dict)
    windows: dict[str, TimeWindow] = field(default_factory=dict)
    n_merged: int = 0
    ignored: tuple[str, ...] = ()
    is_known: bool = False

    @property
    def n_quarantined(self) -> int:
        """Rows set aside, those of several rules counted for each."""
        return sum(self.quarantined.values())


class KpiStore:
    """The telemetry of one feed.

    ``feed.json`` tells what the feed is and up to which append it is written; replacing it is what
    commits an append. ``bucket=07/2026-01-03.000012.parquet`` holds what append 12 brought for one
    day and the entities of bucket 7. Whoever reads sees whole appends only; a killed writer leaves
    files that nobody looks at and the next append removes. Several processes may append, compact
    and read at once.

    Values are kept as float32 (KPIs) or float64 (measures of a cube), stamps on the grid of the
    feed's interval, in UTC. What is missing is null. Of two appends that tell different values for
    one entity, grid point and KPI, the later one counts.

    Parameters
    ----------
    path : path
        The feed's folder; see `create`.

    Raises
    ------
    InputError
        If it is not a feed's folder.

    Examples
    --------
    >>> import tempfile
    >>> store = KpiStore.create(Path(tempfile.mkdtemp()) / "cells", name="cells", interval_s=3600)
    >>> sent = pl.DataFrame({"entity": ["a", "a", "b"], "timestamp": [0, 7200, 10**10],
    ...                      "drops": [1.0, 2.0, 3.0]})
    >>> told = store.append(sent, source="first.csv", received_at_s=7300)
    >>> told.n_rows, told.quarantined
    (2, {'future': 1})
    >>> (frame,) = store.frames(TimeWindow(0, 86400))
    >>> frame.entity, frame.values.ravel().tolist()
    ('a', [1.0, nan, 2.0])
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        feed = Feed.read(self.path)
        self.name, self.kind, self.interval_s = feed.name, feed.kind, feed.interval_s
        self.attributes, self.n_buckets, self.limits = feed.attributes, feed.n_buckets, feed.limits
        self.quarantine = Quarantine(self.path / feed.quarantine)
        self._files = BucketedFiles(self.path, feed.n_buckets)
        self._names = KnownNames(self.path)
        self._appender = Appender(self._files, feed)

    def __reduce__(self) -> tuple[type[KpiStore], tuple[Path]]:
        return type(self), (self.path,)

    @classmethod
    def create(
        cls,
        path: Path | str,
        *,
        name: str,
        kind: FeedKind = "kpi",
        interval_s: int,
        n_buckets: int = 16,
        columns: Sequence[str] | None = None,
        attributes: Sequence[str] = (),
        limits: FeedLimits | None = None,
        quarantine: Path | str | None = None,
    ) -> KpiStore:
        """Make an empty feed, or open the one that is there.

        Parameters
        ----------
        path : path
            The folder.
        name : str
            Of the feed: ``[a-z][a-z0-9_-]{0,63}``.
        kind : {"kpi", "cube"}
            Rows of entity, timestamp and KPIs; or of timestamp, attributes and measures.
        interval_s : int
            Seconds from row to row; stamps are rounded down to this grid, but for those that lie
            at most a tenth of it before a point.
        n_buckets : int
            Among how many buckets entities are spread; a cube has one.
        columns : sequence of str, optional
            The KPIs or measures, where no others are to be taken; else every column of numbers is.
        attributes : sequence of str
            Of a cube.
        limits : FeedLimits, optional
            What is refused or set aside; of a feed that is there, from now on.
        quarantine : path, optional
            Where rows set aside are kept; by default ``quarantine`` in the feed's folder.

        Raises
        ------
        SettingError
            If a value is none that it can have, or the feed that is there is another one.
        """
        path = Path(path)
        if kind == "kpi" and attributes:
            raise SettingError("the rows of a kpi feed are of entities; attributes are a cube's")
        fixed: dict[str, Any] = {
            "name": name,
            "kind": kind,
            "interval_s": interval_s,
            "attributes": ("entity",) if kind == "kpi" else tuple(attributes),
        }
        feed = Feed(
            **fixed,
            n_buckets=n_buckets if kind == "kpi" else 1,
            limits=limits or FeedLimits(),
            quarantine="quarantine" if quarantine is None else os.path.relpath(quarantine, path),
            is_open=columns is None,
            columns=tuple(columns or ()),
        )
        with locked(path / ".lock"):
            if not (path / "feed.json").exists():
                feed.write(path)
            there = Feed.read(path)
            if limits is not None and there.limits != limits and not there.differing(fixed):
                there.changed(limits=limits).write(path)
        differing = Feed.read(path).differing(fixed)
        if differing:
            raise SettingError(f"{path} holds a feed of another {' and '.join(differing)}")
        return cls(path)

    @staticmethod
    def is_feed(path: Path | str) -> bool:
        """Whether a path is a feed's folder."""
        return (Path(path) / "feed.json").is_file()

    # What is there

    @property
    def columns(self) -> tuple[str, ...]:
        """The KPIs or measures, in the order they were first seen."""
        return Feed.read(self.path).columns

    @property
    def last(self) -> int:
        """The number of the last append; -1 before the first. Give it to `frames` as ``after``."""
        return Feed.read(self.path).last

    @property
    def newest_s(self) -> int | None:
        """The newest stamp; none before the first row."""
        return Feed.read(self.path).newest_s

    @property
    def entities(self) -> list[str]:
        """The entities that were ever told and not given up, sorted; of a cube its name."""
        return self.elements("entity") if self.kind == "kpi" else [self.name]

    def elements(self, attribute: str) -> list[str]:
        """Return the elements of an attribute, sorted; ``entity`` is a kpi feed's only one."""
        return self._consistently(lambda feed: self._names.elements(feed, attribute))

    @property
    def window(self) -> TimeWindow:
        """From the first row to one interval after the last."""

        def found(feed: Feed) -> TimeWindow:
            days: dict[date, list[DayFile]] = {}
            for bucket in self.buckets():
                for file in self._files.live(bucket, up_to=feed.last):
                    if feed.kept_from_s is None or day_window(file.day).end_s > feed.kept_from_s:
                        days.setdefault(file.day, []).append(file)
            for day in sorted(days):
                stamps = [epoch_s(read_columns(f.path, ["timestamp"])["timestamp"])
                          for f in days[day]]  # fmt: skip
                told = np.concatenate(stamps)
                told = told[told >= (feed.kept_from_s or 0)]
                if len(told) and feed.newest_s is not None:
                    return TimeWindow(int(told.min()), feed.newest_s + self.interval_s)
            return TimeWindow(0, 0)

        return self._consistently(found)

    def buckets(self) -> list[int]:
        """Return the buckets that hold files; each can be read by itself."""
        return [b for b in range(self.n_buckets) if any(self._files.folder(b).glob("*.parquet"))]

    # In

    def append(
        self,
        table: Any,
        *,
        source: str = "",
        received_at_s: float | None = None,
        key: str = "",
    ) -> Appended:
        """Write the rows of a table; all that are fit are there afterwards, or none.

        Parameters
        ----------
        table : polars, pandas or pyarrow frame
            ``timestamp`` (times, ISO texts or epoch seconds), ``entity`` or the cube's attributes,
            and columns of numbers, in any order. See the rules in this package's description.
        source : str
            Where it came from, such as a file's name; only ever kept as text.
        received_at_s : float, optional
            When it came, seconds since 1970 UTC; now, if not given.
        key : str
            Who appends with a key may do so again after a failure: it is done once.

        Raises
        ------
        InputError
            If the table cannot be used or passes a cap; nothing is written.
        OSError
            If it cannot be written, such as on a full disk; names the file. Nothing of it counts.
        """
        return self.append_parts([table], source=source, received_at_s=received_at_s, key=key)

    def append_parts(
        self,
        tables: Iterable[Any],
        *,
        source: str = "",
        received_at_s: float | None = None,
        key: str = "",
    ) -> Appended:
        """Write tables one after the other; all of them count afterwards, or none.

        So a file that is read in parts takes no more memory than its largest part. Where two parts
        tell different values for one entity, grid point and KPI, the later one counts.

        Parameters
        ----------
        tables : iterable of frame
            Each as `append` takes it. They are asked for while the feed is locked.
        source, received_at_s, key
            As of `append`, for all of them.

        Raises
        ------
        InputError
            If one of the tables cannot be used, or all together pass a cap; nothing is written.
        OSError
            If one cannot be written; names the file. Nothing counts.
        """
        received_at_s = time.time() if received_at_s is None else received_at_s
        with locked(self.path / ".lock"):
            feed = Feed.read(self.path)
            known = [told for told in feed.recent if key and told["key"] == key]
            if (self.path / ".writing").exists():
                self._remove_unfinished(feed)
            if known:
                # Whoever was killed before it could act on what it was told is told once more.
                told = Appended(0, 0)
                for checked in self._checked(tables, feed, source, received_at_s):
                    told = _with_part(told, checked, feed)
                return replace(
                    told,
                    n_rows=int(known[0]["n_rows"]),
                    quarantined=dict(known[0]["quarantined"]),
                    is_known=True,
                )
            (self.path / ".writing").touch()
            try:
                told = self._write(tables, feed, source, received_at_s, key)
            except BaseException:
                # Read again: the commit itself may have been done.
                self._remove_unfinished(Feed.read(self.path))
                raise
            (self.path / ".writing").unlink(missing_ok=True)
        return told

    def _checked(
        self, tables: Iterable[Any], feed: Feed, source: str, received_at_s: float
    ) -> Iterator[Checked]:
        for table in tables:
            yield check_rows(as_polars(table), feed, source=source, received_at_s=received_at_s)

    def _write(
        self, tables: Iterable[Any], feed: Feed, source: str, received_at_s: float, key: str
    ) -> Appended:
        """Write the files of each table, and commit them all at the end."""
        told, after, n_seen = Appended(0, 0), feed, 0
        for rows in map(as_polars, tables):
            if n_seen and n_seen + rows.height > feed.limits.max_rows:
                raise InputError(
                    f"there are more rows than the {feed.limits.max_rows:,} of max_rows",
                    source=source or None,
                )
            checked = check_rows(rows, after, source=source, received_at_s=received_at_s)
            names = self._names.with_new(checked, after, source)
            number = after.last + 1
            changed: dict[str, Any] = {"last": number, "columns": checked.columns}
            if checked.set_aside:
                self.quarantine.write(
                    number, rows, checked.set_aside, source,
                    received_at_s=received_at_s, first_row=n_seen, before=told.quarantined,
                )  # fmt: skip
                sync(self.quarantine.path)
            if names is not None:
                self._names.write(number, names)
                changed["names_file"] = number
            n_files = self._appender.write(number, checked)
            if checked.table.height:
                newest_s = int(np.max(checked.table["timestamp"].to_numpy()))
                changed["newest_s"] = max(newest_s, after.newest_s or newest_s)
            after = after.changed(**changed)
            told = _with_part(told, checked, feed, n_files)
            n_seen += rows.height
        if key:
            kept = {"key": key, "n_rows": told.n_rows, "quarantined": told.quarantined}
            after = after.changed(recent=(*feed.recent, kept)[-_KEYS_KEPT:])
        sync(self.path)
        after.write(self.path)
        sync(self.path)
        if after.names_file != feed.names_file:
            self._names.drop_others(after)
        return told

    def _remove_unfinished(self, feed: Feed) -> None:
        """Remove what an append wrote that was killed or failed."""
        for bucket in range(self.n_buckets):
            for file in self._files.all(bucket):
                if file.last > feed.last:
                    file.path.unlink(missing_ok=True)
        self._names.forget()  # a list of such a number may have been read
        self._names.drop_others(feed)
        self.quarantine.drop_after(feed.last)
        (self.path / ".writing").unlink(missing_ok=True)

    # What it keeps

    def compact(self, *, before_s: float, grace_s: float = 3600.0) -> Compacted:
        """Merge small files; what is read stays the same, to the last bit.

        Parameters
        ----------
        before_s : float
            All files of a day that ended before it become one; of later days the newest are
            merged once there are many alike.
        grace_s : float
            Files whose place was taken a shorter while ago are not yet removed.

        Raises
        ------
        InputError
            If a file cannot be read; names it.
        OSError
            If the merge cannot be written; nothing has changed then.
        """
        with locked(self.path / ".compact.lock"):
            feed = Feed.read(self.path)
            told = compact_files(
                self._files,
                lambda path: read_rows(path, feed.attributes, feed.columns),
                lambda tables: merged(tables, feed.attributes, feed.columns),
                before_s=before_s,
                up_to=feed.last,
                grace_s=grace_s,
            )
        left = sum(remove_unfinished(folder, time.time() - grace_s)
                   for folder in (self.path, self.quarantine.path))  # fmt: skip
        return replace(told, n_removed=told.n_removed + left)

    def retain(self, keep_s: int, now_s: float) -> int:
        """Give up rows older than ``keep_s``, and what was set aside before then.

        From then on no such row is read or taken; files are removed once all their rows are old.

        Returns
        -------
        int
            How many files were removed.
        """
        from_s = int(now_s - keep_s) // self.interval_s * self.interval_s
        with locked(self.path / ".compact.lock"), locked(self.path / ".lock"):
            feed = Feed.read(self.path)
            if feed.kept_from_s is not None:
                from_s = max(from_s, feed.kept_from_s)
            feed = feed.changed(kept_from_s=max(from_s, 0))
            feed.write(self.path)
            n_removed = drop_days(self._files, before_s=from_s)
            if n_removed:
                self._forget_names(feed)
            return n_removed + self.quarantine.drop_before(now_s - keep_s)

    def _forget_names(self, feed: Feed) -> None:
        """Take entities off the list that no row is left of."""
        files = [file for bucket in self.buckets()
                 for file in self._files.live(bucket, up_to=feed.last)]  # fmt: skip
        left = self._names.left(feed, [file.path for file in sorted(files, reverse=True)])
        if left is not None:
            number = feed.last + 1
            self._names.write(number, left)
            feed = feed.changed(last=number, names_file=number)
            feed.write(self.path)
            self._names.drop_others(feed)

    def set_aside_damaged(self) -> dict[str, str]:
        """Read every file, and take those that cannot be read out of the way.

        Returns
        -------
        dict of str to str
            Files, as seen from the feed's folder, and what is wrong with each; they are in
            ``damaged`` in the quarantine now.
        """
        found = {}
        with locked(self.path / ".compact.lock"):
            columns = self.columns
            for bucket in self.buckets():
                for file in self._files.all(bucket):
                    name = str(file.path.relative_to(self.path))
                    try:
                        read_rows(file.path, self.attributes, columns)
                    except InputError as error:
                        found[name] = error.problem
                        target = self.quarantine.path / "damaged" / name
                        target.parent.mkdir(parents=True, exist_ok=True)
                        shutil.move(file.path, target)
        return found

    # Out

    def frames(
        self,
        window: TimeWindow | None = None,
        *,
        entities: Iterable[str] | None = None,
        kpis: Sequence[str] | None = None,
        bucket: int | None = None,
        after: int = -1,
    ) -> list[KpiFrame]:
        """Return the KPIs of each entity, in order of entity.

        Parameters
        ----------
        window : TimeWindow, optional
            Rows of other times are left out; all, if not given.
        entities : iterable of str, optional
            Only these; names that are not known are left out.
        kpis : sequence of str, optional
            Only these, in this order; all of `columns`, if not given.
        bucket : int, optional
            Only the entities of one bucket, so that the work can be spread.
        after : int
            Only what appends of higher numbers brought, for who has kept the rest: known values
            are to be written over those. A merge of files brings what is known already again.

        Returns
        -------
        list of KpiFrame
            From the first row of an entity to its last within the window; what is missing is NaN.
            An entity without a row has no frame.

        Raises
        ------
        InputError
            If a file cannot be read; names it. See `set_aside_damaged`.
        """
        if self.kind != "kpi":
            raise SettingError(f"{self.name} is a cube: read its table")

        def found(feed: Feed) -> list[KpiFrame]:
            wanted = feed.columns if kpis is None else tuple(kpis)
            frames: list[KpiFrame] = []
            for number, names in self._asked(entities, bucket).items():
                table = self._read(number, window, wanted, feed, names, after=after)
                frames += cut_frames(table, wanted, self.interval_s)
            return sorted(frames, key=lambda frame: frame.entity)

        return self._consistently(found)

    def table(
        self, window: TimeWindow | None = None, *, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return the rows of a window, in order of time and then of owner.

        Parameters
        ----------
        window : TimeWindow, optional
            All times, if not given.
        columns : sequence of str, optional
            KPIs or measures; all, if not given.

        Returns
        -------
        polars.DataFrame
            ``timestamp`` (UTC), ``entity`` or the cube's attributes, and the columns.

        Raises
        ------
        InputError
            If a file cannot be read; names it.
        """

        def found(feed: Feed) -> pl.DataFrame:
            wanted = feed.columns if columns is None else tuple(columns)
            parts = [self._read(bucket, window, wanted, feed) for bucket in self.buckets()]
            rows = pl.concat([self._empty(wanted), *parts], how="diagonal")
            owners = owners_of([rows[name] for name in self.attributes]) if rows.height else None
            if owners is not None:
                rows = rows[np.lexsort((owners.ids, epoch_s(rows["timestamp"])))]
            return rows

        return self._consistently(found)

    def _empty(self, columns: Sequence[str]) -> pl.DataFrame:
        number = pl.Float64() if self.kind == "cube" else pl.Float32()
        schema: dict[str, pl.DataType] = {"timestamp": pl.Datetime("ms", "UTC")}
        schema |= {name: pl.String() for name in self.attributes}
        return pl.DataFrame(schema=schema | dict.fromkeys(columns, number))

    def _asked(
        self, entities: Iterable[str] | None, bucket: int | None
    ) -> Mapping[int, list[str] | None]:
        """Return the buckets to be read, and which of their entities."""
        buckets = self.buckets() if bucket is None else [bucket]
        if entities is None:
            return dict.fromkeys(buckets)
        asked: dict[int, list[str]] = {}
        for name in sorted(set(entities)):
            asked.setdefault(bucket_of(name, self.n_buckets), []).append(name)
        return {b: names for b, names in sorted(asked.items()) if b in buckets}

    def _read(
        self,
        bucket: int,
        window: TimeWindow | None,
        columns: Sequence[str],
        feed: Feed,
        names: Sequence[str] | None = None,
        *,
        after: int = -1,
    ) -> pl.DataFrame:
        """Return the rows of one bucket, sorted by owner and time, each such pair once."""
        if feed.kept_from_s is not None:
            start_s = max(feed.kept_from_s, window.start_s if window else feed.kept_from_s)
            end_s = window.end_s if window else (feed.newest_s or 0) + 1
            window = TimeWindow(start_s, max(start_s, end_s))
        parts = [self._empty(())]
        for file in self._files.live(bucket, up_to=feed.last):
            is_elsewhere = window is not None and not day_window(file.day).overlaps(window)
            if file.last <= after or is_elsewhere:
                continue
            table = read_rows(file.path, self.attributes, columns)
            if names is not None:
                table = table.filter(table[self.attributes[0]].is_in(names))
            if window is not None:
                seconds = epoch_s(table["timestamp"])
                inside = (seconds >= window.start_s) & (seconds < window.end_s)
                table = table if inside.all() else table.filter(pl.Series(inside))
            parts.append(table)
        return merged(parts[1:] or parts, self.attributes, columns)

    def _consistently(self, read: Callable[[Feed], T]) -> T:
        """Read; and read again where a file went away meanwhile, since a merge took its place."""
        for _ in range(_RELISTED):
            try:
                return read(Feed.read(self.path))
            except FileNotFoundError:
                continue
        return read(Feed.read(self.path))


def _with_part(told: Appended, checked: Checked, feed: Feed, n_files: int = 0) -> Appended:
    """Return what an append did with one more table, beside what the feed was before."""
    quarantined = Counter(told.quarantined)
    quarantined.update({rule: len(found) for rule, found in checked.set_aside.items()})
    windows = dict(told.windows)
    for name, window in late_windows(checked, feed).items():
        other = windows.get(name, window)
        windows[name] = TimeWindow(
            min(window.start_s, other.start_s), max(window.end_s, other.end_s)
        )
    ignored = dict.fromkeys((*told.ignored, *checked.ignored))
    return replace(
        told,
        n_rows=told.n_rows + checked.table.height,
        n_files=told.n_files + n_files,
        quarantined=dict(sorted(quarantined.items())),
        windows=windows,
        n_merged=told.n_merged + checked.n_merged,
        ignored=tuple(name for name in ignored if name not in checked.columns),
    )
