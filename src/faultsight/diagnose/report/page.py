"""The page: what to do first, then each fault, then how the verdicts came about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from faultsight.core.files import write_atomic
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.plant import Plant
from faultsight.core.polls import LEVELS, Telemetry
from faultsight.core.report_page import report_page
from faultsight.core.svg import escaped
from faultsight.core.tickets import Tickets
from faultsight.diagnose.contract import DAY_S, Diagnoser, Diagnosis, Verdict
from faultsight.diagnose.faults import (
    Dispatch,
    Fault,
    wrong_tickets,
)
from faultsight.diagnose.metrics.ticket_agreement import ticket_agreement
from faultsight.diagnose.report import fault_section, figures, thresholds, verdict_map
from faultsight.diagnose.report.candidates import candidates_of, history_s, telling_window
from faultsight.diagnose.report.dispatch_table import dispatch_section, ledger_section
from faultsight.diagnose.report.fault_polls import FaultPolls
from faultsight.diagnose.report.wording import listed, moment, number, percent, plural
from faultsight.diagnose.telapart import TelApart

__all__ = ["render_report", "write_report"]

_HISTORY_S = 8 * DAY_S


def write_report(
    path: Path | str,
    diagnosis: Diagnosis,
    *,
    faults: Sequence[Fault],
    dispatch: Sequence[Dispatch],
    telemetry: Telemetry,
    plant: Plant | None = None,
    tickets: Tickets | None = None,
    tuned_on: TimeWindow | None = None,
    model: Diagnoser | None = None,
    title: str = "",
    most_faults: int = 20,
) -> Path:
    """Write the page; the file is there whole or not at all.

    Parameters
    ----------
    path : path
        Where to; missing folders are made.
    diagnosis, faults, dispatch, telemetry, plant, tickets, tuned_on, model, title, most_faults
        See `render_report`.
    """
    return write_atomic(
        path,
        render_report(
            diagnosis, faults=faults, dispatch=dispatch, telemetry=telemetry, plant=plant,
            tickets=tickets, tuned_on=tuned_on, model=model, title=title, most_faults=most_faults,
        ),
    )  # fmt: skip


def render_report(
    diagnosis: Diagnosis,
    *,
    faults: Sequence[Fault],
    dispatch: Sequence[Dispatch],
    telemetry: Telemetry,
    plant: Plant | None = None,
    tickets: Tickets | None = None,
    tuned_on: TimeWindow | None = None,
    model: Diagnoser | None = None,
    title: str = "",
    most_faults: int = 20,
) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    diagnosis : Diagnosis
        What was said of each window.
    faults : sequence of Fault
        Tracked, with kinds and tickets.
    dispatch : sequence of Dispatch
        Of these faults, in order of rank.
    telemetry : Telemetry
        The polls that were diagnosed, and those of the days before.
    plant : Plant, optional
        Topology or coordinates: brings the maps.
    tickets : Tickets, optional
        All tickets: brings who called, how they agree with the diagnosis, and the count of those
        that belong to no fault.
    tuned_on : TimeWindow, optional
        The span that thresholds were learned from: its tickets are told to be no evidence.
    model : Diagnoser, optional
        The diagnoser; TelApart brings dendrograms and thresholds.
    title : str
        The page's heading.
    most_faults : int
        So many faults have a section of their own, in order of rank.
    """
    heading = title or "Faults of the access network"
    told = _worth_a_section(dispatch)[:most_faults]
    shown = {one.fault.fault_id for one in told}
    wrong = wrong_tickets(faults)
    n_tickets = len({ticket.ticket_id for fault in faults for ticket in fault.tickets})
    agreement = None
    if tickets is not None:
        agreement = ticket_agreement(diagnosis, tickets, tuned_on=tuned_on)
    sections = [
        dispatch_section(dispatch, shown),
        _fault_sections(told, diagnosis, telemetry, plant, model, len(dispatch)),
        verdict_map.section(diagnosis),
        figures.section(faults, agreement),
        ledger_section(wrong, faults, n_tickets),
        thresholds.section(model) if isinstance(model, TelApart) else "",
        _set_aside(diagnosis, faults, plant, tickets),
    ]
    lead = _summary(diagnosis, dispatch, wrong_count=len(wrong))
    styles = ["faultsight.diagnose.report"]
    return report_page(heading, "".join(sections), lead=lead, styles=styles)


def _worth_a_section(dispatch: Sequence[Dispatch]) -> list[Dispatch]:
    """Return what to send for first, then ended plant faults, before what is only watched."""
    order = {"send": 0, "ended": 2, "watch": 3}

    def place(told: Dispatch) -> tuple[int, int]:
        is_past_plant_fault = told.advice == "ended" and told.fault.verdict == Verdict.MAINTENANCE
        return (1 if is_past_plant_fault else order[told.advice]), told.rank

    return sorted(dispatch, key=place)


