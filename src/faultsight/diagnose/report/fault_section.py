"""One fault: why it is what it is, its curves, its place, and its members."""

from __future__ import annotations

from collections import Counter

import numpy as np

from faultsight.core.plant import Plant
from faultsight.core.printable import printable
from faultsight.core.svg import escaped, figure
from faultsight.diagnose.faults import Dispatch, Fault
from faultsight.diagnose.report.candidates import Candidates
from faultsight.diagnose.report.curves import answers, curves
from faultsight.diagnose.report.dendrogram import dendrogram
from faultsight.diagnose.report.dispatch_table import team_chip
from faultsight.diagnose.report.fault_polls import FaultPolls
from faultsight.diagnose.report.plant_map import amplifier_tree, street_map
from faultsight.diagnose.report.svg import table
from faultsight.diagnose.report.wording import (
    FEATURES,
    decibels,
    duration,
    fault_title,
    moment,
    number,
    plural,
)

__all__ = ["section"]

_MOST_MEMBERS = 40
_LEAST_LEAVES = 4
_METRICS = {
    "tx_power_dbmv": "transmit power",
    "snr_db": "SNR",
    "rx_power_dbmv": "received power",
}


def section(
    told: Dispatch, seen: FaultPolls | None, candidates: Candidates | None, plant: Plant | None
) -> str:
    """Return the article of one fault.

    Parameters
    ----------
    told : Dispatch
        What is said of it.
    seen : FaultPolls, optional
        The polls around it.
    candidates : Candidates, optional
        What was clustered.
    plant : Plant, optional
        Topology or coordinates.
    """
    fault = told.fault
    word = fault.verdict.name.lower()
    state = "goes on" if fault.is_ongoing else "ended"
    facts = [
        ("where", escaped(told.where)),
        ("what to do", f"{escaped(told.action)}" if told.action else ""),
        (
            "seen",
            f"{moment(fault.start_s)} to {moment(fault.end_s)} UTC, {duration(fault.duration_h)}, "
            f"{state}",
        ),
        ("comes back", escaped(fault.recurrence) if fault.recurrence else ""),
        ("place", _agreement(fault)),
        ("tickets", _tickets(fault)),
    ]
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts if value)
    return (
        f"<article id='{escaped(fault.fault_id)}' class={word}>"
        f"<h3><span class=rank>{told.rank}</span> {escaped(fault_title(fault))} "
        f"{team_chip(fault.verdict)}</h3>"
        f"<p class=reason>{escaped(told.why)}</p><dl>{listed}</dl>"
        f"{_views(seen, candidates, plant)}{_evidence(fault, seen)}{_members(fault)}</article>"
    )


def _agreement(fault: Fault) -> str:
    place = fault.place
    if place is None or place.element_kind not in ("amplifier", "tap"):
        return ""
    return (
        f"{place.n_inside:,} of the {plural(place.n_downstream, 'modem')} on {place.element_kind} "
        f"{escaped(place.element)} are members, {place.n_outside:,} elsewhere: "
        f"{escaped(fault.confidence)} agreement"
    )


def _tickets(fault: Fault) -> str:
    if not fault.tickets:
        return "none so far" if fault.is_ongoing else "none"
    kinds = Counter(ticket.is_maintenance for ticket in fault.tickets)
    delay_h = (fault.tickets[0].opened_s - fault.start_s) / 3600.0
    return (
        f"{plural(len(fault.tickets), 'ticket')} ({kinds[True]} maintenance, {kinds[False]} "
        f"service), the first after {duration(delay_h)}"
    )


def _views(seen: FaultPolls | None, candidates: Candidates | None, plant: Plant | None) -> str:
    parts = []
    if seen is not None and len(seen.members):
        lines = [figure(*curves(seen, metric)) for metric in ("tx_power_dbmv", "snr_db")]
        if any(lines):
            parts.append(f"{_LEGEND}<div class=pair>{''.join(lines)}</div>")
        if "missing" in seen.fault.features[:1]:
            parts.append(figure(*answers(seen), kind="wide"))
    place = _place(seen, plant) + _grouping(seen, candidates)
    if place and seen is not None and len(seen.members) == 1:
        # One home has its address; where it hangs is for those who want to know.
        summary = "<summary>Where it hangs, and how alike others move</summary>"
        place = f"<details>{summary}{place}</details>"
    return "".join(parts) + place


