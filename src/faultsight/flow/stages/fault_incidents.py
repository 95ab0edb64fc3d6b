"""Fault incidents: each fault of a cable plant is an incident, with verdict, place and advice."""

from __future__ import annotations

from dataclasses import replace

from faultsight.core.alarm import AlarmRecord
from faultsight.core.incident import IncidentRecord, Severity, incident_id
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.records import FOREVER_S
from faultsight.flow.stages.group import emptied
from faultsight.flow.tick import Tick, same

__all__ = ["FaultIncidents", "fault_incident"]

_TOLD = ("advice", "team", "where", "why", "action", "evidence")


class FaultIncidents:
    """Brings the incident of every fault up to date that has changed."""

    def run(self, tick: Tick) -> None:
        """Put the incidents that changed into the tick."""
        since = TimeWindow(tick.scope.start_s, FOREVER_S)
        near = tick.records.incidents(tick.config.name, since)
        tick.stored_incidents.update((incident.id, incident) for incident in near)
        for id_, alarm in tick.wanted.items():
            if alarm.muted_by is not None:
                continue
            incident = fault_incident(alarm)
            tick.wanted[id_] = replace(alarm, incident_id=incident.id)
            tick.members[id_] = incident.id
            is_known = incident.id in tick.stored_incidents
            if not (is_known and same(alarm, tick.stored.get(id_))):
                tick.incidents[incident.id] = incident
        told = set(tick.members.values())
        for incident in near:
            if incident.id not in told and set(incident.alarm_ids) & tick.stored.keys():
                tick.incidents[incident.id] = emptied(incident)


def fault_incident(alarm: AlarmRecord) -> IncidentRecord:
    """Return the incident of one fault.

    Severity: a fault of the shared plant is major, and critical where half of its fiber node or
    more is touched; one of a home is minor; what is only watched is a warning.
    """
    payload = alarm.payload
    scope = (("fnode", str(payload["fnode"])),)
    verdict = str(payload["verdict"])
    n_members, n_modems = int(payload["n_members"]), max(int(payload["n_node_modems"]), 1)
    if payload["advice"] == "watch":
        severity = Severity.WARNING
    elif verdict != "maintenance":
        severity = Severity.MINOR
    else:
        severity = Severity.CRITICAL if 2 * n_members >= n_modems else Severity.MAJOR
    kind = payload["kind"] or verdict
    return IncidentRecord(
        id=incident_id(alarm.feed, scope, alarm.id),
        feed=alarm.feed,
        scope=scope,
        title=f"{payload['where']}: {kind}",
        severity=severity,
        start_s=alarm.start_s,
        end_s=alarm.end_s,
        alarm_ids=(alarm.id,),
        verdict=verdict,
        evidence={
            "dispatch": {name: payload[name] for name in _TOLD},
            "place": payload["place"],
            "confidence": payload["confidence"],
            "kind": payload["kind"],
            "n_members": n_members,
            "n_node_modems": payload["n_node_modems"],
            "recurrence": payload["recurrence"],
            "tickets": payload["tickets"],
        },
    )
