"""How the service is: counts of what waits, and whether its stores answer."""

from __future__ import annotations

from dataclasses import dataclass

from faultsight.core.errors import FaultSightError
from faultsight.stores.operations import Operations

__all__ = ["FeedLag", "Overview", "Status"]


@dataclass(frozen=True)
class FeedLag:
    """How far a feed is, and how many of its alarms are raised."""

    feed: str
    data_until_s: int | None
    scored_until_s: int | None
    raised_alarms: int


@dataclass(frozen=True)
class Overview:
    """What waits for somebody, and how far each feed is.

    Attributes
    ----------
    now_s : int
        The service's clock.
    raised_alarms, open_incidents, open_tasks, unfinished_jobs, undelivered : int
        Counts.
    feeds : list of FeedLag
        By name.
    """

    now_s: int
    raised_alarms: int
    open_incidents: int
    open_tasks: int
    unfinished_jobs: int
    undelivered: int
    feeds: list[FeedLag]


class Status:
    """How the service is."""

    def __init__(self, ops: Operations) -> None:
        self._ops = ops

    def is_ready(self) -> bool:
        """Whether the operations store answers."""
        try:
            self._ops.watching.last_change()
        except FaultSightError:
            return False
        return True

    def overview(self) -> Overview:
        """Return counts, all from one moment."""
        with self._ops.snapshot() as tx:
            counts = self._ops.watching.counts(tx=tx)
            feeds = self._ops.feeds.list(tx=tx)
        return Overview(
            now_s=self._ops.now_s(),
            raised_alarms=sum(counts.raised_alarms.values()),
            open_incidents=counts.open_incidents,
            open_tasks=counts.open_tasks,
            unfinished_jobs=counts.unfinished_jobs,
            undelivered=counts.undelivered,
            feeds=[
                FeedLag(
                    feed.name,
                    feed.watermark.data_until_s,
                    feed.watermark.scored_until_s,
                    counts.raised_alarms.get(feed.name, 0),
                )
                for feed in feeds
            ],
        )
