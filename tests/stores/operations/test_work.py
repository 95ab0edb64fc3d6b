"""Tasks, suppressions, settings, the audit trail and the outbox."""

from __future__ import annotations

from typing import Any

import pytest

from faultsight.core.errors import ConflictError, InputError, NotFoundError, StaleVersionError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import (
    Answer,
    MessageState,
    Operations,
    TaskState,
)

HOUR = TimeWindow(0, 3600)


# --- tasks


def test_a_span_is_asked_about_once(ops: Operations) -> None:
    job = ops.jobs.enqueue("tune", "cells", by="ana")
    first = ops.tasks.add("cells", "a", HOUR, ["load"], {"curve": [1, 2]}, job_id=job.id)
    assert ops.tasks.add("cells", "a", HOUR, ["load"]) == first
    assert ops.tasks.add("cells", "a", HOUR, ["drops"]).id != first.id
    assert ops.tasks.get(first.id) == first
    assert (first.state, first.body, first.window) == (TaskState.OPEN, {"curve": [1, 2]}, HOUR)
    with pytest.raises(NotFoundError, match="no job 99"):
        ops.tasks.add("cells", "b", HOUR, job_id=99)


def test_answers_are_kept_with_who_and_when(ops: Operations, clock: Any) -> None:
    job = ops.jobs.enqueue("tune", "cells", by="ana")
    task = ops.tasks.add("cells", "a", HOUR, job_id=job.id)
    other = ops.tasks.add("cells", "b", HOUR)
    clock.now_s += 7
    ops.tasks.answer(task.id, Answer.YES, by="bob", expected_version=1)
    (answered,) = ops.tasks.answers(job.id)
    assert (answered.answer, answered.answered_by, answered.answered_s, answered.version) == (
        Answer.YES, "bob", 1_000_007, 2,
    )  # fmt: skip
    with pytest.raises(StaleVersionError):
        ops.tasks.answer(task.id, Answer.NO, by="ana", expected_version=1)
    assert ops.tasks.answer(task.id, Answer.UNSURE, by="ana", expected_version=2).version == 3
    assert ops.tasks.answers(feed="nope") == []
    assert [one.id for one in ops.tasks.page(TaskState.OPEN).items] == [other.id]


def test_questions_that_are_not_asked_any_more_are_withdrawn(ops: Operations) -> None:
    job = ops.jobs.enqueue("tune", "cells", by="ana")
    answered, gone, stays = (ops.tasks.add("cells", n, HOUR, job_id=job.id) for n in "abc")
    by_hand = ops.tasks.add("cells", "d", HOUR)
    ops.tasks.answer(answered.id, Answer.NO, by="ana")
    assert ops.tasks.withdraw_others("other", []) == 0
    assert ops.tasks.withdraw_others("cells", {stays.id}) == 1
    states = {task.id: task.state for task in ops.tasks.page().items}
    assert states == {
        answered.id: TaskState.ANSWERED, gone.id: TaskState.WITHDRAWN, stays.id: TaskState.OPEN,
        by_hand.id: TaskState.OPEN,
    }  # fmt: skip
    assert ops.tasks.get(gone.id).version == 2
    with pytest.raises(ConflictError, match="was withdrawn"):
        ops.tasks.answer(gone.id, Answer.NO, by="ana")
    assert ops.tasks.add("cells", "b", HOUR).id != gone.id


# --- suppressions


def test_rules_hold_in_their_time_until_they_are_revoked(ops: Operations) -> None:
    rule = ops.suppressions.add(
        "cells", scope={"site": "S1"}, start_s=100, end_s=200, reason="power", by="ana"
    )
    ever = ops.suppressions.add(entity="a", start_s=150, reason="moved", by="ana")

    def active(start_s: int, end_s: int, feed: str | None = None) -> list[int]:
        rules = ops.suppressions.active(TimeWindow(start_s, end_s), feed=feed)
        assert all(one.holds(TimeWindow(start_s, end_s)) for one in rules)
        return [one.id for one in rules]

    assert active(0, 100) == []
    assert active(0, 101) == [rule.id]
    assert active(0, 999) == [rule.id, ever.id]
    assert active(0, 999, "other") == [ever.id]
    assert active(200, 201) == [ever.id]
    revoked = ops.suppressions.revoke(rule.id, by="bob", why="done", expected_version=1)
    assert (revoked.revoked_by, revoked.revoke_reason, revoked.revoked_s) == (
        "bob", "done", 1_000_000,
    )  # fmt: skip
    assert ops.suppressions.revoke(rule.id, by="eve") == revoked
    assert active(0, 999) == [ever.id]
    with pytest.raises(StaleVersionError):
        ops.suppressions.revoke(rule.id, by="eve", expected_version=1)
    assert [one.id for one in ops.suppressions.page().items] == [ever.id, rule.id]


