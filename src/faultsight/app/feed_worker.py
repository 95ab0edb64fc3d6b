"""The worker of feeds: what lies in watched folders is taken in, what is new is scored."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from faultsight.app.application import Application
from faultsight.app.feeds import config_of
from faultsight.app.watched import WatchedFolder
from faultsight.core.errors import FaultSightError
from faultsight.core.telemetry import TelemetryFolder
from faultsight.flow.fault_states import FaultStates
from faultsight.flow.learn import LearnConfig, Learner, rejected_patterns
from faultsight.flow.loop import Loop
from faultsight.runners import RUNNERS, Runner
from faultsight.stores.operations import Feed
from faultsight.stores.telemetry import compact_polls, retain_polls

__all__ = ["FeedWorker", "learn_config"]

_log = logging.getLogger(__name__)
_DAY_S = 86_400


def learn_config(application: Application) -> LearnConfig:
    """Return when models learn, as the settings say now."""
    learning = application.settings.learning
    return LearnConfig(
        tune_every_s=int(learning.tune_every_days * _DAY_S),
        retrain_every_s=int(learning.retrain_every_days * _DAY_S),
        history_s=int(learning.history_days * _DAY_S),
        least_history_s=int(learning.least_history_days * _DAY_S),
    )


class FeedWorker:
    """Looks at every feed in turn.

    Parameters
    ----------
    application : Application
        Whose feeds.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._runner = _runner(application)
        self._loop = Loop(
            application.ops,
            application.folder.path,
            (),
            self._runner,
            rerank=lambda feed, scope, patterns: rejected_patterns(
                application.ops, feed, scope, patterns
            ),
            base_url=application.settings.server.base_url,
        )
        self._versions: dict[str, int] = {}
        self._watched: dict[str, WatchedFolder] = {}
        self._maintained: dict[str, int] = {}

    def look_at_all(self, progress: Callable[[str], None]) -> str:
        """Look at every feed once, and queue what is due; returns a line on what was done.

        A feed that fails is told in the log, and the others go on.
        """
        feeds = self._application.ops.feeds.list()
        for feed in feeds:
            progress(f"looking at {feed.name}")
            try:
                self.look_at(feed)
            except FaultSightError as error:
                _log.warning("feed %s: %s", feed.name, error)
            except Exception:  # noqa: BLE001 - see below
                # The boundary of a feed: a defect in one must not hold up the others.
                _log.exception("feed %s: this look failed", feed.name)
        Learner(
            self._application.ops, self._application.folder.path, learn_config(self._application)
        ).schedule()
        return f"looked at {len(feeds)} feeds"

    def look_at(self, feed: Feed) -> None:
        """Take in what is new of one feed, score it, and keep its store tidy."""
        self._collect(feed)
        if self._versions.get(feed.name) != feed.version:
            # Watermarks do not count versions up, settings do.
            self._loop.feeds[feed.name] = config_of(feed)
            self._loop.forget(feed.name)
            self._versions[feed.name] = feed.version
        result = self._loop.tick(feed.name)
        if result.new or result.withdrawn:
            _log.info(
                "feed %s: %d new alarms, %d withdrawn, scored until %s",
                feed.name, len(result.new), len(result.withdrawn), result.scored_until_s,
            )  # fmt: skip
        self._maintain(feed)

    def close(self) -> None:
        """Let the runner's workers go."""
        self._runner.close()

    def _collect(self, feed: Feed) -> None:
        folders = {told.name: told.watch for told in self._application.settings.feeds}
        folder = folders.get(feed.name)
        if folder is None:
            return
        place = Path(folder)
        if not place.is_absolute():
            place = self._application.folder.path / place
        if feed.name not in self._watched:
            self._watched[feed.name] = WatchedFolder(
                self._application.ops, self._application.intake, feed.name, place
            )
        done = self._watched[feed.name].collect()
        if done.polled:
            _log.info("feed %s: %d files, %d rows", feed.name, done.polled, done.rows)

    def _maintain(self, feed: Feed) -> None:
        """Merge files and give up what is old, once a day."""
        now_s = self._application.ops.now_s()
        today = now_s // _DAY_S
        if self._maintained.get(feed.name) == today:
            return
        keep_s = self._application.settings.loop.retain_days * _DAY_S
        if feed.kind == "polls":
            self._maintain_polls(feed, keep_s, now_s)
        else:
            stores = self._application.stores
            for store in (stores.kpi_or_none(feed.name), stores.scores(feed.name)):
                if store is not None:
                    store.compact(before_s=now_s - _DAY_S)
                    store.retain(keep_s, now_s)
        self._maintained[feed.name] = today

    def _maintain_polls(self, feed: Feed, keep_s: int, now_s: int) -> None:
        """Do the same for polls, and for the states of faults that were followed in them."""
        folder = self._application.folder
        if not TelemetryFolder.is_telemetry(folder.telemetry(feed.name)):
            return
        polls = TelemetryFolder(folder.telemetry(feed.name))
        compact_polls(polls, before_s=now_s - _DAY_S)
        retain_polls(polls, keep_s=keep_s, now_s=now_s)
        FaultStates(folder.faults(feed.name)).drop(now_s - keep_s)


def _runner(application: Application) -> Runner:
    loop = application.settings.loop
    member = RUNNERS.load(loop.runner)
    if loop.runner == "processes":
        from faultsight.runners.processes import Processes, ProcessesConfig

        return Processes(ProcessesConfig(workers=loop.processes))
    return member()
