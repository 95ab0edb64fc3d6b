"""The dispatch list, and the ledger of tickets that ask for the wrong team."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from faultsight.core.svg import escaped
from faultsight.diagnose.contract import Verdict
from faultsight.diagnose.faults import Dispatch, Fault, WrongTicket
from faultsight.diagnose.report.svg import table
from faultsight.diagnose.report.wording import duration, fault_title, moment, plural

__all__ = ["dispatch_section", "ledger_section"]

_MOST_ROWS, _MOST_TICKETS = 60, 30


def dispatch_section(dispatch: Sequence[Dispatch], shown: Collection[str]) -> str:
    """Return the list of what goes on.

    Parameters
    ----------
    dispatch : sequence of Dispatch
        In order of rank.
    shown : collection of str
        The faults that have a section of their own to point to.
    """
    going_on = [told for told in dispatch if told.advice != "ended"]
    if not going_on:
        body = "<p>Nobody needs to be sent: no fault goes on.</p>"
    else:
        body = "".join(_part(going_on, advice, shown) for advice in ("send", "watch"))
    ended = Counter(told.fault.verdict for told in dispatch if told.advice == "ended")
    past = ""
    if ended:
        past = (
            f"<p class=quiet>Ended within the time looked at: "
            f"{plural(ended[Verdict.MAINTENANCE], 'maintenance fault')} and "
            f"{plural(ended[Verdict.SERVICE], 'service fault')}.</p>"
        )
    return f"<section id=dispatch><h2>Dispatch list</h2>{body}{past}</section>"


def _part(going_on: Sequence[Dispatch], advice: str, shown: Collection[str]) -> str:
    mine = [told for told in going_on if told.advice == advice]
    if not mine:
        return ""
    rows = [_row(told, shown) for told in mine[:_MOST_ROWS]]
    columns = ("rank", "who", "where", "why", "first seen, UTC", "modems", "tickets")
    more = len(mine) - len(rows)
    tail = f"<p class=quiet>{plural(more, 'more line')} left out.</p>" if more else ""
    listing = table(columns, rows, numeric=(0, 5, 6))
    if advice == "send":
        return listing + tail
    return (
        f"<details><summary>Watch, send nobody yet: {plural(len(mine), 'fault')}</summary>"
        "<p class=quiet>A single window shows them and nobody called, or they are likely part of "
        f"a fault above.</p>{listing}{tail}</details>"
    )


def _row(told: Dispatch, shown: Collection[str]) -> tuple[str, ...]:
    fault = told.fault
    where = f"<b>{escaped(told.where)}</b>"
    if fault.fault_id in shown:
        where = f"<a href='#{escaped(fault.fault_id)}'>{where}</a>"
    again = f"<br><span class=quiet>Comes back {escaped(fault.recurrence)}.</span>"
    return (
        f"<span class=rank>{told.rank}</span>",
        team_chip(fault.verdict),
        where,
        escaped(told.why) + (again if fault.recurrence else ""),
        f"{moment(fault.start_s)}<br><span class=quiet>{duration(fault.duration_h)}</span>",
        f"{len(fault.lasting_members):,}",
        f"{len(fault.tickets):,}",
    )


def team_chip(verdict: Verdict) -> str:
    """Return who can repair it, as a coloured word."""
    word = verdict.name.lower()
    return f"<span class='chip {word}'>{word}</span>"


def ledger_section(wrong: Sequence[WrongTicket], faults: Sequence[Fault], n_tickets: int) -> str:
    """Return the tickets that contradict the diagnosis."""
    if not n_tickets:
        return ""
    by_id = {fault.fault_id: fault for fault in faults}
    rows = [
        (
            escaped(told.ticket.ticket_id),
            escaped(told.ticket.device_id),
            moment(told.ticket.opened_s),
            team_chip(Verdict.MAINTENANCE if told.ticket.is_maintenance else Verdict.SERVICE),
            team_chip(told.verdict),
            escaped(fault_title(by_id[told.fault_id])) if told.fault_id in by_id else "",
        )
        for told in wrong[::-1][:_MOST_TICKETS]
    ]
    head = (
        f"<p>{plural(len(wrong), 'ticket')} of {n_tickets:,} opened by members of a fault ask for "
        "the wrong team. Each is a visit that would not repair it.</p>"
    )
    columns = ("ticket", "modem", "opened", "ticket says", "diagnosis says", "fault")
    more = len(wrong) - len(rows)
    tail = f"<p class=quiet>The latest come first; {more:,} more are left out.</p>" if more else ""
    listing = ""
    if rows:
        listing = (
            f"<details><summary>{plural(len(rows), 'ticket')}</summary>"
            f"{table(columns, rows)}{tail}</details>"
        )
    return f"<section id=ledger><h2>Tickets for the wrong team</h2>{head}{listing}</section>"
