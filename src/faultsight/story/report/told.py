"""All that the page and the JSON tell, gathered once so that both say the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultsight.core.alarm import AlarmRecord
from faultsight.core.kpi_frame import TimeWindow
from faultsight.localize.report import ReportCase
from faultsight.stores.operations import AlarmFilter, IncidentFilter
from faultsight.story.arrange import CABLE, CDN, STATIONS
from faultsight.story.figures import second_week
from faultsight.story.incident_cube import localized_case
from faultsight.story.incidents import CableCase, KpiCase, told_cable_case, told_kpi_case
from faultsight.story.played_operator import TrueAnswers
from faultsight.story.provider import TrueFault
from faultsight.story.run import FEEDS, Lived

__all__ = ["Told", "tell"]


@dataclass(frozen=True, eq=False)
class Told:
    """What is told.

    Attributes
    ----------
    document : dict
        What goes into ``report.json``; every figure of the page is from here.
    kpi_cases : tuple of KpiCase
        Of stations and CDN, as far as there is one.
    cable_case : CableCase or None
        Of the cable plant.
    cubes : dict of str to ReportCase
        By feed, the cube of its incident.
    """

    document: dict[str, Any]
    kpi_cases: tuple[KpiCase, ...]
    cable_case: CableCase | None
    cubes: dict[str, ReportCase]


def tell(lived: Lived) -> Told:
    """Gather what is told of two weeks."""
    truth = TrueAnswers(lived.provider)
    chosen = [told_kpi_case(lived, feed) for feed in (STATIONS, CDN)]
    cases = tuple(case for case in chosen if case is not None)
    cable = told_cable_case(lived)
    cubes = {}
    for case in cases:
        roots = frozenset(truth.root(case.feed, fault) for fault in case.faults)
        cube = localized_case(lived, case.incident, roots)
        if cube is not None:
            cubes[case.feed] = cube
    document = {
        "seed": lived.provider.config.seed,
        "provider": _provider(lived),
        "answers": dict(sorted(lived.answered.items())),
        "weeks": _weeks(lived),
        "incidents": [_incident(case, truth, cubes) for case in cases]
        + ([_cable_incident(cable)] if cable is not None else []),
        "lessons": {feed: [_lesson(one) for one in lived.lessons[feed]] for feed in FEEDS},
        "second_week": second_week(lived),
    }
    return Told(document, cases, cable, cubes)


def _provider(lived: Lived) -> dict[str, Any]:
    provider, config = lived.provider, lived.provider.config
    return {
        "stations": config.n_stations,
        "fiber_nodes": config.n_fnodes,
        "modems": sum(node.polls.n_devices for node in provider.nodes),
        "history_days": config.history_days,
        "week_days": config.week_days,
        "first_week": [config.first_week.start_s, config.first_week.end_s],
        "second_week": [config.second_week.start_s, config.second_week.end_s],
        "rows": lived.rows,
    }


def _weeks(lived: Lived) -> dict[str, Any]:
    ops, config = lived.application.ops, lived.provider.config
    told: dict[str, Any] = {}
    for name, week in (("first", config.first_week), ("second", config.second_week)):
        told[name] = {
            feed: {
                "alarms": len(ops.alarms.find(AlarmFilter(feed=feed, window=week))),
                "incidents": len(ops.incidents.find(IncidentFilter(feed=feed, window=week))),
            }
            for feed in FEEDS
        }
    told["notices"] = lived.notices
    notes = [
        pattern.note
        for feed in (STATIONS, CDN)
        for incident in ops.incidents.find(IncidentFilter(feed=feed, window=config.second_week))
        for pattern in incident.patterns
    ]
    told["patterns_ranked_lower"] = sum("ranked lower" in note for note in notes)
    told["patterns_confirmed_before"] = sum("confirmed here before" in note for note in notes)
    return told


def _incident(case: KpiCase, truth: TrueAnswers, cubes: dict[str, ReportCase]) -> dict[str, Any]:
    roots = sorted({truth.root(case.feed, fault) for fault in case.faults})
    window = case.incident.evidence.get("localized", {}).get("window", (0, 0))
    near = [f for f in truth.every(case.feed) if f.window.overlaps(TimeWindow(*window))]
    others = {truth.root(case.feed, fault) for fault in near} - set(roots)
    found = cubes.get(case.feed)
    share = {p.combination: p.impact for p in found.answer.patterns} if found else {}
    patterns = [
        {
            **pattern.to_dict(),
            "share": _rounded(share.get(pattern.combination)),
            "is_root": any(truth.is_same(case.feed, pattern.combination, r) for r in roots),
            "is_root_of_another": any(
                truth.is_same(case.feed, pattern.combination, r) for r in others
            ),
        }
        for pattern in case.incident.patterns
    ]
    return {
        "feed": case.feed,
        "incident": {**case.incident.to_dict(), "patterns": patterns},
        "alarms": [alarm.to_dict() for alarm in case.alarms],
        "truth": [
            {
                "entity": fault.entity, "kind": fault.kind, "kpis": list(fault.kpis),
                "window": [fault.window.start_s, fault.window.end_s],
                "root": [list(pair) for pair in truth.root(case.feed, fault).items()],
            }
            for fault in case.faults
        ],
        "feedback": [event.to_dict() for event in case.events],
        "models": list(case.models),
        "peaks": {
            curve.alarm.entity: {
                "before": _rounded(_peak(curve.before, curve.frame.times_s, curve.alarm)),
                "after": _rounded(_peak(curve.after, curve.frame.times_s, curve.alarm)),
                "is_fault": any(_meets(fault, curve.alarm) for fault in case.faults),
            }
            for curve in case.curves
        },
    }  # fmt: skip


def _peak(
    ratios: NDArray[np.float64], times_s: NDArray[np.int64], alarm: AlarmRecord
) -> float | None:
    end_s = alarm.end_s or alarm.start_s + 1
    inside = ratios[(times_s >= alarm.start_s) & (times_s < end_s)]
    known = inside[np.isfinite(inside)]
    return float(known.max()) if len(known) else None


def _meets(fault: TrueFault, alarm: AlarmRecord) -> bool:
    window = TimeWindow(alarm.start_s, alarm.end_s or alarm.start_s + 1)
    return fault.entity == alarm.entity and fault.window.overlaps(window)


def _cable_incident(case: CableCase) -> dict[str, Any]:
    kind, name, place = case.truth
    return {
        "feed": CABLE,
        "incident": case.incident.to_dict(),
        "alarms": [case.alarm.to_dict()],
        "truth": {"kind": kind, "type": name, "place": place},
        "feedback": [event.to_dict() for event in case.events],
    }


def _lesson(result: dict[str, Any]) -> dict[str, Any]:
    layers = (result.get("tuning") or {}).get("layers") or []
    return {
        "decision": result.get("decision"),
        "model": result.get("model"),
        "why": result.get("why"),
        "marks": result.get("marks"),
        "held_out_marks": result.get("held_out_marks"),
        "questions": result.get("tasks"),
        "drift": result.get("drift"),
        "layers": [
            {"step": one["step"], "kept": one["kept"], "reason": one["reason"]} for one in layers
        ],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 3)
