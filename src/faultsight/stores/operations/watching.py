"""What a console watches: how many of what there are, and alarms as they change."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from faultsight.core.alarm import AlarmRecord, AlarmState
from faultsight.core.incident import IncidentState
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._topic import Topic
from faultsight.stores.operations.jobs import JobState
from faultsight.stores.operations.outbox import MessageState
from faultsight.stores.operations.tasks import TaskState

__all__ = ["AlarmChange", "Counts", "Watching"]


@dataclass(frozen=True)
class AlarmChange:
    """One change of one alarm, in the order in which changes were written.

    Attributes
    ----------
    number : int
        Grows with every change.
    action : str
        ``new``, ``changed`` or ``withdrawn``.
    alarm : AlarmRecord
        As it is now, not as it was then.
    """

    number: int
    action: str
    alarm: AlarmRecord


@dataclass(frozen=True)
class Counts:
    """How much waits for somebody.

    Attributes
    ----------
    raised_alarms : mapping of str to int
        By feed.
    open_incidents, open_tasks, unfinished_jobs, undelivered : int
        Those not resolved, not answered, not finished, not delivered.
    """

    raised_alarms: dict[str, int]
    open_incidents: int
    open_tasks: int
    unfinished_jobs: int
    undelivered: int


class Watching(Topic):
    """Counts and changes, to read."""

    def counts(self, *, tx: Transaction | None = None) -> Counts:
        """Return how much waits for somebody."""
        alarms, jobs = schema.alarms, schema.jobs
        raised = (
            sa.select(alarms.c.feed, sa.func.count())
            .where(alarms.c.state == AlarmState.RAISED.value)
            .group_by(alarms.c.feed)
        )
        unfinished = (JobState.QUEUED.value, JobState.RUNNING.value)
        with self._database.reading(tx) as tx:

            def count(table: sa.Table, is_counted: sa.ColumnElement[bool]) -> int:
                query = sa.select(sa.func.count()).select_from(table).where(is_counted)
                return int(tx.execute(query).scalar_one())

            return Counts(
                {row.feed: int(row[1]) for row in tx.execute(raised)},
                count(schema.incidents, schema.incidents.c.state != IncidentState.RESOLVED.value),
                count(schema.tasks, schema.tasks.c.state == TaskState.OPEN.value),
                count(jobs, jobs.c.state.in_(unfinished)),
                count(schema.outbox, schema.outbox.c.state == MessageState.QUEUED.value),
            )

    def last_change(self, *, tx: Transaction | None = None) -> int:
        """Return the number of the latest change of any alarm; 0 before the first."""
        with self._database.reading(tx) as tx:
            return int(tx.execute(sa.select(sa.func.max(schema.alarm_history.c.id))).scalar() or 0)

    def changes_since(
        self, after: int, *, limit: int = 200, tx: Transaction | None = None
    ) -> list[AlarmChange]:
        """Return the changes of alarms after a number, the first first.

        Notes
        -----
        A number that was given later can be seen earlier only where several processes write alarms
        into one PostgreSQL database at once; a feed's alarms are written by one worker.
        """
        history, alarms = schema.alarm_history, schema.alarms
        query = (
            sa.select(history.c.id.label("number"), history.c.action, *alarms.c)
            .join(alarms, alarms.c.id == history.c.alarm_id)
            .where(history.c.id > after)
            .order_by(history.c.id)
            .limit(limit)
        )
        with self._database.reading(tx) as tx:
            return [
                AlarmChange(
                    row.number,
                    row.action,
                    AlarmRecord.from_dict({c.name: row._mapping[c.name] for c in alarms.c}),
                )
                for row in tx.execute(query)
            ]
