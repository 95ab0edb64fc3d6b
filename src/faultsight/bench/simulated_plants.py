"""Simulated cable plants on which diagnosers learn from the first days and are judged on the rest.

No telemetry of cable modems with tickets and a known truth is public, so all that diagnosers are
judged on is simulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import PollTable
from faultsight.core.tickets import Tickets, read_tickets
from faultsight.diagnose.contract import DAY_S
from faultsight.sim.cable_plant import CablePlantConfig, SimulatedNode, simulate_plant

__all__ = ["PLANTS", "SEEDS", "SimulatedPlant", "simulated_plant"]

SEEDS = 10
"""Plants of each dataset."""

PLANTS: Mapping[str, CablePlantConfig] = {
    name: rates(n_fnodes=10, days=60, with_counters=True, with_pre_equalization=True)
    for name, rates in (
        ("sim_stress", CablePlantConfig.stress),
        ("sim_realistic", CablePlantConfig.realistic),
    )
}
"""Ten fiber nodes of 250 modems over 60 days. At stress rates a fiber node has a maintenance
fault in 11 days and a service fault in three; at realistic rates it has a tenth of both."""


@dataclass(frozen=True, eq=False)
class SimulatedPlant:
    """One plant, cut in time.

    Attributes
    ----------
    seed : int
        Of the plant.
    config : CablePlantConfig
        What it is made of.
    nodes : sequence of SimulatedNode
        Its fiber nodes, with the truth.
    telemetry : PollTable
        What a diagnoser may read of them.
    tickets : Tickets
        Of the whole time; a diagnoser gets those of the training span alone.
    train, test : TimeWindow
        The first days and the others.
    """

    seed: int
    config: CablePlantConfig
    nodes: Sequence[SimulatedNode]
    telemetry: PollTable
    tickets: Tickets
    train: TimeWindow
    test: TimeWindow


def simulated_plant(
    config: CablePlantConfig, *, seed: int, train_share: float = 0.7
) -> SimulatedPlant:
    """Return a plant whose first whole days, as many as the share says, are for training.

    Examples
    --------
    >>> plant = simulated_plant(CablePlantConfig(n_fnodes=1, days=10), seed=0)
    >>> (plant.train.end_s - plant.train.start_s) // DAY_S, plant.test.start_s == plant.train.end_s
    (7, True)
    """
    nodes = list(simulate_plant(config, seed=seed))
    cut_s = config.start_s + round(config.days * train_share) * DAY_S
    return SimulatedPlant(
        seed,
        config,
        nodes,
        PollTable([node.polls for node in nodes]),
        read_tickets(pl.concat([node.tickets for node in nodes])),
        TimeWindow(config.start_s, cut_s),
        TimeWindow(cut_s, config.end_s),
    )
