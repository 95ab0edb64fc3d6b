"""Files taken in: each exactly once, with what was set aside of it and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._paging import Page, read_page
from faultsight.stores.operations._topic import Topic

__all__ = ["Files", "IngestedFile"]


@dataclass(frozen=True)
class IngestedFile:
    """One file that was taken in.

    Attributes
    ----------
    feed, key : str
        Of which stream; what the file is known by, whatever its name: size and hash.
    path : str
        Where it lay.
    n_rows, n_quarantined : int
        Rows taken, and rows set aside.
    at_s : int
        When.
    """

    feed: str
    key: str
    path: str
    n_rows: int
    n_quarantined: int
    at_s: int


class Files(Topic):
    """The files that each feed has taken in."""

    def seen(self, feed: str, key: str, *, tx: Transaction | None = None) -> bool:
        """Whether the file was taken in already."""
        table = schema.ingested_files
        query = sa.select(table.c.key).where(table.c.feed == feed, table.c.key == key)
        with self._database.reading(tx) as tx:
            return tx.execute(query).first() is not None

    def record(
        self,
        feed: str,
        key: str,
        path: str,
        n_rows: int,
        n_quarantined: int = 0,
        reasons: Mapping[str, int] | None = None,
        *,
        tx: Transaction | None = None,
    ) -> bool:
        """Note a file as taken in; False, and nothing is noted, if it was already.

        Parameters
        ----------
        reasons : mapping of str to int
            Why rows were set aside, and how many for each reason.
        """
        with self._database.writing(tx) as tx:
            self._check_feed(tx, feed)
            if self.seen(feed, key, tx=tx):
                return False
            tx.execute(
                schema.ingested_files.insert().values(
                    feed=feed,
                    key=key,
                    path=path,
                    n_rows=n_rows,
                    n_quarantined=n_quarantined,
                    at_s=self._database.now_s(),
                )
            )
            rows = [
                {"feed": feed, "key": key, "reason": reason, "n_rows": count}
                for reason, count in sorted((reasons or {}).items())
            ]
            if rows:
                tx.execute(schema.quarantined.insert(), rows)
            return True

    def quarantined(self, feed: str, *, tx: Transaction | None = None) -> dict[str, int]:
        """Return how many rows of a feed were set aside for each reason."""
        table = schema.quarantined
        query = (
            sa.select(table.c.reason, sa.func.sum(table.c.n_rows))
            .where(table.c.feed == feed)
            .group_by(table.c.reason)
            .order_by(table.c.reason)
        )
        with self._database.reading(tx) as tx:
            return {reason: int(count) for reason, count in tx.execute(query)}

    def page(
        self,
        feed: str,
        *,
        after: str | None = None,
        limit: int = 100,
        tx: Transaction | None = None,
    ) -> Page[IngestedFile]:
        """Return the files of a feed, the newest first."""
        table = schema.ingested_files
        query = sa.select(table).where(table.c.feed == feed)
        with self._database.reading(tx) as tx:
            return read_page(
                tx, query, (table.c.at_s, table.c.key), _file, after=after, limit=limit
            )


def _file(row: sa.Row[Any]) -> IngestedFile:
    return IngestedFile(**row._mapping)
