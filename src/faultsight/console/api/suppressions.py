"""Suppressions: planned work and scopes whose alarms are muted, with the reason."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, StringConstraints

from faultsight.console.access import App, Operator, Viewer
from faultsight.console.paging import After, Limit, Page, limited
from faultsight.console.problems import responses
from faultsight.console.shapes import (
    FEED,
    PREFIX,
    CountedId,
    FeedFilter,
    Given,
    Moment,
    Reason,
    Told,
    example,
)

routes = APIRouter(prefix=f"{PREFIX}/suppressions", tags=["suppressions"])

_Word = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class Suppression(Told):
    """A rule that mutes."""

    id: int
    feed: str | None
    scope: dict[str, str]
    entity: str | None
    start_s: int
    end_s: int | None
    reason: str
    created_by: str
    created_s: int
    revoked_by: str | None
    revoke_reason: str
    revoked_s: int | None


class NewSuppression(Given):
    """A rule to add: an entity, or every entity whose attributes have these values."""

    model_config = example(
        {
            "feed": "cells",
            "scope": {"region": "north"},
            "start_s": 1767225600,
            "end_s": 1767240000,
            "reason": "planned work",
        }
    )

    feed: str | None = Field(None, pattern=FEED, description="Of this feed; of all if not given.")
    scope: Annotated[dict[_Word, _Word], Field(max_length=50)] = Field(
        default_factory=dict, examples=[{"region": "north"}]
    )
    entity: _Word | None = None
    start_s: Moment
    end_s: Moment | None = Field(None, description="Until it is revoked if not given.")
    reason: Reason


class Revocation(Given):
    """Why a rule ends."""

    model_config = example({"why": "done earlier"})

    why: Reason


@routes.get("", responses=responses())
def list_suppressions(
    _: Viewer,
    app: App,
    feed: FeedFilter = None,
    at_s: Annotated[
        int | None, Query(ge=0, le=253_402_300_799, description="Those that mute then.")
    ] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[Suppression]:
    """Return rules, the latest first."""
    page = app.suppressions.page(
        feed=feed, at_s=at_s, after=after, limit=limited(limit, app.limits.page_rows)
    )
    return Page(items=[Suppression.model_validate(rule) for rule in page.items], next=page.next)


@routes.post("", status_code=201, responses=responses(404))
def add_suppression(given: NewSuppression, who: Operator, app: App) -> Suppression:
    """Add a rule; alarms that it mutes keep its reason."""
    rule = app.suppressions.add(
        who, feed=given.feed, scope=given.scope, entity=given.entity, start_s=given.start_s,
        end_s=given.end_s, reason=given.reason,
    )  # fmt: skip
    return Suppression.model_validate(rule)


@routes.post("/{suppression_id}/revoke", responses=responses(404, 409))
def revoke_suppression(
    suppression_id: CountedId, given: Revocation, who: Operator, app: App
) -> Suppression:
    """End a rule."""
    return Suppression.model_validate(app.suppressions.revoke(suppression_id, who, why=given.why))
