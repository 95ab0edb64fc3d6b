"""Feedback in the store: appended for good, and what stands is the fold of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError, NotFoundError
from faultsight.core.feedback import FeedbackEvent, FeedbackKind, fold
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import Operations
from faultsight.stores.operations.feedback import Feedback


def event(kind: str = "missed", **values: Any) -> FeedbackEvent:
    told: dict[str, Any] = {"at_s": 5, "by": "ana", "feed": "cells"}
    if kind != "undo":
        told |= {"entity": "a", "window": TimeWindow(0, 60)}
    return FeedbackEvent(kind=FeedbackKind(kind), **{**told, **values})


def test_an_event_comes_back_as_it_was_given(ops: Operations) -> None:
    given_event = event(
        "confirm", kpis=("load", "drops"), alarm_id="a1", incident_id="i1", reason="seen it",
        body={"note": ["x", 1, None]},
    )  # fmt: skip
    stored = ops.feedback.append(given_event)
    assert stored.id == 1
    assert ops.feedback.get(1) == stored
    assert stored.to_dict() | {"id": 0} == given_event.to_dict()
    assert ops.feedback.append(event("undo", undoes=1)).window is None


def test_nothing_updates_or_deletes(ops: Operations) -> None:
    """The only verb that writes is append, and what it stored stays after any later one."""
    public = {name for name in vars(Feedback) if not name.startswith("_")}
    assert public == {"append", "get", "events", "page"}
    first = ops.feedback.append(event())
    for undoes in (1, 2, 3):
        ops.feedback.append(event("undo", undoes=undoes))
    assert ops.feedback.events()[0] == first
    assert len(ops.feedback.events()) == 4


def test_events_are_read_by_feed_and_time_in_order(ops: Operations) -> None:
    ops.feeds.add("other", "kpi", 60)
    for at_s, feed in ((9, "cells"), (3, "cells"), (4, "other")):
        ops.feedback.append(event(at_s=at_s, feed=feed))
    assert [one.at_s for one in ops.feedback.events()] == [9, 3, 4]
    assert [one.at_s for one in ops.feedback.events("cells")] == [9, 3]
    assert [one.at_s for one in ops.feedback.events(since_s=4)] == [9, 4]


def test_pages_by_alarm_incident_and_operator(ops: Operations) -> None:
    ops.feedback.append(event(alarm_id="a1"))
    ops.feedback.append(event(incident_id="i1", by="bob"))
    assert [one.id for one in ops.feedback.page().items] == [2, 1]
    assert [one.id for one in ops.feedback.page(alarm_id="a1").items] == [1]
    assert [one.id for one in ops.feedback.page(incident_id="i1").items] == [2]
    assert [one.id for one in ops.feedback.page(by="bob", feed="cells").items] == [2]


def test_what_does_not_fit_is_refused(ops: Operations) -> None:
    ops.feeds.add("other", "kpi", 60)
    stored = ops.feedback.append(event())
    with pytest.raises(NotFoundError, match="no feedback event 7"):
        ops.feedback.append(event("undo", undoes=7))
    with pytest.raises(InputError, match="is of another feed"):
        ops.feedback.append(event("undo", undoes=1, feed="other"))
    with pytest.raises(InputError, match="stored already"):
        ops.feedback.append(stored)
    with pytest.raises(NotFoundError, match="no feed 'nope'"):
        ops.feedback.append(event(feed="nope"))
    assert len(ops.feedback.events()) == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["confirm", "reject", "missed", "ignore", "undo"]),
        st.integers(0, 2),
        st.sampled_from([None, "a1", "a2"]),
        st.integers(0, 10),
    ),
    max_size=8,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS)
def test_the_state_is_the_fold_of_what_is_stored(
    ops: Operations, steps: list[tuple[str, int, str | None, int]]
) -> None:
    told = list(ops.feedback.events())
    for kind, at_s, alarm_id, number in steps:
        if kind == "undo":
            if told:
                undone = told[number % len(told)].id
                told.append(ops.feedback.append(event("undo", undoes=undone, at_s=at_s)))
            continue
        told.append(ops.feedback.append(event(kind, at_s=at_s, alarm_id=alarm_id)))
    assert ops.feedback.events() == told
    assert fold(ops.feedback.events()) == fold(told)
