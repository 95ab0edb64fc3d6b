"""What operators say: events that are only ever added, and what stands of them now.

An event says who decided what, when and why. Nothing is changed or deleted: an ``undo`` takes
back an earlier event, also an earlier undo. `fold` gives what stands: the marks that a detector
learns from, the decisions on root patterns, the outcomes of dispatches. `read_marks` reads marks
from a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import polars as pl

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.kpi_frame import TimeWindow, epoch_seconds
from faultsight.core.spreadsheet import text_of
from faultsight.core.tables import as_polars

__all__ = [
    "DispatchOutcome", "FeedbackEvent", "FeedbackKind", "FeedbackState", "Mark", "MarkKind",
    "PatternDecision", "fold", "read_marks",
]  # fmt: skip


_LONGEST_S = 3653 * 86_400
"""A longer mark is a slip of the pen, and would leave no row to judge tuning by."""


class MarkKind(StrEnum):
    """What a mark says of its span."""

    FALSE_ALARM = "false_alarm"
    """An alarm was raised and nothing was wrong."""
    MISSED = "missed"
    """Something was wrong and no alarm was raised."""
    CONFIRMED = "confirmed"
    """An alarm was raised, rightly."""
    IGNORE = "ignore"
    """Not to be learned from: planned work, doubtful data ("don't care")."""

    @property
    def is_anomaly(self) -> bool:
        """Whether something was wrong in the span."""
        return self in (MarkKind.MISSED, MarkKind.CONFIRMED)


@dataclass(frozen=True, order=True)
class Mark:
    """One span of one entity, marked by an operator.

    Parameters
    ----------
    entity : str
        Whose KPIs were looked at.
    window : TimeWindow
        Half-open span, UTC.
    kind : MarkKind
        What the operator says of it.
    kpis : tuple of str
        The KPIs that show it; empty if the operator did not tell.

    Examples
    --------
    >>> Mark("cell-1", TimeWindow(0, 3600), MarkKind.MISSED).kind.is_anomaly
    True
    """

    entity: str
    window: TimeWindow
    kind: MarkKind
    kpis: tuple[str, ...] = ()


def read_marks(table: Any, *, source: str | None = None) -> list[Mark]:
    """Return the marks of a table, sorted, each once.

    Parameters
    ----------
    table : any eager frame
        Columns ``entity``, ``start``, ``end`` (times, ISO texts or epoch seconds; half-open),
        ``kind`` (``false_alarm``, ``missed``, ``confirmed``, ``ignore``; a row where it is empty
        was not marked and is passed over), and optionally ``kpis`` (names joined by ``;``). An
        apostrophe that `faultsight.core.spreadsheet` has put before a name is taken off.
    source : str, optional
        The file, for messages.

    Raises
    ------
    InputError
        If a column is missing or a value cannot be read; names the column and row.

    Examples
    --------
    >>> marks = read_marks(pl.DataFrame({"entity": ["a"], "start": [0], "end": [60],
    ...                                  "kind": ["false_alarm"]}))
    >>> marks[0].kind.value
    'false_alarm'
    """
    rows = as_polars(table)
    for column in ("entity", "start", "end", "kind"):
        if column not in rows.columns:
            raise MissingColumnError(column, rows.columns, source=source)
    starts, ends = epoch_seconds(rows["start"], source), epoch_seconds(rows["end"], source)
    kpis: Sequence[str | None] = (
        rows["kpis"].cast(pl.String).to_list() if "kpis" in rows.columns else [None] * rows.height
    )
    marks = set()
    for row in range(rows.height):

        def wrong(problem: str, column: str, row: int = row) -> InputError:
            return InputError(problem, source=source, column=column, row=row + 1)

        said = str(rows["kind"][row] or "").strip()
        if not said:
            continue
        try:
            kind = MarkKind(said)
        except ValueError:
            known = ", ".join(MarkKind)
            raise wrong(f"{said!r} is not one of {known}", "kind") from None
        if rows["entity"][row] is None:
            raise wrong("the entity is missing", "entity")
        for column, times in (("start", starts), ("end", ends)):
            if times[row] != times[row]:
                raise wrong("the time is missing", column)
        if ends[row] <= starts[row]:
            raise wrong("the span ends before it starts", "end")
        if ends[row] - starts[row] > _LONGEST_S:
            raise wrong("the span is longer than ten years; is a year wrong?", "end")
        named = tuple(sorted(filter(None, (part.strip() for part in (kpis[row] or "").split(";")))))
        window = TimeWindow(int(starts[row]), -int(-ends[row] // 1))
        marks.add(Mark(text_of(str(rows["entity"][row])), window, kind, named))
    return sorted(marks)


class FeedbackKind(StrEnum):
    """What an operator did."""

    CONFIRM = "confirm"
    """The alarm was right."""
    REJECT = "reject"
    """The alarm was false."""
    MISSED = "missed"
    """There was no alarm and should have been one."""
    IGNORE = "ignore"
    """Not to be learned from."""
    RELABEL = "relabel"
    """The span is what ``body["mark"]`` says, a `MarkKind`; replaces what was said of it."""
    CONFIRM_PATTERN = "confirm_pattern"
    REJECT_PATTERN = "reject_pattern"
    CORRECT_PATTERN = "correct_pattern"
    """``body["combination"]`` is wrong; ``body["correction"]`` is right."""
    DISPATCH_OUTCOME = "dispatch_outcome"
    """What the crew found: ``body["outcome"]``."""
    UNDO = "undo"
    """Takes back the event ``undoes``."""


_MARK_OF = {
    FeedbackKind.CONFIRM: MarkKind.CONFIRMED,
    FeedbackKind.REJECT: MarkKind.FALSE_ALARM,
    FeedbackKind.MISSED: MarkKind.MISSED,
    FeedbackKind.IGNORE: MarkKind.IGNORE,
}
_ON_PATTERNS = (
    FeedbackKind.CONFIRM_PATTERN,
    FeedbackKind.REJECT_PATTERN,
    FeedbackKind.CORRECT_PATTERN,
)


@dataclass(frozen=True, kw_only=True)
class FeedbackEvent:
    """One thing that one operator said at one time.

    Parameters
    ----------
    id : int
        Counted by the store; 0 until it is stored.
    at_s : int
        When, in seconds since 1970 UTC.
    by : str
        Who.
    kind : FeedbackKind
        What.
    feed : str
        Of which stream of telemetry.
    entity, window : str and TimeWindow, optional
        Whose span is marked; needed by confirm, reject, missed, ignore and relabel.
    kpis : tuple of str
        The KPIs that show it; empty if the operator did not tell.
    alarm_id, incident_id : str, optional
        What it is said of. Later words on the same alarm replace earlier ones.
    body : mapping
        JSON values. On patterns: ``scope`` and ``combination`` (and ``correction``) as pairs of
        attribute and value, and ``kpi``. On a dispatch: ``outcome`` and what else is known.
        On relabel: ``mark``.
    reason : str
        Why, in the operator's words.
    undoes : int, optional
        The id of the event that an undo takes back.

    Raises
    ------
    InputError
        If something that the kind needs is missing or cannot be read.

    Examples
    --------
    >>> event = FeedbackEvent(at_s=0, by="ana", kind=FeedbackKind.REJECT, feed="cells",
    ...                       entity="cell-1", window=TimeWindow(0, 60))
    >>> fold([event]).marks
    [Mark(entity='cell-1', window=TimeWindow(start_s=0, end_s=60),
          kind=<MarkKind.FALSE_ALARM: 'false_alarm'>, kpis=())]
    """

    id: int = 0
    at_s: int
    by: str
    kind: FeedbackKind
    feed: str
    entity: str | None = None
    window: TimeWindow | None = None
    kpis: tuple[str, ...] = ()
    alarm_id: str | None = None
    incident_id: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    undoes: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", FeedbackKind(self.kind))
        object.__setattr__(self, "kpis", tuple(sorted(set(self.kpis))))
        if not self.by:
            raise self._wrong("nobody is named who says it")
        if (self.undoes is not None) != (self.kind is FeedbackKind.UNDO):
            raise self._wrong("an undo, and nothing else, names the event that it takes back")
        if self.mark_kind is not None and (
            self.entity is None or self.window is None or self.window.end_s <= self.window.start_s
        ):
            raise self._wrong("it needs an entity and a window that is not empty")
        if self.kind in _ON_PATTERNS:
            self._decision()  # raises where the body cannot be read
        if self.kind is FeedbackKind.DISPATCH_OUTCOME and not self.body.get("outcome"):
            raise self._wrong("its body needs an outcome")

    @property
    def mark_kind(self) -> MarkKind | None:
        """The mark that it makes; None if it makes none."""
        if self.kind is FeedbackKind.RELABEL:
            try:
                return MarkKind(self.body["mark"])
            except (KeyError, ValueError):
                raise self._wrong(f"its body needs a mark: {', '.join(MarkKind)}") from None
        return _MARK_OF.get(self.kind)

    def to_dict(self) -> dict[str, Any]:
        """Return the event as JSON values."""
        window = None if self.window is None else [self.window.start_s, self.window.end_s]
        return {
            "id": self.id,
            "at_s": self.at_s,
            "by": self.by,
            "kind": self.kind.value,
            "feed": self.feed,
            "entity": self.entity,
            "window": window,
            "kpis": list(self.kpis),
            "alarm_id": self.alarm_id,
            "incident_id": self.incident_id,
            "body": dict(self.body),
            "reason": self.reason,
            "undoes": self.undoes,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FeedbackEvent:
        """Return the event that `to_dict` wrote."""
        window = values.get("window")
        return cls(**{**values, "window": window and TimeWindow(*window)})

    def _wrong(self, problem: str) -> InputError:
        return InputError(f"feedback of kind {self.kind.value}: {problem}", source=self.feed)

    def _mark(self) -> Mark | None:
        kind = self.mark_kind
        if kind is None or self.entity is None or self.window is None:
            return None
        return Mark(self.entity, self.window, kind, self.kpis)

    def _decision(self) -> PatternDecision:
        correction = self.body.get("correction")
        try:
            return PatternDecision(
                feed=self.feed,
                scope=tuple(sorted((str(a), str(v)) for a, v in self.body.get("scope", ()))),
                combination=_combination(self.body["combination"]),
                kpi=str(self.body.get("kpi", "")),
                kind=self.kind,
                correction=None if correction is None else _combination(correction),
                event=self,
            )
        except (KeyError, TypeError, ValueError):
            raise self._wrong(
                "its body needs scope and combination as pairs of attribute and value"
            ) from None


def _combination(pairs: Iterable[Sequence[str]]) -> AttributeCombination:
    return AttributeCombination((attribute, element) for attribute, element in pairs)


@dataclass(frozen=True)
class PatternDecision:
    """What stands of a root pattern in one scope.

    Attributes
    ----------
    feed : str
        Of which stream of telemetry.
    scope : tuple of (str, str)
        The scope of the incident, as sorted pairs of attribute and value.
    combination : AttributeCombination
        The pattern that was decided on.
    kpi : str
        The KPI that was localized; empty if all.
    kind : FeedbackKind
        Confirmed, rejected or corrected.
    correction : AttributeCombination, optional
        What it was, where the operator told.
    event : FeedbackEvent
        Who, when and why.
    """

    feed: str
    scope: tuple[tuple[str, str], ...]
    combination: AttributeCombination
    kpi: str
    kind: FeedbackKind
    correction: AttributeCombination | None
    event: FeedbackEvent


@dataclass(frozen=True)
class DispatchOutcome:
    """What a crew found.

    Attributes
    ----------
    outcome : str
        In the operators' terms, such as ``fixed`` or ``no_fault_found``.
    event : FeedbackEvent
        On which incident, alarm or entity; who, when and why; the rest of the body.
    """

    outcome: str
    event: FeedbackEvent


@dataclass(frozen=True)
class FeedbackState:
    """What stands of all feedback now.

    Attributes
    ----------
    marks : list of Mark
        Sorted, each once. Fold the events of one feed to learn from them: a mark has no feed.
    patterns : dict of (feed, scope) to tuple of PatternDecision
        The decisions in each scope, one a combination and KPI, sorted by combination.
    dispatches : tuple of DispatchOutcome
        The last one of each incident, alarm or entity, in order of time.
    standing : frozenset of int
        The ids of the events that no standing undo takes back.
    """

    marks: list[Mark]
    patterns: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[PatternDecision, ...]]
    dispatches: tuple[DispatchOutcome, ...]
    standing: frozenset[int]


def fold(events: Iterable[FeedbackEvent]) -> FeedbackState:
    """Return what stands of some feedback.

    Events count in order of their time, at equal times in order of their id; the order in which
    they are given does not matter. On one subject (an alarm, else an entity and its span; a
    pattern in its scope; a dispatch) the last standing word holds. An undo can only take back an
    event that was stored before it; undoing an undo restores.

    Parameters
    ----------
    events : iterable of FeedbackEvent
        Stored events; an id that comes twice counts once.

    Examples
    --------
    >>> said = dict(by="ana", feed="cells")
    >>> mark = FeedbackEvent(id=1, at_s=5, kind=FeedbackKind.MISSED, entity="cell-1",
    ...                      window=TimeWindow(0, 60), **said)
    >>> undo = FeedbackEvent(id=2, at_s=6, kind=FeedbackKind.UNDO, undoes=1, **said)
    >>> redo = FeedbackEvent(id=3, at_s=7, kind=FeedbackKind.UNDO, undoes=2, **said)
    >>> [len(fold(some).marks) for some in ([mark], [mark, undo], [redo, mark, undo])]
    [1, 0, 1]
    """
    given = {event.id or json.dumps(event.to_dict(), sort_keys=True): event for event in events}
    standing = _standing(list(given.values()))
    marks: dict[tuple[Any, ...], Mark] = {}
    patterns: dict[tuple[Any, ...], PatternDecision] = {}
    outcomes: dict[tuple[Any, ...], DispatchOutcome] = {}
    for event in sorted(standing, key=_in_order):
        mark = event._mark()
        if mark is not None:
            on_alarm = event.alarm_id is not None
            span = (event.alarm_id,) if on_alarm else (mark.entity, mark.window)
            marks[event.feed, on_alarm, *span] = mark
        elif event.kind in _ON_PATTERNS:
            decision = event._decision()
            place = (decision.feed, decision.scope, decision.combination, decision.kpi)
            patterns[place] = decision
        elif event.kind is FeedbackKind.DISPATCH_OUTCOME:
            about = (event.feed, event.incident_id, event.alarm_id, event.entity)
            # Taken out first, so that the order is that of the last words.
            outcomes.pop(about, None)
            outcomes[about] = DispatchOutcome(str(event.body["outcome"]), event)
    by_scope: dict[tuple[str, tuple[tuple[str, str], ...]], list[PatternDecision]] = {}
    for decision in sorted(
        patterns.values(), key=lambda one: (one.feed, one.scope, one.combination, one.kpi)
    ):
        by_scope.setdefault((decision.feed, decision.scope), []).append(decision)
    return FeedbackState(
        marks=sorted(set(marks.values())),
        patterns={scope: tuple(decisions) for scope, decisions in by_scope.items()},
        dispatches=tuple(outcomes.values()),
        standing=frozenset(event.id for event in standing if event.id),
    )


def _standing(events: Sequence[FeedbackEvent]) -> list[FeedbackEvent]:
    """Return the events that nothing takes back, undos among them."""
    undone: set[int] = set()
    standing = []
    # Only later ids undo earlier ones, so from the last to the first each one's fate is known.
    for event in sorted(events, key=lambda event: -event.id):
        if event.id in undone:
            continue
        standing.append(event)
        if event.undoes is not None and 0 < event.undoes < event.id:
            undone.add(event.undoes)
    return standing


def _in_order(event: FeedbackEvent) -> tuple[int, int, str]:
    # An event that is not stored has no id; its content then settles the order.
    text = "" if event.id else json.dumps(event.to_dict(), sort_keys=True)
    return event.at_s, event.id, text
