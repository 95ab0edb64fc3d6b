"""Diagnoses and faults made by hand, and one simulated network diagnosed by TelApart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.plant import Plant
from faultsight.core.polls import PollTable
from faultsight.core.tickets import Tickets, read_tickets
from faultsight.diagnose.contract import DAY_S, Diagnosis, Group, NodeDiagnosis, Verdict
from faultsight.diagnose.faults import Fault, FaultMember, FeatureEvidence
from faultsight.diagnose.telapart import TelApart
from faultsight.sim.cable_plant import CablePlantConfig, SimulatedNode, simulate_node

SEED = 1030
"""Seeds below 100 are for benchmarks."""

GroupsOfDay = Sequence[tuple[str, str]]
"""Of each group its feature and its members, a letter each."""


def device_ids(fnode: str = "F") -> tuple[str, ...]:
    return tuple("abcdefghijklmnopqrstuvwxyz")


def node_day(number: int, groups: GroupsOfDay, fnode: str = "F", late_s: int = 0) -> NodeDiagnosis:
    names = device_ids()
    verdict = np.zeros(len(names), np.int8)
    told = []
    for feature, letters in groups:
        members = np.array(sorted(names.index(letter) for letter in letters), np.int64)
        kind = Verdict.MAINTENANCE if len(members) > 5 else Verdict.SERVICE
        verdict[members] = np.maximum(verdict[members], kind)
        told.append(Group(feature, kind, members, len(members), 0.8, "1", 3.0))
    window = TimeWindow(number * DAY_S - late_s, (number + 1) * DAY_S - late_s)
    return NodeDiagnosis(fnode, window, names, verdict, np.full(len(names), DAY_S), tuple(told))


def diagnosis_of(
    days: Sequence[GroupsOfDay], *, first: int = 0, fnode: str = "F", late_s: int = 0
) -> Diagnosis:
    nodes = [node_day(first + i, groups, fnode, late_s) for i, groups in enumerate(days)]
    asked = [TimeWindow((first + i) * DAY_S, (first + i + 1) * DAY_S) for i in range(len(days))]
    return Diagnosis("by hand", tuple(nodes), tuple(asked))


def a_fault(
    members: str = "a",
    *,
    fault_id: str = "f1",
    days: tuple[int, int] = (0, 1),
    is_ongoing: bool = True,
    verdict: Verdict | None = None,
    features: Sequence[str] = ("snr",),
) -> Fault:
    start_s, end_s = days[0] * DAY_S, days[1] * DAY_S
    n = days[1] - days[0]
    told = verdict or (Verdict.MAINTENANCE if len(members) > 5 else Verdict.SERVICE)
    return Fault(
        fault_id, "F", told, tuple(FaultMember(m, start_s, end_s, n) for m in sorted(members)),
        start_s, end_s, is_ongoing,
        tuple(TimeWindow(d * DAY_S, (d + 1) * DAY_S) for d in range(*days)), 26,
        n if told == Verdict.MAINTENANCE else 0,
        tuple(FeatureEvidence(f, n, n * len(members), len(members), len(members), 0.9, "1", -4.0)
              for f in features),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Network:
    """A simulated network, and what TelApart says of its second half."""

    nodes: dict[str, SimulatedNode]
    telemetry: PollTable
    tickets: Tickets
    plant: Plant
    model: TelApart
    diagnosis: Diagnosis


@pytest.fixture(scope="session")
def network() -> Network:
    config = CablePlantConfig(n_fnodes=6, days=42, modems=(120, 160))
    nodes = [simulate_node(config, index, seed=SEED) for index in range(config.n_fnodes)]
    telemetry = PollTable([node.polls for node in nodes])
    tickets = read_tickets(pl.concat([node.tickets for node in nodes]))
    half_s = config.start_s + 14 * DAY_S
    model = TelApart().fit(telemetry, tickets, window=TimeWindow(config.start_s, half_s), workers=1)
    found = model.diagnose(telemetry, window=TimeWindow(half_s, config.end_s), workers=1)
    return Network(
        {node.fnode: node for node in nodes}, telemetry, tickets,
        Plant.from_table(pl.concat([node.topology for node in nodes])), model, found,
    )  # fmt: skip


MakeFault = Callable[..., Fault]
MakeDiagnosis = Callable[..., Diagnosis]


@pytest.fixture(scope="session", name="a_fault")
def a_fault_maker() -> MakeFault:
    return a_fault


@pytest.fixture(scope="session", name="diagnosis_of")
def diagnosis_maker() -> MakeDiagnosis:
    return diagnosis_of
