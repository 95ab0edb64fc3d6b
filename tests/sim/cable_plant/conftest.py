"""A fiber node with one fault made to measure, beside the same node without it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faultsight.core.seed import random_stream
from faultsight.sim.cable_plant import CablePlantConfig, SimulatedNode
from faultsight.sim.cable_plant.courses import steady
from faultsight.sim.cable_plant.faults import PlantFault, draw_effect, draw_place
from faultsight.sim.cable_plant.node import simulated
from faultsight.sim.cable_plant.topology import NodeTopology, node_topology
from faultsight.sim.cable_plant.weather import weather

DAY_S = 86_400


@dataclass
class Pair:
    """The two nodes; polls and noise are the same where the fault loses no poll."""

    config: CablePlantConfig
    tree: NodeTopology
    without: SimulatedNode
    faulty: SimulatedNode
    fault: PlantFault

    def hit(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which polls of the faulty node are of affected modems, and which fall into the fault."""
        polls = self.faulty.polls
        is_member = np.isin(polls.device_of_poll, self.fault.members)
        return is_member, (polls.time_s >= self.fault.start_s) & (
            polls.time_s < self.fault.end_s
        )  # fmt: skip

    def change(self, metric: str) -> NDArray[np.float32]:
        return self.faulty.polls.values[metric] - self.without.polls.values[metric]


@pytest.fixture
def pair() -> Callable[..., Pair]:
    def _pair(name: str, **settings: Any) -> Pair:
        config = CablePlantConfig.quiet(days=8, **settings)
        tree, sky = node_topology(config, 0), weather(config)
        stream = random_stream(0, "test", name)
        start_s, end_s = config.start_s + 2 * DAY_S + 7, config.start_s + 5 * DAY_S + 7
        fault = PlantFault(
            "one", "maintenance", name, "steady", *draw_place(config, tree, name, stream),
            start_s, end_s, steady(start_s, end_s), draw_effect(config, name, stream),
        )  # fmt: skip
        without, faulty = (simulated(config, tree, sky, faults, seed=0) for faults in ([], [fault]))
        return Pair(config, tree, without, faulty, fault)

    return _pair
