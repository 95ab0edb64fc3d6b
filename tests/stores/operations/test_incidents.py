"""Incidents: the loop and the shift each change what is theirs, and nothing stale overwrites."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import InputError, NotFoundError, StaleVersionError
from faultsight.core.incident import IncidentRecord, IncidentState, RootPattern, Severity
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import IncidentFilter, Operations

OPEN, ACKNOWLEDGED, RESOLVED = IncidentState


def incident(**values: Any) -> IncidentRecord:
    told: dict[str, Any] = {
        "id": "i1", "feed": "cells", "scope": (("region", "north"),), "title": "north",
        "severity": Severity.MAJOR, "start_s": 60, "alarm_ids": ("a",),
        "patterns": (RootPattern(AttributeCombination({"site": "S1"}), 0.9, 0.8, -3.0, "load"),),
        "evidence": {"modems": ["m1"]},
    }  # fmt: skip
    return IncidentRecord(**{**told, **values})


def test_what_is_told_is_stored_once(ops: Operations) -> None:
    assert ops.incidents.upsert(incident()) == incident()
    assert ops.incidents.upsert(incident()) == incident()
    assert ops.incidents.get("i1") == incident()
    assert [one.action for one in ops.incidents.history("i1")] == ["opened"]


def test_a_change_counts_the_version_and_says_what_and_why(ops: Operations) -> None:
    ops.incidents.upsert(incident())
    after = ops.incidents.upsert(incident(title="north, 2 cells", alarm_ids=("a", "b")), why="more")
    assert after.version == 2
    second = ops.incidents.history("i1")[1]
    assert (second.by, second.action, second.why, second.version) == ("loop", "updated", "more", 2)
    assert second.changes == {
        "title": ["north", "north, 2 cells"], "alarm_ids": [["a"], ["a", "b"]],
    }  # fmt: skip


def test_what_the_shift_said_stays_when_the_loop_goes_on(ops: Operations) -> None:
    ops.incidents.upsert(incident())
    ops.incidents.set_state("i1", ACKNOWLEDGED, by="ana", why="looking", expected_version=1)
    ops.incidents.assign("i1", "bob", by="ana", expected_version=2)
    after = ops.incidents.upsert(incident(title="worse"))
    assert (after.title, after.state, after.assigned_to, after.version) == (
        "worse", ACKNOWLEDGED, "bob", 4,
    )  # fmt: skip
    who = [(one.by, one.action) for one in ops.incidents.history("i1")]
    assert who == [("loop", "opened"), ("ana", "state"), ("ana", "assigned"), ("loop", "updated")]


def test_an_incident_that_is_over_is_resolved_and_opens_again_if_it_is_not(
    ops: Operations,
) -> None:
    ops.incidents.upsert(incident())
    assert ops.incidents.upsert(incident(end_s=600)).state is RESOLVED
    assert ops.incidents.upsert(incident()).state is OPEN


def test_what_an_operator_resolved_stays_resolved(ops: Operations) -> None:
    ops.incidents.upsert(incident())
    ops.incidents.set_state("i1", RESOLVED, by="ana", why="known")
    assert ops.incidents.upsert(incident(title="still there")).state is RESOLVED
    assert ops.incidents.upsert(incident(end_s=600)).state is RESOLVED
    assert ops.incidents.upsert(incident()).state is RESOLVED
    ops.incidents.set_state("i1", OPEN, by="ana")
    assert ops.incidents.upsert(incident(title="again")).state is OPEN


def test_an_acknowledged_incident_that_is_over_is_resolved(ops: Operations) -> None:
    ops.incidents.upsert(incident())
    ops.incidents.set_state("i1", ACKNOWLEDGED, by="ana")
    assert ops.incidents.upsert(incident(end_s=600)).state is RESOLVED


EDITS: dict[str, Callable[[Operations, int], object]] = {
    "set_state": lambda ops, version: ops.incidents.set_state(
        "i1", RESOLVED, by="bob", expected_version=version
    ),
    "assign": lambda ops, version: ops.incidents.assign(
        "i1", "bob", by="bob", expected_version=version
    ),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_of_an_older_version_is_refused(
    ops: Operations, edit: Callable[[Operations, int], object]
) -> None:
    ops.incidents.upsert(incident())
    ops.incidents.set_state("i1", ACKNOWLEDGED, by="ana", expected_version=1)
    before = ops.incidents.get("i1")
    with pytest.raises(StaleVersionError, match="at version 2 by now, not 1") as caught:
        edit(ops, 1)
    assert (caught.value.expected, caught.value.current) == (1, 2)
    assert ops.incidents.get("i1") == before
    assert len(ops.incidents.history("i1")) == 2


def test_of_edits_at_the_same_time_one_wins_and_the_others_are_told(ops: Operations) -> None:
    ops.incidents.upsert(incident())
    outcomes: list[str] = []

    def edit(name: str) -> None:
        for _ in range(5):
            version = ops.incidents.get("i1").version
            try:
                ops.incidents.assign("i1", name, by=name, expected_version=version)
                outcomes.append(name)
            except StaleVersionError:
                outcomes.append("stale")

    threads = [threading.Thread(target=edit, args=[f"operator-{n}"]) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [name for name in outcomes if name != "stale"]
    assert len(outcomes) == 30
    assert ops.incidents.get("i1").version == 1 + len(won)
    by = [one.by for one in ops.incidents.history("i1")[1:]]
    assert sorted(by) == sorted(won)
    assert ops.incidents.get("i1").assigned_to == by[-1]


def test_comments_are_history_and_no_edit(ops: Operations, clock: Any) -> None:
    ops.incidents.upsert(incident())
    clock.now_s += 9
    comment = ops.incidents.comment("i1", "rain", by="ana")
    assert (comment.by, comment.why, comment.at_s, comment.version) == ("ana", "rain", 1_000_009, 1)
    assert ops.incidents.get("i1").version == 1


def test_filters_restrict(ops: Operations) -> None:
    ops.incidents.upsert(incident())
    ops.incidents.upsert(incident(id="i2", start_s=120, end_s=180, severity=Severity.MINOR))
    ops.incidents.assign("i2", "bob", by="ana")

    def found(**values: Any) -> list[str]:
        return [one.id for one in ops.incidents.find(IncidentFilter(**values))]

    assert found() == found(feed="cells") == ["i1", "i2"]
    assert found(feed="nope") == found(states=()) == []
    assert found(states=[OPEN]) == found(severities=[Severity.MAJOR]) == ["i1"]
    assert found(assigned_to="bob") == ["i2"]
    assert found(window=TimeWindow(180, 200)) == ["i1"]


def test_unknown_incidents_and_other_feeds_are_refused(ops: Operations) -> None:
    with pytest.raises(NotFoundError):
        ops.incidents.upsert(incident(feed="nope"))
    for ask in (ops.incidents.get, ops.incidents.history):
        with pytest.raises(NotFoundError, match="no incident 'i9'"):
            ask("i9")
    with pytest.raises(NotFoundError):
        ops.incidents.comment("i9", "x", by="ana")
    ops.feeds.add("other", "kpi", 60)
    ops.incidents.upsert(incident())
    with pytest.raises(InputError, match="is of feed cells, not other"):
        ops.incidents.upsert(incident(feed="other"))
