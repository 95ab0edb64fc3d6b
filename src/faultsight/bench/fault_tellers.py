"""Who tells of faults: the simulator, diagnosers whose windows are tracked, tickets, chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from faultsight.bench.diagnoses import RANDOM, MakeDiagnoser, every_diagnoser
from faultsight.bench.simulated_plants import SimulatedPlant
from faultsight.bench.true_faults import all_knowing, as_faults
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.seed import random_stream
from faultsight.diagnose import Diagnoser, Diagnosis, Verdict
from faultsight.diagnose.faults import Fault, FaultMember, track_faults
from faultsight.diagnose.telapart import TelApart

__all__ = ["TELLERS", "PlantRun", "Teller"]


class PlantRun:
    """One plant, and what TelApart says of its test days, said once.

    Parameters
    ----------
    plant : SimulatedPlant
        The plant.
    """

    def __init__(self, plant: SimulatedPlant) -> None:
        self.plant = plant

    def diagnosed(self, diagnoser: Diagnoser) -> Diagnosis:
        """Return what a diagnoser says of the test days that has learned on the others."""
        diagnoser.fit(self.plant.telemetry, self.plant.tickets, window=self.plant.train)
        return diagnoser.diagnose(self.plant.telemetry, window=self.plant.test)

    @cached_property
    def telapart(self) -> Diagnosis:
        """What TelApart says by default."""
        return self.diagnosed(TelApart())


def _seen_s(fault: Fault, since_s: int) -> float:
    """Return when the first window ends that shows a fault since it began."""
    ends_s = [window.end_s for window in fault.windows if window.end_s > since_s]
    return float(min(ends_s, default=np.nan))


def _called_s(fault: Fault, since_s: int) -> float:
    """Return when a ticket was opened, if the fault had begun by then."""
    return float(fault.start_s) if fault.start_s >= since_s else np.nan


@dataclass(frozen=True)
class Teller:
    """One that tells of faults.

    Attributes
    ----------
    faults : callable
        From a plant to the faults of its test days.
    known_s : callable
        From a fault, and when it began in truth, to when it is known; NaN where it is not. By
        default when the first window that shows it ends.
    is_identified : bool
        Whether they are compared with the true ones.
    """

    faults: Callable[[PlantRun], list[Fault]]
    known_s: Callable[[Fault, int], float] = _seen_s
    is_identified: bool = True


def _of_tickets(run: PlantRun) -> list[Fault]:
    """Return a fault for each ticket."""
    node_of = {device: node for node in run.plant.nodes for device in node.polls.device_ids}
    tickets, last_s = run.plant.tickets.in_window(run.plant.test), run.plant.test.end_s
    faults = []
    for at, device in enumerate(tickets.device_id.tolist()):
        is_closed = bool(tickets.closed_s[at] <= last_s)  # an open one closes at NaN
        start_s = int(tickets.opened_s[at])
        end_s = max(int(tickets.closed_s[at]) if is_closed else last_s, start_s + 1)
        is_maintenance = bool(tickets.is_maintenance[at])
        fault = Fault(
            str(tickets.ticket_id[at]), node_of[device].fnode,
            Verdict.MAINTENANCE if is_maintenance else Verdict.SERVICE,
            (FaultMember(device, start_s, end_s, 1),), start_s, end_s, not is_closed,
            (TimeWindow(start_s, end_s),), node_of[device].polls.n_devices, int(is_maintenance), (),
        )  # fmt: skip
        faults.append(fault)
    return faults


def _elsewhere(run: PlantRun) -> list[Fault]:
    """Return TelApart's faults, told of the next fiber node and of modems drawn from it."""
    nodes = run.plant.nodes
    place = {node.fnode: i for i, node in enumerate(nodes)}
    stream = random_stream(run.plant.seed, "random faults")
    faults = []
    for fault in track_faults(run.telapart):
        node = nodes[(place[fault.fnode] + 1) % len(nodes)]
        names = node.polls.device_ids
        drawn = stream.choice(len(names), min(len(fault.members), len(names)), replace=False)
        members = tuple(
            replace(member, device_id=names[i])
            for member, i in zip(fault.members, sorted(drawn.tolist()), strict=False)
        )
        faults.append(replace(fault, fnode=node.fnode, members=members))
    return faults


def _tracked(make: MakeDiagnoser) -> Teller:
    """Return the faults of a diagnoser, which are its windows tracked."""
    return Teller(lambda run: track_faults(run.diagnosed(make(run.plant.seed))))


_WITHOUT_GROUPS = (RANDOM, "majority")
"""They name no group, of which faults are tracked; what is chance here is ``random_faults``."""

_OTHERS = {
    name: make
    for name, make in every_diagnoser().items()
    if name not in ("telapart", *_WITHOUT_GROUPS)
}

TELLERS: Mapping[str, Teller] = {
    "truth": Teller(lambda run: as_faults(run.plant), is_identified=False),
    "truth-tracked": Teller(lambda run: track_faults(all_knowing(run.plant))),
    "telapart": Teller(lambda run: track_faults(run.telapart)),
    "telapart/bridged=1": Teller(lambda run: track_faults(run.telapart, bridged_windows=1)),
    **{name: _tracked(make) for name, make in _OTHERS.items()},
    "tickets": Teller(_of_tickets, known_s=_called_s),
    "random_faults": Teller(_elsewhere),
}
"""By method."""
