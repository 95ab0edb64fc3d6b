"""Curves to look at: KPIs, scores, levels and contributions, thinned to what a screen shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from faultsight.app.feed_stores import FeedStores
from faultsight.app.feeds import config_of
from faultsight.app.thinning import kept_rows
from faultsight.core.errors import InputError, NotFoundError
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.core.polls import LEVELS, NodePolls
from faultsight.flow.score_store import RESIDUAL
from faultsight.stores.operations import Feed, Operations
from faultsight.stores.telemetry import KpiStore

__all__ = ["Curve", "Curves", "SeriesReader"]

_HOUR_S = 3600
_DAY_S = 86_400
_MOST_CURVES = 500


@dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes
    ----------
    name : str
        What it shows.
    times_s : list of int
        Ascending, seconds since 1970 UTC.
    values : list of float or None
        None where nothing is known.
    """

    name: str
    times_s: list[int]
    values: list[float | None]


@dataclass(frozen=True)
class Curves:
    """Curves of one entity.

    Attributes
    ----------
    feed, entity, window, interval_s
        Of what.
    kpis : list of Curve
        As measured.
    score, level : Curve, optional
        Where it is scored; above the level it alarms.
    contributions : list of Curve
        What each KPI adds to the score: its residual.
    is_thinned : bool
        Whether points were left out.
    """

    feed: str
    entity: str
    window: TimeWindow
    interval_s: int
    kpis: list[Curve] = field(default_factory=list)
    score: Curve | None = None
    level: Curve | None = None
    contributions: list[Curve] = field(default_factory=list)
    is_thinned: bool = False


class SeriesReader:
    """Reads curves of all feeds.

    Parameters
    ----------
    ops, stores
        Where feeds and their telemetry are.
    longest_days : callable
        Returns how many days a span may have.
    """

    def __init__(
        self, ops: Operations, stores: FeedStores, longest_days: Callable[[], int]
    ) -> None:
        self._ops = ops
        self._stores = stores
        self._longest_days = longest_days

    def read(
        self,
        feed: str,
        entity: str,
        window: TimeWindow,
        *,
        kpis: Sequence[str] = (),
        device: str | None = None,
        points: int = 1000,
    ) -> Curves:
        """Return the curves of one entity.

        Parameters
        ----------
        feed, entity : str
            Whose; of a ``cube`` feed the entity is called like the feed, of a ``polls`` feed it is
            a fiber node.
        window : TimeWindow
            Which span.
        kpis : sequence of str
            Only these; all if empty.
        device : str, optional
            Of a ``polls`` feed: one modem's own polls, not the medians of all.
        points : int
            At most so many points of each curve.

        Raises
        ------
        NotFoundError
            If the feed has no such entity.
        InputError
            If the span is longer than allowed.
        """
        stored = self._ops.feeds.get(feed)
        longest_days = self._longest_days()
        if window.end_s - window.start_s > longest_days * _DAY_S:
            raise InputError(f"a curve spans at most {longest_days} days")
        thin = _Thinner(points, window)
        if stored.kind == "polls":
            shown = self._polls(feed, entity, device, window, kpis, thin)
        else:
            shown = self._frame(stored, entity, window, kpis, thin)
        score, level, contributions = self._scores(feed, entity, window, kpis, thin)
        return Curves(
            feed, entity, window, stored.interval_s, shown, score, level, contributions,
            thin.has_thinned,
        )  # fmt: skip

    def _frame(
        self,
        stored: Feed,
        entity: str,
        window: TimeWindow,
        kpis: Sequence[str],
        thin: _Thinner,
    ) -> list[Curve]:
        store = self._stores.kpi_or_none(stored.name)
        if store is None:
            raise NotFoundError("entity", entity)
        frame: KpiFrame | None
        if stored.kind == "cube":
            if entity != stored.name:
                raise NotFoundError("entity", entity)
            from faultsight.flow.cubes.overall import overall_frame

            frame = overall_frame(store, _on_grid(window, stored.interval_s), config_of(stored))
            return [] if frame is None else thin.frame(frame, kpis or frame.kpis)
        if not _is_entity(store, entity):
            raise NotFoundError("entity", entity)
        known = store.columns
        wanted = [k for k in (kpis or known) if k in known][:_MOST_CURVES]
        if not wanted:
            return []
        frames = store.frames(window, entities=[entity], kpis=wanted)
        return [curve for frame in frames for curve in thin.frame(frame, wanted)]

    def _scores(
        self, feed: str, entity: str, window: TimeWindow, kpis: Sequence[str], thin: _Thinner
    ) -> tuple[Curve | None, Curve | None, list[Curve]]:
        store = self._stores.scores(feed)
        if store is None:
            return None, None, []
        residuals = [c for c in store.columns if c.startswith(RESIDUAL)]
        if kpis:
            residuals = [c for c in residuals if c.removeprefix(RESIDUAL) in kpis]
        columns = ["score", "level", *residuals[:_MOST_CURVES]]
        frames = store.frames(window, entities=[entity], kpis=columns)
        if not frames:
            return None, None, []
        score, level, *rest = thin.frame(frames[0], columns)
        return (
            score,
            level,
            [
                Curve(curve.name.removeprefix(RESIDUAL), curve.times_s, curve.values)
                for curve in rest
            ],
        )

    def _polls(
        self,
        feed: str,
        fnode: str,
        device: str | None,
        window: TimeWindow,
        kpis: Sequence[str],
        thin: _Thinner,
    ) -> list[Curve]:
        found = list(self._stores.polls(feed).nodes(window, fnodes=[fnode]))
        if not found:
            return []
        polls = found[0]
        curves = node_medians(polls) if device is None else device_curves(polls, device)
        return [
            thin.curve(name, times, values)
            for name, (times, values) in curves.items()
            if not kpis or name in kpis or name.partition(" ")[0] in kpis
        ]


