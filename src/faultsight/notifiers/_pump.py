"""The pump: takes messages out of an outbox and delivers each at least once.

A message is crossed off after its receiver has taken it, so a crash between the two sends it a
second time, with the same fingerprint. What fails is tried again, later and later, for good. A
receiver that fails time and again is left alone for a while, so that it neither holds up the
others nor is flooded when it comes back.
"""

from __future__ import annotations

import math
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from faultsight.core.errors import DeliveryError, SettingError
from faultsight.core.printable import printable
from faultsight.core.seed import random_stream
from faultsight.notifiers._contract import Notification, Notifier

__all__ = ["Drained", "Outbox", "OutboxMessage", "Pump", "PumpConfig"]


class OutboxMessage(Protocol):
    """A message as the outbox keeps it."""

    @property
    def id(self) -> int:
        """Which one."""

    @property
    def notifier(self) -> str:
        """Who delivers it."""

    @property
    def fingerprint(self) -> str:
        """What receivers tell duplicates by."""

    @property
    def payload(self) -> Mapping[str, Any]:
        """What is told."""

    @property
    def attempts(self) -> int:
        """How many times it has failed."""


class Outbox(Protocol):
    """Where messages wait."""

    def due(self, limit: int, *, lease_s: int, owner: str) -> Sequence[OutboxMessage]:
        """Lease messages that are due: nobody else gets them until the lease ends."""

    def delivered(self, message_id: int) -> None:
        """Cross a message off."""

    def failed(self, message_id: int, error: str, next_try_s: int) -> None:
        """Note why a message failed, and when to try again."""

    def postpone(self, message_ids: Iterable[int], next_try_s: int) -> None:
        """Give messages back that were not tried."""


@dataclass(frozen=True)
class PumpConfig:
    """Settings of `Pump`.

    Parameters
    ----------
    batch : int
        How many messages are leased at once.
    lease_s : int
        How long nobody else gets them; after a crash they wait this long.
    first_delay_s, longest_delay_s : float
        The wait after the first failure, doubled with each further one up to the longest; a
        random part of up to a half is taken off, so that receivers are not hit in step.
    failures_in_a_row : int
        So many, and the receiver is left alone for a while.
    seed : int
        Of the random part.
    """

    batch: int = 50
    lease_s: int = 120
    first_delay_s: float = 2.0
    longest_delay_s: float = 300.0
    failures_in_a_row: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if not (
            self.batch > 0
            and self.lease_s > 0
            and 0 < self.first_delay_s <= self.longest_delay_s
            and self.failures_in_a_row > 0
        ):
            raise SettingError("the pump needs positive numbers, first_delay_s <= longest_delay_s")


@dataclass(frozen=True)
class Drained:
    """What one call of `Pump.drain` did.

    Attributes
    ----------
    delivered, failed, postponed : int
        Messages that were taken; that failed; that were not tried.
    """

    delivered: int
    failed: int
    postponed: int


class Pump:
    """Delivers what an outbox holds.

    Parameters
    ----------
    outbox : Outbox
        Where messages wait.
    notifiers : mapping of str to Notifier
        Who delivers, by the name that the messages carry. A message for a name that is not there
        fails and waits.
    clock : callable
        Returns seconds since 1970 UTC.
    owner : str, optional
        Who leases; by default different at every start.

    Examples
    --------
    >>> from faultsight.notifiers.log import Log
    >>> class Empty:
    ...     def due(self, limit, *, lease_s, owner):
    ...         return []
    >>> Pump(Empty(), {"log": Log()}).drain()
    Drained(delivered=0, failed=0, postponed=0)
    """

    def __init__(
        self,
        outbox: Outbox,
        notifiers: Mapping[str, Notifier],
        config: PumpConfig | None = None,
        *,
        clock: Callable[[], float] = time.time,
        owner: str | None = None,
    ) -> None:
        self._outbox = outbox
        self._notifiers = dict(notifiers)
        self.config = config or PumpConfig()
        self._clock = clock
        self._owner = owner or f"pump-{secrets.token_hex(8)}"
        self._failures: dict[str, int] = defaultdict(int)
        self._left_alone_until_s: dict[str, int] = {}

    def drain(self, should_stop: Callable[[], bool] = lambda: False) -> Drained:
        """Deliver messages until none is due.

        Parameters
        ----------
        should_stop : callable
            Asked before each delivery; when true, what is left is given back at once.
        """
        counts = {"delivered": 0, "failed": 0, "postponed": 0}
        while not should_stop():
            ends_s = self._clock() + self.config.lease_s
            messages = self._outbox.due(
                self.config.batch, lease_s=self.config.lease_s, owner=self._owner
            )
            if not messages:
                break
            later: dict[int, list[int]] = defaultdict(list)
            for message in messages:
                # Half of the lease is kept for the delivery that is under way.
                is_late = self._clock() > ends_s - self.config.lease_s / 2
                if should_stop() or is_late:
                    later[self._next_s(0)].append(message.id)
                    continue
                alone_until_s = self._left_alone_until_s.get(message.notifier, 0)
                if alone_until_s > self._clock():
                    later[alone_until_s].append(message.id)
                    continue
                counts[self._deliver(message)] += 1
            for next_try_s, ids in later.items():
                self._outbox.postpone(ids, next_try_s)
                counts["postponed"] += len(ids)
        return Drained(**counts)

    def _deliver(self, message: OutboxMessage) -> str:
        wait_s: float | None = None
        try:
            notifier = self._notifiers.get(message.notifier)
            if notifier is None:
                raise DeliveryError(f"no notifier is set up as {message.notifier!r}")
            notifier.send(Notification(message.fingerprint, message.payload))
        except DeliveryError as error:
            problem, wait_s = str(error), error.retry_after_s
        except Exception as error:  # noqa: BLE001  # a member's defect must not stop the others
            problem = f"{type(error).__name__}: {error}"
        else:
            self._failures.pop(message.notifier, None)
            self._outbox.delivered(message.id)
            return "delivered"
        delay_s = max(self._delay_s(message.fingerprint, message.attempts), wait_s or 0)
        delay_s = min(delay_s, self.config.longest_delay_s)
        self._outbox.failed(message.id, printable(problem)[:500], self._next_s(delay_s))
        self._failures[message.notifier] += 1
        beyond = self._failures[message.notifier] - self.config.failures_in_a_row
        if beyond >= 0:
            alone_s = max(self._delay_s(message.notifier, beyond), wait_s or 0)
            alone_s = min(alone_s, self.config.longest_delay_s)
            self._left_alone_until_s[message.notifier] = self._next_s(alone_s)
        return "failed"

    def _delay_s(self, name: str, failures: int) -> float:
        longest_s = min(
            self.config.first_delay_s * 2.0 ** min(failures, 60), self.config.longest_delay_s
        )
        stream = random_stream(self.config.seed, "pump", name, failures)
        return longest_s * (1 - stream.random() / 2)

    def _next_s(self, delay_s: float) -> int:
        # At least a second on, so that `drain` comes to an end.
        return max(math.ceil(self._clock() + delay_s), int(self._clock()) + 1)
