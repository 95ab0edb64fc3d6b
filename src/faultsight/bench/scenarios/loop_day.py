"""loop/day: a day of a large provider through the loop: 100,000 base stations, 70,000 modems."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.loop_fleet import simulated_fleet
from faultsight.bench.peak_memory import PeakMemory, memory_note
from faultsight.core.errors import UnknownMemberError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.tables import read_table
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import read_tickets
from faultsight.diagnose.telapart import TelApart
from faultsight.flow.config import CubeConfig, CubeKpi, FeedConfig, Measure
from faultsight.flow.learn.stored_diagnoser import save_diagnoser
from faultsight.flow.loop import Loop
from faultsight.runners import RUNNERS
from faultsight.sim.base_stations import StationsConfig
from faultsight.sim.cable_plant import CablePlantConfig, write_plant
from faultsight.stores.operations import Operations

_METHODS = ("stations", "modems")
_HOUR_S, _DAY_S = 3600, 86_400
_STATIONS, _FNODES = 100_000, 280
"""280 fiber nodes have about 70,000 modems."""
_SHARES = (0.025, 0.05, 0.1)
"""Of the provider; the largest is a tenth, and the others show how time grows with size."""
_HOURS_OF_SMALLER = 6
_FIT_DAYS, _HISTORY_DAYS = 10, 3
_CUBE = CubeConfig(
    attributes=("region", "vendor", "band", "software"),
    measures=(
        Measure("rrc_failures", "rrc_request_count", "rrc_establishment_success_count"),
        Measure("rrc_requests", "rrc_request_count"),
    ),
    kpis=(CubeKpi("rrc_failure_ratio", "rrc_failures", "rrc_requests"),),
    seasons=2,
)


class LoopDay(Scenario):
    """What a day of a provider costs, measured on a tenth, a twentieth and a fortieth of it.

    ``stations``: every hour the rows of all stations (25 KPIs) are appended, and the loop scores
    them, raises, groups and localizes. Rows are read from the store, as for the whole provider,
    whose recent rows would not be kept in memory. The tenth runs 24 hours, the others 6.
    ``modems``: one tick at the end of a day of polls, every four hours: a week of history is read,
    every modem gets a verdict, faults are followed and become incidents.

    ``day_s_all`` is what the whole provider's day would take by the measured rate; the rates of the
    three sizes, ``us_per_entity_round``, show how far that can be trusted. ``cases`` lowers the
    hours.
    """

    id: ClassVar[str] = "loop/day"
    title: ClassVar[str] = "A day of a large provider: 100,000 base stations and 70,000 modems"
    shown: ClassVar[tuple[str, ...]] = (
        "feed", "share", "entities", "rounds", "alarms", "incidents", "append_s", "tick_s",
        "tick_s_max", "us_per_entity_round", "day_s_all", "memory_mb", "added_mb",
    )  # fmt: skip

    def run(self, context: Context) -> Outcome:
        """Measure the feeds asked for."""
        for method in context.methods:
            if method not in _METHODS:
                raise UnknownMemberError("feed", method, _METHODS)
        rows: list[Row] = []
        for feed, measure in (("stations", _stations), ("modems", _modems)):
            for share in _SHARES if context.wants(feed) else ():
                context.progress(f"{feed}: {share:.1%} of the provider")
                with tempfile.TemporaryDirectory() as folder:
                    rows.append(measure(context, Path(folder), share))
        return Outcome(rows, [memory_note(), "one process scores, one row after another"])


def _stations(context: Context, folder: Path, share: float) -> Row:
    hours = 24 if share == max(_SHARES) else _HOURS_OF_SMALLER
    hours = min(hours, context.cases or hours)
    stations = StationsConfig(
        n_stations=round(share * _STATIONS),
        train_s=_HISTORY_DAYS * _DAY_S,
        test_s=hours * _HOUR_S,
    )
    config = FeedConfig(
        "cells", since_s=stations.start_s + stations.train_s, group_by=("region", "vendor"),
        cube=_CUBE,
    )  # fmt: skip
    with RUNNERS.load("serial")() as runner:
        made = simulated_fleet(folder, stations, config, runner, seed=context.seed, most_cells=0)
        memory = PeakMemory()
        appends, ticks = [], []
        for now_s, table in made.rounds(hours):
            start = time.perf_counter()
            made.store.append(table, received_at_s=now_s)
            appended = time.perf_counter()
            made.loop.tick(made.feed, now_s)
            appends.append(appended - start)
            ticks.append(time.perf_counter() - appended)
        told = made.ops.alarms.find(), made.ops.incidents.find()
        made.ops.close()
    rate = float(np.median(appends) + np.median(ticks)) / stations.n_stations
    return {
        "feed": "stations",
        "share": share,
        "entities": stations.n_stations,
        "rounds": hours,
        "alarms": len(told[0]),
        "incidents": len(told[1]),
        "append_s": float(np.median(appends)),
        "tick_s": float(np.median(ticks)),
        "tick_s_max": max(ticks),
        "us_per_entity_round": rate * 1e6,
        "day_s_all": rate * _STATIONS * 24,
        **memory.since(),
    }


def _modems(context: Context, folder: Path, share: float) -> Row:
    n_fnodes = max(round(share * _FNODES), 1)
    plant = replace(CablePlantConfig.realistic(), n_fnodes=n_fnodes, days=_FIT_DAYS)
    told = write_plant(plant, folder / "plant", seed=context.seed)
    telemetry = folder / "telemetry" / "plant"
    telemetry.parent.mkdir()
    (folder / "plant" / "telemetry").rename(telemetry)
    for name in ("tickets.csv", "topology.csv"):
        (folder / "plant" / name).rename(folder / name)
    since_s = plant.end_s - _DAY_S
    tickets = read_tickets(read_table(folder / "tickets.csv", as_text=True))
    model = TelApart().fit(
        TelemetryFolder(telemetry), tickets, window=TimeWindow(plant.start_s, since_s)
    )
    save_diagnoser(model, folder / "model", {"made": "benchmark"})
    ops = Operations.open(folder / "operations.sqlite")
    ops.feeds.add("plant", "polls", 4 * _HOUR_S)
    added = ops.models.add("plant", "telapart", "model", by="benchmark")
    ops.models.promote(added.id, by="benchmark", why="the first")
    config = FeedConfig(
        "plant", kind="polls", since_s=since_s, tickets="tickets.csv", topology="topology.csv"
    )
    loop = Loop(ops, folder, [config])
    memory, start = PeakMemory(), time.perf_counter()
    loop.tick("plant", plant.end_s)
    seconds = time.perf_counter() - start
    row: Row = {
        "feed": "modems",
        "share": share,
        "entities": told["modems"],
        "rounds": 1,
        "alarms": len(ops.alarms.find()),
        "incidents": len(ops.incidents.find()),
        "append_s": None,
        "tick_s": seconds,
        "tick_s_max": seconds,
        "us_per_entity_round": seconds / told["modems"] * 1e6,
        "day_s_all": seconds / n_fnodes * _FNODES,
        **memory.since(),
    }
    ops.close()
    return row
