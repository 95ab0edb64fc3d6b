"""Which fault each modem of a simulated fiber node suffers from in a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.sim.cable_plant import SimulatedNode
from faultsight.sim.cable_plant.truth import node_states

__all__ = ["FaultLabels", "fault_labels"]

_LEAST_H = 4.0
"""A fault that acts for less than a poll interval is seen by chance only."""


@dataclass(frozen=True, eq=False)
class FaultLabels:
    """The true groups of each window.

    Attributes
    ----------
    label : array of shape (window, device)
        int64; 0 is healthy, else one number for each fault.
    is_maintenance : array of shape (window, device)
        Whether it is a fault of the shared plant.
    """

    label: NDArray[np.int64]
    is_maintenance: NDArray[np.bool_]


def fault_labels(
    node: SimulatedNode, windows: Sequence[TimeWindow], *, metric: str | None = None
) -> FaultLabels:
    """Return the fault of each modem that acts longest in each window.

    Parameters
    ----------
    node : SimulatedNode
        With its truth.
    windows : sequence of TimeWindow
        Faults that act in one for less than four hours are passed over.
    metric : str, optional
        Only faults that show in it, such as ``snr_db``, or ``missing``.

    Examples
    --------
    >>> from faultsight.sim.cable_plant import CablePlantConfig, simulate_node
    >>> node = simulate_node(CablePlantConfig(days=30), 0, seed=1000)
    >>> day = TimeWindow(1_767_571_200 + 86_400, 1_767_571_200 + 2 * 86_400)
    >>> fault_labels(node, [day], metric="snr_db").label.shape == (1, node.polls.n_devices)
    True
    """
    faults = node.faults.filter(pl.col("kind") != "benign")
    if metric is not None:
        faults = faults.filter(pl.col("metrics").str.split(";").list.contains(metric))
    mine = pl.col("fault_id").is_in(faults["fault_id"].to_list())
    states = node_states(
        faults, node.affected.filter(mine), node.activity.filter(mine), node.polls.device_ids,
        [w.start_s for w in windows], [w.end_s for w in windows],
    )  # fmt: skip
    maintenance_h, service_h = states.maintenance_active_h, states.service_active_h
    is_maintenance = (maintenance_h >= _LEAST_H) & (maintenance_h >= service_h)
    is_service = (service_h >= _LEAST_H) & ~is_maintenance
    label = np.zeros(maintenance_h.shape, np.int64)
    label[is_maintenance] = 1 + states.maintenance_fault[is_maintenance]
    label[is_service] = 1 + states.service_fault[is_service]
    return FaultLabels(label, is_maintenance)
