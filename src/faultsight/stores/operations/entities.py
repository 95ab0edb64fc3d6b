"""Entities: what is watched, and its attributes: the topology and the dimensions of cubes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from faultsight.core.errors import NotFoundError
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._paging import Page, read_page
from faultsight.stores.operations._topic import Topic

__all__ = ["Entities", "Entity"]


@dataclass(frozen=True)
class Entity:
    """One thing that is watched, such as a base station.

    Attributes
    ----------
    feed, name : str
        Whose stream, and what it is called there.
    attributes : mapping of str to str
        Region, vendor, band and the like.
    """

    feed: str
    name: str
    attributes: Mapping[str, str]


class Entities(Topic):
    """What each feed watches."""

    def put(
        self,
        feed: str,
        entities: Mapping[str, Mapping[str, str]],
        *,
        tx: Transaction | None = None,
    ) -> int:
        """Add entities, or replace the attributes of those that are there.

        Parameters
        ----------
        entities : mapping of name to attributes
            All in one transaction.

        Returns
        -------
        int
            How many were new or changed.
        """
        table = schema.entities
        with self._database.writing(tx) as tx:
            self._check_feed(tx, feed)
            before = self.attributes(feed, tx=tx)
            new = [
                {"feed": feed, "name": name, "attributes": dict(attributes)}
                for name, attributes in entities.items()
                if name not in before
            ]
            if new:
                tx.execute(table.insert(), new)
            changed = {
                name: dict(attributes)
                for name, attributes in entities.items()
                if name in before and before[name] != dict(attributes)
            }
            for name, attributes in changed.items():
                place = (table.c.feed == feed, table.c.name == name)
                tx.execute(table.update().where(*place).values(attributes=attributes))
            return len(new) + len(changed)

    def get(self, feed: str, name: str, *, tx: Transaction | None = None) -> Entity:
        """Return one entity.

        Raises
        ------
        NotFoundError
            If the feed has none of that name.
        """
        table = schema.entities
        query = sa.select(table).where(table.c.feed == feed, table.c.name == name)
        with self._database.reading(tx) as tx:
            row = tx.execute(query).first()
        if row is None:
            raise NotFoundError("entity", name)
        return Entity(**row._mapping)

    def attributes(
        self, feed: str, *, tx: Transaction | None = None
    ) -> dict[str, Mapping[str, str]]:
        """Return the attributes of every entity of a feed, by name."""
        table = schema.entities
        query = sa.select(table.c.name, table.c.attributes).where(table.c.feed == feed)
        with self._database.reading(tx) as tx:
            rows = tx.execute(query.order_by(table.c.name))
            return {row.name: row.attributes for row in rows}

    def page(
        self,
        feed: str,
        *,
        after: str | None = None,
        limit: int = 100,
        tx: Transaction | None = None,
    ) -> Page[Entity]:
        """Return the entities of a feed by name."""
        table = schema.entities
        query = sa.select(table).where(table.c.feed == feed)
        with self._database.reading(tx) as tx:
            return read_page(
                tx,
                query,
                (table.c.name,),
                lambda row: Entity(**row._mapping),
                after=after,
                limit=limit,
                newest_first=False,
            )
