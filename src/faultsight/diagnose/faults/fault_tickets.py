"""Which tickets belong to a fault, and which of them ask for the wrong team."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from faultsight.core.tickets import Tickets
from faultsight.diagnose.contract import Verdict
from faultsight.diagnose.faults.fault import Fault, FaultTicket

__all__ = ["WrongTicket", "with_tickets", "wrong_tickets"]


@dataclass(frozen=True)
class WrongTicket:
    """A ticket whose kind contradicts what its modem suffers from.

    Attributes
    ----------
    ticket : FaultTicket
        The ticket.
    fault_id, fnode : str
        The fault that it was opened in, and where.
    verdict : Verdict
        What that is.
    """

    ticket: FaultTicket
    fault_id: str
    fnode: str
    verdict: Verdict


def with_tickets(faults: Sequence[Fault], tickets: Tickets) -> list[Fault]:
    """Return the faults, each with the tickets that its members opened while it lasted.

    What an earlier run told of a known fault stays. A modem that suffers from two faults at once
    counts for both.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.kpi_frame import TimeWindow
    >>> from faultsight.core.tickets import read_tickets
    >>> from faultsight.diagnose.faults.fault import FaultMember
    >>> tickets = read_tickets(pl.DataFrame({"ticket_id": ["t1"], "device_id": ["a"],
    ...     "opened": ["1970-01-01T07:00Z"], "closed": [None], "kind": ["maintenance"]}))
    >>> fault = Fault("f1", "F", Verdict.SERVICE, (FaultMember("a", 0, 86_400, 1),), 0, 86_400,
    ...               True, (TimeWindow(0, 86_400),), 250, 0, ())
    >>> told = with_tickets([fault], tickets)
    >>> [ticket.ticket_id for ticket in told[0].tickets], len(wrong_tickets(told))
    (['t1'], 1)
    """
    tickets = tickets.named_like(device for fault in faults for device in fault.device_ids)
    of_device: dict[str, list[int]] = defaultdict(list)
    for at, device in enumerate(tickets.device_id.tolist()):
        of_device[device].append(at)
    told = []
    for fault in faults:
        found = {ticket.ticket_id: ticket for ticket in fault.tickets}
        for device in fault.device_ids:
            for at in of_device.get(device, ()):
                opened_s = float(tickets.opened_s[at])
                if fault.start_s <= opened_s < fault.end_s:
                    name = str(tickets.ticket_id[at])
                    found[name] = FaultTicket(
                        name, device, opened_s, bool(tickets.is_maintenance[at])
                    )
        mine = sorted(found.values(), key=lambda t: (t.opened_s, t.ticket_id))
        told.append(replace(fault, tickets=tuple(mine)))
    return told


def wrong_tickets(faults: Iterable[Fault]) -> list[WrongTicket]:
    """Return the tickets that no fault of their modem agrees with, by opening.

    Where a modem suffers from a fault of the plant and from one of its own home at once, either
    kind of ticket is right.
    """
    asked: dict[str, tuple[FaultTicket, list[Fault]]] = {}
    for fault in faults:
        for ticket in fault.tickets:
            asked.setdefault(ticket.ticket_id, (ticket, []))[1].append(fault)
    wrong = []
    for ticket, here in asked.values():
        right = Verdict.MAINTENANCE if ticket.is_maintenance else Verdict.SERVICE
        if all(fault.verdict != right for fault in here):
            # Of several faults the one that touches most modems is the likelier reason to call.
            most = min(here, key=lambda fault: (-len(fault.members), fault.fault_id))
            wrong.append(WrongTicket(ticket, most.fault_id, most.fnode, most.verdict))
    return sorted(wrong, key=lambda w: (w.ticket.opened_s, w.ticket.ticket_id))
