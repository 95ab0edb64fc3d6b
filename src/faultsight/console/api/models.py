"""Models: candidates, the active one, where each comes from, and who decided what."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from faultsight.console.access import App, Operator, Viewer
from faultsight.console.paging import After, Limit, Page, limited
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, FeedFilter, FeedName, Given, Reason, Told

routes = APIRouter(prefix=PREFIX, tags=["models"])

ModelId = Annotated[str, Path(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")]


class Model(Told):
    """One version of a feed's model."""

    id: str
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

    why: Reason


@routes.get("/models", responses=responses())
def list_models(
    _: Viewer, app: App, feed: FeedFilter = None, after: After = None, limit: Limit = 100
) -> Page[Model]:
    """Return models, the latest first."""
    page = app.models.page(feed=feed, after=after, limit=limited(limit, app.limits.page_rows))
    return Page(items=[Model.model_validate(model) for model in page.items], next=page.next)


@routes.get("/models/{model_id}", responses=responses(404))
def get_model(model_id: ModelId, _: Viewer, app: App) -> ModelWithDecisions:
    """Return one model with its card and the decisions on it."""
    return ModelWithDecisions(
        model=Model.model_validate(app.models.get(model_id)),
        decisions=[Decision.model_validate(d) for d in app.models.decisions(model_id)],
    )


@routes.get("/models/{model_id}/lineage", responses=responses(404))
def get_lineage(model_id: ModelId, _: Viewer, app: App) -> list[Model]:
    """Return a model and those it comes from, the first of them last."""
    return [Model.model_validate(model) for model in app.models.lineage(model_id)]


@routes.post("/models/{model_id}/promote", responses=responses(404, 409))
def promote_model(model_id: ModelId, given: Why, who: Operator, app: App) -> Model:
    """Make a model the active one of its feed."""
    return Model.model_validate(app.models.promote(model_id, who, why=given.why))


@routes.post("/models/{model_id}/reject", responses=responses(404, 409))
def reject_model(model_id: ModelId, given: Why, who: Operator, app: App) -> Model:
    """Decide that a candidate does not become active."""
    return Model.model_validate(app.models.reject(model_id, who, why=given.why))


@routes.post("/feeds/{feed}/models/revert", responses=responses(404, 409))
def revert_model(feed: FeedName, given: Why, who: Operator, app: App) -> Model:
    """Go back to the model before the active one; scores are then as they were."""
    return Model.model_validate(app.models.revert(feed, who, why=given.why))
