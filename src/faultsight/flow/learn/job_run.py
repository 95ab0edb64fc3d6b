"""One job being done: it keeps its lease while it works, and stops between two steps."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from faultsight.core.errors import ConflictError, FaultSightError, StoreError
from faultsight.stores.operations import Job, Operations

__all__ = ["JobRun", "JobStoppedError", "told_defect"]


class JobStoppedError(FaultSightError):
    """The job shall not go on now: it was cancelled, its worker stops, or its lease was lost."""


class JobRun:
    """What a job's work may use.

    While it is open, a thread keeps the lease. `progress` is called between steps; it tells the
    job table what happens and raises where the work must end. What was done until then lies in
    `work`, and the next attempt goes on from it.

    Parameters
    ----------
    ops : Operations
        The job table and all else.
    job : Job
        Leased.
    owner : str
        Whose lease it is.
    lease_s : float
        How long.
    work : path
        A folder of the job's own; `clear` removes it at the end.
    stop : callable
        Whether the worker shall stop.
    """

    def __init__(
        self,
        ops: Operations,
        job: Job,
        owner: str,
        *,
        lease_s: float,
        work: Path,
        stop: Callable[[], bool],
    ) -> None:
        self.ops, self.job, self.owner, self.work = ops, job, owner, work
        self._lease_s = max(int(lease_s), 1)
        self._stop = stop
        self._is_over = threading.Event()
        self._must_end = ""
        self._said = ""
        self._beating = threading.Thread(target=self._beat, name=f"job {job.id}", daemon=True)

    def __enter__(self) -> Self:
        self.work.mkdir(parents=True, exist_ok=True)
        self._beating.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._beating.join()

    def progress(self, said: str) -> None:
        """Tell what happens, and end here if that is wanted.

        Raises
        ------
        JobStoppedError
            If the job was cancelled or lost, or its worker stops.
        """
        self._said = said
        if self._stop():
            raise JobStoppedError("the worker stops")
        if self._must_end:
            raise JobStoppedError(self._must_end)

    def clear(self) -> None:
        """Remove the job's own folder: it is done."""
        shutil.rmtree(self.work, ignore_errors=True)

    def _beat(self) -> None:
        while not self._is_over.wait(self._lease_s / 3):
            try:
                told = {"step": self._said}
                job = self.ops.jobs.heartbeat(self.job.id, self.owner, self._lease_s, told)
            except ConflictError:
                self._must_end = "the lease was lost"
                return
            except StoreError:
                continue  # the store is busy: the lease holds two more beats
            if job.is_cancelled:
                self._must_end = "it was cancelled"


def told_defect(error: Exception) -> str:
    """Return what a job tells of an error that nobody expected; the rest is for the log alone.

    Examples
    --------
    >>> told_defect(ZeroDivisionError("of a customer's data"))
    'a defect of FaultSight (ZeroDivisionError); the log of the service tells where'
    """
    return f"a defect of FaultSight ({type(error).__name__}); the log of the service tells where"
