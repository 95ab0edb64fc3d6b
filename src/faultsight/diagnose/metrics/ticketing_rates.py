"""Normalized ticketing rates: tickets of the right kind should gather where a fault is diagnosed.

TelApart, section V-A, the paper's measure for lack of any truth. The ticketing rate R_xy is the
tickets of kind x (maintenance, service) opened in modem windows of verdict y (maintenance, service,
healthy), over the time that these windows cover. Divided by R_x, all tickets of the kind over all
the time of the same fiber nodes, it is 1 for verdicts that know nothing.

The formulas of the paper's four invariants are lost in the text we have; these are what its words
ask for, as differences that must be above 0:

==========================  ======================================================================
R_mM - R_sM                 within diagnosed maintenance, maintenance tickets stand out more
R_mM - R_mS                 maintenance tickets are more frequent there than in diagnosed service
R_sS - R_mS                 within diagnosed service, service tickets stand out more
R_sS - R_sM                 service tickets are more frequent there than in diagnosed maintenance
==========================  ======================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from faultsight.core.tickets import Tickets
from faultsight.diagnose.contract import DAY_S, Diagnosis, NodeDiagnosis, Verdict
from faultsight.diagnose.metrics.bootstrap import percentile_interval, resampled_sums

__all__ = [
    "INVARIANTS",
    "KINDS",
    "VERDICTS",
    "Interval",
    "TicketCounts",
    "TicketingRates",
    "count_tickets",
    "ticketing_rates",
    "tickets_in_windows",
]

Array = NDArray[np.float64]

KINDS = ("maintenance", "service")
"""Of tickets."""
VERDICTS = (Verdict.MAINTENANCE, Verdict.SERVICE, Verdict.HEALTHY)
"""That rates are given for."""

_N_CELLS = len(KINDS) * len(Verdict)
_MM, _MS, _SM, _SS = (0, 0), (0, 1), (1, 0), (1, 1)
INVARIANTS: Mapping[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "R_mM - R_sM": (_MM, _SM),
    "R_mM - R_mS": (_MM, _MS),
    "R_sS - R_mS": (_SS, _MS),
    "R_sS - R_sM": (_SS, _SM),
}
"""Minuend and subtrahend, as positions in `KINDS` and `VERDICTS`."""


class Interval(NamedTuple):
    """A number and its bootstrap interval over fiber nodes; NaN where it is not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class TicketCounts:
    """Tickets and device time of each fiber node, by verdict.

    Attributes
    ----------
    fnodes : tuple of str
        Sorted.
    tickets : array of shape (fnode, kind, verdict)
        int64; kinds in the order of `KINDS`, verdicts in that of `Verdict`.
    device_s : array of shape (fnode, verdict)
        float64; the time that the modem windows of a verdict cover.
    """

    fnodes: tuple[str, ...]
    tickets: NDArray[np.int64]
    device_s: Array


@dataclass(frozen=True, eq=False)
class TicketingRates:
    """Normalized ticketing rates, with bootstrap intervals over fiber nodes.

    Attributes
    ----------
    rates : mapping of (str, Verdict) to Interval
        By kind of ticket and verdict; NaN where no time has the verdict, or no ticket the kind.
    invariants : mapping of str to Interval
        The four differences of `INVARIANTS`.
    per_device_day : mapping of str to float
        R_x, what the rates are divided by, by kind.
    counts : TicketCounts
        What they are made of.
    """

    rates: Mapping[tuple[str, Verdict], Interval]
    invariants: Mapping[str, Interval]
    per_device_day: Mapping[str, float]
    counts: TicketCounts

    @property
    def n_holding(self) -> int:
        """How many of the four invariants hold."""
        return sum(difference.value > 0 for difference in self.invariants.values())

    @property
    def n_certain(self) -> int:
        """How many hold over the whole interval: with few tickets, all four may hold by chance."""
        return sum(difference.low > 0 for difference in self.invariants.values())


