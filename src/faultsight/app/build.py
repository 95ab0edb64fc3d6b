"""The only wiring: a state folder and its settings become an application."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from faultsight.app.application import Application
from faultsight.app.roles import COMMAND_LINE
from faultsight.app.settings import FeedSettings, Settings, load_settings
from faultsight.core.errors import ConflictError, SettingError
from faultsight.stores.operations import Operations

__all__ = ["open_application"]


def open_application(
    settings: Settings | Path | str | None = None, *, clock: Callable[[], float] = time.time
) -> Application:
    """Return the application of a state folder; the folder is made if it is missing.

    Parameters
    ----------
    settings : Settings, path or None
        Settings, or the folder whose settings are to be read.
    clock : callable
        Says what time it is, seconds since 1970 UTC; simulations set it.

    Raises
    ------
    SettingError
        If a setting is not known or not possible, or a feed that is there is another one.
    StoreError
        If the operations store cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> with open_application(tempfile.mkdtemp()) as app:
    ...     app.feeds.add("cells", "kpi", 900, {}, COMMAND_LINE).name
    'cells'
    """
    if not isinstance(settings, Settings):
        settings = load_settings(settings)
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = settings.database or settings.state_dir / "operations.sqlite"
    ops = Operations.open(database, clock=clock)
    application = Application(settings, ops)
    for feed in settings.feeds:
        _arrange(application, feed)
    return application


def _arrange(application: Application, feed: FeedSettings) -> None:
    """Make a feed of the settings file exist; where it does, the file's rules hold."""
    there = {view.name: view for view in application.feeds.list()}.get(feed.name)
    if there is None:
        try:
            application.feeds.add(feed.name, feed.kind, feed.interval_s, feed.flow, COMMAND_LINE)
            return
        except ConflictError:  # a process that starts beside this one was faster
            there = application.feeds.get(feed.name)
    if (there.kind, there.interval_s) != (feed.kind, feed.interval_s):
        raise SettingError(
            f"feed {feed.name}: it is of kind {there.kind} and {there.interval_s} s; neither can "
            "be changed"
        )
    if any(there.settings.get(key) != value for key, value in feed.flow.items()):
        application.feeds.change(
            feed.name, feed.flow, why="as the settings file says", who=COMMAND_LINE
        )
