"""Whom to send where first, and which tickets ask for the wrong team."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from faultsight.diagnose.contract import Verdict
from faultsight.diagnose.faults.fault import Fault, FaultPlace
from faultsight.diagnose.faults.kinds import KINDS

__all__ = ["Dispatch", "dispatch_list", "score_of"]

_DAY_H = 24.0
_TEAMS = {
    Verdict.MAINTENANCE: "maintenance team",
    Verdict.SERVICE: "service technician",
}


@dataclass(frozen=True)
class Dispatch:
    """One line of the list.

    Attributes
    ----------
    rank : int
        From 1.
    fault : Fault
        What it is about.
    advice : str
        ``send``, ``watch`` (too little is known to send anybody), or ``ended``.
    team : str
        Who can repair it.
    where : str
        The element; or the home, by its modem.
    why : str
        One sentence.
    action : str
        What to do there.
    evidence : tuple of str
        What it rests on.
    score : float
        See `score_of`.
    """

    rank: int
    fault: Fault
    advice: str
    team: str
    where: str
    why: str
    action: str
    evidence: tuple[str, ...]
    score: float


def score_of(fault: Fault) -> float:
    """Return affected modems x (1 + tickets) x days: how much suffering a visit ends.

    Examples
    --------
    >>> from faultsight.core.kpi_frame import TimeWindow
    >>> from faultsight.diagnose.faults.fault import FaultMember
    >>> members = tuple(FaultMember(name, 0, 172_800, 1) for name in "abcdef")
    >>> score_of(Fault("f1", "F", Verdict.MAINTENANCE, members, 0, 172_800, True,
    ...                (TimeWindow(0, 172_800),), 250, 1, ()))
    12.0
    """
    return len(fault.lasting_members) * (1 + len(fault.tickets)) * fault.duration_h / _DAY_H


def dispatch_list(faults: Iterable[Fault]) -> list[Dispatch]:
    """Return faults in the order in which to go.

    What goes on comes before what has ended, and what needs a visit before what is only watched. A
    service fault is watched until a second window shows it or its customer calls: in one window
    alone, chance makes some of every few hundred modems look ill. Then maintenance comes before
    service, for one repair helps many; then the larger `score_of`, then the longer one, then the
    id: the order is total. Of several faults of noise in one fiber node at once only the largest is
    sent for: behind the funnel they are likely one.

    Parameters
    ----------
    faults : iterable of Fault
        With kinds and tickets, as far as these are known.
    """
    faults = list(faults)
    part_of = _parts(faults)
    advice = {fault.fault_id: _advice(fault, fault.fault_id in part_of) for fault in faults}
    ranked = sorted(
        faults,
        key=lambda fault: (
            ("send", "watch", "ended").index(advice[fault.fault_id]),
            -int(fault.verdict),
            -score_of(fault),
            fault.start_s,
            fault.fault_id,
        ),
    )
    return [
        Dispatch(
            rank, fault, advice[fault.fault_id], _TEAMS[fault.verdict], _where(fault),
            _why(fault), KINDS.get(fault.kind, ""),
            _evidence(fault, part_of.get(fault.fault_id, "")), score_of(fault),
        )
        for rank, fault in enumerate(ranked, start=1)
    ]  # fmt: skip


def _parts(faults: list[Fault]) -> dict[str, str]:
    """Return of which larger ongoing fault of the same noise a fault is likely a part."""
    largest: dict[str, Fault] = {}
    noisy = [fault for fault in faults if fault.is_ongoing and fault.kind == "ingress"]
    for fault in sorted(noisy, key=lambda f: (-len(f.lasting_members), f.start_s, f.fault_id)):
        largest.setdefault(fault.fnode, fault)
    return {
        fault.fault_id: largest[fault.fnode].fault_id
        for fault in noisy
        if largest[fault.fnode] is not fault
    }


def _advice(fault: Fault, is_part: bool) -> str:
    if not fault.is_ongoing:
        return "ended"
    is_seen_once = len(fault.windows) == 1 and not fault.tickets
    return "watch" if is_part or (fault.verdict == Verdict.SERVICE and is_seen_once) else "send"


def _where(fault: Fault) -> str:
    place = fault.place
    if place is not None and place.element_kind == "area":
        return f"{fault.fnode}, {_area(place)}"
    if place is not None and place.element_kind not in ("home", "fiber node"):
        return f"{fault.fnode}, {place.element_kind} {place.element}"
    if fault.kind == "ingress" or (place is not None and place.element_kind == "fiber node"):
        return f"{fault.fnode}, the whole fiber node"
    homes = sorted(fault.lasting_members)
    if len(homes) == 1:
        return f"{fault.fnode}, home of modem {homes[0]}"
    if fault.verdict == Verdict.SERVICE:
        return f"{fault.fnode}, homes of modems {', '.join(homes)}"
    return f"{fault.fnode}, what its {len(homes)} modems have in common"


def _area(place: FaultPlace) -> str:
    return f"within {place.radius_m:.0f} m of {place.latitude:.5f}, {place.longitude:.5f}"


def _why(fault: Fault) -> str:
    if fault.reason:
        return fault.reason
    shown = " and ".join(fault.features).replace("_", " ")
    n = len(fault.lasting_members)
    return f"{n} of {fault.n_node_modems} modems move alike on {shown}."


def _evidence(fault: Fault, part_of: str) -> tuple[str, ...]:
    told = [f"likely the same noise as {part_of}"] if part_of else []
    place = fault.place
    if place is not None and place.element_kind in ("amplifier", "tap"):
        told.append(
            f"{place.n_inside} of the {place.n_downstream} modems on {place.element_kind} "
            f"{place.element} are members, {place.n_outside} elsewhere ({fault.confidence})"
        )
    for evidence in fault.evidence:
        days = f"{evidence.n_windows} window{'' if evidence.n_windows == 1 else 's'}"
        group = f"{evidence.n_members} modem{'' if evidence.n_members == 1 else 's'}"
        alike = f", similarity {evidence.similarity:.2f}" if evidence.n_members > 1 else ""
        told.append(f"{evidence.feature.replace('_', ' ')}: {group} in {days}{alike}")
    if fault.recurrence:
        told.append(f"comes back {fault.recurrence}")
    return tuple(told)
