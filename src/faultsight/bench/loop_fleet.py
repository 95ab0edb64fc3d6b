"""A simulated fleet in a state folder of its own, with history and a model, for the loop to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.deployed import DeployedConfig, DeployedDetector
from faultsight.detect.model_folder import save_detector
from faultsight.flow.config import FeedConfig
from faultsight.flow.loop import Loop
from faultsight.flow.row_book import MOST_CELLS
from faultsight.runners import Runner
from faultsight.sim.base_stations import Stations, StationsConfig, simulate_stations
from faultsight.stores.operations import Operations
from faultsight.stores.telemetry import KpiStore

__all__ = ["LoopFleet", "simulated_fleet"]

_FEED = "cells"


@dataclass(eq=False)
class LoopFleet:
    """A feed of base stations, and the loop over it.

    Attributes
    ----------
    fleet : Stations
        What was simulated; its test part is to come in.
    ops, store, loop
        Where it comes in, and what takes it on from there.
    start_s, interval_s : int
        The first row to come, and seconds from row to row.
    """

    fleet: Stations
    ops: Operations
    store: KpiStore
    loop: Loop
    start_s: int
    interval_s: int

    @property
    def feed(self) -> str:
        """Its name."""
        return _FEED

    def rounds(self, n: int) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield rows of every station, one moment after another, and when they are complete."""
        names = [frame.entity for frame in self.fleet.test]
        kpis = self.fleet.test[0].kpis
        for row in range(min(n, len(self.fleet.test[0]))):
            time_s = self.start_s + row * self.interval_s
            values = np.stack([frame.values[row] for frame in self.fleet.test])
            told = pl.DataFrame({"entity": names, "timestamp": np.full(len(names), time_s)})
            sent = pl.DataFrame(values, schema=list(kpis)).fill_nan(None)
            yield time_s + self.interval_s, told.hstack(sent)


def simulated_fleet(
    folder: Path,
    stations: StationsConfig,
    config: FeedConfig,
    runner: Runner,
    *,
    seed: int,
    fleet: Stations | None = None,
    n_buckets: int = 16,
    most_cells: int = MOST_CELLS,
) -> LoopFleet:
    """Return a fleet whose history is stored, with a model fitted on it at work.

    Parameters
    ----------
    folder : Path
        An empty folder.
    stations : StationsConfig
        Size, interval, length of history (train) and of what is to come (test).
    config : FeedConfig
        The rules; called ``cells``.
    runner : Runner
        Who scores.
    seed : int
        Of the simulation.
    fleet : Stations, optional
        One that was simulated before, from the same settings.
    n_buckets : int
        Of the telemetry.
    most_cells : int
        As `Loop` has it.
    """
    fleet = fleet or simulate_stations(stations, seed=seed)
    ops = Operations.open(folder / "operations.sqlite")
    ops.feeds.add(_FEED, "kpi", stations.interval_s)
    attributes = [name for name in fleet.sites.columns if name != "entity"]
    ops.entities.put(
        _FEED,
        {
            row["entity"]: {a: row[a] for a in attributes}
            for row in fleet.sites.iter_rows(named=True)
        },
    )
    store = KpiStore.create(
        folder / "telemetry" / _FEED,
        name=_FEED,
        interval_s=stations.interval_s,
        n_buckets=n_buckets,
    )
    store.append(_table(fleet.train), received_at_s=fleet.test[0].start_s)
    detector = DeployedDetector(DeployedConfig(config.detector)).fit(fleet.train)
    path = save_detector(detector, folder / "models" / _FEED / "1", {"made": "benchmark"})
    told = ops.models.add(_FEED, config.detector, str(path.relative_to(folder)), by="benchmark")
    ops.models.promote(told.id, by="benchmark", why="the first")
    loop = Loop(ops, folder, [config], runner, most_cells=most_cells)
    return LoopFleet(fleet, ops, store, loop, fleet.test[0].start_s, stations.interval_s)


def _table(frames: tuple[KpiFrame, ...]) -> pl.DataFrame:
    names = [frame.entity for frame in frames]
    lengths = [len(frame) for frame in frames]
    times_s = np.concatenate([frame.times_s for frame in frames])
    values = np.concatenate([frame.values for frame in frames])
    told = pl.DataFrame(
        {"entity": pl.Series(names).gather(np.repeat(np.arange(len(names)), lengths)),
         "timestamp": times_s}
    )  # fmt: skip
    return told.hstack(pl.DataFrame(values, schema=list(frames[0].kpis)).fill_nan(None))
