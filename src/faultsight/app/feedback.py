"""Feedback: what operators say of alarms, spans, root patterns and dispatches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from faultsight.app.roles import Principal
from faultsight.core.errors import InputError
from faultsight.core.feedback import (
    FeedbackEvent,
    FeedbackKind,
    FeedbackState,
    MarkKind,
    PatternDecision,
    fold,
)
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import Operations, Page

__all__ = ["DispatchSaid", "Feedback", "PatternSaid", "SpanSaid", "decisions_of"]

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SpanSaid:
    """A span of one entity, and the KPIs that show what is said."""

    feed: str
    entity: str
    window: TimeWindow
    kpis: tuple[str, ...] = ()


@dataclass(frozen=True)
class PatternSaid:
    """A root pattern, what it is instead if it was wrong, and the KPI that was localized."""

    combination: Pairs
    correction: Pairs | None = None
    kpi: str = ""


@dataclass(frozen=True)
class DispatchSaid:
    """What the crew found."""

    outcome: str
    note: str = ""


class Feedback:
    """What was said, and what stands of it."""

    def __init__(self, ops: Operations) -> None:
        self._ops = ops

    def page(
        self,
        *,
        feed: str | None = None,
        alarm_id: str | None = None,
        incident_id: str | None = None,
        by: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[FeedbackEvent]:
        """Return what was said, the latest first."""
        return self._ops.feedback.page(
            feed=feed, alarm_id=alarm_id, incident_id=incident_id, by=by, after=after, limit=limit
        )

    def on_alarm(
        self,
        kind: FeedbackKind,
        alarm_id: str,
        who: Principal,
        *,
        mark: MarkKind | None = None,
        kpis: Sequence[str] = (),
        reason: str = "",
    ) -> FeedbackEvent:
        """Say that an alarm was right, was false, is not to be learned from, or is else.

        The span is the alarm's; of one that is still raised, up to where its feed is scored.

        Raises
        ------
        InputError
            If a mark is given and the kind is not relabel, or the other way round.
        """
        if (mark is not None) != (kind is FeedbackKind.RELABEL):
            raise InputError("a mark is what relabel, and nothing else, needs")
        alarm = self._ops.alarms.get(alarm_id)
        end_s = alarm.end_s
        if end_s is None:
            feed = self._ops.feeds.get(alarm.feed)
            end_s = max(feed.watermark.scored_until_s or 0, alarm.start_s + feed.interval_s)
        body = {} if mark is None else {"mark": mark.value}
        return self._append(
            who, kind, alarm.feed, entity=alarm.entity, window=TimeWindow(alarm.start_s, end_s),
            kpis=tuple(kpis), alarm_id=alarm.id, incident_id=alarm.incident_id, body=body,
            reason=reason,
        )  # fmt: skip

    def on_span(
        self, kind: FeedbackKind, said: SpanSaid, who: Principal, *, reason: str = ""
    ) -> FeedbackEvent:
        """Say that something was missed in a span, or that it is not to be learned from."""
        self._ops.feeds.get(said.feed)
        return self._append(
            who, kind, said.feed, entity=said.entity, window=said.window, kpis=said.kpis,
            reason=reason,
        )  # fmt: skip

    def on_pattern(
        self,
        kind: FeedbackKind,
        incident_id: str,
        said: PatternSaid,
        who: Principal,
        *,
        reason: str = "",
    ) -> FeedbackEvent:
        """Confirm, reject or correct a root pattern of an incident, in the incident's scope."""
        if (said.correction is not None) != (kind is FeedbackKind.CORRECT_PATTERN):
            raise InputError("a correction is what correct_pattern, and nothing else, needs")
        incident = self._ops.incidents.get(incident_id)
        body: dict[str, Any] = {
            "scope": [list(pair) for pair in incident.scope],
            "combination": _as_lists(said.combination),
            "kpi": said.kpi,
        }
        if said.correction is not None:
            body["correction"] = _as_lists(said.correction)
        return self._append(
            who, kind, incident.feed, incident_id=incident.id, body=body, reason=reason
        )

    def on_dispatch(
        self, incident_id: str, said: DispatchSaid, who: Principal, *, reason: str = ""
    ) -> FeedbackEvent:
        """Say what the crew found."""
        incident = self._ops.incidents.get(incident_id)
        return self._append(
            who, FeedbackKind.DISPATCH_OUTCOME, incident.feed, incident_id=incident.id,
            body={"outcome": said.outcome, "note": said.note}, reason=reason,
        )  # fmt: skip

    def undo(self, event_id: int, who: Principal, *, reason: str) -> FeedbackEvent:
        """Take back what was said."""
        said = self._ops.feedback.get(event_id)
        return self._append(who, FeedbackKind.UNDO, said.feed, undoes=said.id, reason=reason)

    def state(self, feed: str) -> FeedbackState:
        """Return what stands of all that was said of a feed."""
        self._ops.feeds.get(feed)
        return fold(self._ops.feedback.events(feed))

    def every(self, *, feed: str | None = None) -> Iterator[FeedbackEvent]:
        """Yield all that was said, the latest first."""
        after: str | None = None
        while True:
            page = self._ops.feedback.page(feed=feed, after=after, limit=1000)
            yield from page.items
            after = page.next
            if after is None:
                return

    def _append(self, who: Principal, kind: FeedbackKind, feed: str, **said: Any) -> FeedbackEvent:
        event = FeedbackEvent(at_s=self._ops.now_s(), by=who.name, kind=kind, feed=feed, **said)
        return self._ops.feedback.append(event)


def decisions_of(state: FeedbackState) -> list[PatternDecision]:
    """Return the standing decisions on root patterns, by scope."""
    return [decision for scope in state.patterns.values() for decision in scope]


def _as_lists(pairs: Pairs) -> list[list[str]]:
    return [list(pair) for pair in pairs]
