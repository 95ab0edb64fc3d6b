"""The recent scores of a feed, entity by row: what alarms are made of, in memory.

It holds nothing that the score store does not: after a restart it is read from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow

__all__ = ["Floats", "ScoreBook", "ScoredRows", "Shares", "over_level", "top_shares"]

Floats: TypeAlias = NDArray[np.float32]
Shares: TypeAlias = tuple[tuple[str, float], ...]
"""The KPIs that contribute most to a row, and their shares of it."""

KPIS_NAMED = 3
_HIGHEST = np.float32(1e9)
_LEAST_LEVEL = np.float32(1e-9)
_SLACK_ROWS = 64


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """What was scored at once: some entities, some adjacent rows, by one model.

    Attributes
    ----------
    entities : tuple of str
        Whose.
    start_s, interval_s : int
        The grid.
    model : int
        The version of the model that scored; 0 for rows that were read from the store.
    kpis : tuple of str
        Whose residuals these are; empty if the model has none.
    score : array of shape (entity, time)
        float32; NaN where nothing is known.
    level : array of shape (entity,)
        float32; the model's level of each entity.
    residuals : array of shape (entity, time, kpi), optional
        float32.
    """

    entities: tuple[str, ...]
    start_s: int
    interval_s: int
    model: int
    kpis: tuple[str, ...]
    score: Floats
    level: Floats
    residuals: Floats | None = None

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return int(self.score.shape[1])

    @property
    def window(self) -> TimeWindow:
        """From the first row to one interval after the last."""
        return TimeWindow(self.start_s, self.start_s + self.n_rows * self.interval_s)

    @property
    def ratio(self) -> Floats:
        """Score over level, (entity, time); finite where the score is known."""
        return over_level(self.score, self.level[:, None])

    def shares(self, entity: int, row: int) -> Shares:
        """Return the KPIs that contribute most to a row."""
        if self.residuals is None:
            return ()
        return top_shares(self.kpis, self.residuals[entity, row])


def over_level(score: Floats, level: Floats) -> Floats:
    """Return score over level as float32, at most 1e9; NaN where the score is not known."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.minimum(score / np.maximum(level, _LEAST_LEVEL), _HIGHEST)


def top_shares(kpis: Sequence[str], residuals: Floats) -> Shares:
    """Return the KPIs with the largest residuals, and their shares of the sum.

    Examples
    --------
    >>> top_shares(("a", "b"), np.array([1.0, 3.0], np.float32))
    (('b', 0.75), ('a', 0.25))
    """
    known = np.nan_to_num(residuals.astype(np.float64))
    total = float(known.sum()) or 1.0
    most = np.argsort(-known, kind="stable")[:KPIS_NAMED]
    return tuple((kpis[k], float(known[k]) / total) for k in most if known[k] > 0)


