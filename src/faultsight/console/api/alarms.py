"""Alarms: what misbehaved, when, and what became of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from faultsight.app.alarms import AlarmFilter
from faultsight.console.access import App, Viewer
from faultsight.console.etags import IfNoneMatch, tag
from faultsight.console.paging import After, Limit, Page, limited
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, FeedFilter, From, RecordId, To, Told
from faultsight.core.alarm import AlarmKind, AlarmRecord, AlarmState

routes = APIRouter(prefix=f"{PREFIX}/alarms", tags=["alarms"])


class KpiShare(Told):
    """A KPI and its share in an alarm."""

    kpi: str = Field(examples=["drop_rate"])
    share: float = Field(examples=[0.8])


class Alarm(Told):
    """One alarm."""

    id: str = Field(description="The same alarm has the same id wherever it is computed.",
                    examples=["8f14e45fceea167a"])  # fmt: skip
    feed: str = Field(examples=["cells"])
    entity: str = Field(examples=["cell-17"])
    kind: AlarmKind
    start_s: int
    end_s: int | None = Field(description="null while it is raised")
    peak: float = Field(description="Highest score over the level.")
    kpis: list[KpiShare]
    state: AlarmState
    muted_by: str | None
    mute_reason: str
    flaps: int
    model_id: str | None
    incident_id: str | None
    version: int
    payload: dict[str, Any] = Field(description="What else is known; of cable, the verdict.")


class HistoryEntry(Told):
    """One change."""

    version: int
    at_s: int
    by: str = Field("", description="Who; empty for FaultSight itself.")
    action: str
    why: str
    changes: dict[str, Any]


def alarm_told(record: AlarmRecord) -> Alarm:
    """Return an alarm as clients see it."""
    told = record.to_dict()
    told["kpis"] = [{"kpi": kpi, "share": share} for kpi, share in record.kpis]
    return Alarm.model_validate(told)


def alarm_filter(
    feed: FeedFilter = None,
    entity: Annotated[str | None, Query(max_length=512, description="Of this entity.")] = None,
    state: Annotated[AlarmState | None, Query(description="In this state.")] = None,
    kind: Annotated[AlarmKind | None, Query(description="Of this kind.")] = None,
    incident: Annotated[
        str | None, Query(pattern=r"^[0-9a-f]{16}$", description="Of this incident.")
    ] = None,
    muted: Annotated[bool | None, Query(description="Muted ones only, or none of them.")] = None,
    from_s: From = None,
    to_s: To = None,
) -> AlarmFilter:
    """Return what a query asks for."""
    return AlarmFilter(
        feed=feed, entity=entity, state=state, kind=kind, incident_id=incident, is_muted=muted,
        from_s=from_s, to_s=to_s,
    )  # fmt: skip


@routes.get("", responses=responses())
def list_alarms(
    _: Viewer,
    app: App,
    wanted: Annotated[AlarmFilter, Depends(alarm_filter)],
    after: After = None,
    limit: Limit = 100,
) -> Page[Alarm]:
    """Return alarms that touch the span, the latest first."""
    page = app.alarms.page(wanted, after=after, limit=limited(limit, app.limits.page_rows))
    return Page(items=[alarm_told(alarm) for alarm in page.items], next=page.next)


@routes.get("/{alarm_id}", responses=responses(304, 404))
def get_alarm(
    alarm_id: RecordId, _: Viewer, app: App, response: Response, if_none_match: IfNoneMatch = None
) -> Alarm:
    """Return one alarm."""
    record = app.alarms.get(alarm_id)
    tag(response, record.version, if_none_match)
    return alarm_told(record)


@routes.get("/{alarm_id}/history", responses=responses(404))
def get_alarm_history(alarm_id: RecordId, _: Viewer, app: App) -> list[HistoryEntry]:
    """Return every change of an alarm, the first first."""
    return [HistoryEntry.model_validate(entry) for entry in app.alarms.history(alarm_id)]
