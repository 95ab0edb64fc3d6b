"""Scores on disk: what each row scored, its level then, the model, and each KPI's residual.

``scores/<feed>`` is a KPI feed like any other, with the columns ``score``, ``level`` and ``model``
(the model's version), and ``residual:<kpi>`` for each KPI. A row that is scored anew is appended
again; the later one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.flow.score_book import (
    Floats,
    ScoreBook,
    ScoredRows,
    Shares,
    over_level,
    top_shares,
)
from faultsight.stores.telemetry import FeedLimits, KpiStore

__all__ = ["RESIDUAL", "ScoreStore"]

RESIDUAL = "residual:"
_FAR_AHEAD_S = 10 * 365 * 86_400


class ScoreStore:
    """The scores of one feed.

    Parameters
    ----------
    folder : path
        ``scores/<feed>`` in the state folder; made if it is missing.
    name, interval_s, n_buckets
        As the feed's telemetry.

    Examples
    --------
    >>> import tempfile
    >>> store = ScoreStore(Path(tempfile.mkdtemp()) / "cells", "cells", 60, n_buckets=1)
    >>> store.append([ScoredRows(("a",), 60, 60, 1, ("load",), np.array([[5.0]], np.float32),
    ...                          np.array([2.0], np.float32), np.array([[[5.0]]], np.float32))])
    1
    >>> store.ratios("a", TimeWindow(0, 120)).tolist(), store.told("a", 60)
    ([nan, 2.5], ((('load', 1.0),), 1))
    """

    def __init__(
        self, folder: Path | str, name: str, interval_s: int, *, n_buckets: int = 16
    ) -> None:
        self.store = KpiStore.create(
            folder,
            name=name,
            interval_s=interval_s,
            n_buckets=n_buckets,
            # Stamps were checked with the telemetry.
            limits=FeedLimits(skew_s=_FAR_AHEAD_S, max_columns=10_000),
        )

    def append(self, scored: Sequence[ScoredRows]) -> int:
        """Write rows; return how many have a score."""
        tables = [table for rows in scored if (table := _table(rows)).height]
        if not tables:
            return 0
        table = pl.concat(tables, how="diagonal")
        return self.store.append(table, source="loop").n_rows

    def frames(
        self, window: TimeWindow | None = None, *, entities: Sequence[str] | None = None
    ) -> list[KpiFrame]:
        """Return scores, levels, models and residuals of each entity."""
        return self.store.frames(window, entities=entities)

    def fill(self, book: ScoreBook, window: TimeWindow) -> None:
        """Write the scores of a window into a book."""
        step = self.store.interval_s
        frames = self.store.frames(window, kpis=("score", "level"))
        if not frames:
            return
        start_s = min(frame.start_s for frame in frames)
        n_rows = (max(frame.window.end_s for frame in frames) - start_s) // step
        ratio = np.full((len(frames), n_rows), np.nan, np.float32)
        for place, frame in enumerate(frames):
            first = (frame.start_s - start_s) // step
            told = over_level(frame.values[:, 0], frame.values[:, 1])
            ratio[place, first : first + len(frame)] = told
        entities = tuple(frame.entity for frame in frames)
        level = np.ones(len(frames), np.float32)
        book.put(ScoredRows(entities, start_s, step, 0, (), ratio, level))

    def ratios(self, entity: str, window: TimeWindow) -> Floats:
        """Return score over level of an entity, row by row; NaN where nothing is known."""
        step = self.store.interval_s
        out = np.full((window.end_s - window.start_s) // step, np.nan, np.float32)
        for frame in self.store.frames(window, entities=[entity], kpis=("score", "level")):
            first = (frame.start_s - window.start_s) // step
            out[first : first + len(frame)] = over_level(frame.values[:, 0], frame.values[:, 1])
        return out

    def told(self, entity: str, time_s: int) -> tuple[Shares, int]:
        """Return which KPIs a row rests on, and the version of the model that said so."""
        window = TimeWindow(time_s, time_s + self.store.interval_s)
        for frame in self.store.frames(window, entities=[entity]):
            values = dict(zip(frame.kpis, frame.values[0].tolist(), strict=True))
            kpis = [kpi for kpi in frame.kpis if kpi.startswith(RESIDUAL)]
            residuals = np.array([values[kpi] for kpi in kpis], np.float32)
            names = [kpi.removeprefix(RESIDUAL) for kpi in kpis]
            shares = top_shares(names, residuals) if kpis else ()
            return shares, int(values["model"])
        return (), 0


def _table(rows: ScoredRows) -> pl.DataFrame:
    """Return scored rows as a table; only those with a score."""
    entity, row = np.nonzero(np.isfinite(rows.score))
    told = pl.DataFrame(
        {
            "entity": pl.Series(rows.entities, dtype=pl.String).gather(entity),
            "timestamp": pl.Series(rows.start_s + row.astype(np.int64) * rows.interval_s),
            "score": pl.Series(rows.score[entity, row]),
            "level": pl.Series(rows.level[entity]),
            "model": pl.Series(np.full(len(row), rows.model, np.float32)),
        }
    )
    if rows.residuals is None:
        return told
    names = [RESIDUAL + kpi for kpi in rows.kpis]
    residuals = pl.DataFrame(rows.residuals[entity, row], schema=names).fill_nan(None)
    return told.hstack(residuals)
