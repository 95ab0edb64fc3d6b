"""Jobs: work that is leased, so that a worker that dies loses its lease and not the job."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from faultsight.core.errors import ConflictError
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._paging import Page, read_page
from faultsight.stores.operations._topic import Topic

__all__ = ["Job", "JobState", "Jobs"]


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_UNFINISHED = (JobState.QUEUED.value, JobState.RUNNING.value)


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Attributes
    ----------
    id : int
        In the order in which they were queued.
    kind, key : str
        What is to be done, and on what; at most one unfinished job has the same two.
    payload : mapping
        What the worker needs to know.
    state : JobState
        Where it stands.
    run_at_s : int
        Not before this time.
    attempts, max_attempts : int
        How many times it was begun, and may be; one that kills its workers ends as failed.
    owner : str, optional
        Who runs it.
    lease_until_s : int, optional
        Until when that owner is believed to be alive.
    is_cancelled : bool
        Somebody wants it to stop; a running job is told by `Jobs.heartbeat`.
    progress, result : mapping
        What the worker says of it, and what came out.
    error : str
        Why the last attempt failed.
    created_by : str
        Who wanted it.
    created_s, finished_s : int
        When.
    """

    id: int
    kind: str
    key: str
    payload: Mapping[str, Any]
    state: JobState
    run_at_s: int
    attempts: int
    max_attempts: int
    owner: str | None
    lease_until_s: int | None
    is_cancelled: bool
    progress: Mapping[str, Any]
    result: Mapping[str, Any]
    error: str
    created_by: str
    created_s: int
    finished_s: int | None


