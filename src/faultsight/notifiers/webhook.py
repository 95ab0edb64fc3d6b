"""Webhook: each notification is an HTTP POST of JSON; any answer of 2xx says that it was taken."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from faultsight.core.errors import DeliveryError, SettingError
from faultsight.notifiers._address_guard import Network, networks, resolved
from faultsight.notifiers._contract import Notification, Notifier

__all__ = ["Webhook", "WebhookConfig"]


@dataclass(frozen=True)
class WebhookConfig:
    """Settings of `Webhook`.

    Parameters
    ----------
    url : str
        Where to post: http or https, plain ASCII, no user or password in it.
    headers : mapping of str to str
        Sent along, such as ``Authorization``; never shown.
    timeout_s : float
        The longest silence of the receiver.
    deadline_s : float
        The longest time for all of it; a receiver that answers byte by byte does not hold up the
        others.
    allowed_networks : tuple of str
        Loopback, link-local and metadata addresses to allow all the same, such as
        ``127.0.0.0/8``.

    Raises
    ------
    SettingError
        If the URL, a header, a time or a network cannot be.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = 10.0
    deadline_s: float = 30.0
    allowed_networks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Not shown in messages: a path or a query may be a secret.
        if not all(" " < c < "\x7f" for c in self.url):
            raise SettingError(
                "the webhook's URL holds a blank, a control or a non-ASCII character"
            )
        try:
            parts = urlsplit(self.url)
            port_is_one = parts.port is None or parts.port > 0
        except ValueError:
            raise SettingError("the webhook's URL cannot be read") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_one:
            raise SettingError("the webhook's URL must be http(s)://HOST[:PORT]/PATH")
        if parts.username is not None or parts.password is not None:
            raise SettingError("the webhook's URL holds a user or password; use a header")
        for name, value in self.headers.items():
            if not name or not all("!" <= c < "\x7f" and c != ":" for c in name):
                raise SettingError(f"{name!r} is not the name of an HTTP header")
            if not all(" " <= c < "\x7f" for c in value):
                raise SettingError(f"the value of the header {name!r} is not printable ASCII")
        if not 0 < self.timeout_s <= self.deadline_s:
            raise SettingError("the webhook needs 0 < timeout_s <= deadline_s")
        networks(self.allowed_networks)


class Webhook(Notifier):
    """Notifications as HTTP POSTs.

    The body is one line of JSON with ``fingerprint`` and ``payload``; the header
    ``Idempotency-Key`` holds the fingerprint. Redirects are not followed and proxies not used: what
    is connected to is an address that was checked.

    Examples
    --------
    >>> Webhook(WebhookConfig("https://noc.example/hook", {"Authorization": "Bearer secret"}))
    Webhook(WebhookConfig(timeout_s=10.0, deadline_s=30.0, allowed_networks=()))
    """

    def __init__(self, config: WebhookConfig) -> None:
        self.config: WebhookConfig = config
        parts = urlsplit(config.url)
        self._host = parts.hostname or ""
        self._is_tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._is_tls else 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._allowed: tuple[Network, ...] = networks(config.allowed_networks)

    def _send(self, notification: Notification, text: str) -> None:
        try:
            sock = self._connected()
        except OSError as error:
            raise DeliveryError(f"{self._host}:{self._port} cannot be reached: {error}") from error
        # Each wait alone has only its timeout: who keeps sending a little is cut off here.
        is_over = threading.Event()
        deadline = threading.Timer(self.config.deadline_s, _cut_off, [sock, is_over])
        deadline.daemon = True
        deadline.start()
        try:
            status, retry_after = self._post(sock, notification, text)
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = f"{type(error).__name__}: {error}"
            raise DeliveryError(f"{self._host}:{self._port}: {problem}") from error
        finally:
            deadline.cancel()
            sock.close()
        if is_over.is_set():
            raise DeliveryError(f"{self._host}:{self._port} took too long to answer")
        if not 200 <= status < 300:
            raise DeliveryError(
                f"{self._host}:{self._port} answered {status}",
                retry_after_s=_seconds(retry_after),
            )

    def _connected(self) -> socket.socket:
        problem = OSError("no address")
        for address in resolved(self._host, self._port, self._allowed):
            try:
                sock = socket.create_connection((address, self._port), self.config.timeout_s)
            except OSError as error:
                problem = error
                continue
            if not self._is_tls:
                return sock
            try:
                context = ssl.create_default_context()
                return context.wrap_socket(sock, server_hostname=self._host)
            except BaseException:
                sock.close()
                raise
        raise problem

    def _post(
        self, sock: socket.socket, notification: Notification, text: str
    ) -> tuple[int, str | None]:
        kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
        connection = kind(self._host, self._port)
        connection.sock = sock  # already connected, so the name is not looked up again
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "faultsight",
            "Connection": "close",
            **self.config.headers,
            "Idempotency-Key": notification.fingerprint,
        }
        connection.request("POST", self._target, text.encode(), headers)
        with connection.getresponse() as response:
            return response.status, response.headers.get("Retry-After")


def _cut_off(sock: socket.socket, is_over: threading.Event) -> None:
    is_over.set()
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        sock.close()


def _seconds(told: str | None) -> float | None:
    return float(told) if told is not None and told.isascii() and told.isdigit() else None
