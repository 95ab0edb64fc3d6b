"""Tasks: what a model asks operators to label, with the curves to look at."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from faultsight.app.tasks import Answer as StoredAnswer
from faultsight.app.tasks import TaskState
from faultsight.console.access import App, Operator, Viewer
from faultsight.console.api.feedback import Window
from faultsight.console.api.series import Series, series_told
from faultsight.console.etags import IfMatch, expected_version, tag
from faultsight.console.paging import After, Limit, Page, limited
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, CountedId, FeedFilter, Given, Told, example

routes = APIRouter(prefix=f"{PREFIX}/tasks", tags=["tasks"])


class Task(Told):
    """One question: whether a span shows something wrong."""

    id: int
    feed: str
    entity: str
    window: Window
    kpis: list[str] = Field(description="The KPIs that are asked about; all if empty.")
    body: dict[str, Any]
    job_id: int | None
    state: str = Field(examples=["open"])
    answer: str | None = Field(examples=["yes"])
    answered_by: str | None
    answered_s: int | None
    created_s: int
    version: int


class TaskWithCurves(Told):
    """A question and what to look at."""

    task: Task
    series: Series


class Answer(Given):
    """An answer."""

    model_config = example({"answer": "yes"})

    answer: Literal["yes", "no", "unsure"] = Field(description="yes: something is wrong.")


@routes.get("", responses=responses())
def list_tasks(
    _: Viewer,
    app: App,
    feed: FeedFilter = None,
    state: Annotated[TaskState | None, Query(description="In this state.")] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[Task]:
    """Return tasks, the latest first."""
    page = app.tasks.page(
        feed=feed, state=state, after=after, limit=limited(limit, app.limits.page_rows)
    )
    return Page(items=[Task.model_validate(task) for task in page.items], next=page.next)


@routes.get("/{task_id}", responses=responses(404))
def get_task(
    task_id: CountedId,
    _: Viewer,
    app: App,
    response: Response,
    points: Annotated[int, Query(ge=10, le=100_000)] = 500,
) -> TaskWithCurves:
    """Return a task with the curves of its span and as much before and after."""
    task = app.tasks.get(task_id)
    tag(response, task.version)
    curves = app.tasks.curves(task, points=min(points, app.limits.series_points))
    return TaskWithCurves(task=Task.model_validate(task), series=series_told(curves))


@routes.post("/{task_id}/answer", responses=responses(404, 409, 428))
def answer_task(
    task_id: CountedId,
    given: Answer,
    who: Operator,
    app: App,
    response: Response,
    if_match: IfMatch = None,
) -> Task:
    """Answer; the next step of the model takes it up."""
    task = app.tasks.answer(
        task_id, StoredAnswer(given.answer), who, expected_version=expected_version(if_match)
    )
    tag(response, task.version)
    return Task.model_validate(task)
