"""Audit: who did what, when and why, for whatever keeps no history of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._paging import Page, read_page
from faultsight.stores.operations._topic import Topic

__all__ = ["Audit", "AuditEntry"]


@dataclass(frozen=True)
class AuditEntry:
    """One thing that somebody did.

    Attributes
    ----------
    id : int
        In the order in which they were written.
    at_s : int
        When.
    by : str
        Who.
    action, subject : str
        What, to what.
    why : str
        The reason.
    detail : mapping
        The rest, as JSON values.
    """

    id: int
    at_s: int
    by: str
    action: str
    subject: str
    why: str
    detail: Mapping[str, Any]


class Audit(Topic):
    """The audit trail; entries are only ever added."""

    def append(
        self,
        by: str,
        action: str,
        subject: str,
        *,
        why: str = "",
        detail: Mapping[str, Any] | None = None,
        tx: Transaction | None = None,
    ) -> None:
        """Write down what somebody did, in the transaction that does it."""
        with self._database.writing(tx) as tx:
            tx.execute(
                schema.audit.insert().values(
                    at_s=self._database.now_s(),
                    by=by,
                    action=action,
                    subject=subject,
                    why=why,
                    detail=dict(detail or {}),
                )
            )

    def page(
        self,
        *,
        by: str | None = None,
        subject: str | None = None,
        after: str | None = None,
        limit: int = 100,
        tx: Transaction | None = None,
    ) -> Page[AuditEntry]:
        """Return entries, the newest first."""
        table = schema.audit
        query = sa.select(table)
        for name, value in {"by": by, "subject": subject}.items():
            if value is not None:
                query = query.where(table.c[name] == value)
        with self._database.reading(tx) as tx:
            return read_page(tx, query, (table.c.id,), _entry, after=after, limit=limit)


def _entry(row: sa.Row[Any]) -> AuditEntry:
    return AuditEntry(**row._mapping)
