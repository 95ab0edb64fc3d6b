"""Feedback events: what stands of them, in whatever order they are given."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import InputError
from faultsight.core.feedback import (
    FeedbackEvent,
    FeedbackKind,
    Mark,
    MarkKind,
    fold,
)
from faultsight.core.kpi_frame import TimeWindow

HOUR = TimeWindow(0, 3600)
NORTH = [["region", "north"]]


def event(kind: FeedbackKind, event_id: int = 1, **values: Any) -> FeedbackEvent:
    told: dict[str, Any] = {"id": event_id, "at_s": event_id, "by": "ana", "feed": "cells"}
    if kind in ("confirm", "reject", "missed", "ignore", "relabel"):
        told |= {"entity": "cell-1", "window": HOUR}
    if kind.endswith("pattern"):
        told["body"] = {"scope": NORTH, "combination": [["site", "S1"]]}
    if kind == "dispatch_outcome":
        told["body"] = {"outcome": "fixed"}
    if kind == "relabel":
        told["body"] = {"mark": "ignore"}
    return FeedbackEvent(kind=kind, **{**told, **values})


def undo(event_id: int, of: int) -> FeedbackEvent:
    return event(FeedbackKind.UNDO, event_id, undoes=of)


@pytest.mark.parametrize(
    ("kind", "mark"),
    [
        ("confirm", MarkKind.CONFIRMED), ("reject", MarkKind.FALSE_ALARM),
        ("missed", MarkKind.MISSED), ("ignore", MarkKind.IGNORE), ("relabel", MarkKind.IGNORE),
    ],
)  # fmt: skip
def test_what_is_said_of_a_span_is_a_mark(kind: str, mark: MarkKind) -> None:
    said = event(FeedbackKind(kind), kpis=("load", "drops", "load"))
    assert fold([said]).marks == [Mark("cell-1", HOUR, mark, ("drops", "load"))]


def test_the_last_word_on_an_alarm_holds_also_with_another_window() -> None:
    later = TimeWindow(0, 7200)
    said = [
        event(FeedbackKind.CONFIRM, 1, alarm_id="a"),
        event(FeedbackKind.RELABEL, 2, alarm_id="a", window=later, body={"mark": "missed"}),
        event(FeedbackKind.REJECT, 3, alarm_id="b", window=later),
    ]
    assert [(mark.window, mark.kind.value) for mark in fold(said).marks] == [
        (later, "false_alarm"), (later, "missed"),
    ]  # fmt: skip


def test_words_without_an_alarm_are_about_the_span_of_their_feed() -> None:
    said = [
        event(FeedbackKind.MISSED, 1),
        event(FeedbackKind.IGNORE, 2),
        event(FeedbackKind.MISSED, 3, feed="other"),
        event(FeedbackKind.MISSED, 4, window=TimeWindow(60, 120)),
    ]
    kinds = [(mark.window.start_s, mark.kind.value) for mark in fold(said).marks]
    assert kinds == [(0, "ignore"), (0, "missed"), (60, "missed")]


def test_an_undo_takes_back_and_an_undo_of_it_restores() -> None:
    said = [event(FeedbackKind.CONFIRM, 1), event(FeedbackKind.REJECT, 2)]
    assert fold(said).marks[0].kind is MarkKind.FALSE_ALARM
    assert fold([*said, undo(3, 2)]).marks[0].kind is MarkKind.CONFIRMED
    assert fold([*said, undo(3, 2), undo(4, 3)]).marks == fold(said).marks
    assert fold([*said, undo(3, 2), undo(4, 1)]).marks == []
    assert fold([*said, undo(3, 2), undo(4, 2), undo(5, 3)]).marks[0].kind is MarkKind.CONFIRMED


def test_an_undo_of_what_comes_later_or_of_itself_does_nothing() -> None:
    said = [undo(1, 2), event(FeedbackKind.CONFIRM, 2), undo(3, 3)]
    assert len(fold(said).marks) == 1


def test_decisions_on_patterns_are_kept_by_scope() -> None:
    fixed = {"scope": NORTH, "combination": [["site", "S1"]], "correction": [["vendor", "V"]]}
    said = [
        event(FeedbackKind.REJECT_PATTERN, 1),
        event(FeedbackKind.CORRECT_PATTERN, 2, body=fixed, reason="wrong layer"),
        event(FeedbackKind.REJECT_PATTERN, 3, body={"combination": [["site", "S1"]]}),
    ]
    patterns = fold(said).patterns
    assert sorted(patterns) == [("cells", ()), ("cells", (("region", "north"),))]
    (north,) = patterns["cells", (("region", "north"),)]
    assert north.kind is FeedbackKind.CORRECT_PATTERN
    assert north.correction == AttributeCombination({"vendor": "V"})
    assert (north.event.by, north.event.reason) == ("ana", "wrong layer")
    assert [one.kind for one in patterns["cells", ()]] == [FeedbackKind.REJECT_PATTERN]


def test_the_last_outcome_of_each_dispatch_stands() -> None:
    said = [
        event(FeedbackKind.DISPATCH_OUTCOME, 1, incident_id="i"),
        event(FeedbackKind.DISPATCH_OUTCOME, 2, incident_id="j"),
        event(FeedbackKind.DISPATCH_OUTCOME, 3, incident_id="i", body={"outcome": "no fault"}),
    ]
    assert [(one.event.incident_id, one.outcome) for one in fold(said).dispatches] == [
        ("j", "fixed"), ("i", "no fault"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("confirm", {"entity": None}), ("missed", {"window": None}),
        ("missed", {"window": TimeWindow(5, 5)}), ("relabel", {"body": {}}),
        ("relabel", {"body": {"mark": "odd"}}), ("undo", {}), ("confirm", {"undoes": 1}),
        ("reject_pattern", {"body": {}}), ("reject_pattern", {"body": {"combination": 5}}),
        ("reject_pattern", {"body": {"combination": [["a"]]}}),
        ("correct_pattern", {"body": {"combination": [["a", "b"]], "correction": [["a"]]}}),
        ("dispatch_outcome", {"body": {}}), ("confirm", {"by": ""}),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(kind: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"cells: feedback of kind {kind}"):
        event(FeedbackKind(kind), **wrong)


KINDS = [kind for kind in FeedbackKind if kind is not FeedbackKind.UNDO]


@st.composite
def histories(draw: st.DrawFn) -> list[FeedbackEvent]:
    """Return events as a store counts them; many share their time, span, alarm or pattern."""
    events: list[FeedbackEvent] = []
    for event_id in range(1, draw(st.integers(1, 14)) + 1):
        at_s = draw(st.integers(0, 3))
        is_undo = draw(st.booleans())
        if events and is_undo:
            of = draw(st.integers(1, event_id - 1))
            events.append(event(FeedbackKind.UNDO, event_id, undoes=of, at_s=at_s))
            continue
        values: dict[str, Any] = {"at_s": at_s, "alarm_id": draw(st.sampled_from([None, "a", "b"]))}
        events.append(event(draw(st.sampled_from(KINDS)), event_id, **values))
    return events


@given(st.data(), histories())
def test_the_order_in_which_events_are_given_does_not_matter(
    data: st.DataObject, events: list[FeedbackEvent]
) -> None:
    shuffled = data.draw(st.permutations(events))
    assert fold(shuffled) == fold(events) == fold([*events, *shuffled])


@given(histories())
def test_undoing_the_last_event_gives_the_state_before_it(events: list[FeedbackEvent]) -> None:
    last = len(events)
    undone = fold([*events, undo(last + 1, last)])
    before = fold(events[:-1])
    assert (undone.marks, undone.patterns) == (before.marks, before.patterns)
    assert undone.dispatches == before.dispatches
    redone = fold([*events, undo(last + 1, last), undo(last + 2, last + 1)])
    now = fold(events)
    assert (redone.marks, redone.patterns, redone.dispatches) == (
        now.marks, now.patterns, now.dispatches,
    )  # fmt: skip


@given(histories())
def test_what_stands_is_what_is_left_without_the_undone(events: list[FeedbackEvent]) -> None:
    """A state is the fold of the standing words alone, taken as if no undo had ever been."""
    state = fold(events)
    undone: set[int] = set()
    for one in reversed(events):  # each undo that stands crosses one earlier event out
        if one.undoes is not None and one.id not in undone:
            undone.add(one.undoes)
    words = [one for one in events if one.id not in undone and one.undoes is None]
    plain = fold(words)
    assert (state.marks, state.patterns, state.dispatches) == (
        plain.marks, plain.patterns, plain.dispatches,
    )  # fmt: skip


@given(histories())
def test_events_survive_json(events: list[FeedbackEvent]) -> None:
    again = [FeedbackEvent.from_dict(json.loads(json.dumps(one.to_dict()))) for one in events]
    assert again == [replace(one, body=dict(one.body)) for one in events]
