"""Tasks: spans that the learning step asks operators to label."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from faultsight.core.errors import ConflictError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._paging import Page, read_page
from faultsight.stores.operations._topic import Topic, check_version

__all__ = ["Answer", "Task", "TaskState", "Tasks"]


class TaskState(StrEnum):
    """Where a task stands."""

    OPEN = "open"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"
    """The answer is not needed any more."""


class Answer(StrEnum):
    """Whether something was wrong in the span."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Task:
    """One question to an operator.

    Attributes
    ----------
    id : int
        In the order in which they were asked.
    feed, entity : str
        Whose span.
    window : TimeWindow
        The span.
    kpis : tuple of str
        The KPIs to look at.
    body : mapping
        What else the operator should see.
    job_id : int, optional
        Who asks.
    state : TaskState
        Where it stands.
    answer : Answer, optional
        What was said.
    answered_by : str, optional
        By whom.
    answered_s : int, optional
        When.
    created_s : int
        When it was asked.
    version : int
        One more with every change.
    """

    id: int
    feed: str
    entity: str
    window: TimeWindow
    kpis: tuple[str, ...]
    body: Mapping[str, Any]
    job_id: int | None
    state: TaskState
    answer: Answer | None
    answered_by: str | None
    answered_s: int | None
    created_s: int
    version: int


class Tasks(Topic):
    """The questions to operators."""

    def add(
        self,
        feed: str,
        entity: str,
        window: TimeWindow,
        kpis: Sequence[str] = (),
        body: Mapping[str, Any] | None = None,
        *,
        job_id: int | None = None,
        tx: Transaction | None = None,
    ) -> Task:
        """Ask about a span, or return the task on the same span that is there.

        Raises
        ------
        NotFoundError
            If there is no such feed or job.
        """
        table = schema.tasks
        with self._database.writing(tx) as tx:
            self._check_feed(tx, feed)
            if job_id is not None:
                self._row(tx, schema.jobs, "job", id=job_id)
            same = sa.select(table).where(
                table.c.feed == feed,
                table.c.entity == entity,
                table.c.start_s == window.start_s,
                table.c.end_s == window.end_s,
                table.c.state != TaskState.WITHDRAWN.value,
            )
            for row in tx.execute(same):
                if row.kpis == list(kpis):
                    return _task(row)
            done = tx.execute(
                table.insert().values(
                    feed=feed,
                    entity=entity,
                    start_s=window.start_s,
                    end_s=window.end_s,
                    kpis=list(kpis),
                    body=dict(body or {}),
                    job_id=job_id,
                    state=TaskState.OPEN.value,
                    created_s=self._database.now_s(),
                    version=1,
                )
            )
            (task_id,) = done.inserted_primary_key or (0,)
            return self.get(task_id, tx=tx)

    def get(self, task_id: int, *, tx: Transaction | None = None) -> Task:
        """Return one task.

        Raises
        ------
        NotFoundError
            If there is none of that id.
        """
        with self._database.reading(tx) as tx:
            return _task(self._row(tx, schema.tasks, "task", id=task_id))

    def answer(
        self,
        task_id: int,
        answer: Answer,
        *,
        by: str,
        expected_version: int | None = None,
        tx: Transaction | None = None,
    ) -> Task:
        """Answer a task, or change the answer.

        Raises
        ------
        NotFoundError, StaleVersionError
            If there is no such task, or it was changed since that version.
        ConflictError
            If it was withdrawn.
        """
        with self._database.writing(tx) as tx:
            task = self.get(task_id, tx=tx)
            check_version("task", task_id, task.version, expected_version)
            if task.state is TaskState.WITHDRAWN:
                raise ConflictError(f"task {task_id} was withdrawn")
            self._update(
                tx,
                task,
                state=TaskState.ANSWERED.value,
                answer=Answer(answer).value,
                answered_by=by,
                answered_s=self._database.now_s(),
            )
            return self.get(task_id, tx=tx)

    def withdraw_others(
        self, feed: str, asked: Collection[int], *, tx: Transaction | None = None
    ) -> int:
        """Take back the open questions of earlier jobs on a feed that are not asked any more.

        What was answered stays as it is, and so does what no job has asked.

        Parameters
        ----------
        feed : str
            Whose questions.
        asked : collection of int
            The tasks that stay open.

        Returns
        -------
        int
            How many were withdrawn.
        """
        table = schema.tasks
        is_open = sa.select(table).where(
            table.c.feed == feed,
            table.c.state == TaskState.OPEN.value,
            table.c.job_id.is_not(None),
        )
        with self._database.writing(tx) as tx:
            others = [task for task in map(_task, tx.execute(is_open)) if task.id not in asked]
            for task in others:
                self._update(tx, task, state=TaskState.WITHDRAWN.value)
        return len(others)

    def answers(
        self,
        job_id: int | None = None,
        *,
        feed: str | None = None,
        tx: Transaction | None = None,
    ) -> list[Task]:
        """Return the answered tasks of a job or a feed, in order of their ids."""
        query = sa.select(schema.tasks).where(schema.tasks.c.state == TaskState.ANSWERED.value)
        if job_id is not None:
            query = query.where(schema.tasks.c.job_id == job_id)
        if feed is not None:
            query = query.where(schema.tasks.c.feed == feed)
        with self._database.reading(tx) as tx:
            return [_task(row) for row in tx.execute(query.order_by(schema.tasks.c.id))]

    def page(
        self,
        state: TaskState | None = None,
        *,
        feed: str | None = None,
        after: str | None = None,
        limit: int = 100,
        tx: Transaction | None = None,
    ) -> Page[Task]:
        """Return tasks, the newest first."""
        table = schema.tasks
        query = sa.select(table)
        if state is not None:
            query = query.where(table.c.state == TaskState(state).value)
        if feed is not None:
            query = query.where(table.c.feed == feed)
        with self._database.reading(tx) as tx:
            return read_page(tx, query, (table.c.id,), _task, after=after, limit=limit)

    def _update(self, tx: Transaction, task: Task, **values: Any) -> None:
        table = schema.tasks
        values["version"] = task.version + 1
        tx.execute(table.update().where(table.c.id == task.id).values(**values))


def _task(row: sa.Row[Any]) -> Task:
    values = dict(row._mapping)
    window = TimeWindow(values.pop("start_s"), values.pop("end_s"))
    values["kpis"] = tuple(values["kpis"])
    values["state"] = TaskState(values["state"])
    values["answer"] = None if values["answer"] is None else Answer(values["answer"])
    return Task(window=window, **values)
