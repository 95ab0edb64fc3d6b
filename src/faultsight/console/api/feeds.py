"""Feeds: streams of telemetry, how far they are, what was set aside; their entities."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field, StringConstraints

from faultsight.app.feeds import FeedView
from faultsight.console.access import Admin, App, Operator, Viewer
from faultsight.console.etags import IfMatch, IfNoneMatch, expected_version, tag
from faultsight.console.paging import After, Limit, Page, limited
from faultsight.console.problems import responses
from faultsight.console.shapes import (
    FEED,
    PREFIX,
    EntityName,
    FeedName,
    Given,
    Reason,
    Told,
    example,
)

routes = APIRouter(prefix=f"{PREFIX}/feeds", tags=["feeds"])

_Word = Annotated[str, StringConstraints(max_length=512)]


class Feed(Told):
    """One stream of telemetry."""

    name: str = Field(examples=["cells"])
    kind: Literal["kpi", "cube", "polls"]
    interval_s: int
    settings: dict[str, Any] = Field(description="Detector, threshold, hold-down, grouping ...")
    columns: list[str] = Field(description="KPIs, or attributes and measures, as seen so far.")
    data_until_s: int | None = Field(description="Data are seen up to here.")
    scored_until_s: int | None
    active_model: str | None
    version: int


class NewFeed(Given):
    """A feed to add."""

    model_config = example(
        {"name": "cells", "kind": "kpi", "interval_s": 900, "settings": {"raise_rows": 2}}
    )

    name: str = Field(pattern=FEED, examples=["cells"])
    kind: Literal["kpi", "cube", "polls"] = Field(examples=["kpi"])
    interval_s: int = Field(ge=1, le=86_400, examples=[900])
    settings: dict[str, Any] = Field(default_factory=dict)


class FeedChange(Given):
    """New settings of a feed, and why; what is not named stays."""

    model_config = example({"settings": {"raise_rows": 3}, "why": "too nervous"})

    settings: dict[str, Any] = Field(examples=[{"detector": "ridge_var"}])
    why: Reason


class QuarantineCount(Told):
    """Rows set aside for one reason."""

    reason: str
    n_rows: int


class IngestedFile(Told):
    """A file or upload that was taken in, once."""

    key: str
    path: str
    n_rows: int
    n_quarantined: int
    at_s: int


class Entity(Told):
    """One entity and its attributes, which are its place in the topology."""

    name: str = Field(examples=["cell-17"])
    attributes: dict[str, str] = Field(examples=[{"region": "north", "vendor": "A"}])


class GivenEntity(Given):
    """An entity to add or change."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    attributes: Annotated[dict[_Word, _Word], Field(max_length=50)]


class Entities(Given):
    """Entities to add or change; attributes that are not named are taken away."""

    model_config = example({"entities": [{"name": "cell-17", "attributes": {"region": "north"}}]})

    entities: Annotated[list[GivenEntity], Field(max_length=1_000)]


class Written(Told):
    """How many were written."""

    n: int


class Branch(Told):
    """Entities that share the values of some attributes."""

    values: list[str] = Field(description="In the order of `by`; empty where one has none.")
    n_entities: int


def _feed_told(view: FeedView) -> Feed:
    return Feed.model_validate(view)


@routes.get("", responses=responses())
def list_feeds(_: Viewer, app: App) -> list[Feed]:
    """Return all feeds, by name."""
    return [_feed_told(feed) for feed in app.feeds.list()]


@routes.post("", status_code=201, responses=responses(409))
def add_feed(given: NewFeed, who: Admin, app: App, response: Response) -> Feed:
    """Add a feed; its settings are checked as a whole."""
    feed = app.feeds.add(given.name, given.kind, given.interval_s, given.settings, who)
    tag(response, feed.version)
    return _feed_told(feed)


@routes.get("/{feed}", responses=responses(304, 404))
def get_feed(
    feed: FeedName, _: Viewer, app: App, response: Response, if_none_match: IfNoneMatch = None
) -> Feed:
    """Return one feed."""
    view = app.feeds.get(feed)
    tag(response, view.version)
    return _feed_told(view)


@routes.patch("/{feed}", responses=responses(404, 409, 428))
def change_feed(
    feed: FeedName,
    given: FeedChange,
    who: Admin,
    app: App,
    response: Response,
    if_match: IfMatch = None,
) -> Feed:
    """Change the settings of a feed; a back-test shows beforehand what they would do."""
    view = app.feeds.change(
        feed, given.settings, why=given.why, who=who, expected_version=expected_version(if_match)
    )
    tag(response, view.version)
    return _feed_told(view)


@routes.get("/{feed}/quarantine", responses=responses(404))
def get_quarantine(feed: FeedName, _: Viewer, app: App) -> list[QuarantineCount]:
    """Return how many rows were set aside, by reason."""
    return [
        QuarantineCount(reason=reason, n_rows=n_rows)
        for reason, n_rows in sorted(app.feeds.quarantine(feed).items())
    ]


@routes.get("/{feed}/files", responses=responses(404))
def list_files(
    feed: FeedName, _: Viewer, app: App, after: After = None, limit: Limit = 100
) -> Page[IngestedFile]:
    """Return the files that were taken in."""
    page = app.feeds.files(feed, after=after, limit=limited(limit, app.limits.page_rows))
    return Page(items=[IngestedFile.model_validate(file) for file in page.items], next=page.next)


@routes.get("/{feed}/entities", responses=responses(404))
def list_entities(
    feed: FeedName, _: Viewer, app: App, after: After = None, limit: Limit = 100
) -> Page[Entity]:
    """Return the entities of a feed, by name."""
    page = app.entities.page(feed, after=after, limit=limited(limit, app.limits.page_rows))
    return Page(items=[Entity.model_validate(entity) for entity in page.items], next=page.next)


@routes.get("/{feed}/entity", responses=responses(404))
def get_entity(feed: FeedName, entity: EntityName, _: Viewer, app: App) -> Entity:
    """Return one entity; its name is a parameter, since it may hold any character."""
    return Entity.model_validate(app.entities.get(feed, entity))


@routes.put("/{feed}/entities", responses=responses(404))
def put_entities(feed: FeedName, given: Entities, who: Operator, app: App) -> Written:
    """Add entities, or change their attributes."""
    pairs = {entity.name: entity.attributes for entity in given.entities}
    return Written(n=app.entities.put(feed, pairs, who))


@routes.get("/{feed}/topology", responses=responses(404))
def get_topology(
    feed: FeedName,
    _: Viewer,
    app: App,
    by: Annotated[str, Query(max_length=5_000, description="Attributes joined by commas.")] = "",
) -> list[Branch]:
    """Return how many entities share each combination of values of some attributes."""
    attributes = [part for part in by.split(",") if part][:20]
    return [
        Branch(values=list(values), n_entities=n)
        for values, n in app.entities.branches(feed, attributes)
    ]
