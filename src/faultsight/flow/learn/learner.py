"""Who learns: leases jobs, does them, and queues those that are due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from faultsight.core.errors import ConflictError, FaultSightError, StoreError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.telemetry import TelemetryFolder
from faultsight.flow.learn.cable_job import tune_cable
from faultsight.flow.learn.detector_jobs import retrain, tune
from faultsight.flow.learn.job_run import JobRun, JobStoppedError, told_defect
from faultsight.flow.learn.learn_config import LearnConfig
from faultsight.flow.learn.lesson_plan import feed_config
from faultsight.stores.operations import Feed, Job, Operations
from faultsight.stores.telemetry import KpiStore

__all__ = ["Learner"]

_STEPS: Mapping[str, Callable[[JobRun, Path, LearnConfig], Job]] = {
    "tune": tune,
    "retrain": retrain,
    "tune_cable": tune_cable,
}
_SCHEDULE = "schedule"
_RETRY_S, _DAY_S = 300, 86_400


def _never() -> bool:
    return False


class Learner:
    """Does the jobs by which models learn.

    Parameters
    ----------
    ops : Operations
        The job table, feedback and models.
    folder : path
        The state folder: ``telemetry/`` and ``models/`` lie in it.
    config : LearnConfig, optional
        When and from how much is learned.
    lease_s : float
        A worker that is silent for so long has lost its job.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> ops = Operations.open(folder / "operations.sqlite")
    >>> learner = Learner(ops, folder)
    >>> _ = ops.feeds.add("cells", "kpi", 3600)
    >>> _ = ops.jobs.enqueue("tune", "cells", {"feed": "cells"}, by="ana")
    >>> learner.run_next("a worker").error
    'cells: there is no telemetry to learn from'
    >>> ops.close()
    """

    kinds = tuple(_STEPS)
    """Of jobs that it can do."""

    def __init__(
        self,
        ops: Operations,
        folder: Path | str,
        config: LearnConfig | None = None,
        *,
        lease_s: float = 60.0,
    ) -> None:
        self.ops, self.folder = ops, Path(folder)
        self.config = config or LearnConfig()
        self.lease_s = lease_s

    def run_next(self, owner: str, *, stop: Callable[[], bool] = _never) -> Job | None:
        """Do the job that is due for longest; None if there is none.

        A job that is stopped goes back into the queue, and its next attempt goes on from what was
        done; so does one whose worker is killed, once its lease is over. What cannot be done fails
        with its reason. A busy store or a full disk is tried again later.

        Parameters
        ----------
        owner : str
            Who does it; different for every worker and start.
        stop : callable
            Asked between steps whether the worker shall stop.
        """
        job = self.ops.jobs.lease(owner, self.kinds, max(int(self.lease_s), 1))
        if job is None:
            return None
        work = self.folder / "models" / job.key / f".job-{job.id}"
        try:
            with JobRun(self.ops, job, owner, lease_s=self.lease_s, work=work, stop=stop) as run:
                return _STEPS[job.kind](run, self.folder, self.config)
        except JobStoppedError:
            return self._given_back(job, owner)
        except ConflictError:
            return self.ops.jobs.get(job.id)
        except (StoreError, OSError) as error:
            return self.ops.jobs.fail(job.id, owner, str(error), retry_in_s=_RETRY_S)
        except FaultSightError as error:
            done = self.ops.jobs.fail(job.id, owner, str(error))
            run.clear()
            return done
        except Exception as error:
            # The worker logs where it was; whoever looks at the job sees that it was no kill.
            with suppress(ConflictError):
                self.ops.jobs.fail(job.id, owner, told_defect(error), retry_in_s=_RETRY_S)
            raise

    def _given_back(self, job: Job, owner: str) -> Job:
        try:
            return self.ops.jobs.release(job.id, owner)
        except ConflictError:
            return self.ops.jobs.get(job.id)

    def schedule(self) -> list[Job]:
        """Queue what is due: first models, the weekly step, training from scratch.

        A feed gets its first model once it has `least_history_s` of data, or all that its rules
        call history. The weekly step is left out while nobody has said anything new.

        Returns
        -------
        list of Job
            Those queued now, or unfinished since before and due again.
        """
        found = []
        for feed in self.ops.feeds.list():
            kind = self._due(feed)
            if kind:
                payload = {"feed": feed.name}
                found.append(self.ops.jobs.enqueue(kind, feed.name, payload, by=_SCHEDULE))
        return found

    def _due(self, feed: Feed) -> str:
        """Return the kind of job that a feed is due for; empty if none."""
        is_polls = feed.kind == "polls"
        active, now_s = self.ops.models.active(feed.name), self.ops.now_s()
        if active is None:
            kind = "tune_cable" if is_polls else "retrain"
            tried = self._latest(kind, feed.name)
            # What failed is tried again the next day: more data may have come.
            is_time = tried is None or (
                tried.finished_s is not None and now_s - tried.finished_s >= _DAY_S
            )
            return kind if is_time and self._has_history(feed) else ""

        def is_due(kind: str, every_s: int) -> bool:
            latest = self._latest(kind, feed.name)
            since_s = max(active.created_s, 0 if latest is None else latest.created_s)
            return every_s > 0 and now_s - since_s >= every_s

        if is_polls:
            return "tune_cable" if is_due("tune_cable", self.config.tune_every_s) else ""
        trained = [m for m in self.ops.models.lineage(active.id) if m.card.get("root") is None]
        trained_s = max((m.created_s for m in trained), default=active.created_s)
        latest = self._latest("retrain", feed.name)
        tried_s = 0 if latest is None else latest.created_s
        every_s = self.config.retrain_every_s
        if every_s and now_s - max(trained_s, tried_s) >= every_s:
            return "retrain"
        if is_due("tune", self.config.tune_every_s) and self._is_news(feed.name):
            return "tune"
        return ""

    def _latest(self, kind: str, feed: str) -> Job | None:
        """Return the latest job of a kind on a feed."""
        after = None
        while True:
            page = self.ops.jobs.page(kind=kind, after=after)
            for job in page.items:
                if job.key == feed:
                    return job
            if page.next is None:
                return None
            after = page.next

    def _is_news(self, feed: str) -> bool:
        """Whether anything was said since the last tuning."""
        latest = self._latest("tune", feed)
        if latest is None:
            return bool(self.ops.feedback.events(feed))
        newest = max((event.id for event in self.ops.feedback.events(feed)), default=0)
        answered = [t.answered_s or 0 for t in self.ops.tasks.answers(feed=feed)]
        told = int(latest.result.get("last_event", 0))
        return newest > told or any(at_s >= latest.created_s for at_s in answered)

    def _has_history(self, feed: Feed) -> bool:
        path = self.folder / "telemetry" / feed.name
        window = TimeWindow(0, 0)
        if feed.kind == "polls" and TelemetryFolder.is_telemetry(path):
            window = TelemetryFolder(path).window
        elif feed.kind != "polls" and KpiStore.is_feed(path):
            window = KpiStore(path).window
        rules = feed_config(self.ops, feed.name)
        if rules.since_s is not None and window.start_s < rules.since_s <= window.end_s:
            return True
        return window.end_s - window.start_s >= self.config.least_history_s
