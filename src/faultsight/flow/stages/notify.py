"""Notify: who is told of an incident, and of which change; delivery is the outbox's work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from faultsight.core.alarm import AlarmRecord, stable_id
from faultsight.core.incident import IncidentRecord, Severity
from faultsight.flow.tick import Notice, Tick

__all__ = ["Notify", "notice_of"]

_WORST_FIRST = tuple(Severity)
_MOST_ALARMS = 20


class Notify:
    """Tells of incidents that begin, get worse or better, or are over."""

    def run(self, tick: Tick) -> None:
        """Put what is to be told into the tick."""
        least = _WORST_FIRST.index(tick.config.notify_from)
        for id_ in sorted(tick.incidents):
            incident = tick.incidents[id_]
            before = tick.stored_incidents.get(id_)
            if before is not None and _news(before) == _news(incident):
                continue
            # What is over is told to whom its beginning was told.
            is_over = _news(incident)[0] == "resolved"
            judged = before if before is not None and is_over else incident
            if _WORST_FIRST.index(judged.severity) > least:
                continue
            alarms = [tick.wanted[a] for a in incident.alarm_ids if a in tick.wanted]
            for notifier in tick.config.notifiers:
                tick.notices.append(
                    notice_of(
                        incident,
                        alarms,
                        notifier,
                        base_url=tick.base_url,
                        version=0 if before is None else before.version,
                    )
                )


def _news(incident: IncidentRecord) -> tuple[str, str, str]:
    """Return what is worth telling when it changes."""
    is_over = not incident.alarm_ids or incident.end_s is not None
    status = "resolved" if is_over else "firing"
    return status, incident.severity.value, incident.verdict


def notice_of(
    incident: IncidentRecord,
    alarms: Sequence[AlarmRecord],
    notifier: str,
    *,
    base_url: str = "",
    version: int = 0,
) -> Notice:
    """Return what is told of an incident.

    The fingerprint names the incident, what is new of it and the version that it is news to; the
    payload's own ``fingerprint`` names the incident alone, for receivers that close what they
    opened.
    """
    status = _news(incident)[0]
    link = f"{base_url}/incidents/{quote(incident.id)}"
    payload: dict[str, Any] = {
        "fingerprint": incident.id,
        "status": status,
        "feed": incident.feed,
        "title": incident.title,
        "severity": incident.severity.value,
        "verdict": incident.verdict,
        "scope": [list(pair) for pair in incident.scope],
        "start_s": incident.start_s,
        "end_s": incident.end_s,
        "n_alarms": len(incident.alarm_ids),
        "alarms": [
            {"id": a.id, "entity": a.entity, "start_s": a.start_s, "peak": a.peak,
             "kpis": [list(kpi) for kpi in a.kpis]}
            for a in alarms[:_MOST_ALARMS]
        ],
        "patterns": [pattern.to_dict() for pattern in incident.patterns],
        "dispatch": incident.evidence.get("dispatch", {}),
        "link": link,
        "feedback_link": f"{link}#feedback",
    }  # fmt: skip
    return Notice(notifier, stable_id(incident.id, version, *_news(incident)), payload)
