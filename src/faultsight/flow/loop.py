"""The loop: one tick takes a feed from its new samples to alarms, incidents and notices.

What a tick decides follows from telemetry, models, suppressions and feedback alone: not from when
the loop ran, in what order rows came, or how many workers there are. Scores are stored; alarms and
incidents are made again where scores are new and reconciled with what is stored, in one
transaction with the notices and the watermark. A tick that is killed is done again by the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from faultsight.core.alarm import AlarmRecord
from faultsight.core.errors import NotFoundError
from faultsight.core.incident import IncidentRecord
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.telemetry import TelemetryFolder
from faultsight.flow.config import FeedConfig
from faultsight.flow.records import FOREVER_S, ModelSpan, StoredRecords, models_key
from faultsight.flow.row_book import MOST_CELLS, RowBook
from faultsight.flow.score_book import ScoreBook
from faultsight.flow.score_store import ScoreStore
from faultsight.flow.stages.diagnose import Diagnose, first_window_s
from faultsight.flow.stages.fault_incidents import FaultIncidents
from faultsight.flow.stages.group import Group
from faultsight.flow.stages.localize import Localize
from faultsight.flow.stages.mute import Mute, Rule, touched_by
from faultsight.flow.stages.notify import Notify
from faultsight.flow.stages.raise_alarms import RaiseAlarms
from faultsight.flow.stages.score import ScoreRows, Windows
from faultsight.flow.tick import Rerank, Tick, TickResult
from faultsight.runners import RUNNERS, Runner
from faultsight.stores.operations import Operations
from faultsight.stores.telemetry import KpiStore

__all__ = ["CABLE_STAGES", "STAGES", "Loop", "Stage", "run_stages"]


class Stage(Protocol):
    """One step of a tick."""

    def run(self, tick: Tick) -> None:
        """Read what earlier stages have put into the tick, and add to it."""


STAGES: tuple[Stage, ...] = (
    Windows(),
    ScoreRows(),
    RaiseAlarms(),
    Mute(),
    Group(),
    Localize(),
    Notify(),
)
"""From samples to notices, in order."""

CABLE_STAGES: tuple[Stage, ...] = (Diagnose(), Mute(), FaultIncidents(), Notify())
"""The same for polls of cable modems."""


def run_stages(tick: Tick, stages: Iterable[Stage] = STAGES) -> Tick:
    """Run every stage on a tick, and return it."""
    for stage in stages:
        stage.run(tick)
    return tick


@dataclass(eq=False)
class _Watched:
    """What the loop remembers of a feed from tick to tick; all of it can be read again."""

    book: ScoreBook
    scores: ScoreStore | None
    rows: RowBook | None
    rules: Sequence[Rule] = field(default=())


class Loop:
    """Takes feeds from samples to decisions, a tick at a time.

    Parameters
    ----------
    ops : Operations
        Where decisions are stored.
    folder : path
        The state folder: ``telemetry/``, ``scores/`` and ``models/`` lie in it.
    feeds : sequence of FeedConfig
        The rules of each feed; each is known to the operations store.
    runner : Runner, optional
        Who does the scoring; serial if not given.
    clock : callable
        Says what time it is, seconds since 1970 UTC.
    rerank : callable, optional
        Given a feed, the scope of an incident and its patterns: the patterns, those that operators
        rejected there lower.
    base_url : str
        Where the console is, for links in notices.
    most_cells : int
        Entities times rows times KPIs of a feed that are kept in memory at most; the rows of larger
        feeds are read from the store by whoever scores them.

    Examples
    --------
    >>> import tempfile
    >>> state = Path(tempfile.mkdtemp())
    >>> ops = Operations.open(state / "operations.sqlite")
    >>> _ = ops.feeds.add("cells", "kpi", 3600)
    >>> loop = Loop(ops, state, [FeedConfig("cells")])
    >>> loop.tick("cells", 7200).waiting_for
    'there is no telemetry yet'
    >>> ops.close()
    """

    def __init__(
        self,
        ops: Operations,
        folder: Path | str,
        feeds: Sequence[FeedConfig],
        runner: Runner | None = None,
        clock: Callable[[], float] = time.time,
        *,
        rerank: Rerank | None = None,
        base_url: str = "",
        most_cells: int = MOST_CELLS,
    ) -> None:
        self.ops = ops
        self.folder = Path(folder)
        self.feeds = {config.name: config for config in feeds}
        self.runner: Runner = runner or RUNNERS.load("serial")()
        self.clock = clock
        self.rerank = rerank
        self.base_url = base_url.rstrip("/")
        self.most_cells = most_cells
        self.records = StoredRecords(ops)
        self._watched: dict[str, _Watched] = {}

    def tick(self, feed: str, now_s: float | None = None) -> TickResult:
        """Score what is new of a feed, and bring its alarms and incidents up to date.

        Parameters
        ----------
        feed : str
            Its name.
        now_s : float, optional
            The present; the clock's if not given. Rows after it are not looked at.

        Returns
        -------
        TickResult
            What was done.

        Raises
        ------
        NotFoundError
            If the loop has no such feed.
        """
        if feed not in self.feeds:
            raise NotFoundError("feed", feed)
        config = self.feeds[feed]
        present_s = int(self.clock() if now_s is None else now_s)
        try:
            return self._tick(config, present_s)
        except BaseException:
            # What is in memory may be ahead of what is stored.
            self.forget(feed)
            raise

    def forget(self, feed: str) -> None:
        """Forget what is remembered of a feed; the next tick reads it again."""
        self._watched.pop(feed, None)

    def _tick(self, config: FeedConfig, now_s: int) -> TickResult:
        mark = self.ops.feeds.watermark(config.name)
        due = _rows_due if config.kind != "polls" else _windows_due
        span = due(self.folder / "telemetry" / config.name, config, now_s, mark.scored_until_s)
        if span is None:
            return TickResult(config.name, waiting_for="there is no telemetry yet")
        models = self._models(config, mark.scored_until_s)
        if not models:
            return TickResult(config.name, mark.scored_until_s, waiting_for="no model is active")
        watched = self._watched.get(config.name) or self._watch(config, span.start_s)
        self._watched[config.name] = watched
        horizon = TimeWindow(span.start_s - config.horizon_s - config.quiet_s, FOREVER_S)
        with self.ops.snapshot() as tx:
            dirty = self.ops.feeds.dirty(config.name, tx=tx)
            rules = self.records.rules(config.name, horizon, tx=tx)
            attributes = self.records.attributes(config.name, tx=tx)
        # Before anything was scored nothing is late.
        windows = {} if mark.scored_until_s is None else dirty.windows
        late, too_late = _late(windows, span.start_s, config)
        changed = touched_by(rules, watched.rules, TimeWindow(horizon.start_s, span.end_s))
        if span.start_s == span.end_s and not late and not changed:
            if dirty.windows:
                self.ops.feeds.clear_dirty(config.name, dirty.through)
            return TickResult(config.name, mark.scored_until_s, too_late=too_late)
        # After the dirty windows: a row that comes in between is marked, and scored again.
        if watched.rows is not None and not watched.rows.update():
            watched.rows = None  # too large: read from the store from now on
        tick = Tick(
            config=config,
            folder=self.folder,
            records=self.records,
            runner=self.runner,
            book=watched.book,
            scores=watched.scores,
            rows=watched.rows,
            models=tuple(replace(m, path=str(self.folder / m.path)) for m in models),
            from_s=span.start_s,
            until_s=span.end_s,
            late=late,
            too_late=too_late,
            rules=rules,
            rules_changed=[
                TimeWindow(max(w.start_s, horizon.start_s), min(w.end_s, span.end_s))
                for w in changed
            ],
            attributes=attributes,
            rerank=self.rerank,
            base_url=self.base_url,
        )
        run_stages(tick, CABLE_STAGES if config.kind == "polls" else STAGES)
        result = self._commit(tick, dirty.through)
        watched.rules = rules
        watched.book.trim(span.end_s - config.horizon_s - config.quiet_s)
        if watched.rows is not None:
            watched.rows.trim(_kept_from(span.end_s, config))
        return result

    def _watch(self, config: FeedConfig, from_s: int) -> _Watched:
        """Read what the loop remembers of a feed."""
        if config.kind == "polls":
            return _Watched(ScoreBook(config.step_s, from_s), None, None)
        store = KpiStore(self.folder / "telemetry" / config.name)
        scores = ScoreStore(
            self.folder / "scores" / config.name,
            config.name,
            config.interval_s,
            n_buckets=store.n_buckets,
        )
        start_s = from_s - config.horizon_s - config.quiet_s
        start_s = start_s // config.interval_s * config.interval_s
        book = ScoreBook(config.interval_s, start_s, config.level_factor)
        scores.fill(book, TimeWindow(start_s, from_s))
        rows = None
        if config.kind == "kpi":
            rows = RowBook(store, _kept_from(from_s, config), most_cells=self.most_cells)
        return _Watched(book, scores, rows)

    def _models(self, config: FeedConfig, scored_until_s: int | None) -> list[ModelSpan]:
        """Return which model scores from when on; note a model that has become active."""
        spans = list(self.records.models(config.name))
        active = self.ops.models.active(config.name)
        if active is None or (spans and spans[-1].id == active.id):
            return spans
        from_s = scored_until_s if spans else None
        spans = [span for span in spans if span.from_s is None or span.from_s != from_s]
        spans.append(ModelSpan(from_s, active.id, active.path, active.version))
        told = [[span.from_s, span.id, span.path, span.version] for span in spans]
        self.ops.settings.set(
            models_key(config.name), told, by="loop", why=f"{active.id} is active"
        )
        return spans

    def _commit(self, tick: Tick, through: int) -> TickResult:
        """Store what the tick decided, all or nothing; scores are there before."""
        rows = 0 if tick.scores is None else tick.scores.append(tick.scored)
        feed = tick.config.name
        news = _with_news(tick)
        late = frozenset(
            alarm.entity
            for alarm in news
            if alarm.entity in tick.late or alarm.payload.get("fnode") in tick.late
        )
        others = frozenset(alarm.entity for alarm in news) - late
        with self.ops.transaction() as tx:
            done = []
            for entities, why in ((others, "scored"), (late, "late data")):
                wanted = [a for a in tick.wanted.values() if a.entity in entities]
                if entities:
                    done.append(
                        self.ops.alarms.reconcile(
                            feed, tick.scope, entities, wanted, why=why, tx=tx
                        )
                    )
            for incident, ids in _elsewhere(tick).items():
                self.ops.alarms.set_incident(ids, incident, tx=tx)
            told = [
                self.ops.incidents.upsert(tick.incidents[id_], tx=tx)
                for id_ in sorted(tick.incidents)
            ]
            notices = sum(
                self.ops.outbox.put(n.notifier, n.fingerprint, n.payload, tx=tx)
                for n in tick.notices
            )
            self.ops.feeds.set_watermark(
                feed, data_until_s=tick.until_s, scored_until_s=tick.until_s, tx=tx
            )
            self.ops.feeds.clear_dirty(feed, through, tx=tx)
        return TickResult(
            feed,
            tick.until_s,
            rows_scored=rows,
            entities_scored=len(tick.touched),
            late_entities=len(tick.late),
            too_late=tick.too_late,
            new=_together(changes.new for changes in done),
            changed=_together(changes.changed for changes in done),
            withdrawn=_together(changes.withdrawn for changes in done),
            incidents=tuple(incident for incident in told if _is_news(incident, tick)),
            notices=notices,
        )


def _rows_due(
    path: Path, config: FeedConfig, now_s: int, scored_until_s: int | None
) -> TimeWindow | None:
    """Return the rows that are to be scored; None if there is no telemetry."""
    store = KpiStore(path) if KpiStore.is_feed(path) else None
    newest_s = None if store is None else store.newest_s
    if store is None or newest_s is None:
        return None
    step = config.interval_s
    from_s = scored_until_s
    if from_s is None:
        from_s = store.window.start_s if config.since_s is None else config.since_s
        from_s = -(-from_s // step) * step
    until_s = min((now_s - config.lateness_s) // step * step, newest_s + step)
    return TimeWindow(from_s, max(until_s, from_s))


def _windows_due(
    path: Path, config: FeedConfig, now_s: int, scored_until_s: int | None
) -> TimeWindow | None:
    """Return the span whose windows are to be diagnosed; None if there is no poll."""
    if not TelemetryFolder.is_telemetry(path):
        return None
    whole = TelemetryFolder(path).window
    if whole.end_s <= whole.start_s:
        return None
    step = config.step_s
    from_s = first_window_s(config, whole) if scored_until_s is None else scored_until_s
    until_s = min((now_s - config.lateness_s) // step, -(-whole.end_s // step)) * step
    return TimeWindow(from_s, max(until_s, from_s))


def _kept_from(from_s: int, config: FeedConfig) -> int:
    """Return how far back rows are kept: for the next block, and what incidents compare with."""
    back_s = config.history_s + config.block_s
    if config.cube is not None and config.cube.attributes:
        back_s = max(back_s, config.cube.seasons * config.cube.season_s + config.longest_s)
    return (from_s - back_s) // config.block_s * config.block_s


def _late(
    windows: Mapping[str, TimeWindow], from_s: int, config: FeedConfig
) -> tuple[dict[str, TimeWindow], int]:
    """Return what late rows touched and may still change, and of how many entities it may not."""
    step = config.interval_s
    first_s = from_s - config.horizon_s
    late, too_late = {}, 0
    for entity, window in windows.items():
        start_s = window.start_s // step * step
        if start_s >= from_s:
            continue
        if window.end_s + config.history_s <= first_s:
            too_late += 1
            continue
        late[entity] = TimeWindow(max(start_s, first_s), max(min(window.end_s, from_s), first_s))
    return late, too_late


def _with_news(tick: Tick) -> list[AlarmRecord]:
    """Return the alarms that are to be stored: changed ones, and those of another incident."""
    moved = [
        alarm
        for id_, alarm in tick.wanted.items()
        if alarm.incident_id is not None
        and (id_ not in tick.stored or tick.stored[id_].incident_id != alarm.incident_id)
    ]
    return tick.changed + moved


def _elsewhere(tick: Tick) -> dict[str | None, list[str]]:
    """Return the alarms whose incident `reconcile` does not set, by incident."""
    told: dict[str | None, list[str]] = {}
    for alarm_id, incident in sorted(tick.members.items()):
        if alarm_id not in tick.wanted:
            told.setdefault(incident, []).append(alarm_id)
    for alarm in (*tick.wanted.values(), *tick.withdrawn):
        before = tick.stored.get(alarm.id)
        is_told = alarm.id in tick.wanted and alarm.muted_by is None
        if not is_told and before is not None and before.incident_id is not None:
            told.setdefault(None, []).append(alarm.id)
    return told


def _is_news(incident: IncidentRecord, tick: Tick) -> bool:
    before = tick.stored_incidents.get(incident.id)
    return before is None or before.version != incident.version


def _together(parts: Iterable[tuple[AlarmRecord, ...]]) -> tuple[AlarmRecord, ...]:
    return tuple(sorted((a for part in parts for a in part), key=lambda a: (a.start_s, a.entity)))
