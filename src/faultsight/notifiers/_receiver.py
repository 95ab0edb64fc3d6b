"""A receiver of webhooks on loopback, for tests and trials: it takes, refuses or drops as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["HttpReceiver"]

TAKE, REFUSE, DROP, LOSE_ANSWER = "take", "refuse", "drop", "lose answer"


class HttpReceiver:
    """Keeps the bodies that are posted to it.

    Parameters
    ----------
    behave : callable
        Says, for the number of each request from 0, what to do: ``take`` it (204), ``refuse`` it
        (503), ``drop`` the connection, or ``lose answer``: keep it and drop the connection.

    Attributes
    ----------
    bodies : list of bytes
        What was taken, in order.
    headers : list of mapping
        The headers of each.
    n_requests : int
        All requests.

    Examples
    --------
    >>> from faultsight.notifiers import Notification
    >>> from faultsight.notifiers.webhook import Webhook, WebhookConfig
    >>> with HttpReceiver() as receiver:
    ...     config = WebhookConfig(receiver.url, allowed_networks=("127.0.0.0/8",))
    ...     Webhook(config).send(Notification("00ff", {}))
    ...     receiver.messages()
    [{'fingerprint': '00ff', 'payload': {}}]
    """

    def __init__(self, behave: Callable[[int], str] = lambda _number: TAKE) -> None:
        self.behave = behave
        self.bodies: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []
        self.n_requests = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def messages(self) -> list[dict[str, Any]]:
        """Return what was taken, read as JSON."""
        return [json.loads(body) for body in self.bodies]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver._lock:
                    what = receiver.behave(receiver.n_requests)
                    receiver.n_requests += 1
                    if what in (TAKE, LOSE_ANSWER):
                        receiver.bodies.append(body)
                        receiver.headers.append(dict(self.headers))
                self.close_connection = True
                if what in (TAKE, REFUSE):
                    self.send_response(204 if what == TAKE else 503)
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
