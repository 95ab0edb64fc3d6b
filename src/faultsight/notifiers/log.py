"""Log: each notification is a line of JSON in Python's logging; the host says where it goes."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from faultsight.core.errors import SettingError
from faultsight.notifiers._contract import Notification, Notifier

__all__ = ["Log", "LogConfig"]


@dataclass(frozen=True)
class LogConfig:
    """Settings of `Log`.

    Parameters
    ----------
    logger : str
        The logger's name.
    level : str
        ``DEBUG``, ``INFO``, ``WARNING``, ``ERROR`` or ``CRITICAL``; by default what most services
        show.
    """

    logger: str = "faultsight.notifications"
    level: str = "INFO"

    def __post_init__(self) -> None:
        if self.level not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
            raise SettingError(f"{self.level!r} is not a level of logging")


class Log(Notifier):
    """Notifications as lines in a log.

    Examples
    --------
    >>> Log().send(Notification("00ff", {"title": "cell-1 drops calls"}))
    """

    def __init__(self, config: LogConfig | None = None) -> None:
        self.config: LogConfig = config or LogConfig()

    def _send(self, notification: Notification, text: str) -> None:
        # The text is an argument, never the format: names may hold %.
        logging.getLogger(self.config.logger).log(
            logging.getLevelNamesMapping()[self.config.level], "%s", text
        )