def count_tickets(diagnosis: Diagnosis, tickets: Tickets) -> TicketCounts:
    """Return the tickets and the device time of each fiber node, by verdict.

    A ticket counts in the modem window that holds its opening; in each of them, where windows
    overlap, as their time does. Tickets of other modems and times are left out.

    Parameters
    ----------
    diagnosis : Diagnosis
        Any number of fiber nodes and windows.
    tickets : Tickets
        Those that tell whether it is right.
    """
    by_device, _ = _by_device(diagnosis, tickets)
    fnodes = tuple(sorted({node.fnode for node in diagnosis.nodes}))
    place = {fnode: i for i, fnode in enumerate(fnodes)}
    counts = np.zeros((len(fnodes), len(KINDS), len(Verdict)), np.int64)
    device_s = np.zeros((len(fnodes), len(Verdict)))
    for fnode, device_ids, nodes in _alike(diagnosis):
        _add(device_ids, nodes, by_device, counts[place[fnode]], device_s[place[fnode]])
    return TicketCounts(fnodes, counts, device_s)


def tickets_in_windows(
    diagnosis: Diagnosis, tickets: Tickets, *, verdicts: Sequence[Verdict] = tuple(Verdict)
) -> Tickets:
    """Return the tickets that `count_tickets` counts, each once however many windows hold it.

    Parameters
    ----------
    diagnosis, tickets
        As of `count_tickets`.
    verdicts : sequence of Verdict
        Only those opened in modem windows of these.
    """
    by_device, order = _by_device(diagnosis, tickets)
    is_inside = np.zeros(len(tickets), np.bool_)
    for _, device_ids, nodes in _alike(diagnosis):
        ticket, window, device = _openings(device_ids, nodes, by_device)
        verdict = np.stack([node.verdict for node in nodes])[window, device]
        is_inside[order[ticket[np.isin(verdict, verdicts)]]] = True
    return tickets.take(is_inside)


def ticketing_rates(
    counts: TicketCounts, *, n: int = 1000, level: float = 0.95, seed: int = 0
) -> TicketingRates:
    """Return the normalized ticketing rates.

    All tickets and all time count in the reference R_x, also those of modem windows without an
    answer.

    Parameters
    ----------
    counts : TicketCounts
        As `count_tickets` returns them.
    n : int
        Bootstrap draws.
    level : float
        Share of the draws within an interval, between 0 and 1.
    seed : int
        The same seed gives the same intervals.

    Raises
    ------
    InputError
        If there is no fiber node.

    Examples
    --------
    >>> tickets = np.zeros((2, 2, 4), np.int64)
    >>> tickets[:, 0, Verdict.MAINTENANCE], tickets[:, 0, Verdict.HEALTHY] = 3, 1
    >>> device_s = np.array([[90.0, 0.0, 0.0, 10.0]] * 2)
    >>> rates = ticketing_rates(TicketCounts(("F1", "F2"), tickets, device_s))
    >>> round(rates.rates["maintenance", Verdict.MAINTENANCE].value, 3)
    7.5
    """
    n_nodes = len(counts.fnodes)
    columns = np.concatenate(
        [counts.tickets.reshape(n_nodes, _N_CELLS), counts.device_s], axis=1, dtype=np.float64
    )
    rate = _rates(columns.sum(axis=0, keepdims=True))[0]
    drawn = _rates(resampled_sums(columns, n=n, seed=seed))
    low, high = percentile_interval(drawn, level=level)
    total_s = counts.device_s.sum()
    per_kind = counts.tickets.sum(axis=(0, 2))
    return TicketingRates(
        rates={
            (kind, verdict): Interval(float(rate[x, y]), float(low[x, y]), float(high[x, y]))
            for x, kind in enumerate(KINDS)
            for y, verdict in enumerate(VERDICTS)
        },
        invariants={
            name: _difference(rate, drawn, minuend, subtrahend, level)
            for name, (minuend, subtrahend) in INVARIANTS.items()
        },
        per_device_day={
            kind: float(per_kind[x] * DAY_S / total_s) if total_s else float("nan")
            for x, kind in enumerate(KINDS)
        },
        counts=counts,
    )


