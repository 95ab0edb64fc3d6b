"""The page: what happened, three incidents, what was learned, the figures, how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faultsight.core.report_page import report_page
from faultsight.core.svg import escaped
from faultsight.diagnose.report.wording import day, plural
from faultsight.story.report.incident_section import cable_section, kpi_section
from faultsight.story.report.told import Told
from faultsight.story.report.week_section import figure_text, lessons_section, week_section

__all__ = ["render_story"]

_TITLE = "Two weeks at a small Internet provider"
_NAMES = {"stations": "Base stations", "cdn": "The CDN", "cable": "The cable plant"}
_HEADLINE = {
    "f1_deployed": "F1",
    "event_recall": "faults that an alarm met",
    "false_alarms_per_entity_day": "false alarms per entity and day",
}
_ANSWERS = {
    "confirm": "alarms confirmed",
    "reject": "alarms rejected as false",
    "missed": "missed anomalies marked",
    "incident_confirmed": "incidents taken as real",
    "confirm_pattern": "root patterns confirmed",
    "correct_pattern": "root patterns corrected",
    "reject_pattern": "root patterns rejected",
    "dispatch_outcome": "outcomes of dispatches told",
}


def render_story(told: Told, links: Mapping[str, str]) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    told : Told
        What is told.
    links : mapping of str to str
        Other pages in the same folder: ``localize``, and the cube of a feed's incident.
    """
    document = told.document
    of_feed = {one["feed"]: one for one in document["incidents"]}
    sections = [_summary(document)]
    for case in told.kpi_cases:
        link = links.get(case.feed, "")
        sections.append(kpi_section(case, of_feed[case.feed], _NAMES[case.feed], link))
    if told.cable_case is not None:
        sections.append(cable_section(told.cable_case, _NAMES["cable"]))
    sections += [
        lessons_section(document["lessons"]), week_section(document["second_week"]),
        _made(document, links),
    ]  # fmt: skip
    # The drawings of cable faults bring the classes of their own report.
    styles = ["faultsight.diagnose.report", "faultsight.story.report"]
    return report_page(_TITLE, "".join(sections), lead=_headline(document), styles=styles)


def _headline(document: Mapping[str, Any]) -> str:
    """Return what a week of answers changed, for better or worse."""
    rows = ""
    for feed, name in (("stations", "Base stations"), ("cdn", "CDN")):
        before, after = (document["second_week"][feed][when] for when in ("before", "after"))
        figures = [(before[key], after[key]) for key in _HEADLINE]
        figures.append((before["localization"]["root_first"], after["localization"]["root_first"]))
        cells = "".join(
            f"<td class=n>{figure_text(old)} → <b>{figure_text(new)}</b></td>"
            for old, new in figures
        )
        rows += f"<tr><td class=nb>{name}</td>{cells}</tr>"
    heads = (*_HEADLINE.values(), "faults with the true root first")
    head = "".join(f"<th scope=col class=n>{text}</th>" for text in heads)
    return (
        "<p class=headline>What one week of an operator's answers changed in the week after it</p>"
        f"<div class=scroll tabindex=0><table class=headline><thead><tr><th scope=col></th>{head}"
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _summary(document: Mapping[str, Any]) -> str:
    provider, weeks = document["provider"], document["weeks"]
    first, last = provider["first_week"][0], provider["second_week"][1]
    rows = "".join(
        f"<tr><td class=nb>{_linked(feed, document)}</td>"
        + "".join(
            f"<td class=n>{weeks[week][feed][what]}</td>"
            for week in ("first", "second")
            for what in ("alarms", "incidents")
        )
        + "</tr>"
        for feed in _NAMES
    )
    answers = "".join(
        f"<li>{document['answers'][key]:,} {text}</li>"
        for key, text in _ANSWERS.items()
        if document["answers"].get(key)
    )
    return (
        "<section id=summary><h2>What happened</h2>"
        f"<p>{plural(provider['stations'], 'base station')} with 25 KPIs an hour; a CDN whose "
        "requests are counted by location, access, system and site; and "
        f"{plural(provider['fiber_nodes'], 'fiber node')} with {provider['modems']:,} cable "
        f"modems: {provider['rows']:,} rows. From {provider['history_days']} days of history each "
        f"feed got its first model, without labels. Then FaultSight watched from {day(first)} to "
        f"{day(last)}, and sent {plural(weeks['notices'], 'notice')}.</p>"
        "<div class=scroll tabindex=0><table><thead><tr><th scope=col></th>"
        "<th scope=col class=n>alarms, first week</th><th scope=col class=n>incidents</th>"
        "<th scope=col class=n>alarms, second week</th><th scope=col class=n>incidents</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
        "<p>In the first week an operator answered every morning:</p>"
        f"<ul class=answers>{answers}</ul>"
        "<p>Three incidents of that week follow, chosen by rule: of those that had a cause, the "
        "one whose cause hit most stations, the one of the CDN that stood highest over its level, "
        "and the one with most modems.</p></section>"
    )


def _linked(feed: str, document: Mapping[str, Any]) -> str:
    is_told = any(one["feed"] == feed for one in document["incidents"])
    return f"<a href='#{feed}'>{_NAMES[feed]}</a>" if is_told else _NAMES[feed]


def _made(document: Mapping[str, Any], links: Mapping[str, str]) -> str:
    weeks = document["weeks"]
    more = links.get("localize", "")
    localize = (
        f"<p><a href='{escaped(more)}'>Real alarms of a live-video service and more simulated "
        "ones, localized</a>.</p>"
        if more
        else ""
    )
    return (
        "<section id=made><h2>How this was made, and what it does not show</h2><ul>"
        "<li>All telemetry is simulated, with seed "
        f"{document['seed']}; the same seed gives this page byte for byte. The CDN's history holds "
        "no fault, the stations' and the cable plant's do.</li>"
        "<li>The operator is played by the ground truth: every alarm that has ended is "
        "answered, every fault that had none is marked, and no answer is wrong. No shift answers "
        "so much or so well; real answers teach less.</li>"
        "<li>Faults come far more often than in a real network, so that two weeks hold some. How "
        "often and how badly the CDN fails was set looking at seeds 0 and 1000; detectors and "
        "thresholds keep their defaults.</li>"
        "<li>Detection is by the detector of the base installation, which needs no PyTorch. "
        "AnoTuner can take its place (setting <code>detector</code> of a feed).</li>"
        "<li>A root counts as named if the pattern is the root itself, or names exactly the same "
        "stations: of so few, one often has a region and band to itself. A fault of one station "
        "has that station as its root, also where it does not touch the KPIs that are localized; "
        "such faults cannot be found there.</li>"
        "<li>A modem day is right if the verdict is of the kind of the fault that acts on that "
        "modem on that day. Days on which a fault exists and does not act are not counted.</li>"
        f"<li>In the second week {weeks['patterns_ranked_lower']} patterns were ranked lower "
        "because the operator had rejected or corrected them in the same scope, and "
        f"{weeks['patterns_confirmed_before']} carried the note that they had been confirmed.</li>"
        "</ul><h3>Go on from here</h3><p>The state of both weeks lies next to this page. "
        "<code>faultsight serve --state state</code>, run in this folder, answers under "
        "<code>/api/v1</code> with these incidents. <a href='report.json'>report.json</a> holds "
        f"every figure of this page.</p>{localize}</section>"
    )
