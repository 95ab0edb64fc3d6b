"""The past of a feed run again: with proposed settings, or with its own to compare."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from faultsight.app.feeds import checked_config
from faultsight.app.folders import StateFolder
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.config import FeedConfig
from faultsight.stores.operations import Operations

if TYPE_CHECKING:
    from faultsight.flow.backtest import BackTest
    from faultsight.flow.loop import Loop
    from faultsight.flow.replay import Replay

__all__ = ["BackTests"]


class BackTests:
    """Tries settings out, and replays; nothing is written.

    Parameters
    ----------
    ops, folder
        What was decided in the past, and the telemetry that it was decided on.
    """

    def __init__(self, ops: Operations, folder: StateFolder) -> None:
        self._ops = ops
        self._folder = folder

    def proposed(self, feed: str, settings: Mapping[str, Any]) -> FeedConfig:
        """Return the rules of a feed with some settings changed.

        Raises
        ------
        NotFoundError
            If there is no such feed.
        SettingError
            If a setting is not known or not possible.
        """
        stored = self._ops.feeds.get(feed)
        settings = {**stored.settings, **settings}
        return checked_config(feed, stored.kind, stored.interval_s, settings)

    def run(self, proposed: FeedConfig, window: TimeWindow, *, refit: bool = False) -> BackTest:
        """Run proposed rules on a window of the past; see `faultsight.flow.backtest.back_test`."""
        from faultsight.flow.backtest import back_test

        return back_test(self._loop(proposed.name), proposed, window, refit=refit)

    def replay(self, feed: str, window: TimeWindow) -> Replay:
        """Decide a window of the past again; see `faultsight.flow.replay.replay`."""
        from faultsight.flow.replay import replay

        return replay(self._loop(feed), feed, window)

    def _loop(self, feed: str) -> Loop:
        from faultsight.flow.learn import rejected_patterns
        from faultsight.flow.loop import Loop

        rerank = partial(rejected_patterns, self._ops)
        return Loop(self._ops, self._folder.path, [self.proposed(feed, {})], rerank=rerank)
