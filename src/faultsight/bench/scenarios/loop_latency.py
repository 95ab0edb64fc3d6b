"""loop/latency: from a minute's samples of 10,000 entities to their alarms in the store."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.loop_fleet import simulated_fleet
from faultsight.bench.peak_memory import PeakMemory, memory_note
from faultsight.core.errors import UnknownMemberError
from faultsight.flow.config import FeedConfig
from faultsight.runners import RUNNERS
from faultsight.sim.base_stations import StationsConfig, simulate_stations

_ENTITIES = 10_000
_INTERVAL_S = 60
_HISTORY_MINUTES = 60
_MINUTES = 15
_WARM_UP = 2


class LoopLatency(Scenario):
    """Sample to alarm at 10,000 entities a minute.

    Each minute the rows of all entities (25 KPIs each) are appended to the telemetry store, then
    the loop runs: it reads them, scores each row with its history of an hour by ridge_var, stores
    the scores, raises, mutes and groups alarms, and commits them with incidents and notices.
    ``append`` and ``tick`` are these two parts, and their sum is the time from a sample, handed
    over, to its alarm in the operations store. Not in it: the collector, the wait for the next
    tick, delivery to the shift. ``alarm`` figures are over alarms, each with the time of its tick;
    ``tick`` and ``total`` figures are over minutes. The first two minutes, in which memory is
    filled, are not counted. ``keeps_up`` says whether every minute was done within a minute.

    Methods are runners. ``cases`` is the number of minutes.
    """

    id: ClassVar[str] = "loop/latency"
    title: ClassVar[str] = "Sample to alarm at 10,000 entities a minute"
    shown: ClassVar[tuple[str, ...]] = (
        "runner", "workers", "entities", "minutes", "alarms", "append_s_median", "tick_s_median",
        "total_s_median", "total_s_p99", "alarm_s_median", "alarm_s_p99", "keeps_up", "memory_mb",
    )  # fmt: skip

    def run(self, context: Context) -> Outcome:
        """Time every runner asked for; serial and processes by default."""
        methods = context.methods or ("serial", "processes")
        for method in methods:
            if method not in RUNNERS.names():
                raise UnknownMemberError("runner", method, RUNNERS.names())
        minutes = _WARM_UP + (context.cases or _MINUTES)
        stations = StationsConfig(
            n_stations=_ENTITIES,
            interval_s=_INTERVAL_S,
            train_s=_HISTORY_MINUTES * _INTERVAL_S,
            test_s=minutes * _INTERVAL_S,
            start_s=1_704_099_600,  # nine in the morning
        )
        context.progress(f"simulating {_ENTITIES} entities for {minutes} minutes")
        fleet = simulate_stations(stations, seed=context.seed)
        config = FeedConfig(
            "cells", interval_s=_INTERVAL_S, since_s=fleet.test[0].start_s, group_by=("region",),
            history_s=30 * _INTERVAL_S, block_s=15 * _INTERVAL_S, horizon_s=60 * _INTERVAL_S,
            raise_rows=2, clear_rows=3, flap_gap_s=600, gap_s=300, longest_s=3600,
        )  # fmt: skip
        rows: list[Row] = []
        for method in methods:
            with (
                tempfile.TemporaryDirectory() as folder,
                RUNNERS.load(method)() as runner,
            ):
                made = simulated_fleet(
                    Path(folder), stations, config, runner, seed=context.seed, fleet=fleet
                )
                memory = PeakMemory()
                appends, ticks, alarms = [], [], []
                for minute, (now_s, table) in enumerate(made.rounds(minutes)):
                    start = time.perf_counter()
                    made.store.append(table, received_at_s=now_s)
                    appended = time.perf_counter()
                    told = made.loop.tick(made.feed, now_s)
                    done = time.perf_counter()
                    if minute >= _WARM_UP:
                        appends.append(appended - start)
                        ticks.append(done - appended)
                        alarms += [done - start] * len(told.new)
                    if sum(appends) + sum(ticks) > context.seconds:
                        break
                made.ops.close()
                row = _row(method, runner.workers, appends, ticks, alarms) | memory.since()
            rows.append(row)
            context.progress(f"{method}: {row['total_s_median']:.2f} s from sample to alarm")
        return Outcome(rows, [memory_note(), "memory of worker processes is not in memory_mb"])


def _row(
    method: str, workers: int, appends: list[float], ticks: list[float], alarms: list[float]
) -> Row:
    totals = [append + tick for append, tick in zip(appends, ticks, strict=True)]

    def figure(values: list[float], share: float) -> float | None:
        return float(np.quantile(values, share)) if values else None

    return {
        "runner": method,
        "workers": workers,
        "entities": _ENTITIES,
        "minutes": len(ticks),
        "alarms": len(alarms),
        "append_s_median": figure(appends, 0.5),
        "tick_s_median": figure(ticks, 0.5),
        "tick_s_p99": figure(ticks, 0.99),
        "total_s_median": figure(totals, 0.5),
        "total_s_p99": figure(totals, 0.99),
        "alarm_s_median": figure(alarms, 0.5),
        "alarm_s_p99": figure(alarms, 0.99),
        "keeps_up": max(totals, default=0.0) < _INTERVAL_S,
    }