def _place(seen: FaultPolls | None, plant: Plant | None) -> str:
    if seen is None or plant is None:
        return ""
    tree = figure(*amplifier_tree(plant, seen.fault, frozenset(seen.polls.device_ids)))
    homes = figure(*street_map(plant, seen.fault))
    kind = "maps" if tree and homes else "map"
    return f"<div class={kind}>{tree}{homes}</div>" if tree or homes else ""


def _grouping(seen: FaultPolls | None, candidates: Candidates | None) -> str:
    if seen is None or candidates is None or len(candidates.device_ids) < _LEAST_LEAVES:
        return ""
    picture, caption = dendrogram(candidates, seen.fault.lasting_members)
    return figure(picture, caption, kind="wide")


_LEGEND = (
    "<p class=legend><span><i class=line-median></i>median member</span>"
    "<span><i class=line-one></i>a member</span>"
    "<span><i class=line-others></i>median of the other modems</span>"
    "<span><i class=sw-span></i>the fault</span>"
    "<span><i class=sw-missing></i>share of members that did not answer</span>"
    "<span><i class=sw-lost></i>round lost for the whole node</span>"
    "<span>&#9660; ticket</span><span>times in UTC</span></p>"
)


def _evidence(fault: Fault, seen: FaultPolls | None) -> str:
    rows = [
        (
            escaped(FEATURES.get(told.feature, told.feature)),
            f"{told.n_windows:,}",
            f"{told.n_members:,}",
            f"{told.n_anomalous:,}",
            f"{told.similarity:.2f}" if told.n_members > 1 else number(None),
            escaped(told.channel) if told.channel else number(None),
            f"{number(told.deviation)} polls" if told.feature == "missing"
            else f"{decibels(told.deviation)} dB",
        )
        for told in fault.evidence
    ]  # fmt: skip
    columns = (
        "feature", "windows", "modems at most", "anomalous", "similarity", "channel",
        "median deviation",
    )  # fmt: skip
    groups = table(columns, rows, numeric=(1, 2, 3, 4, 6))
    return f"<h4>Evidence</h4><div class=tables><div>{groups}</div>{_shifts(seen)}</div>"


def _shifts(seen: FaultPolls | None) -> str:
    """Return how far each metric moved on each channel, for members and for the others."""
    if seen is None:
        return ""
    rows = []
    for metric, name in _METRICS.items():
        shift = seen.shift(metric)
        if shift is None or np.isnan(shift.member_db).all():
            continue
        for who, changes in (("members", shift.member_db), ("other modems", shift.other_db)):
            if not np.isnan(changes).all():
                rows.append((name, who, *(decibels(float(db)) for db in changes)))
    if not rows:
        return ""
    names = tuple(f"ch. {printable(channel)}" for channel in seen.polls.channels)
    heads = ("metric", "of", *names)
    shifts = table(heads, rows, numeric=range(2, len(heads)), is_small=True)
    return (
        f"<div>{shifts}<p class=quiet>In dB: the worst level while it acts against the usual level "
        "of the week before, median over modems.</p></div>"
    )


def _members(fault: Fault) -> str:
    calls = Counter(ticket.device_id for ticket in fault.tickets)
    ranked = sorted(fault.members, key=lambda m: (-calls[m.device_id], -m.n_windows, m.device_id))
    lasting = fault.lasting_members
    rows = [
        (
            escaped(member.device_id),
            "all along" if member.device_id in lasting else "now and then",
            moment(member.first_seen_s), moment(member.last_seen_s),
            f"{member.n_windows:,}", f"{calls[member.device_id]:,}",
        )
        for member in ranked[:_MOST_MEMBERS]
    ]  # fmt: skip
    more = len(ranked) - len(rows)
    tail = f"<p class=quiet>{plural(more, 'more member')} left out.</p>" if more else ""
    columns = ("modem", "takes part", "first seen", "last seen", "windows", "tickets")
    listing = table(columns, rows, numeric=(4, 5))
    summary = plural(len(lasting), "member")
    if len(ranked) > len(lasting):
        summary += f", {len(ranked) - len(lasting):,} more now and then"
    return f"<details><summary>{summary}</summary>{listing}{tail}</details>"
