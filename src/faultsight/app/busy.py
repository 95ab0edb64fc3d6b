"""What takes much memory is done by few at a time; the others wait a little, then are refused."""

from __future__ import annotations

from threading import BoundedSemaphore

from faultsight.core.errors import FaultSightError

__all__ = ["AtMost", "BusyError"]


class BusyError(FaultSightError):
    """Too much is asked at once; later it may be done."""


class AtMost:
    """Lets so many in at one time; use it as a context.

    Parameters
    ----------
    n : int
        How many.
    what : str
        What they do, for the message.
    wait_s : float
        How long another one waits for its turn.

    Raises
    ------
    BusyError
        On entering, if no turn comes in time.

    Examples
    --------
    >>> uploads = AtMost(1, "uploads", wait_s=0.0)
    >>> with uploads, uploads:
    ...     pass
    Traceback (most recent call last):
    faultsight.app.busy.BusyError: too many uploads at once
    """

    def __init__(self, n: int, what: str, *, wait_s: float) -> None:
        self._turns = BoundedSemaphore(n)
        self._what = what
        self._wait_s = wait_s

    def __enter__(self) -> None:
        if not self._turns.acquire(timeout=self._wait_s):
            raise BusyError(f"too many {self._what} at once")

    def __exit__(self, *_: object) -> None:
        self._turns.release()