def _summary(diagnosis: Diagnosis, dispatch: Sequence[Dispatch], *, wrong_count: int) -> str:
    going_on = [told for told in dispatch if told.advice == "send"]
    plant = [told for told in going_on if told.fault.verdict == Verdict.MAINTENANCE]
    modems = len({device for told in plant for device in told.fault.lasting_members})
    homes = len(going_on) - len(plant)
    parts = []
    if plant:
        verb = "needs" if len(plant) == 1 else "need"
        parts.append(
            f"<b>{plural(len(plant), 'fault')} of the shared plant</b> {verb} the maintenance "
            f"team ({plural(modems, 'modem')} affected)"
        )
    if homes:
        verb = "needs" if homes == 1 else "need"
        parts.append(f"<b>{plural(homes, 'fault')} in single homes</b> {verb} a service technician")
    headline = f"{listed(parts)}." if parts else "Nobody needs to be sent."
    n_modems = {node.fnode: len(node.device_ids) for node in diagnosis.nodes}
    n_watched = sum(told.advice == "watch" for told in dispatch)
    about = []
    if diagnosis.windows:
        about.append(
            f"{plural(sum(n_modems.values()), 'modem')} in "
            f"{plural(len(n_modems), 'fiber node')}, {plural(len(diagnosis.windows), 'window')} "
            f"from {moment(diagnosis.windows[0].start_s)} to "
            f"{moment(diagnosis.windows[-1].end_s)} UTC, diagnosed by "
            f"{escaped(diagnosis.diagnoser)}."
        )
    if n_watched:
        about.append(f"{plural(n_watched, 'more fault')} watched.")
    if wrong_count:
        about.append(f"{plural(wrong_count, 'ticket')} so far asked for the wrong team.")
    return f"<p class=headline>{headline}</p><p class=quiet>{' '.join(about)}</p>"


def _fault_sections(
    told: Sequence[Dispatch],
    diagnosis: Diagnosis,
    telemetry: Telemetry,
    plant: Plant | None,
    model: Diagnoser | None,
    n_faults: int,
) -> str:
    if not told:
        return ""
    of_fnode: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(told):
        of_fnode[one.fault.fnode].append(place)
    reach_s = history_s(model) if isinstance(model, TelApart) else 0
    span = TimeWindow(
        min(one.fault.start_s for one in told) - max(_HISTORY_S, reach_s),
        max(one.fault.end_s for one in told) + 2 * DAY_S,
    )
    articles = ["" for _ in told]
    for polls in telemetry.nodes(span, fnodes=sorted(of_fnode), metrics=LEVELS):
        for place in of_fnode[polls.fnode]:
            one = told[place]
            candidates = None
            if isinstance(model, TelApart) and one.fault.features:
                feature = one.fault.features[0]
                window = telling_window(diagnosis, one.fault, feature)
                if window is not None:
                    candidates = candidates_of(model, polls, window, feature)
            seen = FaultPolls.of(one.fault, polls)
            articles[place] = fault_section.section(one, seen, candidates, plant)
    for place, one in enumerate(told):
        if not articles[place]:
            articles[place] = fault_section.section(one, None, None, plant)
    left_out = n_faults - len(told)
    more = (
        f"<p class=quiet>{plural(left_out, 'fault')} of lower rank, watched or ended, have no "
        "section of their own.</p>"
        if left_out
        else ""
    )
    return f"<section id=faults><h2>Faults</h2>{more}{''.join(articles)}</section>"


def _set_aside(
    diagnosis: Diagnosis, faults: Sequence[Fault], plant: Plant | None, tickets: Tickets | None
) -> str:
    devices = {device for node in diagnosis.nodes for device in node.device_ids}
    n_windows = sum(len(node.verdict) for node in diagnosis.nodes)
    n_insufficient = diagnosis.count(Verdict.INSUFFICIENT)
    items = [
        f"{n_insufficient:,} of {plural(n_windows, 'modem window')} had too few polls for a "
        f"verdict ({percent(n_insufficient / n_windows if n_windows else float('nan'))})."
    ]
    if plant is not None:
        unplaced = len(devices - plant.places.keys())
        unheard = len(plant.places.keys() - devices)
        items.append(
            f"{plural(unplaced, 'modem')} polled without a place in the plant's plan; "
            f"{plural(unheard, 'modem')} of the plan not polled."
        )
    if tickets is not None and diagnosis.windows:
        inside = tickets.in_window(
            TimeWindow(diagnosis.windows[0].start_s, diagnosis.windows[-1].end_s)
        )
        known = {ticket.ticket_id for fault in faults for ticket in fault.tickets}
        strangers = sum(device not in devices for device in inside.device_id.tolist())
        loose = sum(name not in known for name in inside.ticket_id.tolist()) - strangers
        items.append(
            f"Of {plural(len(inside), 'ticket')} opened in this time, {loose:,} belong to no fault "
            f"that was found and {strangers:,} to no modem that was polled."
        )
    if tickets is not None:
        items += [
            f"{plural(note.rows, 'row')} of tickets, first {note.first_row:,}: "
            f"{note.column}: {escaped(note.reason)}."
            for note in (*tickets.set_aside, *tickets.noticed)
        ]
    items.append(
        "Duplicate polls are left out, gaps are never filled, and a round that was lost for a "
        f"whole fiber node speaks against no modem. A dash ({number(None)}) means: not known."
    )
    listing = "".join(f"<li>{item}</li>" for item in items)
    return f"<section id=aside><h2>What was set aside</h2><ul>{listing}</ul></section>"
