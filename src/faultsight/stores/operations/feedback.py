"""Feedback: events appended for good; `faultsight.core.feedback.fold` says what stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from faultsight.core.errors import InputError, NotFoundError
from faultsight.core.feedback import FeedbackEvent
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._paging import Page, read_page
from faultsight.stores.operations._topic import Topic

__all__ = ["Feedback"]


class Feedback(Topic):
    """What operators have said."""

    def append(self, event: FeedbackEvent, *, tx: Transaction | None = None) -> FeedbackEvent:
        """Keep an event for good, and return it with its id.

        Raises
        ------
        NotFoundError
            If the feed, or the event that it undoes, is not there.
        InputError
            If it undoes an event of another feed, or has an id already.
        """
        if event.id:
            raise InputError(f"the event is stored already, as {event.id}", source=event.feed)
        with self._database.writing(tx) as tx:
            self._check_feed(tx, event.feed)
            if event.undoes is not None and self.get(event.undoes, tx=tx).feed != event.feed:
                raise InputError(f"event {event.undoes} is of another feed", source=event.feed)
            values = event.to_dict()
            del values["id"]
            start_s, end_s = values.pop("window") or (None, None)
            done = tx.execute(
                schema.feedback.insert().values(**values, start_s=start_s, end_s=end_s)
            )
            (new_id,) = done.inserted_primary_key or (0,)
            return replace(event, id=new_id)

    def get(self, event_id: int, *, tx: Transaction | None = None) -> FeedbackEvent:
        """Return one event.

        Raises
        ------
        NotFoundError
            If there is none of that id.
        """
        query = sa.select(schema.feedback).where(schema.feedback.c.id == event_id)
        with self._database.reading(tx) as tx:
            row = tx.execute(query).first()
        if row is None:
            raise NotFoundError("feedback event", event_id)
        return _event(row)

    def events(
        self,
        feed: str | None = None,
        *,
        since_s: int | None = None,
        tx: Transaction | None = None,
    ) -> list[FeedbackEvent]:
        """Return events in the order in which they were stored.

        Parameters
        ----------
        feed : str, optional
            Of one feed only.
        since_s : int, optional
            Said at this time or later. Folding needs all events: an undo may be late.
        """
        table = schema.feedback
        query = sa.select(table).order_by(table.c.id)
        if feed is not None:
            query = query.where(table.c.feed == feed)
        if since_s is not None:
            query = query.where(table.c.at_s >= since_s)
        with self._database.reading(tx) as tx:
            return [_event(row) for row in tx.execute(query)]

    def page(
        self,
        *,
        feed: str | None = None,
        alarm_id: str | None = None,
        incident_id: str | None = None,
        by: str | None = None,
        after: str | None = None,
        limit: int = 100,
        tx: Transaction | None = None,
    ) -> Page[FeedbackEvent]:
        """Return events, the newest first."""
        table = schema.feedback
        query = sa.select(table)
        wanted = {"feed": feed, "alarm_id": alarm_id, "incident_id": incident_id, "by": by}
        for name, value in wanted.items():
            if value is not None:
                query = query.where(table.c[name] == value)
        with self._database.reading(tx) as tx:
            return read_page(tx, query, (table.c.id,), _event, after=after, limit=limit)


def _event(row: sa.Row[Any]) -> FeedbackEvent:
    values = dict(row._mapping)
    start_s, end_s = values.pop("start_s"), values.pop("end_s")
    window = None if start_s is None else TimeWindow(start_s, end_s)
    return FeedbackEvent(**{**values, "window": window, "kpis": tuple(values["kpis"])})