@pytest.mark.parametrize(
    "wrong",
    [{"end_s": 100}, {"end_s": 5}, {"reason": " "}],
    ids=["empty", "backwards", "no reason"],
)
def test_rules_that_cannot_be_are_refused(ops: Operations, wrong: dict[str, Any]) -> None:
    told: dict[str, Any] = {"start_s": 100, "reason": "power", "by": "ana"}
    with pytest.raises(InputError):
        ops.suppressions.add("cells", **{**told, **wrong})


def test_a_rule_covers_the_entities_of_its_scope(ops: Operations) -> None:
    rule = ops.suppressions.add(
        "cells", scope={"site": "S1", "band": "n78"}, start_s=0, reason="x", by="ana"
    )
    assert rule.covers("cells", "a", {"site": "S1", "band": "n78", "vendor": "V"})
    assert not rule.covers("cells", "a", {"site": "S1"})
    assert not rule.covers("other", "a", {"site": "S1", "band": "n78"})
    one = ops.suppressions.add(entity="a", start_s=0, reason="x", by="ana")
    assert one.covers("other", "a", {})
    assert not one.covers("cells", "b", {})


# --- settings and audit


@pytest.mark.parametrize("value", [3, None, "", [], {"a": [None]}, True, 0.5])
def test_settings_hold_any_json(ops: Operations, value: Any) -> None:
    ops.settings.set("threshold", value, by="ana")
    found = ops.settings.get("threshold")
    assert found is not None
    assert found.value == value


def test_a_setting_is_changed_by_who_has_read_it_and_audited(ops: Operations) -> None:
    assert ops.settings.get("threshold") is None
    ops.settings.set("threshold", 3, by="ana", why="noise", expected_version=0)
    with pytest.raises(StaleVersionError, match="at version 1 by now, not 0"):
        ops.settings.set("threshold", 4, by="bob", expected_version=0)
    ops.settings.set("threshold", 5, by="bob", expected_version=1)
    assert [(one.key, one.value, one.version) for one in ops.settings.list()] == [
        ("threshold", 5, 2)
    ]
    trail = ops.audit.page(subject="setting threshold").items
    assert [(one.by, one.why, one.detail) for one in trail] == [
        ("bob", "", {"old": 3, "new": 5}), ("ana", "noise", {"old": None, "new": 3}),
    ]  # fmt: skip
    assert [one.by for one in ops.audit.page(by="ana").items] == ["ana"]


# --- outbox


def test_a_message_is_queued_once_for_each_notifier(ops: Operations) -> None:
    assert ops.outbox.put("log", "00ff", {"a": 1})
    assert not ops.outbox.put("log", "00ff", {"a": 2})
    assert ops.outbox.put("webhook", "00ff", {"a": 1})
    first = ops.outbox.due(10, lease_s=30, owner="p")[0]
    ops.outbox.delivered(first.id)
    assert not ops.outbox.put("log", "00ff", {"a": 3}), "delivered is not forgotten"


def test_messages_are_leased_and_due_again_when_the_lease_ends(ops: Operations, clock: Any) -> None:
    for number in range(3):
        ops.outbox.put("log", str(number), {})
    assert [one.fingerprint for one in ops.outbox.due(2, lease_s=30, owner="p1")] == ["0", "1"]
    assert [one.fingerprint for one in ops.outbox.due(2, lease_s=30, owner="p2")] == ["2"]
    assert ops.outbox.due(2, lease_s=30, owner="p3") == []
    clock.now_s += 30
    assert [one.owner for one in ops.outbox.due(9, lease_s=30, owner="p3")] == ["p3"] * 3


def test_what_was_delivered_stays_delivered(ops: Operations, clock: Any) -> None:
    ops.outbox.put("log", "00ff", {})
    (message,) = ops.outbox.due(1, lease_s=30, owner="p")
    ops.outbox.failed(message.id, "down", 1_000_050)
    assert ops.outbox.due(1, lease_s=30, owner="p") == []
    clock.now_s += 50
    (again,) = ops.outbox.due(1, lease_s=30, owner="p")
    assert (again.attempts, again.error) == (1, "down")
    ops.outbox.delivered(message.id)
    ops.outbox.failed(message.id, "a slower worker believes so", 0)
    ops.outbox.postpone([message.id], 0)
    (stored,) = ops.outbox.page(states=[MessageState.DELIVERED]).items
    assert (stored.attempts, stored.delivered_s) == (1, 1_000_050)
    assert ops.outbox.page(notifier="nope").items == ()
