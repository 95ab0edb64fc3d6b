"""A cable plant: fiber nodes, amplifiers, taps, modems; their signals, faults, polls and tickets.

Read in this order: `config` has every number; `topology` and `weather` are what is there; `courses`
and `faults` what goes wrong; `signals` what that does; `polling` and `readings` what the operator
gets to see; `calls` who complains; `truth` what really happened. `node` puts them together.
"""

from faultsight.sim.cable_plant.case import simulate_case
from faultsight.sim.cable_plant.config import CablePlantConfig
from faultsight.sim.cable_plant.node import SimulatedNode, simulate_node, simulate_plant
from faultsight.sim.cable_plant.truth import NodeStates
from faultsight.sim.cable_plant.writing import write_plant

__all__ = [
    "CablePlantConfig",
    "NodeStates",
    "SimulatedNode",
    "simulate_case",
    "simulate_node",
    "simulate_plant",
    "write_plant",
]
