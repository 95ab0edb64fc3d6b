"""The telemetry and score stores of each feed, opened once."""

from __future__ import annotations

from threading import Lock

from faultsight.app.folders import StateFolder
from faultsight.core.errors import NotFoundError
from faultsight.core.telemetry import TelemetryFolder
from faultsight.stores.telemetry import KpiStore

__all__ = ["FeedStores"]


class FeedStores:
    """The stores of a state folder.

    Parameters
    ----------
    folder : StateFolder
        Where they lie.
    """

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._opened: dict[str, KpiStore] = {}
        self._lock = Lock()

    def kpi(self, feed: str) -> KpiStore:
        """Return the store of a ``kpi`` or ``cube`` feed.

        Raises
        ------
        NotFoundError
            If there is none (yet).
        """
        store = self.kpi_or_none(feed)
        if store is None:
            raise NotFoundError("telemetry of KPIs or cubes of feed", feed)
        return store

    def kpi_or_none(self, feed: str) -> KpiStore | None:
        """Return the store of a ``kpi`` or ``cube`` feed, if it holds anything."""
        return self._open(str(self._folder.telemetry(feed)))

    def scores(self, feed: str) -> KpiStore | None:
        """Return the scores of a feed, if there are any."""
        return self._open(str(self._folder.scores(feed)))

    def polls(self, feed: str) -> TelemetryFolder:
        """Return the polls of a feed of fiber nodes, as they are now.

        Raises
        ------
        NotFoundError
            If there are none (yet).
        """
        path = self._folder.telemetry(feed)
        if not TelemetryFolder.is_telemetry(path):
            raise NotFoundError("polls of feed", feed)
        return TelemetryFolder(path)

    def _open(self, path: str) -> KpiStore | None:
        with self._lock:
            if path not in self._opened and KpiStore.is_feed(path):
                self._opened[path] = KpiStore(path)
            return self._opened.get(path)
