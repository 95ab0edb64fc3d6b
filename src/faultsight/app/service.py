"""The service: workers behind the API, each under a lease, started and stopped together."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from faultsight.app.application import Application
from faultsight.app.feed_worker import FeedWorker
from faultsight.app.job_worker import JobWorker
from faultsight.app.outbox_worker import OutboxWorker
from faultsight.app.settings import Settings
from faultsight.core.errors import ConflictError, FaultSightError
from faultsight.flow.learn.job_run import JobRun, JobStoppedError

__all__ = ["Service"]

_log = logging.getLogger(__name__)
_LOOP = "loop"
_NEVER_GIVEN_UP = 2**31 - 1
_IDLE_S = 1.0


class Service:
    """Collectors, the loop, jobs and the outbox as threads.

    Several services may run on one state: the job table gives the loop to one of them, each job to
    one worker, and each message to one pump. What a killed one held is taken up when its lease is
    over.

    Parameters
    ----------
    application : Application
        The state that is worked on.
    stopping : threading.Event, optional
        Set to end everything.

    Examples
    --------
    >>> import tempfile
    >>> from faultsight.app.build import open_application
    >>> with open_application(tempfile.mkdtemp()) as app:
    ...     service = Service(app)
    ...     service.start()
    ...     service.stop()
    ...     service.is_running
    False
    """

    def __init__(
        self, application: Application, *, stopping: threading.Event | None = None
    ) -> None:
        self._application = application
        self._stopping = stopping or threading.Event()
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._threads: list[threading.Thread] = []
        self.feeds = FeedWorker(application)
        self.jobs = JobWorker(application, self._owner)
        self.outbox = OutboxWorker(application, self._owner)

    @property
    def is_running(self) -> bool:
        """Whether a worker is at work."""
        return any(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        """Start the workers; none where ``loop.enabled`` is off."""
        left = self._application.uploads.drop_left_over()
        if left:
            _log.info("removed %d uploads that a crash left on their way in", left)
        if not self._application.settings.loop.enabled:
            return
        for name, work in (
            ("loop", self._run_loop),
            ("jobs", lambda: self._repeat("jobs", self._next_job)),
            ("outbox", lambda: self._repeat("outbox", self._drain)),
        ):
            # No daemons: a worker is in the middle of a write, and is waited for.
            thread = threading.Thread(target=work, name=f"faultsight-{name}")
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Ask every worker to end at its next step, and wait until all leases are given up."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self.feeds.close()

    def reload(self, settings: Settings | None = None) -> None:
        """Take up changed settings and feeds; those of the server wait for a restart."""
        self._application.reload(settings)
        self.outbox.reload()
        _log.info("settings were read anew")

    # The workers

    def _run_loop(self) -> None:
        """Hold the lease of the loop, and look at every feed in turn."""
        ops = self._application.ops
        lease_s = self._application.settings.loop.lease_s
        while not self._stopping.is_set():
            try:
                ops.jobs.enqueue(_LOOP, by="service", max_attempts=_NEVER_GIVEN_UP)
                job = ops.jobs.lease(self._owner, [_LOOP], max(int(lease_s), 1))
                if job is None:
                    self._stopping.wait(min(lease_s / 3, self._tick_s))
                    continue
                work = self._application.folder.path / "work" / _LOOP
                with (
                    JobRun(
                        ops,
                        job,
                        self._owner,
                        lease_s=lease_s,
                        work=work,
                        stop=self._stopping.is_set,
                    ) as run,
                    suppress(JobStoppedError),
                ):
                    while True:
                        run.progress(self.feeds.look_at_all(run.progress))
                        self._stopping.wait(self._tick_s)
                with suppress(ConflictError):
                    ops.jobs.release(job.id, self._owner)
            except FaultSightError as error:
                _log.error("the loop pauses: %s", error)
                self._stopping.wait(self._tick_s)

    @property
    def _tick_s(self) -> float:
        return self._application.settings.loop.tick_s

    def _next_job(self) -> bool:
        return self.jobs.do_next(self._stopping.is_set)

    def _drain(self) -> bool:
        return self.outbox.drain(self._stopping.is_set)

    def _repeat(self, name: str, step: Callable[[], bool]) -> None:
        """Take one step after the other; pause where there was nothing to do, or it failed."""
        while not self._stopping.is_set():
            try:
                did_work = step()
            except Exception:  # noqa: BLE001 - see below
                # The boundary of a worker: a defect of one step must not end all later ones.
                _log.exception("%s: this step failed", name)
                did_work = False
            if not did_work:
                self._stopping.wait(_IDLE_S)
