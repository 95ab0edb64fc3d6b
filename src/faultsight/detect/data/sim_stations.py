"""Simulated base stations: 200 for two weeks, hourly; see `faultsight.sim.base_stations`."""

from __future__ import annotations

from typing import ClassVar, Literal

from faultsight.core.datasets import Source
from faultsight.detect.data._contract import Fleet, FleetDataset
from faultsight.sim.base_stations import simulate_stations


class SimStations(FleetDataset):
    """Simulated base stations, 25 KPIs, hourly: one week of history, one of test."""

    name: ClassVar[str] = "sim_stations"
    description: ClassVar[str] = "200 simulated base stations, 25 KPIs, hourly, two weeks"
    source: ClassVar[Source] = Source(
        url="", licence="Apache-2.0", obtain="nothing to get: it is simulated"
    )
    kind: ClassVar[Literal["folder", "simulated"]] = "simulated"

    def fleets(self) -> list[Fleet]:
        """Simulate the fleet of the seed."""
        stations = simulate_stations(seed=self.seed)
        return [Fleet(self.name, stations.train, stations.test)]
