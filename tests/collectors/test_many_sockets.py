"""The loop that waits for many sockets."""

from __future__ import annotations

import resource
import socket
import time

import pytest

from faultsight.collectors._many_sockets import allow_open_files, pause, readable, run_all
from faultsight.core.errors import SettingError


def test_who_can_be_read_goes_on_and_who_cannot_is_told() -> None:
    pairs = [socket.socketpair() for _ in range(20)]

    async def read(number: int) -> bytes:
        descriptor = pairs[number][0].fileno()
        try:
            await readable(descriptor, time.monotonic() + 0.05)
        except TimeoutError:
            return b"late"
        return pairs[number][0].recv(10)

    async def write() -> bytes:
        await pause(0.01)
        for number in range(0, 20, 2):
            pairs[number][1].send(b"%d" % number)
        return b""

    try:
        told = run_all([*(read(number) for number in range(20)), write()])
    finally:
        for pair in pairs:
            for end in pair:
                end.close()
    assert told[0:20:2] == [b"%d" % number for number in range(0, 20, 2)]
    assert told[1:20:2] == [b"late"] * 10


def test_waits_end_in_the_order_of_their_times() -> None:
    ended: list[int] = []

    async def wait(number: int) -> None:
        await pause(0.003 * number)
        ended.append(number)

    run_all([wait(number) for number in (5, 1, 4, 2, 3)])
    assert ended == [1, 2, 3, 4, 5]


def test_an_error_goes_on_and_closes_the_others() -> None:
    closed: list[int] = []

    async def wait(number: int) -> None:
        try:
            await pause(30.0)
        finally:
            closed.append(number)

    async def fail() -> None:
        await pause(0.0)
        raise LookupError("mine")

    start = time.monotonic()
    with pytest.raises(LookupError, match="mine"):
        run_all([wait(1), wait(2), fail()])
    assert time.monotonic() - start < 5
    assert closed == [1, 2]


def test_nothing_to_do_is_done() -> None:
    assert run_all([]) == []


def test_one_descriptor_is_waited_for_again_and_again() -> None:
    ours, theirs = socket.socketpair()

    async def read() -> list[bytes]:
        told = []
        for _ in range(3):
            await readable(ours.fileno(), time.monotonic() + 5)
            told.append(ours.recv(1))
        return told

    async def write() -> list[bytes]:
        for letter in (b"a", b"b", b"c"):
            await pause(0.002)
            theirs.send(letter)
        return []

    with ours, theirs:
        assert run_all([read(), write()])[0] == [b"a", b"b", b"c"]


def test_so_many_sockets_are_allowed_or_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, limits: raised.append(limits))
    allow_open_files(50)
    assert raised == []
    allow_open_files(2000)
    assert raised == [(2128, 4096)]
    with pytest.raises(SettingError, match="lower concurrency"):
        allow_open_files(5000)
