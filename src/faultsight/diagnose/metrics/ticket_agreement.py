"""Whether tickets agree with a diagnosis, as far as they can tell: what an operator has for truth.

The normalized ticketing rates of `ticketing_rates`, with two cautions that a benchmark over many
plants does without. An interval is told only where there is enough to draw from: drawn anew, few
fiber nodes that lean one way by chance all do so again, and no ticket stays no ticket. And tickets
that thresholds were learned from are counted apart: that those agree is no news.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.tickets import Tickets
from faultsight.diagnose.contract import Diagnosis, Verdict
from faultsight.diagnose.metrics.ticketing_rates import (
    INVARIANTS,
    KINDS,
    VERDICTS,
    Interval,
    TicketCounts,
    count_tickets,
    ticketing_rates,
    tickets_in_windows,
)

__all__ = [
    "LEAST_BY_CHANCE",
    "LEAST_FNODES",
    "TicketAgreement",
    "agreement_in_words",
    "ticket_agreement",
]

LEAST_FNODES = 6
"""Fiber nodes from which an interval is told: that all six lean one way by chance is 1 in 64, the
first such chance below the 2.5 % that an interval leaves out on either side."""
LEAST_BY_CHANCE = 3.7
"""Where a verdict has no ticket of a kind, so many by chance are needed for an interval: fewer are
missed by chance alone more often than in 2.5 %."""

_JUDGED = VERDICTS[:2]


@dataclass(frozen=True, eq=False)
class TicketAgreement:
    """How tickets agree with a diagnosis.

    Attributes
    ----------
    rates : mapping of (str, Verdict) to Interval
        Normalized ticketing rates by kind of ticket and verdict, maintenance and service; NaN where
        there is no such ticket or verdict. Bounds are NaN too where tickets of the kind, or modems
        of the verdict, come from fewer than `LEAST_FNODES` fiber nodes, and where the verdict has
        no ticket of the kind and by chance had fewer than `LEAST_BY_CHANCE`.
    invariants : mapping of str to Interval
        The four differences that must be above 0; likewise.
    n_tickets, n_in_faults, n_learned_from : int
        Tickets of diagnosed modems opened in a window; those of them opened where a fault was
        diagnosed; those that thresholds were learned from.
    n_fnodes : int
        Fiber nodes that have any of these tickets.
    """

    rates: Mapping[tuple[str, Verdict], Interval]
    invariants: Mapping[str, Interval]
    n_tickets: int
    n_in_faults: int
    n_learned_from: int
    n_fnodes: int

    @property
    def is_independent(self) -> bool:
        """Whether no threshold was learned from any of the tickets."""
        return self.n_learned_from == 0

    @property
    def n_told(self) -> int:
        """How many of the four invariants have a value."""
        return sum(not math.isnan(one.value) for one in self.invariants.values())

    @property
    def n_holding(self) -> int:
        """How many hold."""
        return sum(one.value > 0 for one in self.invariants.values())

    @property
    def n_certain(self) -> int | None:
        """How many hold over their whole interval; None where none of them has an interval."""
        lows = [one.low for one in self.invariants.values() if not math.isnan(one.low)]
        return sum(low > 0 for low in lows) if lows else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it; None where something is not defined."""
        return {
            "tickets": self.n_tickets,
            "in_faults": self.n_in_faults,
            "learned_from": self.n_learned_from,
            "is_independent": self.is_independent,
            "fnodes": self.n_fnodes,
            "rates": {
                f"{kind[0]}{verdict.name[0]}": _bounds(rate)
                for (kind, verdict), rate in self.rates.items()
            },
            "invariants": {
                name.replace("R_", ""): _bounds(difference)
                for name, difference in self.invariants.items()
            },
            "told": self.n_told,
            "hold": self.n_holding,
            "surely": self.n_certain,
        }


def ticket_agreement(
    diagnosis: Diagnosis, tickets: Tickets, *, tuned_on: TimeWindow | None = None
) -> TicketAgreement | None:
    """Return how tickets agree with a diagnosis; None if none of them was opened in its windows.

    Parameters
    ----------
    diagnosis : Diagnosis
        Any number of fiber nodes and windows.
    tickets : Tickets
        Those of its modems and windows count.
    tuned_on : TimeWindow, optional
        The span whose tickets thresholds were learned from.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.tickets import read_tickets
    >>> from faultsight.diagnose.contract import NodeDiagnosis
    >>> tickets = read_tickets(pl.DataFrame({"ticket_id": ["t1"], "device_id": ["a"],
    ...     "opened": ["1970-01-01T07:00Z"], "closed": [None], "kind": ["service"]}))
    >>> node = NodeDiagnosis("F", TimeWindow(0, 86_400), ("a", "b"),
    ...                      np.array([Verdict.SERVICE, Verdict.HEALTHY]), np.full(2, 86_400.0))
    >>> told = ticket_agreement(Diagnosis("by hand", (node,), ()), tickets)
    >>> told.rates["service", Verdict.SERVICE].value, told.n_certain
    (2.0, None)
    """
    counted = tickets_in_windows(diagnosis, tickets)
    if not len(counted):
        return None
    counts = count_tickets(diagnosis, counted)
    told = ticketing_rates(counts)
    is_enough = _is_enough(counts)
    return TicketAgreement(
        rates={
            (kind, verdict): _guarded(told.rates[kind, verdict], bool(is_enough[x, y]))
            for x, kind in enumerate(KINDS)
            for y, verdict in enumerate(_JUDGED)
        },
        invariants={
            name: _guarded(told.invariants[name], all(bool(is_enough[term]) for term in terms))
            for name, terms in INVARIANTS.items()
        },
        n_tickets=len(counted),
        n_in_faults=len(tickets_in_windows(diagnosis, counted, verdicts=_JUDGED)),
        n_learned_from=0 if tuned_on is None else len(counted.in_window(tuned_on)),
        n_fnodes=int(np.count_nonzero(counts.tickets.sum(axis=(1, 2)))),
    )


