"""What the first page shows: how many of what, and how far each feed is."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from faultsight.console.access import App, Viewer
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, Told

routes = APIRouter(prefix=f"{PREFIX}/overview", tags=["overview"])


class FeedLag(Told):
    """How far a feed is."""

    feed: str
    data_until_s: int | None
    scored_until_s: int | None
    raised_alarms: int


class Overview(Told):
    """Counts of what waits for somebody."""

    now_s: int = Field(description="The service's clock.")
    raised_alarms: int
    open_incidents: int
    open_tasks: int
    unfinished_jobs: int
    undelivered: int = Field(description="Notifications that wait in the outbox.")
    feeds: list[FeedLag]


@routes.get("", responses=responses())
def get_overview(_: Viewer, app: App) -> Overview:
    """Return the counts of the first page."""
    return Overview.model_validate(app.status.overview())
