"""What one run of the loop over one feed works on; each stage adds its part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from faultsight.core.alarm import AlarmRecord
from faultsight.core.incident import IncidentRecord, RootPattern
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.config import FeedConfig
from faultsight.flow.records import ModelSpan, Records
from faultsight.flow.row_book import RowBook
from faultsight.flow.score_book import Floats, ScoreBook, ScoredRows, Shares
from faultsight.flow.score_store import ScoreStore
from faultsight.flow.stages.group import Scope
from faultsight.flow.stages.mute import Rule
from faultsight.runners import Runner

if TYPE_CHECKING:
    from faultsight.flow.fault_states import States
    from faultsight.flow.stages.score import ScorePart

__all__ = ["Notice", "Rerank", "Tick", "TickResult"]

Rerank: TypeAlias = Callable[[str, Scope, Sequence[RootPattern]], Sequence[RootPattern]]
"""Given a feed, a scope and its ranked patterns: the same, those that operators rejected lower."""


@dataclass(frozen=True)
class Notice:
    """One thing to be told, through one notifier.

    Attributes
    ----------
    notifier : str
        Its name.
    fingerprint : str
        The same for the same thing: whoever is told twice can know it.
    payload : mapping
        JSON values.
    """

    notifier: str
    fingerprint: str
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class TickResult:
    """What one run of the loop over one feed did.

    Attributes
    ----------
    feed : str
        Which feed.
    scored_until_s : int, optional
        The first second that is not scored yet; None if nothing ever was.
    rows_scored, entities_scored : int
        Rows with a score, and entities.
    late_entities : int
        Entities scored anew for late data.
    too_late : int
        Entities whose late data lie before the horizon: kept, alarms stay as they are.
    new, changed, withdrawn : tuple of AlarmRecord
        Alarms as they are stored now.
    incidents : tuple of IncidentRecord
        Incidents that were made or brought up to date.
    notices : int
        Messages put into the outbox.
    waiting_for : str
        Why nothing could be done, if so.
    """

    feed: str
    scored_until_s: int | None = None
    rows_scored: int = 0
    entities_scored: int = 0
    late_entities: int = 0
    too_late: int = 0
    new: tuple[AlarmRecord, ...] = ()
    changed: tuple[AlarmRecord, ...] = ()
    withdrawn: tuple[AlarmRecord, ...] = ()
    incidents: tuple[IncidentRecord, ...] = ()
    notices: int = 0
    waiting_for: str = ""


@dataclass(eq=False)
class Tick:
    """The work of one run over one feed.

    Attributes
    ----------
    config, folder, records, runner, rerank
        Given: the feed's rules, the state folder, what was decided before, who does the work, and
        how patterns that were rejected are ranked.
    from_s, until_s : int
        New rows: from the first one not scored yet to now.
    late : mapping of str to TimeWindow
        By entity, where late data came.
    too_late : int
        Entities whose late data are not acted on any more.
    rules, rules_changed
        The suppressions that stand; and where some came, went or changed.
    attributes : mapping of str to mapping
        Of each entity.
    base_url : str
        Where the console is, for links.
    states : States, optional
        Where the faults of a ``polls`` feed stand; in the state folder if not given.
    book, scores
        Recent scores; and the store of all of them, if there is one.
    rows : RowBook, optional
        Recent telemetry, where it is kept in memory.
    models : tuple of ModelSpan
        Which model scores from when on.
    parts, scored : list
        What is to be scored, and what was.
    touched : dict of str to int
        By entity, the first row whose score is new.
    scope : TimeWindow
        Where alarms were computed anew.
    stored : dict of str to AlarmRecord
        The alarms there, as they are stored, by id.
    wanted : dict of str to AlarmRecord
        The alarms there, as they should be, by id.
    stored_incidents, incidents : dict of str to IncidentRecord
        Those near, as they are stored; those to be stored.
    members : dict of str to str
        By alarm, the incident that it is part of, where that was looked at.
    notices : list of Notice
        Whom to tell what.
    """

    config: FeedConfig
    folder: Path
    records: Records
    runner: Runner
    book: ScoreBook
    scores: ScoreStore | None
    rows: RowBook | None
    models: tuple[ModelSpan, ...]
    from_s: int
    until_s: int
    late: Mapping[str, TimeWindow] = field(default_factory=dict)
    too_late: int = 0
    rules: Sequence[Rule] = ()
    rules_changed: Sequence[TimeWindow] = ()
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rerank: Rerank | None = None
    base_url: str = ""
    states: States | None = None
    parts: list[ScorePart] = field(default_factory=list)
    scored: list[ScoredRows] = field(default_factory=list)
    touched: dict[str, int] = field(default_factory=dict)
    scope: TimeWindow = field(default_factory=lambda: TimeWindow(0, 0))
    stored: dict[str, AlarmRecord] = field(default_factory=dict)
    wanted: dict[str, AlarmRecord] = field(default_factory=dict)
    stored_incidents: dict[str, IncidentRecord] = field(default_factory=dict)
    incidents: dict[str, IncidentRecord] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)

    def ratios(self, entity: str, window: TimeWindow) -> Floats:
        """Return score over level of an entity, also of rows that the book has forgotten."""
        older = TimeWindow(window.start_s, max(window.start_s, self.book.start_s))
        ratio = self.book.ratios(entity, window)
        if older.end_s > older.start_s and self.scores is not None:
            told = self.scores.ratios(entity, older)
            ratio[: len(told)] = told[: len(ratio)]
        return ratio

    def told(self, entity: str, time_s: int) -> tuple[Shares, int]:
        """Return which KPIs a row above the level rests on, and the model that said so."""
        told = self.book.told(entity, time_s)
        if told is None and self.scores is not None:
            told = self.scores.told(entity, time_s)
        return told or ((), 0)

    @property
    def withdrawn(self) -> list[AlarmRecord]:
        """Alarms that are stored and not wanted any more."""
        return [alarm for id_, alarm in self.stored.items() if id_ not in self.wanted]

    @property
    def changed(self) -> list[AlarmRecord]:
        """Alarms that are new, other than stored, or withdrawn."""
        told = [a for id_, a in self.wanted.items() if not same(a, self.stored.get(id_))]
        return told + self.withdrawn


def same(alarm: AlarmRecord, before: AlarmRecord | None) -> bool:
    """Whether an alarm says what it said before; its version and incident do not count."""
    if before is None:
        return False
    own, other = alarm.to_dict(), before.to_dict()
    return all(own[key] == other[key] for key in own if key not in ("version", "incident_id"))
