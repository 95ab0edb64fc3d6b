"""Alarms: whatever is computed, in whatever steps, ends in the same stored alarms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faultsight.core.alarm import AlarmKind, AlarmRecord, AlarmState
from faultsight.core.errors import InputError, NotFoundError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import AlarmFilter, Operations

HOUR = TimeWindow(0, 3600)


def alarm(entity: str = "a", start_s: int = 0, **values: Any) -> AlarmRecord:
    told: dict[str, Any] = {"feed": "cells", "kind": AlarmKind.KPI, "peak": 2.0}
    return AlarmRecord(entity=entity, start_s=start_s, **{**told, **values})


def all_of(ops: Operations) -> list[AlarmRecord]:
    return ops.alarms.find(AlarmFilter(states=tuple(AlarmState)))


def test_what_is_wanted_is_stored_and_comes_back(ops: Operations) -> None:
    wanted = alarm(
        kpis=(("drops", 0.75), ("load", 0.25)), muted_by="3", mute_reason="planned", flaps=2,
        model_id="cells/1", payload={"members": ["m1"], "verdict": "service"}, end_s=120,
    )  # fmt: skip
    changes = ops.alarms.reconcile("cells", HOUR, ["a"], [wanted])
    assert changes.new == changes.current == (wanted,)
    assert ops.alarms.get(wanted.id) == wanted


def test_doing_it_again_changes_nothing(ops: Operations) -> None:
    wanted = [alarm("a", payload={"members": ("x", "y")}), alarm("b", 60, end_s=120)]
    ops.alarms.reconcile("cells", HOUR, None, wanted)
    stored = all_of(ops)
    changes = ops.alarms.reconcile("cells", HOUR, None, reversed(wanted))
    assert not changes
    assert [one.id for one in changes.current] == [one.id for one in wanted]
    assert all_of(ops) == stored
    assert [len(ops.alarms.history(one.id)) for one in wanted] == [1, 1]


def test_a_change_counts_the_version_and_says_what_and_why(ops: Operations, clock: Any) -> None:
    first = alarm()
    ops.alarms.reconcile("cells", HOUR, ["a"], [first])
    clock.now_s += 5
    changes = ops.alarms.reconcile(
        "cells", HOUR, ["a"], [alarm(end_s=600, peak=3.0)], why="late data"
    )
    (changed,) = changes.changed
    assert (changed.version, changed.state) == (2, AlarmState.CLEARED)
    assert ops.alarms.get(first.id) == changed
    second = ops.alarms.history(first.id)[1]
    assert (second.action, second.why, second.at_s) == ("changed", "late data", 1_000_005)
    assert second.changes == {
        "end_s": [None, 600], "peak": [2.0, 3.0], "state": ["raised", "cleared"],
    }  # fmt: skip


def test_what_is_not_wanted_is_withdrawn_and_comes_back_when_it_is(ops: Operations) -> None:
    wanted = alarm()
    ops.alarms.reconcile("cells", HOUR, ["a"], [wanted])
    (withdrawn,) = ops.alarms.reconcile("cells", HOUR, ["a"], []).withdrawn
    assert (withdrawn.state, withdrawn.version) == (AlarmState.WITHDRAWN, 2)
    assert ops.alarms.find() == []
    assert not ops.alarms.reconcile("cells", HOUR, ["a"], [])
    (back,) = ops.alarms.reconcile("cells", HOUR, ["a"], [wanted]).changed
    assert (back.state, back.version) == (AlarmState.RAISED, 3)
    assert [one.action for one in ops.alarms.history(wanted.id)] == ["new", "withdrawn", "changed"]


def test_only_what_touches_the_window_and_the_entities_is_looked_at(ops: Operations) -> None:
    ops.feeds.add("other", "kpi", 60)
    kept = [
        alarm("a", 0, end_s=600),  # ends as the window begins
        alarm("a", 1200),  # begins as it ends
        alarm("b", 700),
    ]
    gone = [alarm("a", 60, end_s=601), alarm("a", 1199)]
    ops.alarms.reconcile("cells", HOUR, None, [*kept, *gone])
    ops.alarms.reconcile("other", HOUR, None, [alarm("a", 700, feed="other")])
    changes = ops.alarms.reconcile("cells", TimeWindow(600, 1200), ["a"], [])
    assert {one.id for one in changes.withdrawn} == {one.id for one in gone}
    assert {one.entity for one in all_of(ops) if one.state is AlarmState.RAISED} == {"a", "b"}


def test_an_alarm_that_has_grown_into_the_window_is_the_same_alarm(ops: Operations) -> None:
    ops.alarms.reconcile("cells", TimeWindow(0, 600), ["a"], [alarm(end_s=300)])
    changes = ops.alarms.reconcile("cells", TimeWindow(600, 1200), ["a"], [alarm(end_s=900)])
    assert [one.version for one in changes.changed] == [2]
    assert len(all_of(ops)) == 1


def test_the_incident_stays_until_another_is_told(ops: Operations) -> None:
    wanted = alarm()
    ops.alarms.reconcile("cells", HOUR, ["a"], [wanted])
    assert [one.version for one in ops.alarms.set_incident([wanted.id], "i1")] == [2]
    assert ops.alarms.set_incident([wanted.id], "i1") == ()
    assert not ops.alarms.reconcile("cells", HOUR, ["a"], [wanted])
    assert ops.alarms.find(AlarmFilter(incident_id="i1"))[0].id == wanted.id
    ops.alarms.reconcile("cells", HOUR, ["a"], [alarm(incident_id="i2")])
    assert ops.alarms.get(wanted.id).incident_id == "i2"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ([alarm(feed="other")], "not of the feed"), ([alarm("z")], "not of the feed"),
        ([alarm("a", 3600)], "does not touch"), ([alarm("a", -60, end_s=0)], "does not touch"),
        ([alarm(), alarm(peak=3.0)], "wanted twice"),
    ],
)  # fmt: skip
def test_what_would_not_be_idempotent_is_refused(
    ops: Operations, wanted: list[AlarmRecord], why: str
) -> None:
    with pytest.raises(InputError, match=why):
        ops.alarms.reconcile("cells", HOUR, ["a"], wanted)
    assert all_of(ops) == []


def test_unknown_feeds_and_alarms_are_named(ops: Operations) -> None:
    with pytest.raises(NotFoundError, match="no feed 'nope'"):
        ops.alarms.reconcile("nope", HOUR, None, [])
    for ask in (
        ops.alarms.get,
        ops.alarms.history,
        lambda one: ops.alarms.set_incident([one], "i"),
    ):
        with pytest.raises(NotFoundError, match="no alarm '00ff'"):
            ask("00ff")


def test_filters_restrict(ops: Operations) -> None:
    wanted = [
        alarm("a", 0, end_s=60), alarm("b", 60, muted_by="1"),
        alarm("a", 120, kind=AlarmKind.CABLE),
    ]  # fmt: skip
    ops.alarms.reconcile("cells", HOUR, None, wanted)
    first, second, third = (one.id for one in wanted)

    def found(**values: Any) -> list[str]:
        return [one.id for one in ops.alarms.find(AlarmFilter(**values))]

    assert found() == found(feed="cells") == [first, second, third]
    assert found(feed="nope") == found(states=()) == []
    assert found(entity="a") == [first, third]
    assert found(kind="cable") == [third]
    assert found(states=[AlarmState.RAISED]) == [second, third]
    assert found(window=TimeWindow(60, 120)) == [second]
    assert found(is_muted=True) == [second]
    assert found(is_muted=False) == [first, third]


def test_a_failure_takes_everything_of_the_transaction_back(ops: Operations) -> None:
    def write() -> None:
        with ops.transaction() as tx:
            ops.alarms.reconcile("cells", HOUR, None, [alarm()], tx=tx)
            ops.outbox.put("log", "00ff", {}, tx=tx)
            raise InputError("no")

    with pytest.raises(InputError, match="no"):
        write()
    assert all_of(ops) == []
    assert ops.outbox.page().items == ()


ENDS = st.one_of(st.none(), st.integers(1, 4))


@st.composite
def wanted_alarms(draw: st.DrawFn) -> list[AlarmRecord]:
    spans = draw(
        st.dictionaries(
            st.tuples(st.sampled_from("ab"), st.integers(0, 3)), ENDS, max_size=5
        )
    )  # fmt: skip
    return [
        alarm(entity, start, end_s=None if length is None else start + length)
        for (entity, start), length in spans.items()
    ]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(wanted_alarms(), min_size=1, max_size=4))
def test_whatever_came_before_the_last_wanted_alarms_are_stored(
    ops: Operations, steps: list[list[AlarmRecord]]
) -> None:
    for wanted in steps:
        changes = ops.alarms.reconcile("cells", HOUR, None, wanted)
        stored = {one.id: one for one in ops.alarms.find()}
        assert stored == {one.id: one for one in changes.current}
        plain = {one.id: one.to_dict() | {"version": 0} for one in wanted}
        assert {key: one.to_dict() | {"version": 0} for key, one in stored.items()} == plain
    for one in all_of(ops):
        history = ops.alarms.history(one.id)
        assert [step.version for step in history] == list(range(1, one.version + 1))
