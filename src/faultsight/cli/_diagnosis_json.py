"""A diagnosis as JSON: a verdict for each modem and window, with the groups that it rests on."""

from __future__ import annotations

import json
import math
import platform
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from faultsight.cli._learned_thresholds import learned_thresholds
from faultsight.cli._moments import iso_moment

if TYPE_CHECKING:
    from faultsight.cli._diagnosis_found import Found
    from faultsight.core.kpi_frame import TimeWindow
    from faultsight.diagnose.contract import Diagnoser, NodeDiagnosis
    from faultsight.diagnose.faults import Fault, FaultMember

__all__ = ["FORMAT", "diagnosis_document", "diagnosis_json"]

FORMAT = "faultsight diagnosis 1"
_HOUR_S = 3600.0
_LONG = ("verdicts", "groups")


def diagnosis_json(found: Found) -> str:
    """Return what ``--json`` writes as text; of the long lists, each row is a line."""
    document = diagnosis_document(found)
    rows = {key: [_text(row) for row in document[key]] for key in _LONG}
    document |= {key: f"<{key}>" for key in _LONG}
    text = _text(document, indent=1)
    for key, lines in rows.items():
        text = text.replace(
            f'"{key}": "<{key}>"', f'"{key}": [' + ",".join(f"\n  {x}" for x in lines) + "\n ]", 1
        )
    return text


def _text(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)


def diagnosis_document(found: Found) -> dict[str, Any]:
    """Return what ``--json`` writes.

    A row of ``verdicts`` that needs a visit names its groups by position in ``groups``, and its
    fault by id. ``faults`` is what the next run's ``--faults`` reads.
    """
    from faultsight.diagnose.contract import Verdict
    from faultsight.diagnose.faults import fault_metrics, faults_to_json, wrong_tickets

    groups: list[dict[str, Any]] = []
    verdicts: list[dict[str, Any]] = []
    faults = _by_modem(found.faults)
    for node in found.diagnosis.nodes:
        verdicts += _verdicts(node, groups, faults)
    watched = found.telemetry
    return {
        "format": FORMAT,
        "versions": _versions(),
        "method": found.model.name,
        "settings": _settings(found.model),
        "read": {
            "fnodes": len(watched.fnodes),
            "modems": watched.n_modems,
            "polls": watched.n_polls,
            "channels": sorted(watched.channels),
            "metrics": sorted(watched.metrics),
            **_span(watched.window),
        },
        "quarantined": [vars(note) for note in found.quarantined],
        "tickets": _tickets(found),
        "topology": _topology(found),
        "tuned_on": None if found.tuned_on is None else _span(found.tuned_on),
        "thresholds": learned_thresholds(found.model),
        "diagnosed": _span(found.span),
        "windows": [_span(window) for window in found.diagnosis.windows],
        "counts": {v.name.lower(): found.diagnosis.count(v) for v in Verdict},
        "ticket_rates": None if found.agreement is None else _rounded(found.agreement.to_dict()),
        "fault_figures": {
            verdict.name.lower(): _rounded(told.to_dict(calls_known=found.agreement is not None))
            for verdict, told in fault_metrics(found.faults).items()
        },
        "verdicts": verdicts,
        "groups": groups,
        "faults": json.loads(faults_to_json(found.faults)),
        "dispatch": [
            {
                "rank": line.rank,
                "fault_id": line.fault.fault_id,
                "advice": line.advice,
                "team": line.team,
                "where": line.where,
                "why": line.why,
                "action": line.action,
                "evidence": list(line.evidence),
                "score": line.score,
            }
            for line in found.dispatch
        ],
        "wrong_tickets": [
            {
                "ticket_id": wrong.ticket.ticket_id,
                "device_id": wrong.ticket.device_id,
                "fault_id": wrong.fault_id,
                "verdict": wrong.verdict.name.lower(),
            }
            for wrong in wrong_tickets(found.faults)
        ],
    }


