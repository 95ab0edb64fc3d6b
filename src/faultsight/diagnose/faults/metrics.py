"""What faults look like in numbers: TelApart, sections V-D and V-E.

The paper uses them for lack of any truth. A fault of the shared plant is felt by more customers, so
one of them calls sooner, and it is repaired sooner; and few of those who are touched call at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.diagnose.contract import Verdict
from faultsight.diagnose.faults.fault import Fault
from faultsight.diagnose.faults.fault_tickets import wrong_tickets

__all__ = ["PAPER", "FaultMetrics", "fault_metrics"]

_HOUR_S = 3600.0

PAPER = {
    Verdict.MAINTENANCE: {"duration_h_p80": 84.0, "reported_within_24_h": 0.5},
    Verdict.SERVICE: {"duration_h_p80": 182.0, "reported_within_24_h": 0.31},
}
"""Of its ISP: 80 % of the faults last less; more than half of the maintenance faults, and less than
31 % of the service faults, have their first ticket within a day."""

_WITHOUT_CALLS = ("faults", "duration_h_median", "duration_h_p80")
"""Of `FaultMetrics.to_dict`: what is known where it is not known who called."""


@dataclass(frozen=True, eq=False)
class FaultMetrics:
    """The faults of one verdict.

    Attributes
    ----------
    verdict : Verdict
        Which.
    duration_h : array of shape (fault,)
        float64, ascending.
    delay_h : array of shape (fault,)
        float64, ascending: from a fault's start to the first ticket of any member, whatever its
        kind; infinite where nobody called while it lasted.
    reporting_share : array of shape (fault,)
        float64, ascending: members who called, of all members.
    n_tickets, n_wrong_tickets : int
        Tickets opened by members while a fault lasted, and those of them that ask for the wrong
        team: the dispatches that a look at the diagnosis avoids.

    Examples
    --------
    >>> from faultsight.core.kpi_frame import TimeWindow
    >>> from faultsight.diagnose.faults.fault import FaultMember, FaultTicket
    >>> fault = Fault("f1", "F", Verdict.SERVICE, (FaultMember("a", 0, 86_400, 1),), 0, 86_400,
    ...               True, (TimeWindow(0, 86_400),), 250, 0, (),
    ...               tickets=(FaultTicket("t1", "a", 7200.0, True),))
    >>> told = fault_metrics([fault])[Verdict.SERVICE]
    >>> told.duration_h_p80, told.reported_within(24), told.wrong_share
    (24.0, 1.0, 1.0)
    """

    verdict: Verdict
    duration_h: NDArray[np.float64]
    delay_h: NDArray[np.float64]
    reporting_share: NDArray[np.float64]
    n_tickets: int
    n_wrong_tickets: int

    @property
    def n_faults(self) -> int:
        """How many faults."""
        return len(self.duration_h)

    @property
    def duration_h_p80(self) -> float:
        """What 80 % of the faults do not outlast; NaN without faults."""
        return float(np.quantile(self.duration_h, 0.8)) if self.n_faults else float("nan")

    @property
    def wrong_share(self) -> float:
        """Share of the tickets that ask for the wrong team; NaN without tickets."""
        return self.n_wrong_tickets / self.n_tickets if self.n_tickets else float("nan")

    @property
    def reported_share(self) -> float:
        """Share of the faults that anybody reported while they lasted; NaN without faults."""
        return float(np.isfinite(self.delay_h).mean()) if self.n_faults else float("nan")

    def reported_within(self, hours: float, *, of_reported: bool = False) -> float:
        """Return the share of faults whose first ticket came within some hours.

        The paper does not say of which faults its shares are: of all of them, or of those that
        somebody reported at all.
        """
        among = self.delay_h[np.isfinite(self.delay_h)] if of_reported else self.delay_h
        return float((among <= hours).mean()) if len(among) else float("nan")

    def least_reporting(self, share: float) -> float:
        """Return the share of faults of which at most such a share of customers call."""
        if not self.n_faults:
            return float("nan")
        return float((self.reporting_share <= share).mean())

    def reporting_quantile(self, share: float) -> float:
        """Return the share of its customers who call that a share of the faults do not exceed."""
        return float(np.quantile(self.reporting_share, share)) if self.n_faults else float("nan")

    def to_dict(self, *, calls_known: bool = True) -> dict[str, float | int | None]:
        """Return the figures as JSON has them.

        Parameters
        ----------
        calls_known : bool
            Whether tickets tell who called; if not, nobody's silence means a thing.

        Returns
        -------
        dict
            None where a figure is not defined or not known.
        """
        told = {
            "faults": self.n_faults,
            "duration_h_median": float(np.median(self.duration_h)) if self.n_faults else np.nan,
            "duration_h_p80": self.duration_h_p80,
            "reported_share": self.reported_share,
            "reported_within_24_h": self.reported_within(24),
            "reported_within_24_h_of_reported": self.reported_within(24, of_reported=True),
            "at_most_10_percent_call": self.least_reporting(0.1),
            "reporting_share_median": self.reporting_quantile(0.5),
            "reporting_share_p90": self.reporting_quantile(0.9),
            "tickets": self.n_tickets,
            "wrong_tickets": self.n_wrong_tickets,
            "wrong_ticket_share": self.wrong_share,
        }
        return {
            name: None if np.isnan(value) or not (calls_known or name in _WITHOUT_CALLS) else value
            for name, value in told.items()
        }


def fault_metrics(faults: Iterable[Fault]) -> dict[Verdict, FaultMetrics]:
    """Return the metrics of maintenance and of service faults.

    Parameters
    ----------
    faults : iterable of Fault
        With their tickets (`with_tickets`). Faults that still go on count with what they lasted so
        far.
    """
    all_faults = list(faults)
    wrong = {(told.fault_id, told.ticket.ticket_id) for told in wrong_tickets(all_faults)}
    found = {}
    for verdict in (Verdict.MAINTENANCE, Verdict.SERVICE):
        mine = [fault for fault in all_faults if fault.verdict == verdict]
        tickets = {ticket.ticket_id for fault in mine for ticket in fault.tickets}
        found[verdict] = FaultMetrics(
            verdict,
            np.sort(np.array([fault.duration_h for fault in mine], np.float64)),
            np.sort(np.array([_delay_h(fault) for fault in mine], np.float64)),
            np.sort(np.array([_reporting_share(fault) for fault in mine], np.float64)),
            len(tickets),
            sum((f.fault_id, t.ticket_id) in wrong for f in mine for t in f.tickets),
        )
    return found


def _delay_h(fault: Fault) -> float:
    opened_s = [ticket.opened_s for ticket in fault.tickets]
    return (min(opened_s) - fault.start_s) / _HOUR_S if opened_s else np.inf


def _reporting_share(fault: Fault) -> float:
    return len({ticket.device_id for ticket in fault.tickets}) / len(fault.members)