class Jobs(Topic):
    """The work to be done."""

    def enqueue(
        self,
        kind: str,
        key: str = "",
        payload: Mapping[str, Any] | None = None,
        *,
        run_at_s: int | None = None,
        by: str,
        max_attempts: int = 5,
        tx: Transaction | None = None,
    ) -> Job:
        """Queue a job, or return the unfinished one of the same kind and key."""
        table = schema.jobs
        with self._database.writing(tx) as tx:
            unfinished = sa.select(table).where(
                table.c.kind == kind, table.c.key == key, table.c.state.in_(_UNFINISHED)
            )
            row = tx.execute(unfinished).first()
            if row is not None:
                return _job(row)
            now_s = self._database.now_s()
            done = tx.execute(
                table.insert().values(
                    kind=kind,
                    key=key,
                    payload=dict(payload or {}),
                    state=JobState.QUEUED.value,
                    run_at_s=now_s if run_at_s is None else run_at_s,
                    attempts=0,
                    max_attempts=max_attempts,
                    is_cancelled=False,
                    progress={},
                    result={},
                    error="",
                    created_by=by,
                    created_s=now_s,
                )
            )
            (job_id,) = done.inserted_primary_key or (0,)
            return self.get(job_id, tx=tx)

    def lease(
        self,
        owner: str,
        kinds: Collection[str],
        lease_s: int,
        *,
        tx: Transaction | None = None,
    ) -> Job | None:
        """Take the job that is due for longest, also one whose owner let its lease run out.

        Parameters
        ----------
        owner : str
            Who takes it; different for every worker and start.
        kinds : collection of str
            What the worker can do.
        lease_s : int
            How long the worker is believed to be alive without a heartbeat.
        """
        table = schema.jobs
        now_s = self._database.now_s()
        is_due = sa.and_(table.c.state == JobState.QUEUED.value, table.c.run_at_s <= now_s)
        is_left = sa.and_(table.c.state == JobState.RUNNING.value, table.c.lease_until_s <= now_s)
        due = (
            sa.select(table)
            .where(table.c.kind.in_(sorted(kinds)), sa.or_(is_due, is_left))
            .order_by(table.c.run_at_s, table.c.id)
            .limit(1)
        )
        # A worker that polls an empty queue must not hold the others' writes up.
        if tx is None:
            with self._database.reading() as reader:
                if reader.execute(due).first() is None:
                    return None
        with self._database.writing(tx) as tx:
            while (row := tx.execute(due).first()) is not None:
                if row.is_cancelled:
                    self._finish(tx, row.id, JobState.CANCELLED)
                elif row.attempts >= row.max_attempts:
                    error = f"given up after {row.attempts} attempts; {row.error or 'no word'}"
                    self._finish(tx, row.id, JobState.FAILED, error=error)
                else:
                    self._update(
                        tx,
                        row.id,
                        state=JobState.RUNNING.value,
                        owner=owner,
                        lease_until_s=now_s + lease_s,
                        attempts=row.attempts + 1,
                    )
                    return self.get(row.id, tx=tx)
        return None

    def heartbeat(
        self,
        job_id: int,
        owner: str,
        lease_s: int,
        progress: Mapping[str, Any] | None = None,
        *,
        tx: Transaction | None = None,
    ) -> Job:
        """Say that the worker lives and how far it is; look at ``is_cancelled`` of the answer.

        Raises
        ------
        ConflictError
            If the job is not the owner's any more: stop, and write nothing.
        """
        with self._database.writing(tx) as tx:
            self._check_owner(tx, job_id, owner)
            new: dict[str, Any] = {"lease_until_s": self._database.now_s() + lease_s}
            if progress is not None:
                new["progress"] = dict(progress)
            self._update(tx, job_id, **new)
            return self.get(job_id, tx=tx)

    def finish(
        self,
        job_id: int,
        owner: str,
        result: Mapping[str, Any] | None = None,
        *,
        tx: Transaction | None = None,
    ) -> Job:
        """Say that the job is done; in the transaction that writes its results, exactly once.

        Raises
        ------
        ConflictError
            If the job is not the owner's any more.
        """
        with self._database.writing(tx) as tx:
            self._check_owner(tx, job_id, owner)
            self._finish(tx, job_id, JobState.DONE, result=dict(result or {}), error="")
            return self.get(job_id, tx=tx)

    def fail(
        self,
        job_id: int,
        owner: str,
        error: str,
        *,
        retry_in_s: int | None = None,
        tx: Transaction | None = None,
    ) -> Job:
        """Say why the job failed, and when to try again; never with None or after a cancel.

        Raises
        ------
        ConflictError
            If the job is not the owner's any more.
        """
        with self._database.writing(tx) as tx:
            job = self._check_owner(tx, job_id, owner)
            if job.is_cancelled:
                self._finish(tx, job_id, JobState.CANCELLED, error=error)
            elif retry_in_s is None or job.attempts >= job.max_attempts:
                self._finish(tx, job_id, JobState.FAILED, error=error)
            else:
                self._update(
                    tx,
                    job_id,
                    state=JobState.QUEUED.value,
                    run_at_s=self._database.now_s() + retry_in_s,
                    owner=None,
                    lease_until_s=None,
                    error=error,
                )
            return self.get(job_id, tx=tx)

    def release(self, job_id: int, owner: str, *, tx: Transaction | None = None) -> Job:
        """Give a job back, as on a graceful stop; the attempt does not count.

        Raises
        ------
        ConflictError
            If the job is not the owner's any more.
        """
        with self._database.writing(tx) as tx:
            job = self._check_owner(tx, job_id, owner)
            if job.is_cancelled:
                self._finish(tx, job_id, JobState.CANCELLED)
            else:
                self._update(
                    tx,
                    job_id,
                    state=JobState.QUEUED.value,
                    owner=None,
                    lease_until_s=None,
                    attempts=job.attempts - 1,
                )
            return self.get(job_id, tx=tx)

    def cancel(self, job_id: int, *, tx: Transaction | None = None) -> Job:
        """Stop a job: at once where it waits, at its next heartbeat where it runs.

        Raises
        ------
        NotFoundError
            If there is no such job.
        ConflictError
            If it is finished.
        """
        with self._database.writing(tx) as tx:
            job = self.get(job_id, tx=tx)
            if job.state not in _UNFINISHED:
                raise ConflictError(f"job {job_id} is {job.state.value} already")
            if job.state is JobState.QUEUED:
                self._finish(tx, job_id, JobState.CANCELLED)
            self._update(tx, job_id, is_cancelled=True)
            return self.get(job_id, tx=tx)

    def get(self, job_id: int, *, tx: Transaction | None = None) -> Job:
        """Return one job.

        Raises
        ------
        NotFoundError
            If there is none of that id.
        """
        with self._database.reading(tx) as tx:
            return _job(self._row(tx, schema.jobs, "job", id=job_id))

    def page(
        self,
        *,
        kind: str | None = None,
        states: Collection[JobState] = tuple(JobState),
        after: str | None = None,
        limit: int = 100,
        tx: Transaction | None = None,
    ) -> Page[Job]:
        """Return jobs, the newest first."""
        table = schema.jobs
        query = sa.select(table).where(table.c.state.in_([JobState(s).value for s in states]))
        if kind is not None:
            query = query.where(table.c.kind == kind)
        with self._database.reading(tx) as tx:
            return read_page(tx, query, (table.c.id,), _job, after=after, limit=limit)

    def _check_owner(self, tx: Transaction, job_id: int, owner: str) -> Job:
        job = self.get(job_id, tx=tx)
        if job.state is not JobState.RUNNING or job.owner != owner:
            raise ConflictError(f"job {job_id} is {job.state.value} and no longer of {owner!r}")
        return job

    def _finish(self, tx: Transaction, job_id: int, state: JobState, **values: Any) -> None:
        done = {"state": state.value, "lease_until_s": None, "finished_s": self._database.now_s()}
        self._update(tx, job_id, **done, **values)

    def _update(self, tx: Transaction, job_id: int, **values: Any) -> None:
        tx.execute(schema.jobs.update().where(schema.jobs.c.id == job_id).values(**values))


def _job(row: sa.Row[Any]) -> Job:
    return Job(**{**row._mapping, "state": JobState(row.state)})
