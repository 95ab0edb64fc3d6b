"""Outbox: messages written together with what they tell of, and kept until they are delivered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._paging import Page, read_page
from faultsight.stores.operations._topic import Topic

__all__ = ["Message", "MessageState", "Outbox"]


class MessageState(StrEnum):
    """Where a message stands."""

    QUEUED = "queued"
    DELIVERED = "delivered"


@dataclass(frozen=True)
class Message:
    """One message to one notifier.

    Attributes
    ----------
    id : int
        In the order in which they were put.
    notifier : str
        Who delivers it, by name.
    fingerprint : str
        The same for every delivery of the message, so that receivers can tell duplicates.
    payload : mapping
        What is told, as JSON values.
    state : MessageState
        Where it stands.
    attempts : int
        How many times delivery has failed.
    next_try_s : int
        Not before this time; while it is leased, when the lease ends.
    owner : str, optional
        Who tries to deliver it.
    error : str
        Why it failed last.
    created_s, delivered_s : int
        When.
    """

    id: int
    notifier: str
    fingerprint: str
    payload: Mapping[str, Any]
    state: MessageState
    attempts: int
    next_try_s: int
    owner: str | None
    error: str
    created_s: int
    delivered_s: int | None


class Outbox(Topic):
    """The messages to be delivered."""

    def put(
        self,
        notifier: str,
        fingerprint: str,
        payload: Mapping[str, Any],
        *,
        tx: Transaction | None = None,
    ) -> bool:
        """Queue a message in the transaction that makes it true.

        Returns
        -------
        bool
            False, and nothing is queued, if the notifier has a message of that fingerprint.
        """
        table = schema.outbox
        same = sa.select(table.c.id).where(
            table.c.notifier == notifier, table.c.fingerprint == fingerprint
        )
        with self._database.writing(tx) as tx:
            if tx.execute(same).first() is not None:
                return False
            now_s = self._database.now_s()
            tx.execute(
                table.insert().values(
                    notifier=notifier,
                    fingerprint=fingerprint,
                    payload=dict(payload),
                    state=MessageState.QUEUED.value,
                    attempts=0,
                    next_try_s=now_s,
                    error="",
                    created_s=now_s,
                )
            )
            return True

    def due(
        self,
        limit: int,
        *,
        lease_s: int,
        owner: str,
        tx: Transaction | None = None,
    ) -> list[Message]:
        """Lease the messages that are due, the oldest first.

        Nobody else gets them while the lease lasts; if its owner dies they are due again after.
        """
        table = schema.outbox
        now_s = self._database.now_s()
        is_due = (table.c.state == MessageState.QUEUED.value, table.c.next_try_s <= now_s)
        query = sa.select(table).where(*is_due).order_by(table.c.id).limit(limit)
        if tx is None:
            with self._database.reading() as reader:
                if reader.execute(query).first() is None:
                    return []
        with self._database.writing(tx) as tx:
            ids = [row.id for row in tx.execute(query)]
            lease = {"owner": owner, "next_try_s": now_s + lease_s}
            tx.execute(table.update().where(table.c.id.in_(ids)).values(**lease))
            rows = tx.execute(sa.select(table).where(table.c.id.in_(ids)).order_by(table.c.id))
            return [_message(row) for row in rows]

    def delivered(self, message_id: int, *, tx: Transaction | None = None) -> None:
        """Note that the receiver has a message."""
        done = {"state": MessageState.DELIVERED.value, "delivered_s": self._database.now_s()}
        with self._database.writing(tx) as tx:
            self._update(tx, [message_id], owner=None, error="", **done)

    def failed(
        self, message_id: int, error: str, next_try_s: int, *, tx: Transaction | None = None
    ) -> None:
        """Note that a delivery failed, why, and when to try again."""
        with self._database.writing(tx) as tx:
            self._update(
                tx,
                [message_id],
                owner=None,
                error=error,
                next_try_s=next_try_s,
                attempts=schema.outbox.c.attempts + 1,
            )

    def postpone(
        self, message_ids: Iterable[int], next_try_s: int, *, tx: Transaction | None = None
    ) -> None:
        """Give messages back that were not tried."""
        with self._database.writing(tx) as tx:
            self._update(tx, list(message_ids), owner=None, next_try_s=next_try_s)

    def page(
        self,
        *,
        states: Collection[MessageState] = tuple(MessageState),
        notifier: str | None = None,
        after: str | None = None,
        limit: int = 100,
        tx: Transaction | None = None,
    ) -> Page[Message]:
        """Return messages, the newest first."""
        table = schema.outbox
        query = sa.select(table).where(table.c.state.in_([MessageState(s).value for s in states]))
        if notifier is not None:
            query = query.where(table.c.notifier == notifier)
        with self._database.reading(tx) as tx:
            return read_page(tx, query, (table.c.id,), _message, after=after, limit=limit)

    def _update(self, tx: Transaction, ids: list[int], **values: Any) -> None:
        table = schema.outbox
        # What was delivered stays delivered, also if a slower worker believes otherwise.
        is_queued = table.c.state == MessageState.QUEUED.value
        tx.execute(table.update().where(table.c.id.in_(ids), is_queued).values(**values))


def _message(row: sa.Row[Any]) -> Message:
    return Message(**{**row._mapping, "state": MessageState(row.state)})
