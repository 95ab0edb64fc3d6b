"""What answers requests, found by name: nothing below the console imports it."""

from __future__ import annotations

import importlib
import socket
import threading
from collections.abc import Callable
from typing import Protocol, cast

from faultsight.app.application import Application
from faultsight.core.errors import MissingExtraError

__all__ = ["Front", "load_front"]

_MODULE = "faultsight.console.server"


class Front(Protocol):
    """The server of the API."""

    def listen(self, application: Application) -> socket.socket:
        """Return a socket that listens where the settings say."""

    def run_server(
        self,
        application: Application,
        listening: socket.socket,
        *,
        on_ready: Callable[[], None],
        stopping: threading.Event,
    ) -> None:
        """Answer requests until told to stop."""


def load_front() -> Front:
    """Return the server.

    Raises
    ------
    MissingExtraError
        If what it needs is not installed.
    """
    try:
        return cast(Front, importlib.import_module(_MODULE))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("faultsight"):
            raise
        raise MissingExtraError("faultsight serve", "console") from error