def _verdicts(
    node: NodeDiagnosis,
    groups: list[dict[str, Any]],
    faults: dict[tuple[str, str], list[tuple[FaultMember, Fault]]],
) -> list[dict[str, Any]]:
    """Return a row for each modem of one node and window, and add its groups."""
    from faultsight.diagnose.contract import Verdict

    of_modem: dict[int, list[int]] = defaultdict(list)
    for group in node.groups:
        told = node.anomalies.get(group.feature)
        members = group.members.tolist()
        for member in members:
            of_modem[member].append(len(groups))
        groups.append(
            {
                "fnode": node.fnode,
                **_span(node.window),
                "feature": group.feature,
                "verdict": group.verdict.name.lower(),
                "channel": group.channel or None,
                "deviation": _finite(group.deviation),
                "similarity": _finite(group.similarity),
                "n_anomalous": group.n_anomalous,
                "members": [node.device_ids[m] for m in members],
                "anomalous": [
                    node.device_ids[m] for m in members if told is not None and bool(told[m])
                ],
            }
        )
    rows = []
    span = _span(node.window)
    for place, device in enumerate(node.device_ids):
        verdict = Verdict(int(node.verdict[place]))
        row: dict[str, Any] = {
            "fnode": node.fnode,
            "device_id": device,
            **span,
            "verdict": verdict.name.lower(),
            "covered_h": round(float(node.covered_s[place]) / _HOUR_S, 2),
        }
        if verdict in (Verdict.SERVICE, Verdict.MAINTENANCE):
            row["groups"] = of_modem[place]
            row |= _fault_of(faults.get((node.fnode, device), []), node.window, verdict, device)
        rows.append(row)
    return rows


def _fault_of(
    candidates: list[tuple[FaultMember, Fault]], window: TimeWindow, verdict: Any, device: str
) -> dict[str, Any]:
    """Return which fault a modem suffers from in a window, since when, and who called."""
    here = [
        (fault.verdict != verdict, -len(fault.members), fault.fault_id, member, fault)
        for member, fault in candidates
        if member.first_seen_s < window.end_s
        and member.last_seen_s > window.start_s
        and window in fault.windows
    ]
    if not here:
        return {"fault_id": None, "first_seen": None, "tickets": []}
    *_, member, fault = min(here, key=lambda h: h[:3])
    return {
        "fault_id": fault.fault_id,
        "first_seen": iso_moment(member.first_seen_s),
        "tickets": [t.ticket_id for t in fault.tickets if t.device_id == device],
    }


def _by_modem(faults: list[Fault]) -> dict[tuple[str, str], list[tuple[FaultMember, Fault]]]:
    found: dict[tuple[str, str], list[tuple[FaultMember, Fault]]] = defaultdict(list)
    for fault in faults:
        for member in fault.members:
            found[fault.fnode, member.device_id].append((member, fault))
    return found


def _tickets(found: Found) -> dict[str, int] | None:
    tickets = found.tickets
    if tickets is None:
        return None
    n_maintenance = int(tickets.is_maintenance.sum())
    return {
        "read": len(tickets),
        "maintenance": n_maintenance,
        "service": len(tickets) - n_maintenance,
        "open": int((tickets.closed_s != tickets.closed_s).sum()),
        "of_unknown_modems": found.telemetry.unknown_tickets(tickets),
        "after_last_poll": found.telemetry.late_tickets(tickets),
        "set_aside": sum(note.rows for note in tickets.set_aside),
    }


def _topology(found: Found) -> dict[str, int] | None:
    if found.plant is None:
        return None
    n_known, n_elsewhere = found.telemetry.places_of(found.plant)
    return {
        "modems": len(found.plant.places),
        "places": n_known,
        "in_another_fnode": n_elsewhere,
    }


def _settings(model: Diagnoser) -> Any:
    from dataclasses import asdict, is_dataclass

    config = getattr(model, "config", None)
    return asdict(config) if is_dataclass(config) and not isinstance(config, type) else None


def _versions() -> dict[str, str]:
    import numpy as np
    import polars as pl

    from faultsight import __version__

    return {
        "faultsight": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "polars": pl.__version__,
    }


def _span(window: TimeWindow) -> dict[str, str]:
    return {"start": iso_moment(window.start_s), "end": iso_moment(window.end_s)}


def _rounded(value: Any) -> Any:
    """Return figures in six digits: the last ones owe to the order in which a processor sums."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
