"""An SNMP agent that plays a CMTS and all of its cable modems, on one UDP socket.

On Linux every address 127.x.y.z is this machine. ``IP_PKTINFO`` tells which of them a request was
sent to and lets the answer leave from there, so that tens of thousands of modems need one socket.
Each modem's values follow from the seed and from its address alone. SNMP v2c: GET, GETNEXT and
GETBULK; nothing can be set.

Run it as a process of its own, and collect from it::

    python -m faultsight.sim.modem_agent --n-modems 1000 --port 16161
"""

from __future__ import annotations

import argparse
import hashlib
import os
import select
import socket
import struct
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from threading import Event, Thread
from typing import Protocol, Self

from faultsight.core.errors import FaultSightError, SettingError
from faultsight.core.seed import random_stream

__all__ = ["AgentConfig", "ModemAgent", "agent_process", "modem_address", "modem_mac"]

_FIRST_MODEM = int(IPv4Address("127.1.0.0"))
_MOST_MODEMS = int(IPv4Address("127.255.0.0")) - _FIRST_MODEM
_VENDOR = 0x0011 << 32

_IF = "1.3.6.1.2.1.10.127.1.1.2.1"  # docsIfUpstreamChannelEntry
_IF3 = "1.3.6.1.4.1.4491.2.1.20.1"  # DOCS-IF3-MIB
_SYS_DESCR, _SYS_UP_TIME = "1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.3.0"
_MAC_DOMAIN = 1_000_000
_CM_CHANNEL, _CMTS_CHANNEL = 80, 101
"""The ifIndex of the first upstream channel at a modem, and at the CMTS."""

_EQ_DATA = bytes.fromhex(
    "080118000004fffdfffbfffafffdfffd00070004fff800000017ffffffd6ffe807f7fff9ff8aff94fff700280011ffec"
    "fff700190006fff5fffcffff000dfffb0001000100040004fff600070007fffb00000008fffffffe00000004fffcffff"
    "00080000"
)
"""A real modem's 24 taps of pre-equalization (RFC 4546)."""

_INTEGER, _OCTETS, _OID, _SEQUENCE = 0x02, 0x04, 0x06, 0x30
_COUNTER32, _UNSIGNED32, _TICKS = 0x41, 0x42, 0x43
_NO_SUCH_INSTANCE, _END_OF_VIEW = b"\x81\x00", b"\x82\x00"
_GET, _GET_NEXT, _RESPONSE, _GET_BULK = 0xA0, 0xA1, 0xA2, 0xA5
_V2C = b"\x02\x01\x01"

_MOST_BULK_BYTES = 1400
"""An answer to GETBULK ends before it would be cut into two packets, as agents end it."""
_MOST_REPETITIONS = 1000
_MOST_PLANS = 1000
_ROUND_S = 14_400
_LISTENING = "listening on UDP port "
_IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)  # Python 3.11 has no name for it
_RECEIVE_BYTES = 4 << 20

Oid = tuple[int, ...]
Value = Callable[[bytes], bytes]
"""Of a modem's 32 random bytes, an encoded value."""
ColumnValue = Callable[[int, int, int], bytes]
"""Of a modem, a channel (both from 0) and the round, an encoded value."""


@dataclass(frozen=True)
class AgentConfig:
    """What the agent plays.

    Parameters
    ----------
    n_modems : int
        How many modems the CMTS lists.
    n_channels : int
        Upstream channels; their ids are 1, 2, ...
    modems_per_fnode : int
        Modem 0 to here is of fiber node ``FN1``, and so on.
    community : str
        Requests with another are not answered, as real agents do.
    drop : float
        The share of requests to modems that gets no answer.
    cmts_address : str
        Which address is the CMTS; every other one is a modem.
    port : int
        0 is any that is free.
    seed : int
        Of all values, and of what is dropped.
    """

    n_modems: int = 250
    n_channels: int = 3
    modems_per_fnode: int = 250
    community: str = "public"
    drop: float = 0.0
    cmts_address: str = "127.0.0.1"
    port: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.n_modems <= _MOST_MODEMS:
            raise SettingError(f"n_modems must be from 1 to {_MOST_MODEMS:,}, not {self.n_modems}")
        if not 1 <= self.n_channels <= 8:
            raise SettingError(f"n_channels must be from 1 to 8, not {self.n_channels}")
        if self.modems_per_fnode < 1:
            raise SettingError("modems_per_fnode must be at least 1")
        if not 0 <= self.drop <= 1:
            raise SettingError(f"drop is a share from 0 to 1, not {self.drop}")