def agreement_in_words(told: TicketAgreement) -> list[str]:
    """Return a few sentences for people who have not read the paper.

    Examples
    --------
    >>> rates = {(kind, verdict): Interval(4.0 if kind[0] == verdict.name[0].lower() else 0.5,
    ...                                    math.nan, math.nan)
    ...          for kind in KINDS for verdict in VERDICTS[:2]}
    >>> above = dict.fromkeys(INVARIANTS, Interval(3.5, 1.0, 6.0))
    >>> told = agreement_in_words(TicketAgreement(rates, above, 80, 30, 2, 9))
    >>> for clause in told[0].replace("chance ", "chance; ").split("; "):
    ...     print(clause)
    Tickets agree: maintenance tickets gather 4.0 times as densely as by chance
    where maintenance is diagnosed and 0.5 times where service is
    service tickets gather 4.0 times where service is diagnosed and 0.5 times where maintenance is.
    >>> for sentence in told[1:]:
    ...     print(sentence)
    4 of 4 invariants hold, 4 surely (80 tickets, 30 of them in diagnosed faults).
    2 of the 80 tickets are no independent evidence: thresholds were learned from them.
    """
    clauses: list[str] = []
    for kind in KINDS:
        where = [
            (told.rates[kind, verdict].value, verdict.name.lower())
            for verdict in _JUDGED
            if not math.isnan(told.rates[kind, verdict].value)
        ]
        # Its own verdict first: that is where its tickets should gather.
        where.sort(key=lambda one: one[1] != kind)
        against = "" if clauses else " as densely as by chance"
        clauses += [
            f"{kind} tickets gather {value:.1f} times{against} where {name} is diagnosed"
            + "".join(f" and {other:.1f} times where {its} is" for other, its in where[1:])
            for value, name in where[:1]
        ]
    n_tickets = f"{told.n_tickets:,} ticket{'s' * (told.n_tickets != 1)}"
    source = f"({n_tickets}, {told.n_in_faults:,} of them in diagnosed faults)"
    if not clauses:
        return [f"Tickets have nothing to confirm: no fault is diagnosed ({n_tickets})."]
    sentences = [f"{_headline(told)}: {'; '.join(clauses)}."]
    if not told.n_in_faults:
        sentences = [f"No ticket was opened where a fault is diagnosed ({n_tickets})."]
    elif not told.n_told:
        sentences.append(f"Of the invariants none can be told {source}.")
    elif told.n_certain is None:
        sentences.append(
            f"{told.n_holding} of {told.n_told} invariants hold {source}; to be sure takes more "
            f"tickets, and faults, in at least {LEAST_FNODES} fiber nodes."
        )
    else:
        sentences.append(
            f"{told.n_holding} of {told.n_told} invariants hold, {told.n_certain or 'none'} surely "
            f"{source}."
        )
    if not told.is_independent:
        are, them = ("is", "it") if told.n_learned_from == 1 else ("are", "them")
        sentences.append(
            f"{told.n_learned_from:,} of the {n_tickets} {are} no independent evidence: thresholds "
            f"were learned from {them}."
        )
    return sentences


def _headline(told: TicketAgreement) -> str:
    if not told.n_told:
        return "Tickets tell little"
    if told.n_holding < told.n_told:
        return "Tickets agree in part" if told.n_holding else "Tickets do not agree"
    return (
        "Tickets agree" if told.n_told == len(INVARIANTS) else "Tickets agree as far as they tell"
    )


def _is_enough(counts: TicketCounts) -> NDArray[np.bool_]:
    """Return for each kind and judged verdict whether an interval of its rate can be told."""
    of_kind = counts.tickets.sum(axis=2)
    judged_s = counts.device_s[:, list(_JUDGED)]
    calling, suffering = (np.count_nonzero(of_node, axis=0) for of_node in (of_kind, judged_s))
    total_s = counts.device_s.sum()
    by_chance = of_kind.sum(axis=0)[:, None] * judged_s.sum(axis=0)[None, :] / max(total_s, 1.0)
    has_any = counts.tickets[:, :, list(_JUDGED)].sum(axis=0) > 0
    enough: NDArray[np.bool_] = (
        (calling[:, None] >= LEAST_FNODES)
        & (suffering[None, :] >= LEAST_FNODES)
        & (has_any | (by_chance >= LEAST_BY_CHANCE))
    )
    return enough


def _guarded(told: Interval, is_enough: bool) -> Interval:
    return told if is_enough else Interval(told.value, math.nan, math.nan)


def _bounds(told: Interval) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in told._asdict().items()}
