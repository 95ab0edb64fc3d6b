"""What one run of ``faultsight diagnose`` read, learned and found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from faultsight.core.kpi_frame import TimeWindow
    from faultsight.core.plant import Plant
    from faultsight.core.polls import NodePolls, Telemetry
    from faultsight.core.tickets import Tickets
    from faultsight.diagnose.contract import Diagnoser, Diagnosis
    from faultsight.diagnose.faults import Dispatch, Fault
    from faultsight.diagnose.metrics.ticket_agreement import TicketAgreement
    from faultsight.diagnose.reading import QuarantinedPolls

__all__ = ["Found", "WatchedTelemetry"]


@dataclass
class WatchedTelemetry:
    """Telemetry that notes what is read of it, so that nothing is read only to be counted.

    Attributes
    ----------
    telemetry : Telemetry
        Where polls come from.
    modems : dict of str to set of str
        Seen so far, by fiber node.
    channels, metrics : set of str
        Seen so far.
    n_polls : int
        Polls seen so far; one that is read again is not counted again.
    """

    telemetry: Telemetry
    modems: dict[str, set[str]] = field(default_factory=dict)
    channels: set[str] = field(default_factory=set)
    metrics: set[str] = field(default_factory=set)
    n_polls: int = 0
    _newest_s: dict[str, float] = field(default_factory=dict)

    @property
    def fnodes(self) -> Sequence[str]:
        """The fiber nodes, sorted."""
        return self.telemetry.fnodes

    @property
    def window(self) -> TimeWindow:
        """From the first poll to the second after the last."""
        return self.telemetry.window

    def nodes(self, window: TimeWindow | None = None, **how: Any) -> Iterator[NodePolls]:
        """Yield the polls of each fiber node; see `faultsight.core.polls.Telemetry.nodes`."""
        for polls in self.telemetry.nodes(window, **how):
            newest_s = self._newest_s.get(polls.fnode, float("-inf"))
            self.n_polls += int((polls.time_s > newest_s).sum())
            self._newest_s[polls.fnode] = max(newest_s, float(polls.time_s.max()))
            self.modems.setdefault(polls.fnode, set()).update(polls.device_ids)
            self.channels.update(polls.channels)
            self.metrics.update(polls.values)
            yield polls

    @property
    def device_ids(self) -> set[str]:
        """All modems seen so far."""
        return set().union(*self.modems.values())

    @property
    def n_modems(self) -> int:
        """How many modems were seen; one that moved counts once."""
        return len(self.device_ids)

    def of_seen_modems(self, tickets: Tickets) -> Tickets:
        """Return the tickets of modems of which a poll was seen."""
        known = self.device_ids
        return tickets.take(
            np.array([device in known for device in tickets.device_id.tolist()], np.bool_)
        )

    def unknown_tickets(self, tickets: Tickets) -> int:
        """Return how many tickets are of modems of which no poll was seen."""
        return len(tickets) - len(self.of_seen_modems(tickets))

    def late_tickets(self, tickets: Tickets) -> int:
        """Return how many tickets were opened after the last poll."""
        return int((tickets.opened_s >= self.window.end_s).sum())

    def places_of(self, plant: Plant) -> tuple[int, int]:
        """Return of how many modems a plant knows the place, and how many it has elsewhere.

        Elsewhere: in another fiber node than all of a modem's polls.
        """
        n_known = n_elsewhere = 0
        fnodes: dict[str, set[str]] = {}
        for fnode, modems in self.modems.items():
            for device in modems:
                fnodes.setdefault(device, set()).add(fnode)
        for device, polled in fnodes.items():
            place = plant.places.get(device)
            n_known += place is not None
            n_elsewhere += place is not None and place.fnode not in polled
        return n_known, n_elsewhere


@dataclass
class Found:
    """Everything that one run read, learned and found; what is printed and written.

    Attributes
    ----------
    telemetry : WatchedTelemetry
        The polls, and what was seen of them.
    quarantined : list of QuarantinedPolls
        What reading set aside.
    span : TimeWindow
        What was diagnosed.
    tuned_on : TimeWindow, optional
        What was learned from; None if the model was read.
    model : Diagnoser
        What diagnosed.
    diagnosis : Diagnosis
        What it said.
    faults, dispatch
        What follows from it.
    tickets, plant
        As given.
    """

    telemetry: WatchedTelemetry
    quarantined: list[QuarantinedPolls]
    span: TimeWindow
    tuned_on: TimeWindow | None
    model: Diagnoser
    diagnosis: Diagnosis
    faults: list[Fault]
    dispatch: list[Dispatch]
    tickets: Tickets | None = None
    plant: Plant | None = None

    @cached_property
    def agreement(self) -> TicketAgreement | None:
        """How tickets agree with the diagnosis; None where none was opened in its windows."""
        from faultsight.diagnose.metrics.ticket_agreement import ticket_agreement

        if self.tickets is None:
            return None
        return ticket_agreement(self.diagnosis, self.tickets, tuned_on=self.tuned_on)
