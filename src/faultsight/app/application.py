"""The application: the one layer that both the commands and the API call."""

from __future__ import annotations

from typing import Any

from faultsight.app.accounts import Accounts
from faultsight.app.alarms import Alarms
from faultsight.app.audit import Audit
from faultsight.app.back_tests import BackTests
from faultsight.app.cubes import Cubes
from faultsight.app.entities import Entities
from faultsight.app.exports import Exports
from faultsight.app.feed_stores import FeedStores
from faultsight.app.feedback import Feedback
from faultsight.app.feeds import Feeds
from faultsight.app.folders import StateFolder
from faultsight.app.incidents import Incidents
from faultsight.app.intake import Intake
from faultsight.app.jobs import Jobs
from faultsight.app.models import Models
from faultsight.app.nodes import Nodes
from faultsight.app.series import SeriesReader
from faultsight.app.setting_list import SettingList, stored_changes
from faultsight.app.settings import LimitSettings, Settings
from faultsight.app.status import Status
from faultsight.app.suppressions import Suppressions
from faultsight.app.tasks import Tasks
from faultsight.app.uploads import Uploads
from faultsight.stores.operations import Operations

__all__ = ["Application"]


class Application:
    """Everything that can be done with a state folder, by topic.

    Made by `faultsight.app.build.open_application`. Threads may share it.

    Parameters
    ----------
    settings : Settings
        As they were given; changes kept in the operations store stand above them.
    ops : Operations
        Opened.
    """

    def __init__(self, settings: Settings, ops: Operations) -> None:
        self._given = settings
        self.ops = ops
        self.settings = settings.changed(stored_changes(ops))
        self.folder = StateFolder(settings.state_dir)
        self.stores = FeedStores(self.folder)
        limits = settings.limits
        self.accounts = Accounts(ops, settings)
        self.alarms = Alarms(ops)
        self.incidents = Incidents(ops)
        self.feedback = Feedback(ops)
        self.feeds = Feeds(ops, self.stores, self.folder)
        self.entities = Entities(ops)
        self.series = SeriesReader(ops, self.stores, lambda: self.limits.series_days)
        self.cubes = Cubes(ops, self.stores)
        self.nodes = Nodes(ops, self.stores, self.folder)
        self.tasks = Tasks(ops, self.series)
        self.models = Models(ops, self.folder)
        self.back_tests = BackTests(ops, self.folder)
        self.jobs = Jobs(ops, self.back_tests)
        self.suppressions = Suppressions(ops)
        self.setting_list = SettingList(ops, lambda: self.settings, self.reload)
        self.audit = Audit(ops)
        self.intake = Intake(ops, self.folder)
        self.uploads = Uploads(ops, self.folder, self.intake, limits)
        self.exports = Exports(self.alarms, self.feedback, lambda: self.limits.export_rows)
        self.status = Status(ops)

    @property
    def limits(self) -> LimitSettings:
        """What one request may cost, as it holds now."""
        return self.settings.limits

    def reload(self, settings: Settings | None = None) -> None:
        """Take up changes of settings; those of the server itself wait for a restart."""
        if settings is not None:
            self._given = settings
        self.settings = self._given.changed(stored_changes(self.ops))

    def close(self) -> None:
        """Close the operations store."""
        self.ops.close()

    def __enter__(self) -> Application:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
