"""The cube of an incident, localized once more: its shares, and the view cell by cell."""

from __future__ import annotations

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.incident import IncidentRecord
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.cubes.row_cube import row_cube
from faultsight.flow.cubes.seasons import earlier_windows
from faultsight.flow.cubes.station_cube import station_cube
from faultsight.localize import LOCALIZERS
from faultsight.localize.report import ReportCase
from faultsight.stores.telemetry import KpiStore
from faultsight.story.run import Lived

__all__ = ["localized_case"]


def localized_case(
    lived: Lived, incident: IncidentRecord, truth: frozenset[AttributeCombination]
) -> ReportCase | None:
    """Return the cube in which an incident was localized, and what is found in it.

    The same rows give the same patterns as in the loop. None where nothing could be compared.
    """
    window = TimeWindow(*incident.evidence.get("localized", {}).get("window", (0, 0)))
    cube = _cube(lived, incident.feed, window)
    if cube is None:
        return None
    config = lived.loop.feeds[incident.feed].cube
    answer = LOCALIZERS.load("scan" if config is None else config.localizer)().localize(cube)
    return ReportCase(f"{incident.feed}: {incident.title}", cube, answer, None, truth)


def _cube(lived: Lived, feed: str, window: TimeWindow) -> KpiCube | None:
    config = lived.loop.feeds[feed]
    cube = config.cube
    if cube is None or window.end_s <= window.start_s:
        return None
    store = KpiStore(lived.folder / "telemetry" / feed)
    windows = [window, *earlier_windows(window, cube)]
    if config.kind == "cube":
        now, *earlier = (store.table(one, columns=cube.columns) for one in windows)
        return row_cube(now, earlier, window, cube)
    told, *before = (store.frames(one, kpis=cube.columns) for one in windows)
    attributes = lived.application.ops.entities.attributes(feed)
    return station_cube(told, before, window, attributes, cube)
