"""What every request passes first: host, origin, size, time; and the headers of every answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

from faultsight.app.settings import LimitSettings
from faultsight.console.problems import problem

__all__ = ["Guard", "RouteCost"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SAFE = {"GET", "HEAD"}
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]{1,5})?")
_OWN_SITE = {b"same-origin", b"none"}

_POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
    "font-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'self'",
    "frame-ancestors 'none'", "object-src 'none'",
))  # fmt: skip
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""On every answer, whatever it is."""


@dataclass(frozen=True)
class RouteCost:
    """What requests of one path may cost.

    Attributes
    ----------
    body_bytes : int
        Largest body.
    seconds : float, optional
        Longest time; None for a stream that ends when the client goes.
    """

    body_bytes: int
    seconds: float | None


class Guard:
    """ASGI middleware around the whole application.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    hosts : collection of str
        Names by which this service may be called; anything else in the Host header is refused, so
        that a foreign name which is made to resolve to this machine (DNS rebinding) gets nothing.
    limits : LimitSettings
        Sizes and times.
    cost_of : callable
        From a method and path to a `RouteCost`; None for what `limits` says.
    """

    def __init__(
        self,
        app: App,
        *,
        hosts: Collection[str],
        limits: LimitSettings,
        cost_of: Callable[[str, str], RouteCost | None],
        is_https: bool = False,
    ) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._limits = limits
        self._usual = RouteCost(limits.body_bytes, limits.request_s)
        self._cost_of = cost_of
        self._headers = dict(HEADERS)
        if is_https:
            self._headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, self._with_headers(scope, send))
        else:  # no route speaks over web sockets
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(raw=scope["headers"])
        refused = self._foreign(scope["method"], headers)
        if refused:
            await problem(403, refused, headers=_CLOSE)(scope, receive, send)
            return
        cost = self._cost_of(scope["method"], scope["path"]) or self._usual
        told = headers.get("content-length", "0")
        if not (told.isascii() and told.isdigit()):
            await problem(400, "Content-Length is no number", headers=_CLOSE)(scope, receive, send)
            return
        if int(told) > cost.body_bytes:
            await _too_large(cost)(scope, receive, send)
            return
        await self._in_time(scope, self._bounded(receive, cost), send, cost.seconds)

    def _foreign(self, method: str, headers: Headers) -> str:
        """Return why a request is not one of our own pages' or of a program; empty if it is."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _name_of(hosts[0]) not in self._hosts:
            return "this service is not called by that name (Host); see server.allowed_hosts"
        origins = headers.getlist("origin")
        if len(origins) > 1 or (origins and _authority(origins[0]) != hosts[0].lower()):
            return "the request comes from a page of another site (Origin)"
        site = headers.get("sec-fetch-site", "").encode()
        visits = method in _SAFE and headers.get("sec-fetch-mode") == "navigate"
        if site and site not in _OWN_SITE and not visits:
            return "the request comes from a page of another site (Sec-Fetch-Site)"
        if method not in _SAFE and "cookie" in headers and not (origins or site):
            return "a request with a cookie must tell where it comes from (Origin)"
        return ""

    def _bounded(self, receive: Receive, cost: RouteCost) -> Receive:
        seen = 0
        is_whole = False

        async def bounded() -> Message:
            nonlocal seen, is_whole
            if is_whole:  # what follows a whole body is the client's going away: no hurry
                return await receive()
            try:
                async with asyncio.timeout(self._limits.receive_s):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "the body came too slowly", headers=_CLOSE) from None
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                is_whole = not message.get("more_body", False)
                if seen > cost.body_bytes:
                    raise HTTPException(413, _told(cost), headers=_CLOSE)
            return message

        return bounded

    async def _in_time(
        self, scope: Scope, receive: Receive, send: Send, seconds: float | None
    ) -> None:
        """Await the application; after its time answer for it and let it end by itself.

        Work in a thread cannot be stopped from outside; the client is answered, what the work
        would still send is dropped, and every kind of work is bounded in rows by itself.
        """
        if seconds is None:
            await self._app(scope, receive, send)
            return
        has_begun = is_over = False

        async def forward(message: Message) -> None:
            nonlocal has_begun
            if not is_over:
                has_begun = True
                await send(message)

        work = asyncio.ensure_future(self._app(scope, receive, forward))
        try:
            done, _ = await asyncio.wait({work}, timeout=seconds)
        except asyncio.CancelledError:
            work.cancel()
            raise
        if done:
            work.result()
            return
        is_over = True
        work.cancel()
        work.add_done_callback(_forget)
        if not has_begun:
            told = f"the answer takes longer than {seconds:g} s"
            await problem(504, told, headers=_CLOSE)(scope, receive, send)

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        return with_headers


_CLOSE = {"connection": "close"}


def _told(cost: RouteCost) -> str:
    return f"larger than the {cost.body_bytes:,} bytes that are taken here"


def _too_large(cost: RouteCost) -> Any:
    return problem(413, _told(cost), headers=_CLOSE)


def _forget(work: asyncio.Future[None]) -> None:
    if not work.cancelled():
        work.exception()


def _authority(origin: str) -> str:
    """Return the host and port of an origin; of one that is none, what no host is called."""
    try:
        return urlsplit(origin).netloc.lower() or "none"
    except ValueError:
        return "none"


def _name_of(host: str) -> str:
    """Return the name of a Host header without its port, in small letters; empty for nonsense.

    Examples
    --------
    >>> _name_of("LOCALHOST:8080"), _name_of("[::1]:80"), _name_of("evil.example@localhost")
    ('localhost', '::1', '')
    """
    found = _HOST.fullmatch(host.lower())
    return found[1].strip("[]") if found else ""