def _difference(
    rate: Array, drawn: Array, minuend: tuple[int, int], subtrahend: tuple[int, int], level: float
) -> Interval:
    differences = drawn[:, *minuend] - drawn[:, *subtrahend]
    low, high = percentile_interval(differences[:, None], level=level)
    return Interval(float(rate[minuend] - rate[subtrahend]), float(low[0]), float(high[0]))


def _rates(sums: Array) -> Array:
    """Return the normalized rates, (draw, kind, verdict), of sums over fiber nodes."""
    tickets = sums[:, :_N_CELLS].reshape(-1, len(KINDS), len(Verdict))
    device_s = sums[:, _N_CELLS:]
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = tickets[:, :, VERDICTS] / device_s[:, None, VERDICTS]
        reference = tickets.sum(axis=2) / device_s.sum(axis=1, keepdims=True)
        normalized: Array = rate / reference[:, :, None]
    # Tickets in windows that cover no time have no rate.
    normalized[~np.isfinite(normalized)] = np.nan
    return normalized


def _by_device(diagnosis: Diagnosis, tickets: Tickets) -> tuple[Tickets, NDArray[np.intp]]:
    """Return the tickets by modem, called as the diagnosis calls it, and where each one stood."""
    named = tickets.named_like(device for node in diagnosis.nodes for device in node.device_ids)
    order = np.argsort(named.device_id, kind="stable")
    return named.take(order), order


def _alike(
    diagnosis: Diagnosis,
) -> Iterator[tuple[str, tuple[str, ...], list[NodeDiagnosis]]]:
    """Yield the windows of each fiber node that have the same modems, the nodes in order of name.

    Most diagnosers name the same modems in every window, so that they are looked up once.
    """
    of_fnode: dict[str, dict[tuple[str, ...], list[NodeDiagnosis]]] = {}
    for node in diagnosis.nodes:
        of_fnode.setdefault(node.fnode, {}).setdefault(node.device_ids, []).append(node)
    for fnode in sorted(of_fnode):
        for device_ids, nodes in of_fnode[fnode].items():
            yield fnode, device_ids, nodes


def _add(
    device_ids: Sequence[str],
    nodes: Sequence[NodeDiagnosis],
    by_device: Tickets,
    counts: NDArray[np.int64],
    device_s: Array,
) -> None:
    """Add what nodes of the same modems have of tickets and time, in place."""
    verdict = np.stack([node.verdict for node in nodes]).astype(np.int64)
    covered_s = np.stack([node.covered_s for node in nodes])
    device_s += np.bincount(verdict.ravel(), weights=covered_s.ravel(), minlength=len(Verdict))
    ticket, window, device = _openings(device_ids, nodes, by_device)
    kind = np.where(by_device.is_maintenance[ticket], 0, 1)
    np.add.at(counts, (kind, verdict[window, device]), 1)


def _openings(
    device_ids: Sequence[str], nodes: Sequence[NodeDiagnosis], by_device: Tickets
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return of each opening in a window of its modem the ticket, the window and the modem."""
    ticket, device = _tickets_of(device_ids, by_device)
    opened_s = by_device.opened_s[ticket][:, None]
    start_s = np.array([node.window.start_s for node in nodes])
    end_s = np.array([node.window.end_s for node in nodes])
    at, window = np.nonzero((opened_s >= start_s) & (opened_s < end_s))
    return ticket[at], window, device[at]


def _tickets_of(
    device_ids: Sequence[str], by_device: Tickets
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return positions of the tickets of some modems, and each one's modem.

    The few modems are sought among the many tickets, which are sorted by modem.
    """
    names = np.asarray(device_ids, dtype=np.str_)
    first = np.searchsorted(by_device.device_id, names, side="left")
    count = np.searchsorted(by_device.device_id, names, side="right") - first
    device = np.repeat(np.arange(len(names)), count)
    behind = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return first[device] + behind, device
