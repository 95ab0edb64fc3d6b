"""Jobs: tuning, training, back-tests; their progress, and their end."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from faultsight.app.jobs import JobState
from faultsight.console.access import App, Operator, Viewer
from faultsight.console.paging import After, Limit, Page, limited
from faultsight.console.problems import responses
from faultsight.console.shapes import FEED, PREFIX, CountedId, Given, Span, Told, example, span_of

routes = APIRouter(prefix=f"{PREFIX}/jobs", tags=["jobs"])


class Job(Told):
    """One job."""

    id: int
    kind: str = Field(examples=["tune"])
    key: str = Field(examples=["cells"])
    payload: dict[str, Any]
    state: JobState
    run_at_s: int
    attempts: int
    is_cancelled: bool
    progress: dict[str, Any]
    result: dict[str, Any]
    error: str
    created_by: str
    created_s: int
    finished_s: int | None


class NewJob(Given):
    """A job to do; one of the same kind and feed that is not done is returned instead.

    Another back-test of the feed that is not done is a conflict.
    """

    model_config = example({"kind": "tune", "feed": "cells"})

    kind: Literal["tune", "retrain", "tune_cable", "backtest"] = Field(examples=["tune"])
    feed: str = Field(pattern=FEED, examples=["cells"])
    window: Span | None = Field(None, description="For a back-test: which span.")
    settings: dict[str, Any] = Field(
        default_factory=dict, description="For a back-test: the settings that are proposed."
    )
    refit: bool = Field(
        default=False,
        description="For a back-test: fit anew on the four weeks before the window, also where the "
        "settings name the model at work.",
    )


@routes.get("", responses=responses())
def list_jobs(
    _: Viewer,
    app: App,
    kind: Annotated[str | None, Query(max_length=64)] = None,
    state: Annotated[JobState | None, Query(description="In this state.")] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[Job]:
    """Return jobs, the latest first."""
    page = app.jobs.page(
        kind=kind, state=state, after=after, limit=limited(limit, app.limits.page_rows)
    )
    return Page(items=[Job.model_validate(job) for job in page.items], next=page.next)


@routes.post("", status_code=202, responses=responses(404, 409))
def add_job(given: NewJob, who: Operator, app: App) -> Job:
    """Have a job done; it is taken up within seconds."""
    window = None if given.window is None else span_of(given.window)
    return Job.model_validate(
        app.jobs.enqueue(
            given.kind, given.feed, who, window=window, settings=given.settings, refit=given.refit
        )
    )


@routes.get("/{job_id}", responses=responses(404))
def get_job(job_id: CountedId, _: Viewer, app: App) -> Job:
    """Return one job: how far it is, and what came out."""
    return Job.model_validate(app.jobs.get(job_id))


@routes.post("/{job_id}/cancel", status_code=202, responses=responses(404, 409))
def cancel_job(job_id: CountedId, who: Operator, app: App) -> Job:
    """Ask a job to end; one that runs ends at its next step."""
    return Job.model_validate(app.jobs.cancel(job_id, who))
