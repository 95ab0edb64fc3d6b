"""A real server on a free port, in this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from faultsight.app.application import Application
from faultsight.console.server import listen, run_server

HOST = "127.0.0.1"


@contextmanager
def serving(application: Application) -> Iterator[int]:
    """Serve in a thread; yields the port."""
    stopping, ready = threading.Event(), threading.Event()
    listening = listen(application)
    thread = threading.Thread(
        target=run_server,
        args=(application, listening),
        kwargs={"on_ready": ready.set, "stopping": stopping},
    )
    thread.start()
    try:
        assert ready.wait(60)
        yield listening.getsockname()[1]
    finally:
        stopping.set()
        thread.join(60)
        listening.close()
        assert not thread.is_alive()


def raw(port: int, request: bytes, *, timeout_s: float = 30.0) -> bytes:
    """Send bytes and return all that comes back until the server closes."""
    with socket.create_connection((HOST, port), timeout=timeout_s) as client:
        client.sendall(request)
        return everything(client)


def everything(client: socket.socket) -> bytes:
    parts = []
    while True:
        try:
            part = client.recv(65_536)
        except ConnectionError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)
