"""Entities and their attributes, which are their place in the topology."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from faultsight.app.roles import Principal
from faultsight.stores.operations import Entity, Operations, Page

__all__ = ["Entities"]


class Entities:
    """The entities of all feeds."""

    def __init__(self, ops: Operations) -> None:
        self._ops = ops

    def page(self, feed: str, *, after: str | None, limit: int) -> Page[Entity]:
        """Return the entities of a feed, by name."""
        self._ops.feeds.get(feed)
        return self._ops.entities.page(feed, after=after, limit=limit)

    def get(self, feed: str, name: str) -> Entity:
        """Return one entity."""
        return self._ops.entities.get(feed, name)

    def put(self, feed: str, entities: Mapping[str, Mapping[str, str]], who: Principal) -> int:
        """Add entities or replace their attributes; returns how many."""
        with self._ops.transaction() as tx:
            n = self._ops.entities.put(feed, entities, tx=tx)
            self._ops.audit.append(who.name, "put", f"entities of {feed}", detail={"n": n}, tx=tx)
        return n

    def branches(self, feed: str, by: Sequence[str]) -> list[tuple[tuple[str, ...], int]]:
        """Return how many entities share each combination of values of some attributes."""
        self._ops.feeds.get(feed)
        attributes = self._ops.entities.attributes(feed)
        counts = Counter(
            tuple(own.get(attribute, "") for attribute in by) for own in attributes.values()
        )
        return sorted(counts.items())
