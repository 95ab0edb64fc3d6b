"""Runs thousands of coroutines that wait for sockets, and does nothing else.

A poll of a modem is two system calls and a wait. Under asyncio the wait costs more processor time
than all the rest (75 against 30 microseconds a poll), so the collector has a loop of its own: a
coroutine yields what it waits for, a descriptor or a moment, and is resumed when that is there.
"""

from __future__ import annotations

import select
import time
from collections.abc import Coroutine, Generator, Iterable
from heapq import heappop, heappush
from types import coroutine
from typing import Any, TypeVar

from faultsight.core.errors import SettingError

__all__ = ["allow_open_files", "pause", "readable", "run_all"]

T = TypeVar("T")

Wait = tuple[int, float]
"""A descriptor (-1: none), and until when, in seconds of `time.monotonic`."""

_NO_DESCRIPTOR = -1
_OTHER_FILES = 128
_LONGEST_WAIT_S = 1.0
"""No wait is longer in one piece, so that Ctrl-C is heard everywhere."""


@coroutine
def readable(descriptor: int, until_s: float) -> Generator[Wait, bool, None]:
    """Wait until a descriptor can be read.

    Raises
    ------
    TimeoutError
        If it cannot be read in time.
    """
    if not (yield descriptor, until_s):
        raise TimeoutError


@coroutine
def pause(seconds: float) -> Generator[Wait, bool, None]:
    """Let others go on for a while."""
    yield _NO_DESCRIPTOR, time.monotonic() + seconds


def run_all(tasks: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines at once until all have ended; return what they returned, in their order.

    If one raises, the others are closed and the error goes on.

    Examples
    --------
    >>> async def late(name, seconds):
    ...     await pause(seconds)
    ...     return name
    >>> run_all([late("a", 0.02), late("b", 0.0)])
    ['a', 'b']
    """
    return _Loop(list(tasks)).run()


def allow_open_files(n_sockets: int) -> None:
    """See to it that so many sockets can be open besides what a program has open anyway.

    Raises
    ------
    SettingError
        If the system does not allow it.
    """
    import resource  # of POSIX only

    needed = n_sockets + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SettingError(
            f"{n_sockets:,} modems at a time need {needed:,} open files; the system allows "
            f"{hard:,} (ulimit -n): lower concurrency"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


class _Loop:
    def __init__(self, tasks: list[Coroutine[Any, Any, Any]]) -> None:
        self._tasks = tasks
        self._results: list[Any] = [None] * len(tasks)
        self._running = len(tasks)
        self._poller: Any = select.epoll() if hasattr(select, "epoll") else select.poll()
        self._unit = 1 if hasattr(select, "epoll") else 1000  # poll counts milliseconds
        # Who waits for a descriptor, with the number of the wait: one whose time is up later finds
        # another number there, and so knows that it was served.
        self._readers: dict[int, tuple[int, int]] = {}
        self._deadlines: list[tuple[float, int, int, int]] = []
        self._n_waits = 0

    def run(self) -> list[Any]:
        try:
            for number in range(len(self._tasks)):
                self._resume(number, None)
            while self._running:
                self._wait()
        finally:
            for task in self._tasks:
                task.close()
            if hasattr(self._poller, "close"):
                self._poller.close()
        return self._results

    def _resume(self, number: int, is_ready: bool | None) -> None:
        try:
            descriptor, until_s = self._tasks[number].send(is_ready)
        except StopIteration as end:
            self._results[number] = end.value
            self._running -= 1
            return
        self._n_waits += 1
        if descriptor != _NO_DESCRIPTOR:
            self._readers[descriptor] = (number, self._n_waits)
            self._poller.register(descriptor, select.POLLIN)
        heappush(self._deadlines, (until_s, self._n_waits, number, descriptor))

    def _wait(self) -> None:
        left_s = self._deadlines[0][0] - time.monotonic() if self._deadlines else _LONGEST_WAIT_S
        left_s = min(max(left_s, 0.0), _LONGEST_WAIT_S)
        for descriptor, _ in self._poller.poll(left_s * self._unit):
            reader = self._readers.pop(descriptor, None)
            if reader is not None:
                self._poller.unregister(descriptor)
                self._resume(reader[0], True)
        now = time.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, wait, number, descriptor = heappop(self._deadlines)
            if descriptor == _NO_DESCRIPTOR:
                self._resume(number, True)
            elif self._readers.get(descriptor, (0, 0))[1] == wait:
                del self._readers[descriptor]
                self._poller.unregister(descriptor)
                self._resume(number, False)
