"""Operations: what the shift sees and decides, in one SQL database."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path

from faultsight.stores.operations import migrations
from faultsight.stores.operations._database import Clock, Database, Transaction
from faultsight.stores.operations.alarms import Alarms
from faultsight.stores.operations.audit import Audit
from faultsight.stores.operations.entities import Entities
from faultsight.stores.operations.feedback import Feedback
from faultsight.stores.operations.feeds import Feeds
from faultsight.stores.operations.files import Files
from faultsight.stores.operations.incidents import Incidents
from faultsight.stores.operations.jobs import Jobs
from faultsight.stores.operations.models import Models
from faultsight.stores.operations.outbox import Outbox
from faultsight.stores.operations.settings import Settings
from faultsight.stores.operations.suppressions import Suppressions
from faultsight.stores.operations.tasks import Tasks
from faultsight.stores.operations.users import Users
from faultsight.stores.operations.watching import Watching

__all__ = ["Operations"]


class Operations:
    """Alarms, incidents, feedback, models, jobs, users and the rest, by topic.

    Make one with `open`, in every process anew: a connection must not cross a fork. Threads may
    share it. Every method is one transaction, or part of one that is given as ``tx``.

    Examples
    --------
    >>> import tempfile
    >>> ops = Operations.open(Path(tempfile.mkdtemp()) / "operations.sqlite")
    >>> ops.feeds.add("cells", "kpi", 3600).watermark.data_until_s is None
    True
    >>> with ops.transaction() as tx:
    ...     _ = ops.feeds.set_watermark("cells", data_until_s=7200, tx=tx)
    ...     ops.outbox.put("log", "00ff", {"title": "cell-1"}, tx=tx)
    True
    >>> ops.close()
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.feeds = Feeds(database)
        self.files = Files(database)
        self.entities = Entities(database)
        self.alarms = Alarms(database)
        self.incidents = Incidents(database)
        self.feedback = Feedback(database)
        self.models = Models(database)
        self.jobs = Jobs(database)
        self.tasks = Tasks(database)
        self.suppressions = Suppressions(database)
        self.users = Users(database)
        self.outbox = Outbox(database)
        self.settings = Settings(database)
        self.audit = Audit(database)
        self.watching = Watching(database)

    @classmethod
    def open(cls, path_or_url: Path | str, *, clock: Clock = time.time) -> Operations:
        """Open a database, make it if it is missing, and bring its schema up to date.

        Parameters
        ----------
        path_or_url : path or str
            A file for SQLite, or a database URL.
        clock : callable
            Returns seconds since 1970 UTC; tests and replays set it.

        Raises
        ------
        StoreError
            If it cannot be opened, or was written by a newer FaultSight.
        """
        database = Database(path_or_url, clock=clock)
        migrations.upgrade(database)
        return cls(database)

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Return a transaction to write several things together: all of it is stored, or none.

        Keep it short: others cannot write meanwhile.
        """
        return self._database.writing()

    def snapshot(self) -> AbstractContextManager[Transaction]:
        """Return a transaction to read several things from one state."""
        return self._database.reading()

    def now_s(self) -> int:
        """Return the whole second that the store's clock shows."""
        return self._database.now_s()

    def backup(self, path: Path | str) -> Path:
        """Write a complete copy to a file, while others read and write, and check it.

        The copy is one state, checked for integrity, and appears under its name when it is
        complete.

        Raises
        ------
        StoreError
            If the copy cannot be written or is damaged.
        SettingError
            If the database is not SQLite.
        """
        return self._database.backup(path)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()
