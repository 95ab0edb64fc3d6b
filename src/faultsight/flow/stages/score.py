"""Window and score: rows are scored in blocks on a fixed grid, one entity at a time.

A block is scored with the same history and the same shape whether its rows came one by one or all
at once, early or late; what is not there yet is missing. A detector never looks at later rows, so
each row has one score, whenever and by whatever worker it is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.contract import Score
from faultsight.detect.model_folder import load_detector
from faultsight.detect.tuning.guard import Deployed
from faultsight.flow.config import FeedConfig
from faultsight.flow.cubes.overall import overall_frame
from faultsight.flow.records import ModelSpan
from faultsight.flow.score_book import ScoredRows, gathered
from faultsight.flow.tick import Tick
from faultsight.stores.telemetry import KpiStore

__all__ = ["ScorePart", "ScoreRows", "Windows", "score_part"]

_HIGHEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class ScorePart:
    """What one worker scores: some entities, some rows of one block.

    Attributes
    ----------
    config : FeedConfig
        The feed's rules.
    telemetry : Path
        Where its rows lie.
    block : TimeWindow
        The block; its history lies before it.
    rows : TimeWindow
        Of the block, the rows that are wanted.
    models : tuple of ModelSpan
        Which model scores from when on.
    bucket : int, optional
        Only the entities of one bucket.
    entities : tuple of str, optional
        Only these.
    frames : tuple of KpiFrame, optional
        Their rows over the block and its history, where they are at hand; else they are read.
    """

    config: FeedConfig
    telemetry: Path
    block: TimeWindow
    rows: TimeWindow
    models: tuple[ModelSpan, ...]
    bucket: int | None = None
    entities: tuple[str, ...] | None = None
    frames: tuple[KpiFrame, ...] | None = None


class Windows:
    """Decides which rows are to be scored: the new ones, and those that late data touch."""

    def run(self, tick: Tick) -> None:
        """Cut the work into parts."""
        config = tick.config
        path = tick.folder / "telemetry" / config.name
        for block, rows in blocks(TimeWindow(tick.from_s, tick.until_s), config.block_s):
            part = ScorePart(config, path, block, rows, tick.models)
            tick.parts += _at_hand(tick, part) or [
                replace(part, bucket=bucket) for bucket in _buckets(path, config)
            ]
        for block, late, entities in late_blocks(tick.late, tick.from_s, config):
            # Rows before the first that is ever scored count as history alone.
            first_s = late.start_s if config.since_s is None else max(late.start_s, config.since_s)
            if first_s < late.end_s:
                rows = TimeWindow(first_s, late.end_s)
                part = ScorePart(config, path, block, rows, tick.models, entities=entities)
                tick.parts += _at_hand(tick, part) or [part]


def _at_hand(tick: Tick, part: ScorePart) -> list[ScorePart]:
    """Return a part for each worker with the rows that it needs; none where they must be read."""
    grid = _grid(part.block, part.config)
    if tick.rows is None or not tick.rows.holds(grid):
        return []
    frames = tick.rows.frames(grid, part.entities)
    size = -(-len(frames) // tick.runner.workers) or 1
    return [
        replace(part, frames=tuple(frames[start : start + size]))
        for start in range(0, max(len(frames), 1), size)
    ]


class ScoreRows:
    """Has the parts scored, wherever the runner does it."""

    def run(self, tick: Tick) -> None:
        """Score, and write down what was said."""
        for done in tick.runner.map(score_part, tick.parts):
            for rows in done:
                tick.book.put(rows)
                tick.scored.append(rows)
        for entity, window in gathered(tick.scored).items():
            tick.touched[entity] = window.start_s


def blocks(window: TimeWindow, block_s: int) -> Iterator[tuple[TimeWindow, TimeWindow]]:
    """Yield the blocks of the grid that a window meets, and its part of each.

    Examples
    --------
    >>> [(b.start_s, r.start_s, r.end_s) for b, r in blocks(TimeWindow(5, 25), 10)]
    [(0, 5, 10), (10, 10, 20), (20, 20, 25)]
    """
    for start_s in range(window.start_s // block_s * block_s, window.end_s, block_s):
        block = TimeWindow(start_s, start_s + block_s)
        rows = TimeWindow(max(start_s, window.start_s), min(block.end_s, window.end_s))
        if rows.end_s > rows.start_s:
            yield block, rows


def late_blocks(
    late: Mapping[str, TimeWindow], scored_until_s: int, config: FeedConfig
) -> Iterator[tuple[TimeWindow, TimeWindow, tuple[str, ...]]]:
    """Yield the blocks whose scores late rows can change, the rows, and the entities.

    A row counts for its own block and for those that have it in their history.
    """
    of_block: dict[int, dict[str, int]] = {}
    for entity, window in late.items():
        last_s = min(window.end_s + config.history_s + config.block_s, scored_until_s)
        last_s = max(last_s, window.start_s)
        for block, rows in blocks(TimeWindow(window.start_s, last_s), config.block_s):
            if block.start_s - config.history_s < window.end_s:
                of_block.setdefault(block.start_s, {})[entity] = rows.start_s
    for start_s, starts in sorted(of_block.items()):
        block = TimeWindow(start_s, start_s + config.block_s)
        rows = TimeWindow(min(starts.values()), min(block.end_s, scored_until_s))
        if rows.end_s > rows.start_s:
            yield block, rows, tuple(sorted(starts))


def score_part(part: ScorePart) -> list[ScoredRows]:
    """Score one part; what a worker runs."""
    frames = _frames(part, _grid(part.block, part.config))
    found = []
    for model, rows in _model_rows(part.models, part.rows):
        detector = _detector(model.path)
        told = [_scored(detector, frame, rows) for frame in frames]
        known = [(frame.entity, score) for frame, score in zip(frames, told, strict=True)
                 if score is not None]  # fmt: skip
        if known:
            found.append(_together(known, detector, model, rows, part.config.interval_s))
    return found


@lru_cache(maxsize=8)
def _detector(path: str) -> Deployed:
    return load_detector(path)


def _grid(block: TimeWindow, config: FeedConfig) -> TimeWindow:
    return TimeWindow(block.start_s - config.history_s, block.end_s)


def _buckets(path: Path, config: FeedConfig) -> Sequence[int | None]:
    return KpiStore(path).buckets() if config.kind == "kpi" else [None]


def _frames(part: ScorePart, grid: TimeWindow) -> list[KpiFrame]:
    if part.frames is not None:
        return list(part.frames)
    store = KpiStore(part.telemetry)
    if part.config.kind == "cube":
        told = overall_frame(store, grid, part.config)
        frames = [] if told is None else [told]
    else:
        frames = store.frames(grid, entities=part.entities, bucket=part.bucket)
    return [_on_grid(frame, grid) for frame in frames]


def _on_grid(frame: KpiFrame, grid: TimeWindow) -> KpiFrame:
    """Return the frame over the whole grid; rows that it lacks are missing."""
    if frame.window == grid:
        return frame
    n_rows = (grid.end_s - grid.start_s) // frame.interval_s
    values = np.full((n_rows, len(frame.kpis)), np.nan, np.float32)
    first = (frame.start_s - grid.start_s) // frame.interval_s
    values[first : first + len(frame)] = frame.values
    return KpiFrame(frame.entity, frame.kpis, grid.start_s, frame.interval_s, values)


def _model_rows(
    models: Sequence[ModelSpan], rows: TimeWindow
) -> Iterator[tuple[ModelSpan, TimeWindow]]:
    """Yield the models that score some rows, and which of them."""
    for place, model in enumerate(models):
        start_s = rows.start_s if model.from_s is None else max(rows.start_s, model.from_s)
        later = models[place + 1].from_s if place + 1 < len(models) else None
        end_s = rows.end_s if later is None else min(rows.end_s, later)
        if end_s > start_s:
            yield model, TimeWindow(start_s, end_s)


def _scored(detector: Deployed, frame: KpiFrame, rows: TimeWindow) -> Score | None:
    """Return the scores of the rows that are wanted; None where nothing is known of any."""
    chosen = frame.rows_in(rows)
    if not np.isfinite(frame.values[chosen]).any():
        return None
    (score,) = detector.score([frame])  # alone: batches of another size may round otherwise
    return score[chosen]


def _together(
    told: Sequence[tuple[str, Score]],
    detector: Deployed,
    model: ModelSpan,
    rows: TimeWindow,
    interval_s: int,
) -> ScoredRows:
    first = told[0][1]
    residuals = None
    if first.residuals is not None:
        stacked = np.stack([np.asarray(score.residuals) for _, score in told])
        residuals = np.minimum(stacked, _HIGHEST).astype(np.float32)
    totals = np.stack([score.total for _, score in told])
    entities = tuple(entity for entity, _ in told)
    return ScoredRows(
        entities,
        rows.start_s,
        interval_s,
        model.version,
        first.kpis,
        np.minimum(totals, _HIGHEST).astype(np.float32),
        np.array([detector.level_of(entity) for entity in entities]).astype(np.float32),
        residuals,
    )