def modem_address(number: int) -> str:
    """Return the address of a modem, counted from 0.

    Examples
    --------
    >>> modem_address(0), modem_address(70_000)
    ('127.1.0.0', '127.2.17.112')
    """
    return str(IPv4Address(_FIRST_MODEM + number))


def modem_mac(number: int) -> bytes:
    """Return the six bytes of a modem's MAC address.

    Examples
    --------
    >>> modem_mac(250).hex(":")
    '00:11:00:00:00:fb'
    """
    return (_VENDOR + number + 1).to_bytes(6, "big")


class ModemAgent:
    """Answers SNMP requests for a CMTS and its modems.

    Parameters
    ----------
    config : AgentConfig, optional
        What it plays.

    Raises
    ------
    FaultSightError
        On another system than Linux.

    Attributes
    ----------
    port : int
        The UDP port it listens on.
    round : int
        Counters grow with it; set it from one collection round to the next.
    silent : set of str
        Addresses that do not answer, besides what `AgentConfig.drop` takes.
    booted : dict of str to int
        The round in which a modem at an address started: its counters begin anew there.
    n_answered, n_dropped : int
        Requests so far.

    Examples
    --------
    >>> agent = ModemAgent(AgentConfig(n_modems=2))
    >>> request = bytes.fromhex("302602010104067075626c6963a019"
    ...                         "02010102010002010030" "0e300c06082b060102010101000500")
    >>> agent.answer(request, "127.1.0.1")[-18:]
    b'FaultSight modem 1'
    >>> agent.close()
    """

    def __init__(self, config: AgentConfig | None = None) -> None:
        if sys.platform != "linux":
            raise FaultSightError("only on Linux is every address 127.x.y.z this machine")
        self.config = config or AgentConfig()
        self.round = 0
        self.silent: set[str] = set()
        self.booted: dict[str, int] = {}
        self.n_answered = self.n_dropped = 0
        self._started = time.monotonic()
        self._stop = Event()
        self._thread: Thread | None = None
        self._plans: dict[bytes, _Plan] = {}
        self._modem = _Table(_modem_objects(self.config, self._started))
        self._cmts = _Table(_cmts_objects(self.config, self._started))
        self._community = _tlv(_OCTETS, self.config.community.encode())
        self._loss = random_stream(self.config.seed, "modem agent", "loss")
        self._lost: list[bool] = []
        self._of_address: dict[str, bytes] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        # All of 127.x.y.z can only be had by listening everywhere; so it is tied to loopback, and
        # where an old kernel does not let it be, it answers this machine alone (see `serve`).
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        self._socket.setblocking(False)
        try:
            self._socket.bind(("0.0.0.0", self.config.port))  # noqa: S104
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        """Answer in a thread of its own until the block ends."""
        self._thread = Thread(target=self.serve, daemon=True, name="modem agent")
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.close()

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()

    def serve(self) -> None:
        """Answer until the block of ``with`` ends, or the process does."""
        receive, send = self._socket.recvmsg, self._socket.sendmsg
        wait = select.poll()
        wait.register(self._socket, select.POLLIN)
        while not self._stop.is_set():
            try:
                datagram, ancillary, _, sender = receive(4096, 64)
            except BlockingIOError:
                wait.poll(100)
                continue
            address = _sent_to(ancillary)
            if address is None or not sender[0].startswith("127."):
                continue
            reply = self.answer(datagram, address)
            if reply is None:
                continue
            source = [(socket.IPPROTO_IP, _IP_PKTINFO, _packet_info(address))]
            try:
                send([reply], source, 0, sender)
            except OSError:  # the asker has gone, or its buffer is full: UDP may lose
                self.n_dropped += 1

    def answer(self, datagram: bytes, address: str) -> bytes | None:
        """Return the answer to a request sent to an address; None is silence."""
        try:
            return self._answer(datagram, address)
        except (ValueError, IndexError):
            return None  # an agent says nothing to what is no SNMP

    def _answer(self, datagram: bytes, address: str) -> bytes | None:
        request = _Request.parse(datagram, self._community)
        is_cmts = address == self.config.cmts_address
        if request is None or address in self.silent or (not is_cmts and self._is_lost()):
            self.n_dropped += 1
            return None
        table = self._cmts if is_cmts else self._modem
        secret = self._random_bytes(address)
        if request.kind == _GET:
            bindings = self._plan(table, request.bindings).fill(secret)
        else:
            bindings = self._walk(table, request, secret)
        self.n_answered += 1
        return request.reply(bindings, self._community)

    def _plan(self, table: _Table, bindings: bytes) -> _Plan:
        """Return how to answer these objects: pollers ask all modems for the same ones."""
        key = bindings if table is self._modem else b"\0" + bindings
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan = self._plans[key] = _Plan(table, _oids(bindings))
        return plan

    def _walk(self, table: _Table, request: _Request, secret: bytes) -> bytes:
        repeats = request.max_repetitions if request.kind == _GET_BULK else 1
        parts: list[bytes] = []
        size = 0
        for content in _oids(request.bindings):
            rows = table.after(_numbers(content))
            for _ in range(max(min(repeats, _MOST_REPETITIONS), 0)):
                row = next(rows, None)
                if row is None:
                    parts.append(_tlv(_SEQUENCE, _tlv(_OID, content) + _END_OF_VIEW))
                    break
                section, number = row
                oid = _tlv(_OID, _content(section.oid(number)))
                part = _tlv(_SEQUENCE, oid + section.value(number, secret))
                size += len(part)
                if size > _MOST_BULK_BYTES and parts:
                    return b"".join(parts)
                parts.append(part)
        return b"".join(parts)

    def _is_lost(self) -> bool:
        if not self.config.drop:
            return False
        if not self._lost:
            self._lost = (self._loss.random(4096) < self.config.drop).tolist()
        return self._lost.pop()

    def _random_bytes(self, address: str) -> bytes:
        """Return the 32 bytes that a modem's values follow from.

        The last 5 are whether it has been restarted, and how many rounds ago it started.
        """
        found = self._of_address.get(address)
        if found is None:
            told = f"{self.config.seed} {address}".encode()
            found = self._of_address[address] = hashlib.sha256(told).digest()[:27]
        booted = self.booted.get(address)
        if booted is None:
            return found + b"\0" + self.round.to_bytes(4, "big")
        return found + b"\1" + (self.round - booted).to_bytes(4, "big")


