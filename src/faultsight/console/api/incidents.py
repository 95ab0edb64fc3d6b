"""Incidents: alarms that belong together, where they come from, and what the shift decides."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field, StringConstraints

from faultsight.console.access import App, Operator, Viewer
from faultsight.console.api.alarms import HistoryEntry
from faultsight.console.etags import IfMatch, IfNoneMatch, expected_version, tag
from faultsight.console.paging import After, Limit, Page, limited
from faultsight.console.problems import responses
from faultsight.console.shapes import (
    PREFIX,
    FeedFilter,
    From,
    Given,
    Reason,
    RecordId,
    To,
    Told,
    example,
)
from faultsight.core.incident import IncidentRecord, IncidentState, Severity

routes = APIRouter(prefix=f"{PREFIX}/incidents", tags=["incidents"])


class Element(Told):
    """One attribute and its value."""

    attribute: str = Field(examples=["region"])
    value: str = Field(examples=["north"])


class Pattern(Told):
    """An attribute combination that the incident may come from."""

    combination: list[Element]
    score: float
    confidence: float
    impact: float
    kpi: str
    note: str = Field(description="Such as that operators rejected it here before.")


class Incident(Told):
    """One incident."""

    id: str = Field(examples=["45c48cce2e2d7fbd"])
    feed: str = Field(examples=["cells"])
    scope: list[Element]
    title: str = Field(examples=["3 cells of region north"])
    severity: Severity
    state: IncidentState
    start_s: int
    end_s: int | None
    alarm_ids: list[str]
    patterns: list[Pattern]
    verdict: Literal["", "healthy", "maintenance", "service"]
    evidence: dict[str, Any]
    assigned_to: str | None
    version: int


class IncidentChange(Given):
    """What to change of an incident, and why."""

    model_config = example({"state": "acknowledged", "assigned_to": "ana", "why": "mine"})

    state: Literal["open", "acknowledged", "resolved"] | None = None
    assigned_to: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        None, description="A user; empty takes the assignment away.", examples=["ana"]
    )
    why: Reason


class Comment(Given):
    """A remark."""

    model_config = example({"text": "the vendor is told"})

    text: Reason


def incident_told(record: IncidentRecord) -> Incident:
    """Return an incident as clients see it."""
    told = record.to_dict()
    told["scope"] = elements(told["scope"])
    for pattern in told["patterns"]:
        pattern["combination"] = elements(pattern["combination"])
    return Incident.model_validate(told)


def elements(pairs: list[list[str]]) -> list[dict[str, str]]:
    """Return pairs of attribute and value as clients see them."""
    return [{"attribute": attribute, "value": value} for attribute, value in pairs]


@routes.get("", responses=responses())
def list_incidents(
    _: Viewer,
    app: App,
    feed: FeedFilter = None,
    state: Annotated[IncidentState | None, Query(description="In this state.")] = None,
    severity: Annotated[Severity | None, Query(description="Of this severity.")] = None,
    from_s: From = None,
    to_s: To = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[Incident]:
    """Return incidents that touch the span, the latest first."""
    page = app.incidents.page(
        feed=feed, state=state, severity=severity, from_s=from_s, to_s=to_s, after=after,
        limit=limited(limit, app.limits.page_rows),
    )  # fmt: skip
    return Page(items=[incident_told(incident) for incident in page.items], next=page.next)


@routes.get("/{incident_id}", responses=responses(304, 404))
def get_incident(
    incident_id: RecordId,
    _: Viewer,
    app: App,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> Incident:
    """Return one incident with its root patterns and evidence."""
    record = app.incidents.get(incident_id)
    tag(response, record.version, if_none_match)
    return incident_told(record)


@routes.get("/{incident_id}/history", responses=responses(404))
def get_incident_history(incident_id: RecordId, _: Viewer, app: App) -> list[HistoryEntry]:
    """Return every change and comment, the first first."""
    return [HistoryEntry.model_validate(entry) for entry in app.incidents.history(incident_id)]


@routes.patch("/{incident_id}", responses=responses(404, 409, 428))
def change_incident(
    incident_id: RecordId,
    given: IncidentChange,
    who: Operator,
    app: App,
    response: Response,
    if_match: IfMatch = None,
) -> Incident:
    """Acknowledge, resolve, open again, or assign."""
    record = app.incidents.change(
        incident_id,
        state=None if given.state is None else IncidentState(given.state),
        assigned_to=given.assigned_to,
        why=given.why,
        who=who,
        expected_version=expected_version(if_match),
    )
    tag(response, record.version)
    return incident_told(record)


@routes.post("/{incident_id}/comments", status_code=201, responses=responses(404))
def comment_incident(
    incident_id: RecordId, given: Comment, who: Operator, app: App
) -> HistoryEntry:
    """Add a remark to the history; it is no edit and needs no ETag."""
    return HistoryEntry.model_validate(app.incidents.comment(incident_id, given.text, who))
