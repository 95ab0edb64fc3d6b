"""Suppressions: rules that mute alarms for a time, such as planned work; the reason is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._paging import Page, read_page
from faultsight.stores.operations._topic import Topic, check_version, touches

__all__ = ["Suppression", "Suppressions"]


@dataclass(frozen=True)
class Suppression:
    """One rule that mutes.

    Attributes
    ----------
    id : int
        In the order in which they were made; `AlarmRecord.muted_by` names it as text.
    feed : str, optional
        Of one feed; None for all.
    scope : mapping of str to str
        Attributes that an entity must have; empty for all.
    entity : str, optional
        One entity only.
    start_s, end_s : int, optional end
        When it holds; None for no end.
    reason : str
        Why.
    created_by : str
        Who made it.
    created_s : int
        When.
    revoked_by : str, optional
        Who took it back.
    revoke_reason : str
        Why.
    revoked_s : int, optional
        When; from then on it mutes nothing.
    version : int
        One more with every change.

    Examples
    --------
    >>> rule = Suppression(1, None, {"site": "S1"}, None, 0, 60, "power work", "ana", 0, None, "",
    ...                    None, 1)
    >>> rule.covers("cells", "cell-1", {"site": "S1"}), rule.covers("cells", "cell-2", {})
    (True, False)
    """

    id: int
    feed: str | None
    scope: Mapping[str, str]
    entity: str | None
    start_s: int
    end_s: int | None
    reason: str
    created_by: str
    created_s: int
    revoked_by: str | None
    revoke_reason: str
    revoked_s: int | None
    version: int

    def covers(self, feed: str, entity: str, attributes: Mapping[str, str]) -> bool:
        """Whether the rule is about this entity."""
        return (
            self.feed in (None, feed)
            and self.entity in (None, entity)
            and all(attributes.get(name) == value for name, value in self.scope.items())
        )

    def holds(self, window: TimeWindow) -> bool:
        """Whether the rule shares a second with a window."""
        return self.start_s < window.end_s and (self.end_s is None or self.end_s > window.start_s)


class Suppressions(Topic):
    """The rules that mute."""

    def add(
        self,
        feed: str | None = None,
        *,
        scope: Mapping[str, str] | None = None,
        entity: str | None = None,
        start_s: int,
        end_s: int | None = None,
        reason: str,
        by: str,
        tx: Transaction | None = None,
    ) -> Suppression:
        """Mute alarms for a time.

        Raises
        ------
        NotFoundError
            If there is no such feed.
        InputError
            If it ends before it starts or gives no reason.
        """
        if end_s is not None and end_s <= start_s:
            raise InputError(f"the suppression ends ({end_s}) before it starts ({start_s})")
        if not reason.strip():
            raise InputError("a suppression needs a reason")
        with self._database.writing(tx) as tx:
            if feed is not None:
                self._check_feed(tx, feed)
            done = tx.execute(
                schema.suppressions.insert().values(
                    feed=feed,
                    scope=dict(scope or {}),
                    entity=entity,
                    start_s=start_s,
                    end_s=end_s,
                    reason=reason,
                    created_by=by,
                    created_s=self._database.now_s(),
                    revoke_reason="",
                    version=1,
                )
            )
            (rule_id,) = done.inserted_primary_key or (0,)
            return self.get(rule_id, tx=tx)

    def get(self, rule_id: int, *, tx: Transaction | None = None) -> Suppression:
        """Return one rule.

        Raises
        ------
        NotFoundError
            If there is none of that id.
        """
        with self._database.reading(tx) as tx:
            return _rule(self._row(tx, schema.suppressions, "suppression", id=rule_id))

    def active(
        self, window: TimeWindow, *, feed: str | None = None, tx: Transaction | None = None
    ) -> list[Suppression]:
        """Return the rules that hold in a window and were not revoked, in order of their ids.

        Parameters
        ----------
        feed : str, optional
            Only rules that may be about this feed.
        """
        table = schema.suppressions
        query = sa.select(table).where(
            table.c.revoked_s.is_(None),
            touches(table, window),
        )
        if feed is not None:
            query = query.where(sa.or_(table.c.feed.is_(None), table.c.feed == feed))
        with self._database.reading(tx) as tx:
            return [_rule(row) for row in tx.execute(query.order_by(table.c.id))]

    def revoke(
        self,
        rule_id: int,
        *,
        by: str,
        why: str = "",
        expected_version: int | None = None,
        tx: Transaction | None = None,
    ) -> Suppression:
        """Take a rule back; it is kept, and a second time changes nothing.

        Raises
        ------
        NotFoundError, StaleVersionError
            If there is no such rule, or it was changed since that version.
        """
        table = schema.suppressions
        with self._database.writing(tx) as tx:
            rule = self.get(rule_id, tx=tx)
            check_version("suppression", rule_id, rule.version, expected_version)
            if rule.revoked_s is None:
                new = {
                    "revoked_by": by,
                    "revoke_reason": why,
                    "revoked_s": self._database.now_s(),
                    "version": rule.version + 1,
                }
                tx.execute(table.update().where(table.c.id == rule_id).values(**new))
            return self.get(rule_id, tx=tx)

    def page(
        self,
        *,
        feed: str | None = None,
        after: str | None = None,
        limit: int = 100,
        tx: Transaction | None = None,
    ) -> Page[Suppression]:
        """Return rules, also the revoked, the newest first."""
        table = schema.suppressions
        query = sa.select(table)
        if feed is not None:
            query = query.where(sa.or_(table.c.feed.is_(None), table.c.feed == feed))
        with self._database.reading(tx) as tx:
            return read_page(tx, query, (table.c.id,), _rule, after=after, limit=limit)


def _rule(row: sa.Row[Any]) -> Suppression:
    return Suppression(**row._mapping)
