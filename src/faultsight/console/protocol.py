"""HTTP/1.1 towards clients that are slow, or that still send when they have their answer."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["patient_for"]

_LINGER_S = 2.0


class _PatientProtocol(H11Protocol):
    """Ends a connection whose client does not send the head of a request in time (slow loris).

    A connection that is closed while its client still sends a body is half closed first: what
    comes is dropped for a moment, so that the client reads its answer and not a reset.
    """

    head_s: float = 15.0
    _slow: asyncio.TimerHandle | None = None
    _lingers = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_Lingering(transport, self))  # type: ignore[arg-type]
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        if not self._lingers:
            super().data_received(data)
            self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def half_close(self, transport: asyncio.Transport) -> None:
        """Send no more, drop what comes, and close soon."""
        self._lingers = True
        transport.write_eof()
        transport.resume_reading()
        self.loop.call_later(_LINGER_S, transport.abort)

    def _watch_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._forget_head()
        elif self._slow is None and not self.transport.is_closing():
            self._slow = self.loop.call_later(self.head_s, self.transport.abort)

    def _forget_head(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None


class _Lingering:
    """A transport that is half closed before it is closed, where a body is still coming."""

    def __init__(self, transport: asyncio.Transport, protocol: _PatientProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._is_closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._is_closing or self._transport.is_closing()

    def close(self) -> None:
        if self._transport.is_closing() or self._is_closing:
            return
        self._is_closing = True
        if self._protocol.conn.their_state is h11.SEND_BODY and self._transport.can_write_eof():
            self._protocol.half_close(self._transport)
        else:
            self._transport.close()


def patient_for(head_s: float) -> type[asyncio.Protocol]:
    """Return the protocol whose clients have so many seconds for the head of a request."""
    return type("PatientProtocol", (_PatientProtocol,), {"head_s": head_s})
