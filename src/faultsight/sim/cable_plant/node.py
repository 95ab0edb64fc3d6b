"""One simulated fiber node, and a plant of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from faultsight.core.polls import NodePolls
from faultsight.sim.cable_plant.calls import node_tickets
from faultsight.sim.cable_plant.config import CablePlantConfig
from faultsight.sim.cable_plant.counters import counters
from faultsight.sim.cable_plant.faults import PlantFault, node_faults
from faultsight.sim.cable_plant.polling import Answers, answers, rounds
from faultsight.sim.cable_plant.pre_equalization import pre_equalization
from faultsight.sim.cable_plant.readings import readings
from faultsight.sim.cable_plant.signals import signals
from faultsight.sim.cable_plant.topology import NodeTopology, node_topology
from faultsight.sim.cable_plant.truth import NodeStates, node_states, truth_tables
from faultsight.sim.cable_plant.weather import Weather, weather

__all__ = ["SimulatedNode", "simulate_node", "simulate_plant", "simulated"]


@dataclass(frozen=True, eq=False)
class SimulatedNode:
    """One fiber node over the whole span, and what really happened in it.

    Attributes
    ----------
    fnode : str
        Its name.
    polls : NodePolls
        What the poller got.
    tickets : polars.DataFrame
        For `faultsight.core.tickets.read_tickets`: ticket_id, device_id, opened, closed (null while
        it is open), kind, primary_id.
    topology : polars.DataFrame
        For `faultsight.core.plant.Plant.from_table`: a row for each modem.
    faults : polars.DataFrame
        Truth: fault_id, fnode, kind (``maintenance``, ``service``, ``benign``), type, pattern,
        element_kind, element, start, end (the repair, which may come after the last day),
        n_affected, metrics.
    affected : polars.DataFrame
        Truth: fault_id, device_id.
    activity : polars.DataFrame
        Truth: fault_id, start, end of the spans in which it acts; up to the last day.
    label : array of shape (device,), optional
        Of a labelled case: 0 is healthy, from 1 on one number for each fault.
    """

    fnode: str
    polls: NodePolls
    tickets: pl.DataFrame
    topology: pl.DataFrame
    faults: pl.DataFrame
    affected: pl.DataFrame
    activity: pl.DataFrame
    label: NDArray[np.int64] | None = None

    def states(self, starts_s: ArrayLike, ends_s: ArrayLike) -> NodeStates:
        """Return what was wrong with each modem in each half-open window.

        Examples
        --------
        >>> node = simulate_node(CablePlantConfig(days=7), 0)
        >>> day_s = 1_767_571_200 + np.arange(7) * 86_400
        >>> told = node.states(day_s, day_s + 86_400)
        >>> told.service_active_h.shape == (7, node.polls.n_devices)
        True
        >>> bool((told.service_active_h <= told.service_exists_h).all())
        True
        """
        return node_states(
            self.faults, self.affected, self.activity, self.polls.device_ids, starts_s, ends_s
        )


def simulate_node(config: CablePlantConfig, index: int, *, seed: int = 0) -> SimulatedNode:
    """Return one fiber node of a plant; the others need not be made.

    Parameters
    ----------
    config : CablePlantConfig
        Size, length, physics and rates.
    index : int
        Which fiber node; from 0 on.
    seed : int
        Same seed, same plant.

    Examples
    --------
    >>> node = simulate_node(CablePlantConfig(days=2), 7)
    >>> node.fnode, sorted(node.polls.values), node.polls.channels
    ('FN007', ['rx_power_dbmv', 'snr_db', 'tx_power_dbmv'], ('1', '2', '3'))
    """
    tree, sky = node_topology(config, index, seed=seed), weather(config, seed=seed)
    return simulated(config, tree, sky, node_faults(config, tree, sky, seed=seed), seed=seed)


def simulate_plant(config: CablePlantConfig, *, seed: int = 0) -> Iterator[SimulatedNode]:
    """Yield the fiber nodes of a plant, one after the other.

    Examples
    --------
    >>> config = CablePlantConfig(n_fnodes=2, days=1)
    >>> [node.fnode for node in simulate_plant(config)]
    ['FN000', 'FN001']
    """
    for index in range(config.n_fnodes):
        yield simulate_node(config, index, seed=seed)


def simulated(
    config: CablePlantConfig,
    tree: NodeTopology,
    sky: Weather,
    faults: Sequence[PlantFault],
    *,
    seed: int,
    label: NDArray[np.int64] | None = None,
) -> SimulatedNode:
    """Return a fiber node in which these faults happen."""
    plan = rounds(config, tree.fnode, tree.n_devices, seed=seed)
    true = signals(config, tree, faults, sky, plan.time_s, seed=seed)
    came = answers(config, tree.fnode, plan, true.fault_loss, seed=seed)
    values = readings(config, tree.fnode, true, came, seed=seed)
    if config.with_counters:
        values |= counters(config, tree.fnode, true, came, seed=seed)
    told, affected, activity = truth_tables(config, tree, faults)
    return SimulatedNode(
        tree.fnode,
        _polls(config, tree, came, values, seed),
        node_tickets(config, tree, faults, seed=seed),
        tree.to_table(),
        told,
        affected,
        activity,
        label,
    )


def _polls(
    config: CablePlantConfig,
    tree: NodeTopology,
    came: Answers,
    values: dict[str, NDArray[np.float32]],
    seed: int,
) -> NodePolls:
    width = len(str(config.n_channels))  # names are sorted as texts
    counts = np.bincount(came.device, minlength=tree.n_devices)
    return NodePolls(
        tree.fnode,
        tree.device_ids,
        tuple(f"{channel + 1:0{width}d}" for channel in range(config.n_channels)),
        np.concatenate([[0], np.cumsum(counts)]),
        came.time_s,
        values,
        came.round if config.with_round_ids else None,
        None,
        pre_equalization(config, tree, came, seed=seed) if config.with_pre_equalization else None,
    )
