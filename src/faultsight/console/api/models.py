"""Models: candidates, the active one, where each comes from, and who decided what."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from faultsight.console.access import App, Operator, Viewer
from faultsight.console.paging import After, Limit, Page, limited
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, FeedFilter, FeedName, Given, Reason, Told, example

routes = APIRouter(prefix=PREFIX, tags=["models"])

Version = Annotated[int, Path(ge=1, le=2**31, description="Version of the feed's model.")]


class Model(Told):
    """One version of a feed's model."""

    id: str = Field(description="Feed and version.", examples=["cells/3"])
    feed: str
    version: int
    member: str = Field(description="Which detector.", examples=["ridge_var"])
    parent: str | None
    state: str = Field(examples=["active"])
    card: dict[str, Any] = Field(
        description="Training span, KPIs, feedback used, figures of the back-test, limits."
    )
    created_by: str
    created_s: int


class Decision(Told):
    """Who decided what of a model, when and why."""

    model_id: str
    at_s: int
    by: str
    action: str
    why: str


class ModelWithDecisions(Told):
    """A model and what was decided of it."""

    model: Model
    decisions: list[Decision]


class Why(Given):
    """Why."""

    model_config = example({"why": "fewer false alarms on the back-test"})

    why: Reason


@routes.get("/models", responses=responses())
def list_models(
    _: Viewer, app: App, feed: FeedFilter = None, after: After = None, limit: Limit = 100
) -> Page[Model]:
    """Return models, the latest first."""
    page = app.models.page(feed=feed, after=after, limit=limited(limit, app.limits.page_rows))
    return Page(items=[Model.model_validate(model) for model in page.items], next=page.next)


@routes.get("/feeds/{feed}/models/{version}", responses=responses(404))
def get_model(feed: FeedName, version: Version, _: Viewer, app: App) -> ModelWithDecisions:
    """Return one model with its card and the decisions on it."""
    return ModelWithDecisions(
        model=Model.model_validate(app.models.get(feed, version)),
        decisions=[Decision.model_validate(d) for d in app.models.decisions(feed, version)],
    )


@routes.get("/feeds/{feed}/models/{version}/lineage", responses=responses(404))
def get_lineage(feed: FeedName, version: Version, _: Viewer, app: App) -> list[Model]:
    """Return a model and those it comes from, the first of them last."""
    return [Model.model_validate(model) for model in app.models.lineage(feed, version)]


@routes.post("/feeds/{feed}/models/{version}/promote", responses=responses(404, 409))
def promote_model(feed: FeedName, version: Version, given: Why, who: Operator, app: App) -> Model:
    """Make a model the active one of its feed."""
    return Model.model_validate(app.models.promote(feed, version, who, why=given.why))


@routes.post("/feeds/{feed}/models/{version}/reject", responses=responses(404, 409))
def reject_model(feed: FeedName, version: Version, given: Why, who: Operator, app: App) -> Model:
    """Decide that a candidate does not become active."""
    return Model.model_validate(app.models.reject(feed, version, who, why=given.why))


@routes.post("/feeds/{feed}/models/revert", responses=responses(404, 409))
def revert_model(feed: FeedName, given: Why, who: Operator, app: App) -> Model:
    """Go back to the model before the active one; scores are then as they were."""
    return Model.model_validate(app.models.revert(feed, who, why=given.why))
