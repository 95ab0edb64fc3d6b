"""Jobs: leased by one at a time, taken up again when a worker dies, finished once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from faultsight.core.errors import ConflictError, NotFoundError
from faultsight.stores.operations import Job, JobState, Operations


def queued(ops: Operations, key: str = "cells", **values: Any) -> Job:
    return ops.jobs.enqueue("tune", key, {"weeks": 1}, by="ana", **values)


def lease(ops: Operations, owner: str, lease_s: int = 30) -> Job | None:
    return ops.jobs.lease(owner, ["tune", "retrain"], lease_s)


def test_the_same_work_is_queued_once_until_it_is_finished(ops: Operations) -> None:
    first = queued(ops)
    assert queued(ops).id == first.id
    assert queued(ops, "cdn").id != first.id
    assert ops.jobs.enqueue("retrain", "cells", by="ana").id != first.id
    assert lease(ops, "w1") is not None
    assert queued(ops).id == first.id
    ops.jobs.finish(first.id, "w1", {"f1": 0.9})
    assert queued(ops).id != first.id
    assert ops.jobs.get(first.id).result == {"f1": 0.9}


def test_a_lease_is_one_workers_and_the_job_due_for_longest_comes_first(
    ops: Operations, clock: Any
) -> None:
    late = queued(ops, "late", run_at_s=1_000_010)
    soon = queued(ops, "soon", run_at_s=1_000_005)
    other = ops.jobs.enqueue("other", by="ana")
    assert lease(ops, "w1") is None
    clock.now_s += 20
    got = [lease(ops, f"w{n}") for n in range(3)]
    assert [job and job.id for job in got] == [soon.id, late.id, None]
    assert ops.jobs.get(other.id).state is JobState.QUEUED


def test_a_lease_that_ran_out_is_taken_up_again_and_its_owner_is_told(
    ops: Operations, clock: Any
) -> None:
    queued(ops)
    job = lease(ops, "w1")
    assert job is not None
    clock.now_s += 29
    assert lease(ops, "w2") is None
    ops.jobs.heartbeat(job.id, "w1", 30, {"epoch": 3})
    clock.now_s += 29
    assert lease(ops, "w2") is None
    clock.now_s += 1
    again = lease(ops, "w2")
    assert again is not None
    assert (again.id, again.owner, again.attempts) == (job.id, "w2", 2)
    assert again.progress == {"epoch": 3}
    late_words: list[Callable[[], object]] = [
        lambda: ops.jobs.heartbeat(job.id, "w1", 30),
        lambda: ops.jobs.finish(job.id, "w1"),
        lambda: ops.jobs.fail(job.id, "w1", "x"),
        lambda: ops.jobs.release(job.id, "w1"),
    ]
    for late in late_words:
        with pytest.raises(ConflictError, match="no longer of 'w1'"):
            late()
    assert ops.jobs.finish(job.id, "w2").state is JobState.DONE
    with pytest.raises(ConflictError):
        ops.jobs.finish(job.id, "w2")


def test_a_failure_is_tried_again_later_and_ends_after_so_many(ops: Operations, clock: Any) -> None:
    job = queued(ops, max_attempts=2)
    lease(ops, "w1")
    assert ops.jobs.fail(job.id, "w1", "disk full", retry_in_s=60).state is JobState.QUEUED
    assert lease(ops, "w1") is None
    clock.now_s += 60
    lease(ops, "w1")
    failed = ops.jobs.fail(job.id, "w1", "disk full", retry_in_s=60)
    assert (failed.state, failed.error, failed.finished_s) == (
        JobState.FAILED, "disk full", 1_000_060,
    )  # fmt: skip


def test_a_failure_without_a_retry_is_final(ops: Operations) -> None:
    job = queued(ops)
    lease(ops, "w1")
    assert ops.jobs.fail(job.id, "w1", "bad input").state is JobState.FAILED


def test_a_job_that_kills_its_workers_is_given_up(ops: Operations, clock: Any) -> None:
    job = queued(ops, max_attempts=3)
    for number in range(3):
        assert lease(ops, f"w{number}") is not None
        clock.now_s += 31
    assert lease(ops, "w9") is None
    assert ops.jobs.get(job.id).state is JobState.FAILED
    assert "given up after 3 attempts" in ops.jobs.get(job.id).error


def test_a_graceful_stop_gives_the_job_back_and_does_not_count(ops: Operations) -> None:
    job = queued(ops, max_attempts=1)
    for number in range(3):
        assert lease(ops, f"w{number}") is not None
        ops.jobs.release(job.id, f"w{number}")
    assert ops.jobs.get(job.id).attempts == 0


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_told(
    ops: Operations, clock: Any
) -> None:
    waiting, running, dying = queued(ops, "a"), queued(ops, "b"), queued(ops, "c")
    assert ops.jobs.cancel(waiting.id).state is JobState.CANCELLED
    lease(ops, "w1")
    lease(ops, "w2")
    assert not ops.jobs.heartbeat(running.id, "w1", 300).is_cancelled
    assert ops.jobs.cancel(running.id).state is JobState.RUNNING
    assert ops.jobs.heartbeat(running.id, "w1", 300).is_cancelled
    assert ops.jobs.fail(running.id, "w1", "stopped", retry_in_s=1).state is JobState.CANCELLED
    ops.jobs.cancel(dying.id)
    clock.now_s += 31
    assert lease(ops, "w3") is None
    assert ops.jobs.get(dying.id).state is JobState.CANCELLED
    with pytest.raises(ConflictError, match="is cancelled already"):
        ops.jobs.cancel(waiting.id)
    with pytest.raises(NotFoundError):
        ops.jobs.cancel(99)


def test_results_and_the_end_of_the_job_are_written_together(ops: Operations) -> None:
    job = queued(ops)
    lease(ops, "w1")

    def finish_late() -> None:
        with ops.transaction() as tx:
            ops.settings.set("threshold", 3, by="job", tx=tx)
            ops.jobs.finish(job.id, "w2", tx=tx)

    with pytest.raises(ConflictError):
        finish_late()
    assert ops.settings.get("threshold") is None


def test_pages_by_kind_and_state(ops: Operations) -> None:
    first, second = queued(ops, "a"), queued(ops, "b")
    lease(ops, "w1")
    assert [job.id for job in ops.jobs.page().items] == [second.id, first.id]
    assert [job.id for job in ops.jobs.page(states=[JobState.RUNNING]).items] == [first.id]
    assert ops.jobs.page(kind="nope").items == ()
