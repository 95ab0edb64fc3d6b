"""Who calls about what, and how the operator files it."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from faultsight.core.tickets import read_tickets
from faultsight.sim.cable_plant import CablePlantConfig
from faultsight.sim.cable_plant.calls import node_tickets
from faultsight.sim.cable_plant.faults import PlantFault, node_faults
from faultsight.sim.cable_plant.topology import node_topology
from faultsight.sim.cable_plant.weather import weather

HOUR_S = 3600


def called(config: CablePlantConfig) -> tuple[list[PlantFault], pl.DataFrame, int]:
    """All faults and tickets of thirty fiber nodes, and how many modems there are."""
    sky = weather(config)
    faults, tickets, n_devices = [], [], 0
    for index in range(30):
        tree = node_topology(config, index)
        mine = node_faults(config, tree, sky)
        faults += mine
        tickets.append(node_tickets(config, tree, mine))
        n_devices += tree.n_devices
    return faults, pl.concat(tickets), n_devices


@pytest.mark.parametrize(
    ("kind", "share", "delay_h", "right"),
    [("maintenance", 0.06, 30.0, 0.7), ("service", 0.25, 60.0, 0.92)],
)
def test_calls_and_labels_have_their_shares(
    kind: str, share: float, delay_h: float, right: float
) -> None:
    settings: dict[str, Any] = {f"{kind}_rate": 1.0, "background_calls_per_day": 0.0}
    config = CablePlantConfig.quiet(days=420, **settings)
    faults, tickets, _ = called(config)
    # Only while the fault lasts.
    expected = sum(
        len(f.members)
        * share
        * -np.expm1(-(min(f.end_s, config.end_s) - f.start_s) / HOUR_S / delay_h)
        for f in faults
    )
    assert abs(tickets.height / expected - 1) < 4 / np.sqrt(expected)
    assert abs((tickets["kind"] == kind).mean() - right) < 0.03  # type: ignore[operator]
    primaries = tickets.filter(kind="maintenance")["primary_id"]
    assert primaries.null_count() == 0
    assert tickets.filter(kind="service")["primary_id"].null_count() == tickets.height - len(
        primaries
    )  # fmt: skip
    if kind == "maintenance":
        assert len(primaries) / primaries.n_unique() > 3
        assert primaries.n_unique() <= len(faults)
    else:
        assert primaries.n_unique() == len(primaries)


def test_customers_call_about_their_own_fault_while_it_lasts() -> None:
    config = CablePlantConfig.quiet(days=90, service_rate=3.0, background_calls_per_day=0.0)
    tree = node_topology(config, 0)
    faults = node_faults(config, tree, weather(config))
    lives = [(tree.device_ids[f.members[0]], f.start_s, f.end_s) for f in faults]
    tickets = read_tickets(node_tickets(config, tree, faults))
    assert len(tickets) > 10
    for device, opened_s in zip(tickets.device_id, tickets.opened_s, strict=True):
        assert any(d == device and start <= opened_s < end for d, start, end in lives)


def test_calls_without_a_fault_and_open_tickets() -> None:
    config = CablePlantConfig.quiet(days=200)
    _, table, n_devices = called(config)
    expected = 0.0015 * n_devices * 200
    assert abs(table.height / expected - 1) < 4 / np.sqrt(expected)
    tickets = read_tickets(table)
    assert abs(np.mean(~tickets.is_maintenance) - 0.85) < 0.03
    still_open = np.isnan(tickets.closed_s)
    assert 0 < still_open.sum() < 0.03 * len(tickets)
    assert tickets.opened_s[still_open].min() > config.end_s - 14 * 86_400
    assert (tickets.opened_s < config.end_s).all()
