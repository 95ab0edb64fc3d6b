"""Curves: KPIs, scores, levels and contributions of one entity, thinned on the server."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from faultsight.app.series import Curves
from faultsight.console.access import App, Viewer
from faultsight.console.api.feedback import Window
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, EntityName, FeedName, Told, shown
from faultsight.core.kpi_frame import TimeWindow

routes = APIRouter(prefix=PREFIX, tags=["series"])

_MOST_KPIS = 200


class Curve(Told):
    """One curve; a value that is missing is null."""

    name: str = Field(examples=["drop_rate"])
    times_s: list[int]
    values: list[float | None]


class Series(Told):
    """Curves of one entity."""

    feed: str
    entity: str
    window: Window
    interval_s: int
    kpis: list[Curve]
    score: Curve | None = Field(description="Higher is more anomalous; null before it is scored.")
    level: Curve | None = Field(description="The score from which on it alarms.")
    contributions: list[Curve] = Field(description="Each KPI's part in the score.")
    is_thinned: bool = Field(
        description="Whether points were left out; extremes of each stretch are always kept."
    )


def series_told(curves: Curves) -> Series:
    """Return curves as clients see them."""
    return Series.model_validate(curves)


@routes.get("/feeds/{feed}/series", responses=responses(404))
def get_series(
    feed: FeedName,
    entity: EntityName,
    _: Viewer,
    app: App,
    from_s: Annotated[int, Query(ge=0, le=253_402_300_799, examples=[1767225600])],
    to_s: Annotated[int, Query(ge=0, le=253_402_300_799, examples=[1767312000])],
    kpis: Annotated[
        str | None, Query(max_length=20_000, description="Names joined by commas; all if none.")
    ] = None,
    device: Annotated[
        str | None,
        Query(max_length=512, description="Of a feed of polls: one modem, not medians of all."),
    ] = None,
    points: Annotated[int, Query(ge=10, le=100_000, description="Of a curve, at most.")] = 1_000,
) -> Series:
    """Return curves of one entity.

    Each stretch of time gives its least and its greatest value, so a spike never gets lost.
    """
    names = shown(kpis, _MOST_KPIS, name="kpis")
    window = TimeWindow(from_s, to_s)
    most = min(points, app.limits.series_points)
    return series_told(
        app.series.read(feed, entity, window, kpis=names, device=device, points=most)
    )
