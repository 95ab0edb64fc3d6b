"""What the topics share: a database, and checks that an edit or a feed fits what is stored."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from faultsight.core.errors import NotFoundError, StaleVersionError
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Database, Transaction

__all__ = ["Topic"]


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
