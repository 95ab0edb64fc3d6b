"""Settings that operators change while the service runs; every change is in the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from faultsight.core.errors import StaleVersionError
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Database, Transaction
from faultsight.stores.operations._topic import Topic
from faultsight.stores.operations.audit import Audit

__all__ = ["Setting", "Settings"]


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes
    ----------
    key : str
        What is set.
    value : JSON value
        To what.
    by : str
        Who set it.
    at_s : int
        When.
    version : int
        From 1; one more with every change.
    """

    key: str
    value: Any
    by: str
    at_s: int
    version: int


class Settings(Topic):
    """What operators have set."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._audit = Audit(database)

    def get(self, key: str, *, tx: Transaction | None = None) -> Setting | None:
        """Return a setting; None if nobody has set it."""
        query = sa.select(schema.settings).where(schema.settings.c.key == key)
        with self._database.reading(tx) as tx:
            row = tx.execute(query).first()
        return None if row is None else Setting(**row._mapping)

    def list(self, *, tx: Transaction | None = None) -> list[Setting]:
        """Return all settings by key."""
        query = sa.select(schema.settings).order_by(schema.settings.c.key)
        with self._database.reading(tx) as tx:
            return [Setting(**row._mapping) for row in tx.execute(query)]

    def set(
        self,
        key: str,
        value: Any,
        *,
        by: str,
        why: str = "",
        expected_version: int | None = None,
        tx: Transaction | None = None,
    ) -> Setting:
        """Set a setting.

        Parameters
        ----------
        expected_version : int, optional
            The version that was read; 0 if there was none.

        Raises
        ------
        StaleVersionError
            If it was changed since that version.
        """
        table = schema.settings
        with self._database.writing(tx) as tx:
            before = self.get(key, tx=tx)
            current = 0 if before is None else before.version
            if expected_version not in (None, current):
                raise StaleVersionError(
                    "setting", key, expected=expected_version or 0, current=current
                )
            new = {
                "value": value,
                "by": by,
                "at_s": self._database.now_s(),
                "version": current + 1,
            }
            if before is None:
                tx.execute(table.insert().values(key=key, **new))
            else:
                tx.execute(table.update().where(table.c.key == key).values(**new))
            old = None if before is None else before.value
            detail = {"old": old, "new": value}
            self._audit.append(by, "set", f"setting {key}", why=why, detail=detail, tx=tx)
            return Setting(key, value, by, new["at_s"], current + 1)
