"""The worker of jobs: models learn, and settings are tried out on the past."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from faultsight.app.application import Application
from faultsight.app.feed_worker import learn_config
from faultsight.core.errors import ConflictError, FaultSightError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.config import FeedConfig
from faultsight.flow.learn import Learner
from faultsight.flow.learn.job_run import JobRun, JobStoppedError, told_defect
from faultsight.stores.operations import Job

__all__ = ["JobWorker"]

_log = logging.getLogger(__name__)
_BACK_TEST = "backtest"
_MOST_SHOWN = 1000


class JobWorker:
    """Does one job after the other.

    Parameters
    ----------
    application : Application
        Whose jobs.
    owner : str
        Under which name jobs are leased.
    """

    def __init__(self, application: Application, owner: str) -> None:
        self._application = application
        self._owner = owner

    def do_next(self, stop: Callable[[], bool]) -> bool:
        """Do the job that is due for longest; returns whether there was one."""
        application = self._application
        learner = Learner(
            application.ops,
            application.folder.path,
            learn_config(application),
            lease_s=application.settings.loop.lease_s,
        )
        job = learner.run_next(self._owner, stop=stop) or self._back_test(stop)
        if job is not None:
            _log.info("job %d, %s of %s: %s %s", job.id, job.kind, job.key, job.state, job.error)
        return job is not None

    def _back_test(self, stop: Callable[[], bool]) -> Job | None:
        """Try proposed rules out, if that is asked for; nothing but the job's result is written."""
        ops, folder = self._application.ops, self._application.folder
        lease_s = self._application.settings.loop.lease_s
        job = ops.jobs.lease(self._owner, [_BACK_TEST], max(int(lease_s), 1))
        if job is None:
            return None
        work = folder.path / "work" / f"job-{job.id}"
        try:
            with JobRun(ops, job, self._owner, lease_s=lease_s, work=work, stop=stop) as run:
                run.progress("running the proposed rules on the past")
                found = self._application.back_tests.run(
                    FeedConfig.from_dict(job.payload["config"]),
                    TimeWindow(*job.payload["window"]),
                    refit=bool(job.payload.get("refit")),
                )
                run.clear()
            return ops.jobs.finish(job.id, self._owner, _shown(found.to_dict()))
        except JobStoppedError:
            with suppress(ConflictError):
                return ops.jobs.release(job.id, self._owner)
        except ConflictError:
            pass
        except FaultSightError as error:
            run.clear()
            return ops.jobs.fail(job.id, self._owner, str(error))
        except Exception as error:
            with suppress(ConflictError):
                ops.jobs.fail(job.id, self._owner, told_defect(error))
            raise
        return ops.jobs.get(job.id)


def _shown(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result with no more alarms and incidents than anybody looks at; counts stay."""
    for name in ("alarms", "incidents"):
        result[f"n_{name}"] = len(result[name])
        result[name] = result[name][:_MOST_SHOWN]
    return result
