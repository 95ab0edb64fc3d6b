"""The worker of jobs: a back-test that cannot be says why, and so does a defect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faultsight.app.application import Application
from faultsight.app.build import open_application
from faultsight.app.job_worker import JobWorker
from faultsight.app.roles import COMMAND_LINE
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import Job, JobState


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    with open_application(tmp_path / "state") as opened:
        opened.feeds.add("cells", "kpi", 3600, {}, COMMAND_LINE)
        yield opened


@pytest.fixture
def job(application: Application) -> Job:
    return application.jobs.enqueue(
        "backtest", "cells", COMMAND_LINE, window=TimeWindow(0, 86_400), settings={"raise_rows": 2}
    )


def never() -> bool:
    return False


def test_a_back_test_that_cannot_be_says_why(application: Application, job: Job) -> None:
    assert JobWorker(application, "w").do_next(never)
    done = application.jobs.get(job.id)
    assert (done.state, done.attempts) == (JobState.FAILED, 1)
    assert "nothing was scored in the window" in done.error
    assert list((application.folder.path / "work").iterdir()) == []


def test_a_defect_is_told_with_the_job(
    application: Application, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only in the log: or it would be begun again and again, and given up without a word."""

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(application.back_tests, "run", broken)
    with pytest.raises(ZeroDivisionError):
        JobWorker(application, "w").do_next(never)
    done = application.jobs.get(job.id)
    assert done.state is JobState.FAILED
    assert done.error.startswith("a defect of FaultSight (ZeroDivisionError)")