@contextmanager
def agent_process(config: AgentConfig | None = None) -> Iterator[int]:
    """Run an agent in a process of its own while a block runs; yields its port.

    Raises
    ------
    FaultSightError
        If the process cannot start.

    Examples
    --------
    >>> with agent_process(AgentConfig(n_modems=3)) as port:
    ...     port > 0
    True
    """
    settings = [f"--{name.replace('_', '-')}={value}" for name, value in vars(config or
                AgentConfig()).items()]  # fmt: skip
    command = [sys.executable, "-m", __name__, "--with-parent", *settings]
    process = subprocess.Popen(  # noqa: S603 - this interpreter and this module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            told = process.stdout.readline() if process.stdout else ""
            if not told.startswith(_LISTENING):
                raise FaultSightError("the SNMP agent did not start")
            yield int(told.removeprefix(_LISTENING))
        finally:
            process.kill()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run an agent until it is interrupted."""
    default = AgentConfig()
    parser = argparse.ArgumentParser(prog="modem_agent", description=__doc__.partition("\n")[0])
    for name, value in vars(default).items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, dest=name, type=type(value), default=value)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input does")
    told = vars(parser.parse_args(arguments))
    if told.pop("with_parent"):
        Thread(target=_end_with_parent, daemon=True).start()
    agent = ModemAgent(AgentConfig(**told))
    sys.stdout.write(f"{_LISTENING}{agent.port}\n")
    sys.stdout.flush()
    try:
        agent.serve()
    except KeyboardInterrupt:
        agent.close()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


class _Section(Protocol):
    """Objects that follow each other."""

    def first_after(self, oid: Oid) -> int:
        """Return the first row after an object id; `n_rows` where there is none."""

    def oid(self, row: int) -> Oid:
        """Return a row's object id."""

    def value(self, row: int, secret: bytes) -> bytes:
        """Return a row's encoded value."""

    @property
    def n_rows(self) -> int:
        """How many rows there are."""


class _Listed:
    """A few objects, one by one."""

    def __init__(self, objects: Mapping[str, Value]) -> None:
        ordered = sorted((_oid(name), value) for name, value in objects.items())
        self._oids = [oid for oid, _ in ordered]
        self._values = [value for _, value in ordered]
        self.n_rows = len(ordered)

    def first_after(self, oid: Oid) -> int:
        return bisect_right(self._oids, oid)

    def oid(self, row: int) -> Oid:
        return self._oids[row]

    def value(self, row: int, secret: bytes) -> bytes:
        return self._values[row](secret)


class _Column:
    """One object of every modem, or of every modem and channel; worked out when it is asked for."""

    def __init__(
        self, name: str, n_modems: int, value: ColumnValue, channels: Sequence[int] = ()
    ) -> None:
        self._prefix = _oid(name)
        self._value = value
        self._channels = channels
        self._each = max(len(channels), 1)
        self.n_rows = n_modems * self._each

    def first_after(self, oid: Oid) -> int:
        size = len(self._prefix)
        if oid[:size] != self._prefix:
            return 0 if oid < self._prefix else self.n_rows
        cm, *channel = oid[size:] or (0,)
        if cm < 1:
            return 0
        row = (cm - 1) * self._each
        if not self._channels:
            row += 1
        elif channel:
            row += bisect_right(self._channels, channel[0])
        return min(row, self.n_rows)

    def oid(self, row: int) -> Oid:
        modem, channel = divmod(row, self._each)
        index = (self._channels[channel],) if self._channels else ()
        return (*self._prefix, modem + 1, *index)

    def value(self, row: int, secret: bytes) -> bytes:
        return self._value(*divmod(row, self._each), _round_of(secret))


class _Table:
    """Sections in the order of their object ids."""

    def __init__(self, sections: Sequence[_Section]) -> None:
        self._sections = sorted(sections, key=lambda section: section.oid(0))

    def after(self, oid: Oid) -> Iterator[tuple[_Section, int]]:
        """Yield the rows after an object id."""
        for section in self._sections:
            for row in range(section.first_after(oid), section.n_rows):
                yield section, row

    def value_of(self, content: bytes) -> Value | None:
        """Return the value of exactly this object; None if there is none."""
        oid = _numbers(content)
        found = next(self.after((*oid[:-1], oid[-1] - 1)), None)
        if found is None or found[0].oid(found[1]) != oid:
            return None
        section, row = found
        return lambda secret: section.value(row, secret)


class _Plan:
    """How to answer a GET of certain objects."""

    def __init__(self, table: _Table, contents: Sequence[bytes]) -> None:
        self._parts = [(_tlv(_OID, content), table.value_of(content)) for content in contents]

    def fill(self, secret: bytes) -> bytes:
        made = []
        for oid, value in self._parts:
            both = oid + (_NO_SUCH_INSTANCE if value is None else value(secret))
            size = len(both)
            made.append((b"\x30%c" % size if size < 128 else b"\x30" + _length(size)) + both)
        return b"".join(made)


@dataclass(frozen=True, slots=True)
class _Request:
    kind: int
    request_id: bytes
    max_repetitions: int
    bindings: bytes

    @classmethod
    def parse(cls, datagram: bytes, community: bytes) -> _Request | None:
        """Read a request; None if it is of another version, community or kind."""
        tag, at, end = _header(datagram, 0)
        if tag != _SEQUENCE or end != len(datagram):
            raise ValueError("not one message")
        credentials = _V2C + community
        if not datagram.startswith(credentials, at):
            return None
        kind, at, _ = _header(datagram, at + len(credentials))
        if kind not in (_GET, _GET_NEXT, _GET_BULK):
            return None
        _, start, end_id = _header(datagram, at)
        request_id = datagram[at:end_id]
        _, start, end_first = _header(datagram, end_id)
        _, start, end_second = _header(datagram, end_first)
        repetitions = int.from_bytes(datagram[start:end_second], "big", signed=True)
        tag, start, end = _header(datagram, end_second)
        if tag != _SEQUENCE or end != len(datagram):
            raise ValueError("no bindings")
        return cls(kind, request_id, repetitions, datagram[start:end])

    def reply(self, bindings: bytes, community: bytes) -> bytes:
        body = self.request_id + b"\x02\x01\x00\x02\x01\x00" + _tlv(_SEQUENCE, bindings)
        return _tlv(_SEQUENCE, _V2C + community + _tlv(_RESPONSE, body))


def _modem_objects(config: AgentConfig, started: float) -> list[_Section]:
    objects: dict[str, Value] = {
        _SYS_DESCR: lambda _: _tlv(_OCTETS, b"FaultSight modem 1"),
        _SYS_UP_TIME: _uptime(started),
    }
    for channel in range(config.n_channels):
        index = _CM_CHANNEL + channel
        objects[f"{_IF}.1.{index}"] = _always(_number(_INTEGER, channel + 1))
        objects[f"{_IF}.19.{index}"] = _always(_number(_INTEGER, 1))  # pre-equalization is on
        objects[f"{_IF3}.2.1.1.{index}"] = _spread(channel, 400, 480)  # Tx power, tenth dBmV
        objects[f"{_IF3}.2.1.2.{index}"] = _growing(_COUNTER32, channel + 3, 4)  # T3
        objects[f"{_IF3}.2.1.3.{index}"] = _growing(_COUNTER32, channel + 6, 2)  # T4
        objects[f"{_IF3}.2.1.4.{index}"] = _growing(_COUNTER32, channel + 12, 2)  # aborted
        objects[f"{_IF3}.2.1.6.{index}"] = _taps(channel + 9)
        objects[f"{_IF3}.2.1.7.{index}"] = _growing(_COUNTER32, channel + 15, 3)  # T3 exceeded
    return [_Listed(objects)]


def _cmts_objects(config: AgentConfig, started: float) -> list[_Section]:
    system: dict[str, Value] = {
        _SYS_DESCR: lambda _: _tlv(_OCTETS, b"FaultSight CMTS"),
        _SYS_UP_TIME: _uptime(started),
    }
    channels = [_CMTS_CHANNEL + channel for channel in range(config.n_channels)]
    interfaces: dict[str, Value] = {}
    for number, index in enumerate(channels, start=1):
        interfaces[f"{_IF}.1.{index}"] = _always(_number(_INTEGER, number))
        interfaces[f"{_IF}.19.{index}"] = _always(_number(_INTEGER, 1))
    nodes: dict[str, Value] = {}
    for group in range(1, -(-config.n_modems // config.modems_per_fnode) + 1):
        name = f"FN{group}".encode()
        instance = ".".join(map(str, (_MAC_DOMAIN, len(name), *name, group)))
        for column in (3, 4):
            nodes[f"{_IF3}.12.1.{column}.{instance}"] = _always(_number(_UNSIGNED32, group))

    def group_of(modem: int, _channel: int, _round: int) -> bytes:
        return _number(_UNSIGNED32, modem // config.modems_per_fnode + 1)

    def mixed(modem: int, channel: int) -> bytes:
        return hashlib.sha256(f"{config.seed} {modem} {channel}".encode()).digest()

    def counted(first: Callable[[bytes], int], rate: Callable[[bytes], int]) -> ColumnValue:
        def total(modem: int, channel: int, rounds: int) -> bytes:
            told = mixed(modem, channel)
            return _number(_COUNTER32, (first(told) + rate(told) * rounds) % 2**32)

        return total

    registry: dict[int, ColumnValue] = {
        2: lambda modem, _c, _r: _tlv(_OCTETS, modem_mac(modem)),
        5: lambda modem, _c, _r: _tlv(_OCTETS, IPv4Address(modem_address(modem)).packed),
        6: lambda _m, _c, _r: _number(_INTEGER, 8),  # operational
        7: lambda _m, _c, _r: _number(_INTEGER, _MAC_DOMAIN),
        8: group_of,
    }
    status: dict[int, ColumnValue] = {
        3: lambda modem, c, _r: _number(_INTEGER, mixed(modem, c)[0] % 13 - 6),  # Rx power
        4: lambda modem, c, _r: _number(_INTEGER, 340 + mixed(modem, c)[1] % 50),  # SNR
        5: lambda modem, c, _r: _number(_UNSIGNED32, mixed(modem, c)[11] % 40),  # reflections
        # Near the end of 32 bits, so that some totals wrap from one round to the next.
        7: counted(lambda m: 2**32 - 1 - int.from_bytes(m[2:5], "big"), lambda m: 10**6 + m[6]),
        8: counted(lambda m: m[7], lambda m: m[8]),
        9: counted(lambda m: m[9], lambda m: m[10] % 8),
        11: lambda modem, c, _r: _number(_INTEGER, 1 if mixed(modem, c)[12] < 8 else 2),  # muted
        12: lambda modem, c, _r: _number(_INTEGER, 6 if mixed(modem, c)[13] < 8 else 4),
    }
    return [
        _Listed(system),
        _Listed(interfaces),
        *(_Column(f"{_IF3}.3.1.{c}", config.n_modems, value) for c, value in registry.items()),
        *(
            _Column(f"{_IF3}.4.1.{c}", config.n_modems, value, channels)
            for c, value in status.items()
        ),
        _Listed(nodes),
    ]


def _always(encoded: bytes) -> Value:
    return lambda _: encoded


def _spread(place: int, low: int, high: int) -> Value:
    encoded = [_number(_INTEGER, low + byte * (high - low) // 255) for byte in range(256)]
    return lambda secret: encoded[secret[place]]


def _growing(tag: int, place: int, most: int) -> Value:
    return lambda s: _number(tag, s[place] + _round_of(s) * (s[place] % most))


def _uptime(started: float) -> Value:
    """Return hundredths of a second: more than one collection round, or little after a restart."""

    def ticks(secret: bytes) -> bytes:
        first = 10 if secret[27] else 2 * _ROUND_S
        up_s = first + _ROUND_S * _round_of(secret) + time.monotonic() - started
        return _number(_TICKS, int(up_s * 100) % 2**32)

    return ticks


def _taps(place: int) -> Value:
    """Return the real modem's taps with one of them replaced."""
    head = _tlv(_OCTETS, _EQ_DATA)[:46]
    tail = _EQ_DATA[46:]
    return lambda secret: b"%b\0%c%b" % (head, secret[place], tail)


def _round_of(secret: bytes) -> int:
    return int.from_bytes(secret[28:], "big")


def _length(size: int) -> bytes:
    if size < 128:
        return bytes((size,))
    told = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(told),)) + told


def _tlv(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + _length(len(content)) + content


def _number(tag: int, value: int) -> bytes:
    return _tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _header(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the tag at a place, and where its content starts and ends."""
    size, start = data[at + 1], at + 2
    if size >= 128:
        n = size & 127
        size, start = int.from_bytes(data[start : start + n], "big"), start + n
    if start + size > len(data):
        raise ValueError("longer than the datagram")
    return data[at], start, start + size


def _oids(bindings: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(bindings):
        _, at, end = _header(bindings, at)
        tag, start, stop = _header(bindings, at)
        if tag != _OID:
            raise ValueError("a binding without an object")
        found.append(bindings[start:stop])
        at = end
    return found


def _oid(text: str) -> Oid:
    return tuple(map(int, text.split(".")))


def _content(oid: Oid) -> bytes:
    encoded = bytearray((oid[0] * 40 + oid[1],))
    for number in oid[2:]:
        digits = [number & 127]
        while number := number >> 7:
            digits.append(number & 127 | 128)
        encoded += bytes(reversed(digits))
    return bytes(encoded)


def _numbers(content: bytes) -> Oid:
    numbers, number = [], 0
    for byte in content[1:]:
        number = number << 7 | byte & 127
        if byte < 128:
            numbers.append(number)
            number = 0
    return (*divmod(content[0], 40), *numbers)


def _sent_to(ancillary: Sequence[tuple[int, int, bytes]]) -> str | None:
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            return socket.inet_ntoa(data[8:12])
    return None


def _packet_info(address: str) -> bytes:
    return struct.pack("=I4s4s", 0, socket.inet_aton(address), b"\0\0\0\0")


if __name__ == "__main__":
    main()
