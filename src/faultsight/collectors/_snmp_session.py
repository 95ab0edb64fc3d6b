"""One agent, asked over SNMP: sends with the library's sockets and waits with our own loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from faultsight.collectors._many_sockets import readable
from faultsight.collectors._snmp_config import Credentials
from faultsight.core.errors import MissingExtraError

__all__ = ["Open", "Session", "is_bad_answer", "opener"]

T = TypeVar("T")


class Session:
    """A socket to one agent.

    Parameters
    ----------
    socket : object
        One of gufo-snmp.
    timeout_s : float
        How long each answer is waited for.
    user : object, optional
        gufo-snmp's, of v3.
    """

    def __init__(self, socket: Any, timeout_s: float, user: Any = None) -> None:
        self._socket = socket
        self._descriptor: int = socket.get_fd()
        self._timeout_s = timeout_s
        self._user = user

    @property
    def n_introductions(self) -> int:
        """How many requests `introduce` takes."""
        if self._user is None:
            return 0
        return 2 if self._user.require_auth() else 1

    async def introduce(self) -> None:
        """Learn the agent's engine id and clock, without which it answers nothing (v3)."""
        user = self._user
        if user is None:
            return
        self._socket.send_refresh()
        await self._answer(self._socket.recv_refresh)
        self._socket.set_keys(
            user.name, user.get_auth_alg(), user.get_auth_key(),
            user.get_priv_alg(), user.get_priv_key(),
        )  # fmt: skip
        if user.require_auth():
            self._socket.send_refresh()
            await self._answer(self._socket.recv_refresh)
        self._user = None

    async def get(self, oids: list[str]) -> dict[str, object]:
        """Ask for objects; those that the agent does not have are left out."""
        self._socket.send_get_many(oids)
        told: dict[str, object] = await self._answer(self._socket.recv_get_many)
        return told

    async def rows(self, place: Any) -> list[tuple[str, object] | None]:
        """Ask for the rows after a place, which moves on; None or nothing is the end."""
        self._socket.send_get_bulk(place)

        def receive() -> list[tuple[str, object] | None]:
            try:
                rows: list[tuple[str, object] | None] = self._socket.recv_get_bulk(place)
            except StopAsyncIteration:
                return []
            return rows

        return await self._answer(receive)

    async def _answer(self, receive: Callable[[], T]) -> T:
        until_s = time.monotonic() + self._timeout_s
        while True:
            await readable(self._descriptor, until_s)
            try:
                return receive()
            except BlockingIOError:
                continue  # something came, but no answer to this request


Open = Callable[[str], Session]
"""Opens a session to an address."""


def opener(credentials: Credentials, port: int, timeout_s: float) -> Open:
    """Return what opens sessions with these credentials.

    Raises
    ------
    MissingExtraError
        If gufo-snmp is not installed, or not in a version that has what is used here.
    """
    try:
        # The library's asyncio client is built on the same two classes.
        from gufo.snmp._fast import SnmpV2cClientSocket, SnmpV3ClientSocket
        from gufo.snmp.utils import format_sock_addr
    except ImportError as error:
        if not (error.name or "").startswith("gufo"):
            raise
        raise MissingExtraError("collecting over SNMP", "snmp") from error
    if not credentials.is_v3:
        community = credentials.community

        def open_v2c(address: str) -> Session:
            where = format_sock_addr(address, port)
            return Session(SnmpV2cClientSocket(where, community, 0, 0, 0, 0), timeout_s)

        return open_v2c
    user = _user(credentials)
    none = b""

    def open_v3(address: str) -> Session:
        where = format_sock_addr(address, port)
        socket = SnmpV3ClientSocket(where, none, "", 0, none, 0, none, 0, 0, 0, 0)
        return Session(socket, timeout_s, user)

    return open_v3


def place_after(oid: str, max_repetitions: int) -> Any:
    """Return a place in an agent's objects, from which `Session.rows` reads on."""
    from gufo.snmp._fast import GetIter

    return GetIter(oid, max_repetitions)


def _user(credentials: Credentials) -> Any:
    from gufo import snmp
    from gufo.snmp.user import KeyType

    auth_kinds = {
        "md5": snmp.Md5Key, "sha1": snmp.Sha1Key, "sha224": snmp.Sha224Key,
        "sha256": snmp.Sha256Key, "sha384": snmp.Sha384Key, "sha512": snmp.Sha512Key,
    }  # fmt: skip
    priv_kinds = {
        "des": snmp.DesKey, "aes128": snmp.Aes128Key, "aes192": snmp.Aes192Key,
        "aes256": snmp.Aes256Key,
    }  # fmt: skip
    if not credentials.auth:
        return snmp.User(credentials.user)
    auth = auth_kinds[credentials.auth]

    # A password becomes a master key by hashing a megabyte: once, not once for each modem.
    def master(password: str) -> bytes:
        return bytes(auth.get_master_key(password.encode()))

    auth_key = auth(master(credentials.auth_key), key_type=KeyType.Master)
    priv_key = None
    if credentials.priv:
        priv = priv_kinds[credentials.priv]
        priv_key = priv(master(credentials.priv_key), key_type=KeyType.Master)
    return snmp.User(credentials.user, auth_key=auth_key, priv_key=priv_key)


def is_bad_answer(error: BaseException) -> bool:
    """Whether the library failed on an answer, or on the lack of one; else somebody wants out.

    What comes from the network must not end a round. On some malformed answers the library panics:
    that exception is no Exception, and cannot be imported.

    Examples
    --------
    >>> is_bad_answer(TimeoutError()), is_bad_answer(KeyboardInterrupt())
    (True, False)
    """
    return isinstance(error, Exception) or type(error).__module__ == "pyo3_runtime"
