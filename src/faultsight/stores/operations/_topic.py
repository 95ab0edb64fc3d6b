"""What the topics share: a database, and checks that an edit or a feed fits what is stored."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from faultsight.core.errors import NotFoundError, StaleVersionError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Database, Transaction

__all__ = ["Topic", "check_version", "touches", "touching"]


class Topic:
    """The operations of one topic on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _check_feed(self, tx: Transaction, feed: str) -> None:
        found = sa.select(schema.feeds.c.name).where(schema.feeds.c.name == feed)
        if tx.execute(found).first() is None:
            raise NotFoundError("feed", feed)

    def _row(self, tx: Transaction, table: sa.Table, kind: str, **key: Any) -> sa.Row[Any]:
        """Return the row of a key, which must be there."""
        ((name, value),) = key.items()
        found = tx.execute(sa.select(table).where(table.c[name] == value))
        row = found.first()
        if row is None:
            raise NotFoundError(kind, value)
        return row


def check_version(kind: str, key: object, current: int, expected: int | None) -> None:
    """Refuse an edit that was made on an older version; None expects any."""
    if expected is not None and expected != current:
        raise StaleVersionError(kind, key, expected=expected, current=current)


def touches(table: sa.Table, window: TimeWindow) -> sa.ColumnElement[bool]:
    """Return the condition that a row's span, of ``start_s`` and ``end_s``, overlaps a window."""
    has_not_ended = sa.or_(table.c.end_s.is_(None), table.c.end_s > window.start_s)
    return sa.and_(table.c.start_s < window.end_s, has_not_ended)


def touching(
    query: sa.Select[Any], table: sa.Table, window: TimeWindow | None
) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    """Return the query restricted to rows that `touches` a window, quick on a long history.

    Most rows have ended long before. In two halves, each finds its rows by the index on feed and
    end; adding 0 keeps the database from taking the index on the start instead.
    """
    if window is None:
        return query
    started = query.where(table.c.start_s + 0 < window.end_s)
    return sa.union_all(
        started.where(table.c.end_s > window.start_s), started.where(table.c.end_s.is_(None))
    )