class _Thinner:
    def __init__(self, points: int, window: TimeWindow) -> None:
        self._points = points
        self._window = window
        self.has_thinned = False

    def frame(self, frame: KpiFrame, names: Sequence[str]) -> list[Curve]:
        place = {kpi: position for position, kpi in enumerate(frame.kpis)}
        return [
            self.curve(name, frame.times_s, frame.values[:, place[name]])
            for name in names
            if name in place
        ]

    def curve(self, name: str, times_s: NDArray[np.int64], values: NDArray[np.floating]) -> Curve:
        rows = kept_rows(values, self._points)
        self.has_thinned |= len(rows) < len(values)
        told = [None if math.isnan(value) else value for value in values[rows].tolist()]
        return Curve(name, times_s[rows].tolist(), told)


def node_medians(polls: NodePolls) -> Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return, hour by hour, the median of each level over the polls of all modems and channels."""
    hour = polls.time_s.astype(np.int64) // _HOUR_S
    hours = np.unique(hour)
    order = np.argsort(hour, kind="stable")
    starts = np.searchsorted(hour[order], hours)
    ends = np.append(starts[1:], len(hour))
    curves = {}
    for name in LEVELS:
        values = polls.values.get(name)
        if values is None or not len(hours):
            continue
        told = [_median(values[order[start:end]]) for start, end in zip(starts, ends, strict=True)]
        curves[name] = (hours * _HOUR_S, np.array(told))
    return curves


def _median(values: NDArray[np.float32]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def device_curves(
    polls: NodePolls, device: str
) -> Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return each level of each channel of one modem, poll by poll.

    Raises
    ------
    NotFoundError
        If the node has no such modem.
    """
    if device not in polls.device_ids:
        raise NotFoundError("modem", device)
    at = polls.device_ids.index(device)
    own = slice(int(polls.device_start[at]), int(polls.device_start[at + 1]))
    times = polls.time_s[own].astype(np.int64)
    return {
        f"{name} {channel}": (times, polls.values[name][own, place].astype(np.float64))
        for name in LEVELS
        if name in polls.values
        for place, channel in enumerate(polls.channels)
    }


def _is_entity(store: KpiStore, entity: str) -> bool:
    return entity in set(store.entities)


def _on_grid(window: TimeWindow, interval_s: int) -> TimeWindow:
    end_s = -(-window.end_s // interval_s) * interval_s
    return TimeWindow(window.start_s // interval_s * interval_s, end_s)
