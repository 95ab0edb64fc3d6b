"""Cubes: sums of a span by some attributes, and inside one combination."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import Field

from faultsight.console.access import App, Viewer
from faultsight.console.api.feedback import Window
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, FeedName, Told, shown
from faultsight.core.kpi_frame import TimeWindow

routes = APIRouter(prefix=PREFIX, tags=["cubes"])


class CubeRow(Told):
    """One combination of the attributes asked for."""

    elements: list[str] = Field(description="In the order of `attributes`.")
    values: list[float | None] = Field(description="In the order of `measures`.")
    baseline: list[float | None] = Field(
        description="The same sums in the span of equal length right before."
    )


class CubeSlice(Told):
    """Sums of a span."""

    feed: str
    window: Window
    attributes: list[str]
    measures: list[str]
    rows: list[CubeRow]
    is_cut: bool = Field(description="Whether rows of smaller change were left out.")


class CubeShape(Told):
    """What a feed's cube is made of."""

    attributes: list[str]
    measures: list[str]


@routes.get("/feeds/{feed}/cube/shape", responses=responses(404))
def get_cube_shape(feed: FeedName, _: Viewer, app: App) -> CubeShape:
    """Return the attributes and measures of a feed's cube."""
    attributes, measures = app.cubes.shape(feed)
    return CubeShape(attributes=attributes, measures=measures)


@routes.get("/feeds/{feed}/cube", responses=responses(404))
def get_cube_slice(
    feed: FeedName,
    _: Viewer,
    app: App,
    from_s: Annotated[int, Query(ge=0, le=253_402_300_799, examples=[1767225600])],
    to_s: Annotated[int, Query(ge=0, le=253_402_300_799, examples=[1767229200])],
    by: Annotated[
        str | None, Query(max_length=20_000, description="Attributes joined by commas.")
    ] = None,
    attribute: Annotated[
        list[str] | None,
        Query(max_length=50, description="With `value`, pairs: only rows that have this value."),
    ] = None,
    value: Annotated[list[str] | None, Query(max_length=50)] = None,
    rows: Annotated[int, Query(ge=1, le=1_000_000)] = 1_000,
) -> CubeSlice:
    """Return sums by some attributes, those that changed most first.

    The baseline is the span of equal length right before.
    """
    attributes, values = attribute or [], value or []
    if len(attributes) != len(values):
        raise HTTPException(422, "attribute and value come in pairs")
    found = app.cubes.slice(
        feed,
        TimeWindow(from_s, to_s),
        by=shown(by, 20, name="by"),
        where=tuple(zip(attributes, values, strict=True)),
        limit=min(rows, app.limits.cube_rows),
    )
    return CubeSlice.model_validate(found)