@dataclass(eq=False)
class ScoreBook:
    """Score over level of every entity and row since some moment.

    Parameters
    ----------
    interval_s : int
        Seconds from row to row.
    start_s : int
        The first row.
    factor : float
        A row is in alarm above so many times its level.

    Examples
    --------
    >>> book = ScoreBook(60, 0)
    >>> rows = ScoredRows(("a",), 60, 60, 1, (), np.array([[5.0, 1.0]], np.float32),
    ...                   np.array([2.0], np.float32))
    >>> book.put(rows)
    >>> book.ratios("a", TimeWindow(0, 180)).tolist(), book.above(TimeWindow(0, 180))
    ([nan, 2.5, 0.5], ['a'])
    """

    interval_s: int
    start_s: int
    factor: float = 1.0
    entities: list[str] = field(default_factory=list)
    _place: dict[str, int] = field(default_factory=dict)
    _ratio: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    _n_rows: int = 0
    _shares: dict[tuple[str, int], tuple[Shares, int]] = field(default_factory=dict)

    @property
    def end_s(self) -> int:
        """The first second after the last row."""
        return self.start_s + self._n_rows * self.interval_s

    def put(self, rows: ScoredRows) -> None:
        """Write down rows; what was said of them before is replaced.

        Of rows read from the store only the ratio is kept; `told` says None of them.
        """
        new = [entity for entity in rows.entities if entity not in self._place]
        for entity in new:
            self._place[entity] = len(self.entities)
            self.entities.append(entity)
        if rows.start_s < self.start_s:
            self._extend_left((self.start_s - rows.start_s) // self.interval_s)
        first = (rows.start_s - self.start_s) // self.interval_s
        self._make_room(first + rows.n_rows)
        places = np.array([self._place[entity] for entity in rows.entities], dtype=np.intp)
        ratio = rows.ratio
        self._ratio[places, first : first + rows.n_rows] = ratio
        if not rows.model:
            return
        for entity, row in zip(*np.nonzero(np.nan_to_num(ratio) > self.factor), strict=True):
            time_s = rows.start_s + int(row) * self.interval_s
            shares = rows.shares(int(entity), int(row))
            self._shares[rows.entities[entity], time_s] = (shares, rows.model)

    def ratios(self, entity: str, window: TimeWindow) -> Floats:
        """Return score over level of one entity; NaN where nothing is known."""
        n_rows = max((window.end_s - window.start_s) // self.interval_s, 0)
        out = np.full(n_rows, np.nan, np.float32)
        place = self._place.get(entity)
        if place is None:
            return out
        first = (window.start_s - self.start_s) // self.interval_s
        begin, end = max(first, 0), min(first + n_rows, self._n_rows)
        if begin < end:
            out[begin - first : end - first] = self._ratio[place, begin:end]
        return out

    def above(self, window: TimeWindow) -> list[str]:
        """Return the entities that have a row above the level in a window."""
        first = max((window.start_s - self.start_s) // self.interval_s, 0)
        stop = min((window.end_s - self.start_s) // self.interval_s, self._n_rows)
        if first >= stop:
            return []
        part = self._ratio[: len(self.entities), first:stop]
        with np.errstate(invalid="ignore"):
            flagged = (part > self.factor).any(axis=1)
        return [self.entities[i] for i in np.flatnonzero(flagged)]

    def told(self, entity: str, time_s: int) -> tuple[Shares, int] | None:
        """Return which KPIs a row above the level rests on, and the model that said so.

        None where the row was read from the store, which knows it.
        """
        told = self._shares.get((entity, time_s), ((), 0))
        return told if told[1] else None

    def trim(self, before_s: int) -> None:
        """Forget rows before a moment."""
        n_gone = (before_s - self.start_s) // self.interval_s
        if n_gone <= 0 or n_gone < self._n_rows // 2:
            return  # moved now and then, not with every row
        n_gone = min(n_gone, self._n_rows)
        self._ratio = self._ratio[:, n_gone:].copy()
        self._n_rows -= n_gone
        self.start_s += n_gone * self.interval_s
        self._shares = {key: told for key, told in self._shares.items() if key[1] >= self.start_s}

    def _extend_left(self, n_rows: int) -> None:
        self.start_s -= n_rows * self.interval_s
        self._n_rows += n_rows
        before = np.full((len(self._ratio), n_rows), np.nan, np.float32)
        self._ratio = np.concatenate([before, self._ratio], axis=1)

    def _make_room(self, n_rows: int) -> None:
        n_entities = len(self.entities)
        if n_entities > self._ratio.shape[0] or n_rows > self._ratio.shape[1]:
            grown = np.full(
                (
                    max(n_entities, self._ratio.shape[0]),
                    max(n_rows + _SLACK_ROWS, self._ratio.shape[1]),
                ),
                np.nan,
                np.float32,
            )
            grown[: self._ratio.shape[0], : self._ratio.shape[1]] = self._ratio
            self._ratio = grown
        self._n_rows = max(self._n_rows, n_rows)


def gathered(parts: Iterable[ScoredRows]) -> Mapping[str, TimeWindow]:
    """Return which rows of which entity some parts have scored."""
    windows: dict[str, TimeWindow] = {}
    for part in parts:
        known = np.isfinite(part.score).any(axis=1)
        for place in np.flatnonzero(known):
            entity = part.entities[place]
            old = windows.get(entity, part.window)
            windows[entity] = TimeWindow(
                min(old.start_s, part.window.start_s), max(old.end_s, part.window.end_s)
            )
    return windows
