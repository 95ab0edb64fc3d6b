"""A small plant to learn from, and fiber nodes with faults made to measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from faultsight.core.polls import PollTable
from faultsight.core.tickets import Tickets, read_tickets
from faultsight.diagnose.telapart import TelApart, TelApartConfig
from faultsight.sim.cable_plant import CablePlantConfig, SimulatedNode, simulate_node
from faultsight.sim.cable_plant.courses import Course
from faultsight.sim.cable_plant.faults import Effect, PlantFault, numbered
from faultsight.sim.cable_plant.node import simulated
from faultsight.sim.cable_plant.topology import NodeTopology, node_topology
from faultsight.sim.cable_plant.weather import weather

N_MODEMS = 60
HOUR_S = 3600


@dataclass(frozen=True, eq=False)
class Training:
    """What models learn from."""

    telemetry: PollTable
    tickets: Tickets


@pytest.fixture(scope="session")
def training() -> Training:
    config = CablePlantConfig(
        n_fnodes=4,
        days=21,
        modems=(N_MODEMS, N_MODEMS),
        n_amplifiers=10,
        service_per_day=0.5,
        maintenance_call_share=0.4,
        service_call_share=0.8,
        background_calls_per_day=0.0005,
    )
    nodes = [simulate_node(config, index) for index in range(config.n_fnodes)]
    calls = pl.concat([node.tickets for node in nodes])
    return Training(PollTable(node.polls for node in nodes), read_tickets(calls))


@pytest.fixture(scope="session")
def default(training: Training) -> TelApart:
    return TelApart().fit(training.telemetry, training.tickets, workers=1)


@pytest.fixture(scope="session")
def paper(training: Training) -> TelApart:
    model = TelApart(TelApartConfig.paper())
    return model.fit(training.telemetry, training.tickets, workers=1)


@dataclass(frozen=True)
class Planted:
    """One fault of a test.

    Attributes
    ----------
    members : sequence of int
        Which modems it hits.
    loss_db, snr_db, poll_loss : float
        What it does while it acts.
    since_h : float
        So long before the end of the last day it begins.
    on_h, off_h : float
        It acts and pauses in turn; without a pause it lasts.
    """

    members: Sequence[int]
    loss_db: float = 0.0
    snr_db: float = 0.0
    poll_loss: float = 0.0
    since_h: float = 48.0
    on_h: float = 8.0
    off_h: float = 0.0


class QuietPlant:
    """A fiber node of sixty modems in which nothing else happens, twelve days long."""

    def __init__(self) -> None:
        self.config = CablePlantConfig.quiet(
            days=12, modems=(N_MODEMS, N_MODEMS), n_amplifiers=10, loss_share=0.03
        )
        self.tree: NodeTopology = node_topology(self.config, 9)

    @property
    def subtree(self) -> NDArray[np.int64]:
        """The modems below an amplifier that serves eight to twenty of them."""
        size = self.tree.below.sum(axis=1)
        amplifier = int(np.flatnonzero((size >= 8) & (size <= 20))[0])
        return np.flatnonzero(self.tree.below[amplifier])

    @property
    def elsewhere(self) -> NDArray[np.int64]:
        """All other modems."""
        return np.setdiff1d(np.arange(N_MODEMS), self.subtree)

    def node(self, *planted: Planted, round_lost_share: float = 0.0) -> SimulatedNode:
        """Return the node with these faults."""
        config = CablePlantConfig(**{**vars(self.config), "round_lost_share": round_lost_share})
        faults = numbered(self.tree.fnode, [self._fault(each) for each in planted])
        return simulated(config, self.tree, weather(config), faults, seed=0)

    def _fault(self, planted: Planted) -> PlantFault:
        end_s = self.config.end_s
        bounds, level = [end_s - round(planted.since_h * HOUR_S)], []
        while bounds[-1] < end_s:
            for hours, strength in ((planted.on_h, 1.0), (planted.off_h, 0.0)):
                if bounds[-1] < end_s and hours:
                    bounds.append(min(bounds[-1] + round(hours * HOUR_S), end_s))
                    level.append(strength)
        every = np.ones(self.config.n_channels, np.float32)
        kind = "maintenance" if len(planted.members) > 1 else "service"
        return PlantFault(
            "", kind, "attenuation", "telegraph", "amplifier", "planted",
            np.asarray(planted.members), bounds[0], end_s,
            Course(np.array(bounds, np.float64), np.array(level, np.float32)),
            Effect(
                every * np.float32(planted.loss_db), every * np.float32(planted.snr_db),
                planted.poll_loss,
            ),
        )  # fmt: skip


@pytest.fixture(scope="session")
def quiet_plant() -> QuietPlant:
    return QuietPlant()


@pytest.fixture(scope="session")
def planted() -> Callable[..., Planted]:
    return Planted
