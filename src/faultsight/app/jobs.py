"""Jobs: enqueued, looked at, cancelled; what does them is `faultsight.app.service`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from faultsight.app.back_tests import BackTests
from faultsight.app.roles import Principal
from faultsight.core.errors import ConflictError, InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import Job, JobState, Operations, Page

__all__ = ["JOB_KINDS", "JobState", "Jobs"]

JOB_KINDS = ("tune", "retrain", "tune_cable", "backtest")
"""What may be asked for."""


class Jobs:
    """Work that is asked for."""

    def __init__(self, ops: Operations, back_tests: BackTests) -> None:
        self._ops = ops
        self._back_tests = back_tests

    def page(
        self, *, kind: str | None, state: JobState | None, after: str | None, limit: int
    ) -> Page[Job]:
        """Return jobs, the latest first."""
        states = tuple(JobState) if state is None else (state,)
        return self._ops.jobs.page(kind=kind, states=states, after=after, limit=limit)

    def get(self, job_id: int) -> Job:
        """Return one job."""
        return self._ops.jobs.get(job_id)

    def enqueue(
        self,
        kind: str,
        feed: str,
        who: Principal,
        *,
        window: TimeWindow | None = None,
        settings: Mapping[str, Any] | None = None,
        refit: bool = False,
    ) -> Job:
        """Have a job done; one of the same kind and feed that is not done is returned instead.

        Raises
        ------
        InputError
            If a back-test lacks its window, or a job that is none has one.
        SettingError
            If settings to be tried out are not possible.
        ConflictError
            If another back-test of the feed is not done yet.
        """
        stored = self._ops.feeds.get(feed)
        if (window is not None) != (kind == "backtest"):
            raise InputError("a back-test, and nothing else, has a window")
        if (settings or refit) and kind != "backtest":
            raise InputError("settings are tried out by a back-test alone")
        if (stored.kind == "polls") != (kind == "tune_cable") and kind in ("tune", "tune_cable"):
            raise InputError(f"{kind} is no job for a feed of kind {stored.kind}")
        payload: dict[str, Any] = {"feed": feed}
        if window is not None:
            payload["config"] = self._back_tests.proposed(feed, settings or {}).to_dict()
            payload["window"] = [window.start_s, window.end_s]
            payload["refit"] = refit
        job = self._ops.jobs.enqueue(kind, feed, payload, by=who.name)
        if kind == "backtest" and _text(job.payload) != _text(payload):
            # Its answer would be taken for the answer to this one.
            raise ConflictError(f"job {job.id} is another back-test of {feed!r}: wait or cancel it")
        return job

    def cancel(self, job_id: int, who: Principal) -> Job:
        """Ask a job to end.

        Raises
        ------
        ConflictError
            If it has ended, or is the loop itself, which ends with the service.
        """
        if self._ops.jobs.get(job_id).kind not in JOB_KINDS:
            raise ConflictError(f"job {job_id} is the service's own")
        with self._ops.transaction() as tx:
            job = self._ops.jobs.cancel(job_id, tx=tx)
            self._ops.audit.append(who.name, "cancelled", f"job {job_id}", tx=tx)
        return job


def _text(payload: Mapping[str, Any]) -> str:
    return json.dumps(payload, sort_keys=True)  # what was stored has lists for tuples
