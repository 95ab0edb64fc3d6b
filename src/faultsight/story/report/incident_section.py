"""One incident from its first symptom to the decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from faultsight.core.svg import escaped, figure
from faultsight.diagnose.report import fault_section
from faultsight.diagnose.report.svg import table
from faultsight.diagnose.report.wording import duration, listed, moment, number, percent, plural
from faultsight.story.arrange import STATIONS
from faultsight.story.incidents import CableCase, KpiCase
from faultsight.story.report.curve_chart import curve_chart

__all__ = ["cable_section", "kpi_section"]

_SAID = {
    "confirm": "alarm confirmed",
    "reject": "alarm rejected",
    "confirm_pattern": "root pattern confirmed",
    "reject_pattern": "root pattern rejected",
    "correct_pattern": "root pattern corrected",
    "dispatch_outcome": "what the crew found",
    "missed": "missed anomaly marked",
}


def kpi_section(case: KpiCase, told: Mapping[str, Any], name: str, link: str) -> str:
    """Return the section of an incident of stations or of the CDN.

    Parameters
    ----------
    case : KpiCase
        The incident.
    told : mapping
        Its part of ``report.json``.
    name : str
        What the feed is called for readers.
    link : str
        Page with the cube, if there is one.
    """
    incident = case.incident
    steps = [
        ("first symptom", _symptom(case)),
        ("alarm", _alarms(case)),
        ("incident", _grouping(case)),
        ("where", _localization(told, link)),
        ("answer", _answers(told["feedback"])),
        ("learned", _learned(told)),
    ]
    return (
        f"<section id='{escaped(case.feed)}'><h2>{name}</h2>"
        f"<p class=headline>{_headline(incident.title, incident.severity.value)}</p>"
        f"{_steps(steps)}{_charts(case)}</section>"
    )


def cable_section(case: CableCase, name: str) -> str:
    """Return the section of an incident of the cable plant."""
    incident, alarm = case.incident, case.alarm
    evidence = incident.evidence.get("dispatch", {})
    members, modems = incident.evidence.get("n_members"), incident.evidence.get("n_node_modems")
    kind, type_, where = case.truth
    end = "goes on" if incident.end_s is None else f"until {moment(incident.end_s)} UTC"
    really = f"{escaped(type_.replace('_', ' '))} at {escaped(where)} ({kind})" if kind else (
        "nothing was wrong")  # fmt: skip
    shares = listed([f"{escaped(n)} {percent(share)}" for n, share in alarm.kpis]) if (
        alarm.kpis) else "none"  # fmt: skip
    steps = [
        ("first symptom", f"{moment(incident.start_s)} UTC, {end}: polls of {members} of "
         f"{modems} modems of {escaped(incident.scope[0][1])} turn unusual together. Share of the "
         f"modem days by what shows it: {shares}. Really: {really}."),
        ("incident", f"One fault is one incident, followed from day to day, with severity "
         f"{incident.severity.value}."),
        ("verdict", f"<b>{escaped(incident.verdict)}</b>: {escaped(str(evidence.get('why', '')))} "
         f"Who: {escaped(str(evidence.get('team', '')))}. What to do: "
         f"{escaped(str(evidence.get('action', '')) or 'nothing yet')}."),
        ("where", f"{escaped(str(evidence.get('where', '')))}."),
        ("answer", _answers([event.to_dict() for event in case.events])),
        ("learned", "Outcomes of dispatches are kept with the incident. Thresholds learn from "
         "trouble tickets: see what the job did below."),
    ]  # fmt: skip
    fault = ""
    if case.dispatch is not None:
        fault = fault_section.section(case.dispatch, case.seen, None, case.plant)
    return (
        f"<section id='cable'><h2>{name}</h2>"
        f"<p class=headline>{_headline(incident.title, incident.severity.value)}</p>"
        f"{_steps(steps)}{fault}</section>"
    )


def _headline(title: str, severity: str) -> str:
    return f"<span class='chip {severity}'>{severity}</span> {escaped(title)}"


def _steps(steps: Sequence[tuple[str, str]]) -> str:
    return (
        "<ol class=steps>"
        + "".join(f"<li><b class=step>{name}</b><div>{text}</div></li>" for name, text in steps)
        + "</ol>"
    )


def _symptom(case: KpiCase) -> str:
    """Return what really began, the cause with a root before those of single stations."""
    if not case.faults:
        return "Nothing was wrong: this incident is a false one."
    first = min(case.faults, key=lambda f: (f.root is None, f.window.start_s, f.entity))
    hours = (first.window.end_s - first.window.start_s) / 3600
    alike = [f for f in case.faults if (f.root, f.window) == (first.root, first.window)]
    where = first.entity
    if first.root is not None:
        where = ", ".join(f"{a} = {v}" for a, v in first.root.items())
    seen = ""
    if case.feed == STATIONS:
        seen = f" {plural(len(alike), 'station')} of it raised alarms in this incident."
    more = len(case.faults) - len(alike)
    others = f" {plural(more, 'other fault')} lay behind alarms of it too." if more else ""
    return (
        f"{moment(first.window.start_s)} UTC: {escaped(first.kind.replace('_', ' '))} begins at "
        f"{escaped(where)}, for {duration(hours)}. Nobody has told FaultSight.{seen}{others}"
    )


def _alarms(case: KpiCase) -> str:
    rows = []
    for alarm in case.alarms[:10]:
        kpis = ", ".join(f"{escaped(name)} {percent(share)}" for name, share in alarm.kpis[:3])
        end = "goes on" if alarm.end_s is None else moment(alarm.end_s, with_year=False)
        rows.append(
            [
                f"<span class=nb>{escaped(alarm.entity)}</span>",
                f"<span class=nb>{moment(alarm.start_s, with_year=False)}</span>",
                f"<span class=nb>{end}</span>",
                number(alarm.peak),
                kpis,
            ]
        )
    left = len(case.alarms) - len(rows)
    more = f"<p class=quiet>and {plural(left, 'alarm')} more.</p>" if left > 0 else ""
    columns = ("entity", "from", "until", "peak over level", "KPIs named, with their share")
    return table(columns, rows, numeric=(3,)) + more


def _grouping(case: KpiCase) -> str:
    incident = case.incident
    scope = ", ".join(f"{escaped(a)} = {escaped(v)}" for a, v in incident.scope)
    what = f"what they share is {scope}" if scope else "nothing narrower is shared"
    end = "it goes on" if incident.end_s is None else f"it ended at {moment(incident.end_s)} UTC"
    came = f"The alarm became an incident of its own at {moment(incident.start_s)} UTC"
    if len(case.alarms) > 1:
        came = (
            f"{plural(len(case.alarms), 'alarm')} close in time and topology became one incident "
            f"at {moment(incident.start_s)} UTC; {what}"
        )
    return f"{came}; {end}. Its id is <code>{escaped(incident.id)}</code>."


def _localization(told: Mapping[str, Any], link: str) -> str:
    patterns = told["incident"]["patterns"]
    if not patterns:
        why = told["incident"]["evidence"].get("localized", {}).get("abstained", "")
        return f"No root pattern: {escaped(why or 'none stood out')}."
    rows = []
    for pattern in patterns:
        combination = ", ".join(f"{escaped(a)} = {escaped(v)}" for a, v in pattern["combination"])
        kpis = "<br>".join(escaped(kpi) for kpi in pattern["kpi"].split(";"))
        share = "" if pattern["share"] is None else percent(pattern["share"])
        mark = "<span class=missed>\N{BALLOT X} no root</span>"
        if pattern["is_root"]:
            mark = "<span class=hit>\N{CHECK MARK} a root</span>"
        elif pattern["is_root_of_another"]:
            mark = "the root of another fault at that time"
        rows.append(
            [
                f"<b>{combination}</b><br><span class=quiet>{kpis}</span>",
                share,
                percent(pattern["confidence"]),
                mark,
                escaped(pattern["note"]),
            ]
        )
    columns = (
        "root pattern, the likeliest first", "share of the deviation", "confidence", "truth", "why",
    )  # fmt: skip
    roots = sorted({", ".join(f"{a} = {v}" for a, v in one["root"]) for one in told["truth"]})
    really = f"<p class=quiet>Really: {escaped('; '.join(roots))}.</p>" if roots else ""
    cube = f" <a href='{link}'>The cube, cell by cell</a>." if link else ""
    shown = f"<div class=where>{table(columns, rows, numeric=(1, 2))}</div>"
    return shown + really + (f"<p>{cube}</p>" if cube else "")


def _answers(events: Sequence[Mapping[str, Any]]) -> str:
    if not events:
        return "Nothing was said of it."
    counts: Counter[str] = Counter()
    for event in events:
        body = event["body"]
        detail = ""
        if event["kind"] == "dispatch_outcome":
            said = (str(body.get(k, "")).replace("_", " ") for k in ("outcome", "note"))
            detail = ": " + ", ".join(filter(None, said))
        elif "combination" in body:
            detail = ": " + ", ".join(f"{a} = {v}" for a, v in body["combination"])
            if body.get("correction"):
                detail += " is really " + ", ".join(f"{a} = {v}" for a, v in body["correction"])
        if event["reason"]:
            detail += f" ({event['reason']})"
        counts[_SAID.get(event["kind"], event["kind"]) + detail] += 1
    return (
        "<ul>"
        + "".join(
            f"<li>{escaped(text)}{f', {n} times' if n > 1 else ''}</li>"
            for text, n in counts.items()
        )
        + "</ul>"
    )


def _learned(told: Mapping[str, Any]) -> str:
    before, after = told["models"]
    if before == after:
        return f"No new model was put to work; {escaped(before)} stays. See below why."
    rows = [
        [escaped(entity), number(peak["before"]), number(peak["after"])]
        for entity, peak in told["peaks"].items()
    ]
    columns = ("entity", f"peak by {before}", f"by {after}")
    said = []
    for is_fault, kind in ((True, "right"), (False, "false")):
        own = [p for p in told["peaks"].values() if p["is_fault"] == is_fault]
        stay = sum((peak["after"] or 0.0) > 1 for peak in own)
        if own:
            said.append(f"of {len(own)} {kind}, {stay} would be raised again")
    return table(columns, rows, numeric=(1, 2), is_small=True) + (
        "<p>Of the alarms drawn below, the model tuned by the week's answers would say: "
        f"{'; '.join(said)}.</p><p class=quiet>The peak is score over level; above 1 it alarms.</p>"
    )


def _charts(case: KpiCase) -> str:
    drawn = []
    for curve in case.curves:
        faults = [fault for fault in case.faults if fault.entity == curve.alarm.entity]
        caption = (
            f"<b>{escaped(curve.alarm.entity)}</b>. Orange band: the alarm. Bar below: what was "
            "really wrong. Blue: the model before feedback; dashed: the model at work after it; "
            "at 1 lies the level."
        )
        drawn.append(figure(curve_chart(curve, faults), caption, kind="wide"))
    return "".join(drawn)
