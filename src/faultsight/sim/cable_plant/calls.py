"""Who calls, when, and what the operator writes on the ticket."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from faultsight.core.seed import random_stream
from faultsight.sim.cable_plant.config import CablePlantConfig
from faultsight.sim.cable_plant.faults import PlantFault
from faultsight.sim.cable_plant.topology import NodeTopology
from faultsight.sim.cable_plant.weather import HOUR_S

__all__ = ["MOMENT", "node_tickets"]

MOMENT = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class _Ticket:
    opened_s: int
    closed_s: int
    device: int
    is_maintenance: bool
    fault: int
    """Which fault's primary ticket it may be part of; -1 is none's."""


def node_tickets(
    config: CablePlantConfig, tree: NodeTopology, faults: Iterable[PlantFault], *, seed: int = 0
) -> pl.DataFrame:
    """Return the tickets of a fiber node as `faultsight.core.tickets.read_tickets` reads them.

    Maintenance tickets of one maintenance fault share their primary ticket; one that is called
    maintenance by mistake is the only part of its own.

    Parameters
    ----------
    config : CablePlantConfig
        How many call, how soon, and how often the operator is right.
    tree : NodeTopology
        The fiber node.
    faults : iterable of PlantFault
        What they call about.
    seed : int
        Of the plant.

    Examples
    --------
    >>> from faultsight.sim.cable_plant.topology import node_topology
    >>> config = CablePlantConfig()
    >>> node_tickets(config, node_topology(config, 0), []).columns
    ['ticket_id', 'device_id', 'opened', 'closed', 'kind', 'primary_id']
    """
    tickets = _unprovoked(config, tree, seed)
    for number, fault in enumerate(faults):
        if fault.kind != "benign":
            stream = random_stream(seed, "cable", tree.fnode, "calls", fault.fault_id)
            tickets += _about(config, fault, number, stream)
    tickets.sort(key=lambda ticket: (ticket.opened_s, ticket.device))
    primary: dict[int, str] = {}
    rows = []
    for count, ticket in enumerate(tickets, start=1):
        own = f"{tree.fnode}-P{count:05d}"
        is_shared = ticket.is_maintenance and ticket.fault >= 0
        shared = primary.setdefault(ticket.fault, own) if is_shared else own
        rows.append(
            {
                "ticket_id": f"{tree.fnode}-T{count:05d}",
                "device_id": tree.device_ids[ticket.device],
                "opened": ticket.opened_s * 1_000_000,
                "closed": ticket.closed_s * 1_000_000 if ticket.closed_s < config.end_s else None,
                "kind": "maintenance" if ticket.is_maintenance else "service",
                "primary_id": shared if ticket.is_maintenance else None,
            }
        )
    schema = {"ticket_id": pl.String, "device_id": pl.String, "opened": pl.Int64,
              "closed": pl.Int64, "kind": pl.String, "primary_id": pl.String}  # fmt: skip
    return pl.DataFrame(rows, schema=schema).with_columns(pl.col("opened", "closed").cast(MOMENT))


def _unprovoked(config: CablePlantConfig, tree: NodeTopology, seed: int) -> list[_Ticket]:
    """Draw the calls that no fault of the network explains."""
    stream = random_stream(seed, "cable", tree.fnode, "calls")
    count = int(stream.poisson(config.background_calls_per_day * tree.n_devices * config.days))
    opened_s = stream.integers(config.start_s, config.end_s, count)
    open_s = np.rint(stream.exponential(config.background_ticket_h * HOUR_S, count)).astype(int)
    device = stream.integers(tree.n_devices, size=count)
    is_service = stream.random(count) < config.background_service_share
    return [
        _Ticket(int(at), int(at + lasts), int(who), not service, -1)
        for at, lasts, who, service in zip(opened_s, open_s, device, is_service, strict=True)
    ]


def _about(
    config: CablePlantConfig, fault: PlantFault, number: int, stream: np.random.Generator
) -> list[_Ticket]:
    """Draw the calls about one fault; who has not called when it ends does not call."""
    is_maintenance = fault.kind == "maintenance"
    share, delay_h, right = (
        (config.maintenance_call_share, config.maintenance_call_delay_h,
         config.maintenance_label_right)
        if is_maintenance
        else (config.service_call_share, config.service_call_delay_h, config.service_label_right)
    )  # fmt: skip
    n_affected = len(fault.members)
    calls = stream.random(n_affected) < share
    opened_s = fault.start_s + np.rint(stream.exponential(delay_h * HOUR_S, n_affected))
    calls &= opened_s < min(fault.end_s, config.end_s)
    is_right = stream.random(n_affected) < right
    closed_s = fault.end_s + round(stream.exponential(config.repair_paperwork_h * HOUR_S))
    return [
        _Ticket(int(opened_s[i]), closed_s, int(fault.members[i]), is_maintenance == is_right[i],
                number if is_maintenance else -1)
        for i in np.flatnonzero(calls)
    ]  # fmt: skip
