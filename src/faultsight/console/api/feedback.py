"""Feedback: what operators say; added, never changed, and undone by another entry."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Query
from pydantic import Field, StringConstraints

from faultsight.app.feedback import DispatchSaid, PatternSaid, SpanSaid, decisions_of
from faultsight.console.access import App, Operator, Viewer
from faultsight.console.api.incidents import Element, elements
from faultsight.console.paging import After, Limit, Page, limited
from faultsight.console.problems import responses
from faultsight.console.shapes import (
    FEED,
    PREFIX,
    CountedId,
    FeedFilter,
    FeedName,
    Given,
    Names,
    Reason,
    Span,
    Told,
    example,
    span_of,
)
from faultsight.core.feedback import FeedbackEvent, FeedbackKind, Mark, MarkKind

routes = APIRouter(prefix=PREFIX, tags=["feedback"])

_Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
_Note = Annotated[str, StringConstraints(max_length=2_000)]


class Window(Told):
    """A half-open span of time."""

    start_s: int
    end_s: int


class Feedback(Told):
    """One thing that somebody said."""

    id: int
    at_s: int
    by: str
    kind: FeedbackKind
    feed: str
    entity: str | None
    window: Window | None
    kpis: list[str]
    alarm_id: str | None
    incident_id: str | None
    body: dict[str, object]
    reason: str
    undoes: int | None


class AlarmVerdict(Given):
    """An alarm was right, was false, is not to be learned from, or is something else."""

    kind: Literal["confirm", "reject", "ignore", "relabel"] = Field(examples=["reject"])
    alarm_id: _Id = Field(examples=["8f14e45fceea167a"])
    mark: Literal["false_alarm", "missed", "confirmed", "ignore"] | None = Field(
        None, description="What the span is instead; for relabel only."
    )
    kpis: Names = Field(default_factory=list, description="The KPIs that show it.")
    reason: _Note = ""


class SpanVerdict(Given):
    """A span in which something was missed, or which is not to be learned from."""

    kind: Literal["missed", "ignore"] = Field(examples=["missed"])
    feed: str = Field(pattern=FEED, examples=["cells"])
    entity: Annotated[str, StringConstraints(min_length=1, max_length=512)] = Field(
        examples=["cell-17"]
    )
    window: Span
    kpis: Names = Field(default_factory=list, description="The KPIs that show it.")
    reason: _Note = ""


class GivenElement(Given):
    """One attribute and its value."""

    attribute: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    value: Annotated[str, StringConstraints(max_length=512)]


_Combination = Annotated[list[GivenElement], Field(max_length=50)]


class PatternVerdict(Given):
    """A root pattern of an incident was right, was wrong, or was another one."""

    kind: Literal["confirm_pattern", "reject_pattern", "correct_pattern"]
    incident_id: _Id
    combination: _Combination
    correction: _Combination | None = Field(None, description="For correct_pattern: what it is.")
    kpi: Annotated[str, StringConstraints(max_length=512)] = ""
    reason: _Note = ""


class DispatchVerdict(Given):
    """What the crew found."""

    kind: Literal["dispatch_outcome"]
    incident_id: _Id
    outcome: Literal["maintenance", "service", "no_fault_found", "other"]
    note: _Note = ""
    reason: _Note = ""


class UndoReason(Given):
    """Why something is taken back."""

    model_config = example({"reason": "the wrong alarm"})

    reason: Reason


class StandingMark(Told):
    """A mark that stands now."""

    entity: str
    window: Window
    kind: MarkKind
    kpis: list[str]


class StandingDecision(Told):
    """A decision on a root pattern that stands now."""

    scope: list[Element]
    combination: list[Element]
    kpi: str
    kind: FeedbackKind
    correction: list[Element] | None
    event_id: int


class FeedbackState(Told):
    """What stands of all that was said: what models learn from."""

    marks: list[StandingMark]
    patterns: list[StandingDecision]


def feedback_told(event: FeedbackEvent) -> Feedback:
    """Return an event as clients see it."""
    window = event.window and Window(start_s=event.window.start_s, end_s=event.window.end_s)
    return Feedback.model_validate({**event.to_dict(), "window": window})


@routes.get("/feedback", responses=responses())
def list_feedback(
    _: Viewer,
    app: App,
    feed: FeedFilter = None,
    alarm: Annotated[str | None, Query(pattern=r"^[0-9a-f]{16}$")] = None,
    incident: Annotated[str | None, Query(pattern=r"^[0-9a-f]{16}$")] = None,
    by: Annotated[str | None, Query(max_length=64, description="Said by this user.")] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[Feedback]:
    """Return what was said, the latest first."""
    page = app.feedback.page(
        feed=feed, alarm_id=alarm, incident_id=incident, by=by, after=after,
        limit=limited(limit, app.limits.page_rows),
    )  # fmt: skip
    return Page(items=[feedback_told(event) for event in page.items], next=page.next)


@routes.post("/feedback", status_code=201, responses=responses(404, 409))
def give_feedback(
    given: Annotated[
        AlarmVerdict | SpanVerdict | PatternVerdict | DispatchVerdict,
        Body(
            openapi_examples={
                "a false alarm": {
                    "value": {"kind": "reject", "alarm_id": "8f14e45fceea167a", "reason": "test"}
                },
                "a missed one": {
                    "value": {
                        "kind": "missed",
                        "feed": "cells",
                        "entity": "cell-17",
                        "window": {"start_s": 1767225600, "end_s": 1767229200},
                        "kpis": ["drop_rate"],
                        "reason": "customers called",
                    }
                },
            }
        ),
    ],
    who: Operator,
    app: App,
) -> Feedback:
    """Say something of an alarm, a span, a root pattern or a dispatch."""
    match given:
        case AlarmVerdict():
            mark = None if given.mark is None else MarkKind(given.mark)
            event = app.feedback.on_alarm(
                FeedbackKind(given.kind), given.alarm_id, who, mark=mark, kpis=given.kpis,
                reason=given.reason,
            )  # fmt: skip
        case SpanVerdict():
            said = SpanSaid(given.feed, given.entity, span_of(given.window), tuple(given.kpis))
            event = app.feedback.on_span(FeedbackKind(given.kind), said, who, reason=given.reason)
        case PatternVerdict():
            pattern = PatternSaid(
                _pairs(given.combination),
                None if given.correction is None else _pairs(given.correction),
                given.kpi,
            )
            event = app.feedback.on_pattern(
                FeedbackKind(given.kind), given.incident_id, pattern, who, reason=given.reason
            )
        case DispatchVerdict():
            outcome = DispatchSaid(given.outcome, given.note)
            event = app.feedback.on_dispatch(given.incident_id, outcome, who, reason=given.reason)
    return feedback_told(event)


@routes.post("/feedback/{event_id}/undo", status_code=201, responses=responses(404, 409))
def undo_feedback(event_id: CountedId, given: UndoReason, who: Operator, app: App) -> Feedback:
    """Take back what was said; to take back an undo restores it."""
    return feedback_told(app.feedback.undo(event_id, who, reason=given.reason))


@routes.get("/feeds/{feed}/feedback-state", responses=responses(404))
def get_feedback_state(feed: FeedName, _: Viewer, app: App) -> FeedbackState:
    """Return the marks and decisions that stand now."""
    state = app.feedback.state(feed)
    return FeedbackState(
        marks=[_mark_told(mark) for mark in state.marks],
        patterns=[
            StandingDecision(
                scope=_told(decision.scope),
                combination=_told(decision.combination.items()),
                kpi=decision.kpi,
                kind=decision.kind,
                correction=None
                if decision.correction is None
                else _told(decision.correction.items()),
                event_id=decision.event.id,
            )
            for decision in decisions_of(state)
        ],
    )


def _pairs(combination: list[GivenElement]) -> tuple[tuple[str, str], ...]:
    return tuple((element.attribute, element.value) for element in combination)


def _told(pairs: object) -> list[Element]:
    listed = [list(pair) for pair in pairs]  # type: ignore[attr-defined]
    return [Element.model_validate(element) for element in elements(listed)]


def _mark_told(mark: Mark) -> StandingMark:
    window = Window(start_s=mark.window.start_s, end_s=mark.window.end_s)
    return StandingMark(entity=mark.entity, window=window, kind=mark.kind, kpis=list(mark.kpis))
