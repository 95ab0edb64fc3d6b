"""How good events are, by the tickets inside them (CableMon, section 5).

Nobody knows the faults, so an event is *true* if a ticket was opened in it. Most customers with a
fault never call, so accuracy is a lower bound; and a long event holds a ticket by chance more
easily than a short one, so figures need those of random events of the same lengths beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from faultsight.core.polls import NodePolls
from faultsight.core.tickets import Tickets
from faultsight.diagnose.cablemon.decision import events_of
from faultsight.diagnose.preprocessing.collection_periods import (
    collection_periods_s,
    poll_of_ticket,
)

__all__ = ["EventTally", "RateTally", "tally_events", "tally_rates"]

_HOUR_S = 3600.0


@dataclass(frozen=True)
class RateTally:
    """Time and tickets inside and outside some polls' collection periods; tallies add up.

    Attributes
    ----------
    inside_s, outside_s : float
        Modem time.
    inside_tickets, outside_tickets : int
        Opened in it.
    """

    inside_s: float = 0.0
    outside_s: float = 0.0
    inside_tickets: int = 0
    outside_tickets: int = 0

    def __add__(self, other: RateTally) -> RateTally:
        return RateTally(
            self.inside_s + other.inside_s,
            self.outside_s + other.outside_s,
            self.inside_tickets + other.inside_tickets,
            self.outside_tickets + other.outside_tickets,
        )

    @property
    def trr(self) -> float:
        """Ticketing rate inside over that outside; NaN where either side has no time or ticket."""
        if not (self.inside_s and self.outside_s and self.outside_tickets):
            return float("nan")
        rate = self.outside_tickets / self.outside_s
        return self.inside_tickets / self.inside_s / rate

    @property
    def normalized_ticketing_rate(self) -> float:
        """Ticketing rate inside over that of all time; NaN where there is none."""
        tickets = self.inside_tickets + self.outside_tickets
        if not (self.inside_s and tickets):
            return float("nan")
        return self.inside_tickets / self.inside_s * (self.inside_s + self.outside_s) / tickets

    @property
    def share_of_time(self) -> float:
        """Of all modem time, how much is inside; NaN where there is none."""
        total_s = self.inside_s + self.outside_s
        return self.inside_s / total_s if total_s else float("nan")


@dataclass(frozen=True)
class EventTally:
    """What is counted over events; tallies of several fiber nodes add up.

    Attributes
    ----------
    events, true_events : int
        All, and those in which a ticket was opened.
    tickets, predicted_tickets : int
        All of these modems, also those opened while a modem was silent; and those inside events.
    rates : RateTally
        Inside and outside events.
    lifetimes_h : tuple of float
        From opening to closing, of each predicted ticket that was closed (Figure 8).
    waitings_h : tuple of float
        From the start of each true event to its first ticket (Figure 9).

    Examples
    --------
    >>> tally = EventTally(4, 3, 10, 5) + EventTally(6, 2, 10, 2)
    >>> tally.accuracy, tally.coverage
    (0.5, 0.35)
    """

    events: int = 0
    true_events: int = 0
    tickets: int = 0
    predicted_tickets: int = 0
    rates: RateTally = field(default_factory=RateTally)
    lifetimes_h: tuple[float, ...] = ()
    waitings_h: tuple[float, ...] = ()

    def __add__(self, other: EventTally) -> EventTally:
        return EventTally(
            self.events + other.events,
            self.true_events + other.true_events,
            self.tickets + other.tickets,
            self.predicted_tickets + other.predicted_tickets,
            self.rates + other.rates,
            self.lifetimes_h + other.lifetimes_h,
            self.waitings_h + other.waitings_h,
        )

    @property
    def accuracy(self) -> float:
        """True events over all events; NaN without an event."""
        return self.true_events / self.events if self.events else float("nan")

    @property
    def coverage(self) -> float:
        """Tickets inside events over all tickets; NaN without a ticket."""
        return self.predicted_tickets / self.tickets if self.tickets else float("nan")

    @property
    def normalized_ticketing_rate(self) -> float:
        """Ticketing rate inside events over that of all time."""
        return self.rates.normalized_ticketing_rate


def tally_rates(
    polls: NodePolls, tickets: Tickets, is_inside: NDArray[np.bool_], longest_s: float
) -> RateTally:
    """Return time and tickets inside and outside the collection periods of some polls."""
    period_s = collection_periods_s(polls, longest_s)
    asked, _ = poll_of_ticket(polls, tickets, longest_s)
    n_inside = int(np.count_nonzero(is_inside[asked]))
    return RateTally(
        float(period_s[is_inside].sum()),
        float(period_s[~is_inside].sum()),
        n_inside,
        len(asked) - n_inside,
    )


def tally_events(
    polls: NodePolls, tickets: Tickets, is_event: NDArray[np.bool_], longest_s: float
) -> EventTally:
    """Return what is counted over the events of one fiber node.

    Parameters
    ----------
    polls : NodePolls
        Without duplicates, of the span that is judged.
    tickets : Tickets
        Opened in that span; those of other modems are passed over.
    is_event : array of shape (poll,)
        At which polls an event is seen.
    longest_s : float
        The longest time that one poll speaks for.
    """
    events = events_of(polls, is_event, collection_periods_s(polls, longest_s))
    mine, device = tickets.of_devices(polls.device_ids)
    opened_s = mine.opened_s
    event = np.full(len(mine), -1, np.int64)
    for i in range(len(mine)):
        start, end = np.searchsorted(events.device, [device[i], device[i] + 1])
        at = start + np.searchsorted(events.start_s[start:end], opened_s[i], side="right") - 1
        if at >= start and opened_s[i] < events.end_s[at]:
            event[i] = at
    predicted = event >= 0
    closed = predicted & np.isfinite(mine.closed_s)
    # Tickets are in order of opening: the first of an event comes first.
    hit, first = np.unique(event[predicted], return_index=True)
    waiting_s = opened_s[predicted][first] - events.start_s[hit]
    return EventTally(
        len(events),
        len(hit),
        len(mine),
        int(np.count_nonzero(predicted)),
        tally_rates(polls, tickets, is_event, longest_s),
        tuple(((mine.closed_s - opened_s)[closed] / _HOUR_S).tolist()),
        tuple((waiting_s / _HOUR_S).tolist()),
    )
