"""Telemetry in: into the store of its feed, once, and what must be scored anew for it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from faultsight.app.feeds import config_of
from faultsight.app.folders import StateFolder
from faultsight.collectors import Collector, by_reason
from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow, epoch_seconds
from faultsight.core.telemetry import TelemetryFolder
from faultsight.stores.operations import Feed, Operations
from faultsight.stores.telemetry import FeedLimits, KpiStore

__all__ = ["Intake", "PollsSink", "Taken", "polls_reader"]


@dataclass(frozen=True)
class Taken:
    """What became of a table.

    Attributes
    ----------
    key : str
        By which its content is known.
    is_new : bool
        False if it had been taken in before; then nothing was done.
    n_rows, n_quarantined : int
        Rows kept and set aside.
    quarantined : dict of str to int
        Rows set aside, by reason.
    """

    key: str
    is_new: bool
    n_rows: int = 0
    n_quarantined: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)


class Intake:
    """Writes tables of telemetry into the stores.

    Parameters
    ----------
    ops, folder
        Where feeds are listed, and where their telemetry lies.
    """

    def __init__(self, ops: Operations, folder: StateFolder) -> None:
        self._ops = ops
        self._folder = folder

    def seen(self, feed: str, key: str) -> bool:
        """Whether a content was taken in."""
        return self._ops.files.seen(feed, key)

    def take(self, feed: str, table: pl.DataFrame, *, key: str, source: str) -> Taken:
        """Take a table in; a second time with one key nothing is done.

        Raises
        ------
        InputError
            If the table cannot be used at all; names the column.
        """
        return self.take_parts(feed, [table], key=key, source=source)

    def take_parts(
        self, feed: str, tables: Iterable[pl.DataFrame], *, key: str, source: str
    ) -> Taken:
        """Take tables in, all of them or none; a second time with one key nothing is done.

        The telemetry is written first and the operations store says so last, so that a crash in
        between is mended by taking the same content in again.

        Raises
        ------
        InputError
            If one of the tables cannot be used at all; names the column.
        """
        stored = self._ops.feeds.get(feed)
        if self._ops.files.seen(feed, key):
            return Taken(key, is_new=False)
        if stored.kind == "polls":
            raise InputError("polls are taken in as files")
        store = self.store_of(stored)
        told: set[str] = set()

        def noted() -> Iterator[pl.DataFrame]:
            for table in tables:
                if stored.kind == "kpi":
                    told.update(_names(table))
                yield table

        now_s = self._ops.now_s()
        added = store.append_parts(noted(), source=source, received_at_s=now_s, key=key)
        newest_s = store.newest_s
        data_until_s = None if newest_s is None else newest_s + stored.interval_s
        with self._ops.transaction() as tx:
            new = _unknown(sorted(told), self._ops.entities.attributes(feed, tx=tx))
            if new:  # those alone of which a row was kept
                kept = set(store.entities)
                new = {name: attributes for name, attributes in new.items() if name in kept}
                self._ops.entities.put(feed, new, tx=tx)
            self._ops.feeds.set_watermark(feed, data_until_s=data_until_s, tx=tx)
            if added.windows:  # also of an append that a crash has cut off from here
                self._ops.feeds.mark_dirty(feed, added.windows, tx=tx)
            self._ops.files.record(
                feed, key, source, added.n_rows, added.n_quarantined, added.quarantined, tx=tx
            )
        return Taken(
            key, is_new=True, n_rows=added.n_rows, n_quarantined=added.n_quarantined,
            quarantined=dict(added.quarantined),
        )  # fmt: skip

    def store_of(self, feed: Feed) -> KpiStore:
        """Return the store of a ``kpi`` or ``cube`` feed, made where it is missing."""
        cube = config_of(feed).cube
        return KpiStore.create(
            self._folder.telemetry(feed.name),
            name=feed.name,
            kind="cube" if feed.kind == "cube" else "kpi",
            interval_s=feed.interval_s,
            attributes=cube.attributes if feed.kind == "cube" and cube is not None else (),
            columns=cube.columns if feed.kind == "cube" and cube is not None else None,
            limits=FeedLimits(),
            quarantine=self._folder.quarantine(feed.name),
        )

    def take_polls(self, feed: str, path: Path, *, key: str, source: str) -> Taken:
        """Take the polls of a file in, as `faultsight collect export` reads it.

        Raises
        ------
        InputError
            If the file cannot be used at all.
        """
        if self._ops.files.seen(feed, key):
            return Taken(key, is_new=False)
        try:
            done = polls_reader(path).collect(self.polls_sink(feed))
        except InputError as error:
            raise InputError(error.problem, column=error.column, row=error.row) from error
        reasons = by_reason(done.set_aside)
        n_aside = sum(reasons.values())
        self._ops.files.record(feed, key, source, done.rows, n_aside, reasons)
        return Taken(key, is_new=True, n_rows=done.rows, n_quarantined=n_aside, quarantined=reasons)

    def polls_sink(self, feed: str) -> PollsSink:
        """Return where polls of a feed are written."""
        return PollsSink(self._ops, self._folder, feed)

    def name_columns(self, feed: str) -> tuple[str, ...]:
        """Return the columns that hold names, even where they look like numbers."""
        cube = config_of(self._ops.feeds.get(feed)).cube
        attributes = () if cube is None else cube.attributes
        return ("entity", "timestamp", *attributes)


class PollsSink:
    """Where a collector of polls writes: the feed's folder, and how far it is.

    Parameters
    ----------
    ops, folder, feed
        Of which feed.
    """

    def __init__(self, ops: Operations, folder: StateFolder, feed: str) -> None:
        self._ops = ops
        self._feed = feed
        self._polls = TelemetryFolder.create(folder.telemetry(feed))

    def append(self, table: pl.DataFrame) -> int:
        """Write a table of polls; returns how many files.

        Every fiber node is marked, for who knows how far the loop is by now: polls of a window that
        it is just diagnosing without them are late when it is done. Of what is newer the loop takes
        no notice.
        """
        n_files = self._polls.append(table)
        if table.is_empty():
            return n_files
        spans = (
            pl.DataFrame({"name": table["fnode"].cast(pl.String),
                          "at": epoch_seconds(table["timestamp"])})
            .group_by("name")
            .agg(pl.col("at").min().alias("first"), pl.col("at").max().alias("last"))
            .sort("name")
        )  # fmt: skip
        windows = {
            name: TimeWindow(int(first), int(last) + 1) for name, first, last in spans.iter_rows()
        }
        newest_s = max(window.end_s for window in windows.values())
        with self._ops.transaction() as tx:
            known = self._ops.entities.attributes(self._feed, tx=tx)
            new = _unknown(windows, known)
            if new:
                self._ops.entities.put(self._feed, new, tx=tx)
            self._ops.feeds.set_watermark(self._feed, data_until_s=newest_s, tx=tx)
            self._ops.feeds.mark_dirty(self._feed, windows, tx=tx)
        return n_files


def polls_reader(path: Path) -> Collector:
    """Return what reads a file of polls whose columns are named as FaultSight names them."""
    from faultsight.collectors.csv_export import CsvExport, CsvExportConfig

    return CsvExport([path], CsvExportConfig(counters="deltas"))


def _unknown(names: Iterable[str], known: Container[str]) -> dict[str, dict[str, str]]:
    return {name: {} for name in names if name not in known}


def _names(table: pl.DataFrame) -> list[str]:
    if "entity" not in table.columns:
        return []
    return table["entity"].cast(pl.String).drop_nulls().unique().sort().to_list()
