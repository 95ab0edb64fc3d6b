"""Watched folders: what a collector finds in one goes into its feed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from faultsight.app.intake import Intake, PollsSink, Taken, polls_reader
from faultsight.collectors import Collected
from faultsight.collectors.folder import FolderCollector, FolderConfig
from faultsight.stores.operations import Operations

__all__ = ["WatchedFolder"]


class WatchedFolder:
    """One folder and the feed that its files belong to.

    Parameters
    ----------
    ops, intake
        Where files are noted, and what takes their rows in.
    feed : str
        Which feed.
    folder : path
        What is watched.
    settle_s : float
        A file that changed a shorter while ago is left for later.
    """

    def __init__(
        self,
        ops: Operations,
        intake: Intake,
        feed: str,
        folder: Path | str,
        *,
        settle_s: float = 5.0,
    ) -> None:
        stored = ops.feeds.get(feed)
        config = FolderConfig(names=intake.name_columns(feed), settle_s=settle_s)
        ledger = _Ledger(ops, feed)
        if stored.kind == "polls":
            self._collector = FolderCollector(folder, ledger, config, reader=polls_reader)
            self._sink: PollsSink | _RowSink = intake.polls_sink(feed)
        else:
            self._collector = FolderCollector(folder, ledger, config)
            self._sink = _RowSink(intake, feed)

    def collect(self) -> Collected:
        """Take in what is new."""
        return self._collector.collect(self._sink)


@dataclass(frozen=True)
class _Ledger:
    """The files of one feed, as the operations store knows them."""

    ops: Operations
    feed: str

    def seen(self, key: str) -> bool:
        return self.ops.files.seen(self.feed, key)

    def record(
        self, key: str, path: str, n_rows: int, n_quarantined: int, reasons: Mapping[str, int]
    ) -> object:
        # The folder that a file lay in is nobody's business but this machine's.
        name = Path(path).name
        return self.ops.files.record(self.feed, key, name, n_rows, n_quarantined, reasons)


@dataclass(frozen=True)
class _Told:
    n_rows: int
    n_files: int
    quarantined: Mapping[str, int]


@dataclass(frozen=True)
class _RowSink:
    """Rows of KPIs and cubes into a feed."""

    intake: Intake
    feed: str

    def append_parts(
        self, tables: Iterable[pl.DataFrame], *, source: str, received_at_s: float, key: str
    ) -> _Told:
        taken: Taken = self.intake.take_parts(self.feed, tables, key=key, source=source)
        return _Told(taken.n_rows, int(taken.is_new), taken.quarantined)
