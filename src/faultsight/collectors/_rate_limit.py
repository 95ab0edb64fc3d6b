"""A token bucket: so many requests a second, a few at once, and never more."""

from __future__ import annotations

import time
from collections.abc import Callable

from faultsight.collectors._many_sockets import pause

__all__ = ["TokenBucket"]


class TokenBucket:
    """Lets requests through at a rate.

    It keeps one number, the moment up to which tokens are spent: who comes later than that goes at
    once, who comes earlier waits for his turn.

    Parameters
    ----------
    rate_per_s : float
        Tokens a second.
    burst : int
        Tokens that may be saved up.
    clock : callable
        Seconds; monotonic.

    Attributes
    ----------
    n_taken : int
        Tokens so far.

    Examples
    --------
    >>> bucket = TokenBucket(10.0, burst=2, clock=lambda: 0.0)
    >>> [round(bucket.wait_s(), 1) for _ in range(4)]
    [0.0, 0.0, 0.1, 0.2]
    """

    def __init__(
        self, rate_per_s: float, *, burst: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.n_taken = 0
        self._step_s = 1.0 / rate_per_s
        self._saved_s = (burst - 1) * self._step_s
        self._clock = clock
        self._spent_until = clock() - self._saved_s

    def wait_s(self) -> float:
        """Take a token, and return in how many seconds it may be used."""
        self.n_taken += 1
        now = self._clock()
        turn = max(self._spent_until, now - self._saved_s)
        self._spent_until = turn + self._step_s
        return max(turn - now, 0.0)

    async def turn(self) -> None:
        """Take a token and wait until it may be used."""
        wait_s = self.wait_s()
        if wait_s > 0.0:
            await pause(wait_s)
