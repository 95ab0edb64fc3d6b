"""The recent rows of a small feed in memory, so that a tick reads what is new and nothing else.

It holds nothing that the telemetry store does not: after a restart it is read from there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.flow.score_book import Floats
from faultsight.stores.telemetry import KpiStore

__all__ = ["MOST_CELLS", "RowBook"]

_SLACK_ROWS = 64
MOST_CELLS = 64_000_000
"""A quarter of a gigabyte. Larger feeds are read from the store, a bucket at a time."""


class RowBook:
    """Rows of every entity since some moment, entity x row x KPI.

    Parameters
    ----------
    store : KpiStore
        The feed's telemetry.
    start_s : int
        The first row, on the feed's grid.
    most_cells : int
        Entities times rows times KPIs that are kept at most.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import polars as pl
    >>> store = KpiStore.create(Path(tempfile.mkdtemp()) / "cells", name="cells", interval_s=60)
    >>> sent = pl.DataFrame({"entity": ["a", "b"], "timestamp": [60, 0], "load": [1.0, 2.0]})
    >>> _ = store.append(sent, received_at_s=60)
    >>> book = RowBook(store, 0)
    >>> book.update()
    True
    >>> [frame.values.ravel().tolist() for frame in book.frames(TimeWindow(0, 120))]
    [[nan, 1.0], [2.0, nan]]
    """

    def __init__(self, store: KpiStore, start_s: int, *, most_cells: int = MOST_CELLS) -> None:
        self.store = store
        self.most_cells = most_cells
        self.start_s = start_s
        self.interval_s = store.interval_s
        self.entities: list[str] = []
        self.kpis: list[str] = []
        self._place: dict[str, int] = {}
        self._column: dict[str, int] = {}
        self._values: Floats = np.zeros((0, 0, 0), np.float32)
        self._n_rows = 0
        self._last = -1

    def update(self) -> bool:
        """Read what was appended since; False if the feed has grown too large to be kept."""
        last = self.store.last
        if last == self._last:
            return True
        since = TimeWindow(self.start_s, 2**53)
        frames = self.store.frames(since, after=self._last)
        if frames:
            if not self._make_room(frames):
                return False
            for frame in frames:
                self._write(frame)
        self._last = last
        return True

    def holds(self, window: TimeWindow) -> bool:
        """Whether the book goes back as far as a window does."""
        return self.start_s <= window.start_s

    def frames(self, window: TimeWindow, entities: Iterable[str] | None = None) -> list[KpiFrame]:
        """Return the rows of a window of each entity that has one, over the whole window."""
        first = (window.start_s - self.start_s) // self.interval_s
        n_rows = (window.end_s - window.start_s) // self.interval_s
        begin, end = max(first, 0), min(first + n_rows, self._n_rows)
        frames = []
        for entity in sorted(self.entities if entities is None else entities):
            place = self._place.get(entity)
            if place is None or begin >= end:
                continue
            told = self._values[place, begin:end, : len(self.kpis)]
            if np.isnan(told).all():
                continue
            values = np.full((n_rows, len(self.kpis)), np.nan, np.float32)
            values[begin - first : end - first] = told
            frames.append(KpiFrame(entity, self.kpis, window.start_s, self.interval_s, values))
        return frames

    def trim(self, before_s: int) -> None:
        """Forget rows before a moment; moved now and then, not with every row."""
        n_gone = min((before_s - self.start_s) // self.interval_s, self._n_rows)
        if n_gone > max(self._n_rows // 4, _SLACK_ROWS // 2):
            self._values = self._values[:, n_gone:].copy()
            self._n_rows -= n_gone
            self.start_s += n_gone * self.interval_s

    def _make_room(self, frames: list[KpiFrame]) -> bool:
        for frame in frames:
            if frame.entity not in self._place:
                self._place[frame.entity] = len(self.entities)
                self.entities.append(frame.entity)
        for kpi in frames[0].kpis:
            if kpi not in self._column:
                self._column[kpi] = len(self.kpis)
                self.kpis.append(kpi)
        end_s = max(frame.window.end_s for frame in frames)
        n_rows = max(self._n_rows, (end_s - self.start_s) // self.interval_s)
        shape = (len(self.entities), n_rows, len(self.kpis))
        if math.prod(shape) > self.most_cells:
            return False
        old = self._values.shape
        if any(wanted > there for wanted, there in zip(shape, old, strict=True)):
            rows = n_rows if n_rows <= old[1] else n_rows + _SLACK_ROWS
            grown = np.full((max(shape[0], old[0]), max(rows, old[1]), max(shape[2], old[2])),
                            np.nan, np.float32)  # fmt: skip
            grown[: old[0], : old[1], : old[2]] = self._values
            self._values = grown
        self._n_rows = n_rows
        return True

    def _write(self, frame: KpiFrame) -> None:
        first = (frame.start_s - self.start_s) // self.interval_s
        columns = [self._column[kpi] for kpi in frame.kpis]
        if columns == list(range(len(columns))):
            there = self._values[
                self._place[frame.entity], first : first + len(frame), : len(columns)
            ]
            np.copyto(there, frame.values, where=~np.isnan(frame.values))
            return
        for place, column in enumerate(columns):
            there = self._values[self._place[frame.entity], first : first + len(frame), column]
            np.copyto(there, frame.values[:, place], where=~np.isnan(frame.values[:, place]))
