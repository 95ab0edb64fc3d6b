"""How the schema changes from version to version: one file a step in ``versions/``.

A step is one transaction, forth and back; a process killed in it leaves the schema as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from faultsight.core.errors import StoreError

if TYPE_CHECKING:
    from alembic.config import Config

    from faultsight.stores.operations._database import Database, Transaction

__all__ = ["HEAD", "downgrade", "revision", "upgrade"]

HEAD = "0001"
"""The newest step; a test holds it against the files."""

_FOLDER = Path(__file__).parent


def upgrade(database: Database, to: str = "head") -> None:
    """Bring a database up to date; processes that start together wait for one another.

    Raises
    ------
    StoreError
        If the database was written by a newer FaultSight.
    """
    if revision(database) == HEAD and to == "head":
        return  # without the write lock, and without importing alembic
    from alembic import command

    with database.writing() as tx:
        _check_known(database, tx)
        command.upgrade(_config(tx), to)


def downgrade(database: Database, to: str = "-1") -> None:
    """Take steps back; what only the newer schema can hold is lost.

    Parameters
    ----------
    to : str
        A revision, ``-1`` for one step, ``base`` for an empty database.
    """
    from alembic import command

    with database.writing() as tx:
        _check_known(database, tx)
        command.downgrade(_config(tx), to)


def revision(database: Database) -> str | None:
    """Return the step that a database is at; None if it is empty."""
    with database.reading() as tx:
        return _revision(tx)


def _revision(tx: Transaction) -> str | None:
    if not sa.inspect(tx).has_table("alembic_version"):
        return None
    row = tx.execute(sa.text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


def _check_known(database: Database, tx: Transaction) -> None:
    at = _revision(tx)
    known = {path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py")}
    if at is not None and at not in known:
        raise StoreError(f"{database.place} was written by a newer FaultSight (schema {at})")


def _config(tx: Transaction) -> Config:
    from alembic.config import Config

    config = Config()
    # Alembic's settings take % as the start of a name.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = tx
    return config
