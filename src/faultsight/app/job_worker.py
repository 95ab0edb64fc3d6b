"""The worker of jobs: models learn, and settings are tried out on the past."""

from __future__ import annotations

import logging
from collections.abc import Callable

from faultsight.app.application import Application
from faultsight.app.feed_worker import learn_config
from faultsight.flow.learn import Learner

__all__ = ["JobWorker"]

_log = logging.getLogger(__name__)


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
        job = learner.run_next(self._owner, stop=stop)
        if job is not None:
            _log.info("job %d, %s of %s: %s %s", job.id, job.kind, job.key, job.state, job.error)
        return job is not None
