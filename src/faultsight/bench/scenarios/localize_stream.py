"""localize/stream: how far ahead of real time a stream of leaf tables is localized."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import ClassVar

import numpy as np

from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import MissingDataError, SettingError
from faultsight.localize import LOCALIZERS
from faultsight.localize.data import DATASETS, StreamDataset, open_dataset
from faultsight.localize.stream import StreamLocalizer

_DEFAULT_METHODS = ("rapminer", "scan")
_FIRST_PATTERNS = 3


class LocalizeStream(Scenario):
    """Five-minute cubes, forecasts from the past, an alarm on the total, the place of each alarm.

    ``cases`` counts ticks. Reading or simulating a tick is not timed. Where faults are known, a
    fault is ``found`` if its place was among the first three patterns of some tick while it
    lasted; ``alarms_without_fault`` counts ticks that alarm while no fault is active.
    """

    id: ClassVar[str] = "localize/stream"
    title: ClassVar[str] = "Streams of leaf tables: alarm on the total, place of each alarm"

    def run(self, context: Context) -> Outcome:
        """Run the methods asked for (scan and rapminer by default) on every stream present."""
        notes: list[str] = []
        rows = []
        methods = context.methods or _DEFAULT_METHODS
        for dataset in _streams(context, notes):
            for method in methods:
                row = _run(dataset, method, context)
                context.progress(
                    f"{dataset.name} {method}: {row['ticks_per_second']:.0f} ticks per second, "
                    f"{row['alarmed_ticks']} of {row['ticks']} alarmed"
                )
                rows.append(row)
        return Outcome(rows, notes)


def _streams(context: Context, notes: list[str]) -> Iterator[StreamDataset]:
    found = False
    for name in context.datasets or DATASETS.names():
        dataset = open_dataset(name, context.data_dir, seed=context.seed)
        if not isinstance(dataset, StreamDataset):
            if context.datasets:
                raise SettingError(f"{dataset.name} is not a stream")
            continue
        if dataset.is_present:
            found = True
            yield dataset
        elif context.datasets:
            raise dataset.missing()
        else:
            notes.append(f"left out: {dataset.missing()}")
            context.progress(notes[-1])
    if not found:
        raise MissingDataError("none of the streams is on this machine")


def _run(dataset: StreamDataset, method: str, context: Context) -> Row:
    localizer = LOCALIZERS.load(method)()
    stream = StreamLocalizer(measures=dataset.measures, kpis=dataset.kpis, localizer=localizer)
    leaves: list[int] = []
    quiet: list[float] = []
    alarmed: list[float] = []
    patterns, spent, without_fault = 0, 0.0, 0
    told: set[tuple[AttributeCombination, int]] = set()
    found: set[tuple[AttributeCombination, int]] = set()
    spell = 0
    before: frozenset[AttributeCombination] = frozenset()
    for tick in islice(dataset.ticks(), context.cases):
        start = time.perf_counter()
        report = stream.update(tick.time, tick.table)
        seconds = time.perf_counter() - start
        spent += seconds
        leaves.append(tick.table.height)
        (alarmed if report.alarms else quiet).append(seconds)
        patterns += len(report.opened)
        spell += tick.truth != before
        before = tick.truth
        named = report.localization.combinations[:_FIRST_PATTERNS] if report.localization else ()
        told |= {(root, spell) for root in tick.truth}
        found |= {(root, spell) for root in tick.truth if root in named}
        without_fault += bool(report.alarms) and not tick.truth
        if spent > context.seconds:
            break
    ticks = len(leaves)
    row: Row = {
        "method": method,
        "dataset": dataset.name,
        "ticks": ticks,
        "leaves_median": float(np.median(leaves)) if leaves else 0.0,
        "ticks_per_second": ticks / spent if spent else 0.0,
        "times_real_time": ticks * dataset.interval_s / spent if spent else 0.0,
        "alarmed_ticks": len(alarmed),
        "patterns_opened": patterns,
        "quiet_tick_seconds_median": float(np.median(quiet)) if quiet else None,
        "alarmed_tick_seconds_median": float(np.median(alarmed)) if alarmed else None,
        "alarmed_tick_seconds_max": max(alarmed, default=None),
    }
    if told:
        row |= {
            "faults": len(told),
            "faults_found": len(found),
            "alarms_without_fault": without_fault,
        }
    return row
