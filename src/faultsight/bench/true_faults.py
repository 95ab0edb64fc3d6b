"""The simulator's faults: as faults, and as what a diagnoser would say that knows all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.bench.simulated_plants import SimulatedPlant
from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.contract import DAY_S, Diagnosis, Group, NodeDiagnosis, Verdict, windows_of
from faultsight.diagnose.faults import Fault, FaultMember
from faultsight.sim.cable_plant import SimulatedNode

__all__ = ["TrueFault", "all_knowing", "as_faults", "true_faults"]

_VERDICTS = {"maintenance": Verdict.MAINTENANCE, "service": Verdict.SERVICE}


@dataclass(frozen=True, eq=False)
class TrueFault:
    """What a simulated fault did.

    Attributes
    ----------
    fault_id, fnode : str
        Its name and its fiber node.
    verdict : Verdict
        ``MAINTENANCE`` or ``SERVICE``.
    members : tuple of str
        The affected modems, sorted.
    start_s, end_s : int
        From its beginning to its repair, which may come after the last day.
    spans_s : array of shape (span, 2)
        When it acts, in order, up to the last day.
    """

    fault_id: str
    fnode: str
    verdict: Verdict
    members: tuple[str, ...]
    start_s: int
    end_s: int
    spans_s: NDArray[np.float64]

    def acting_s(self, windows: Sequence[TimeWindow]) -> NDArray[np.float64]:
        """Return for how long it acts within each window."""
        edges = np.array([[w.start_s, w.end_s] for w in windows], np.float64).reshape(-1, 1, 2)
        inside = np.minimum(self.spans_s[:, 1], edges[..., 1]) - np.maximum(
            self.spans_s[:, 0], edges[..., 0]
        )
        return np.asarray(np.maximum(inside, 0.0).sum(axis=1))


def true_faults(node: SimulatedNode) -> list[TrueFault]:
    """Return the faults of a fiber node, without changes that need nobody.

    Examples
    --------
    >>> from faultsight.sim.cable_plant import CablePlantConfig, simulate_node
    >>> found = true_faults(simulate_node(CablePlantConfig(days=30), 0))
    >>> sorted({fault.verdict.name for fault in found})
    ['MAINTENANCE', 'SERVICE']
    """
    members: dict[str, list[str]] = {}
    for fault_id, device_id in node.affected.iter_rows():
        members.setdefault(fault_id, []).append(device_id)
    spans: dict[str, list[tuple[float, float]]] = {}
    acting = node.activity["start"].dt.epoch("us") / 1e6, node.activity["end"].dt.epoch("us") / 1e6
    for fault_id, start_s, end_s in zip(node.activity["fault_id"], *acting, strict=True):
        spans.setdefault(fault_id, []).append((start_s, end_s))
    lives = (node.faults[column].dt.epoch("s") for column in ("start", "end"))
    return [
        TrueFault(
            fault_id, node.fnode, _VERDICTS[kind], tuple(sorted(members[fault_id])),
            start_s, end_s, np.array(spans.get(fault_id, []), np.float64).reshape(-1, 2),
        )
        for fault_id, kind, start_s, end_s in zip(
            node.faults["fault_id"], node.faults["kind"], *lives, strict=True
        )
        if kind in _VERDICTS
    ]  # fmt: skip


def as_faults(plant: SimulatedPlant) -> list[Fault]:
    """Return the faults that begin on the test days, from beginning to repair."""
    return [
        Fault(
            true.fault_id, true.fnode, true.verdict,
            tuple(FaultMember(name, true.start_s, true.end_s, 1) for name in true.members),
            true.start_s, true.end_s, true.end_s > plant.test.end_s,
            (TimeWindow(true.start_s, true.end_s),), node.polls.n_devices,
            int(true.verdict == Verdict.MAINTENANCE), (),
        )
        for node in plant.nodes
        for true in true_faults(node)
        if plant.test.start_s <= true.start_s < plant.test.end_s
    ]  # fmt: skip


def all_knowing(plant: SimulatedPlant) -> Diagnosis:
    """Return what a diagnoser would say of the test days that sees every fault while it acts."""
    windows = windows_of(plant.test, look_back_s=DAY_S, step_s=DAY_S)
    nodes = []
    for node in plant.nodes:
        names = node.polls.device_ids
        known = [
            (true.verdict, np.searchsorted(names, true.members), true.acting_s(windows) > 0)
            for true in true_faults(node)
        ]
        for at, window in enumerate(windows):
            verdict = np.full(len(names), Verdict.HEALTHY, np.int8)
            groups = [
                Group("truth", told, members, len(members)) for told, members, acts in known
                if acts[at]
            ]  # fmt: skip
            for group in groups:
                verdict[group.members] = np.maximum(verdict[group.members], group.verdict)
            covered_s = np.full(len(names), float(DAY_S))
            nodes.append(
                NodeDiagnosis(node.fnode, window, names, verdict, covered_s, tuple(groups))
            )
    return Diagnosis("truth", tuple(nodes), tuple(windows))
