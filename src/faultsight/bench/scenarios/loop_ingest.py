"""loop/ingest: rows per second into the store, beside plain Parquet and plain SQLite."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl

from faultsight.bench.asked_for import asked_for
from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.peak_memory import PeakMemory, memory_note
from faultsight.core.seed import random_stream
from faultsight.sim.base_stations import KPIS
from faultsight.stores.telemetry import KpiStore

__all__ = ["LoopIngest"]

_START_S, _HOUR_S = 1_704_067_200, 3600
_ENTITIES, _HOURS = 10_000, 100
_REPEATS = 3
_NOTES = (
    "the same rows for all: an entity's name, a stamp and 25 KPIs as float64, hour by hour, the "
    "entities of an hour in order of their names",
    "faultsight checks every row, sorts by entity, spreads entities over 16 buckets, keeps KPIs as "
    "float32, syncs every file and folder, and commits each append as a whole; polars writes one "
    "file for each append, with its default compression, and syncs nothing; sqlite3 inserts rows "
    "that are made Python tuples on the way, a transaction for each append, into a table without "
    "an index, with default settings, which sync each commit",
    f"seconds are the median of {_REPEATS} runs; memory is that of the first",
)


class LoopIngest(Scenario):
    """Rows per second into the store beside plain polars and plain sqlite3, on the same rows.

    ``bulk`` is one append of 1,000,000 rows of 25 KPIs (10,000 entities, 100 hours), ``ticks`` the
    same rows in 100 appends of an hour each. ``cases`` takes only the first so many hours.
    """

    id: ClassVar[str] = "loop/ingest"
    title: ClassVar[str] = "Rows per second into the store"
    shown: ClassVar[tuple[str, ...]] = (
        "method", "dataset", "rows", "seconds", "rows_per_second", "times_plain_parquet",
        "disk_mb", "added_mb",
    )  # fmt: skip

    def run(self, context: Context) -> Outcome:
        """Time every way to write both datasets."""
        methods = asked_for("way to write", context.methods, _METHODS)
        hours = min(context.cases or _HOURS, _HOURS)
        table = _telemetry(hours, context.seed)
        datasets = {"bulk": [table], "ticks": list(table.iter_slices(_ENTITIES))}
        rows: list[Row] = []
        for dataset, sent in asked_for("dataset", context.datasets, datasets).items():
            for method, write in methods.items():
                context.progress(f"{method} {dataset}")
                rows.append(_measured(method, write, dataset, sent))
        plain = {row["dataset"]: row["seconds"] for row in rows if row["method"] == "polars"}
        for row in rows:
            seconds = plain.get(row["dataset"])
            row["times_plain_parquet"] = (
                None if seconds is None else float(row["seconds"] or 0) / float(seconds)
            )
        return Outcome(rows, notes=[*_NOTES, memory_note()])


def _telemetry(hours: int, seed: int) -> pl.DataFrame:
    """Return rows hour by hour; values have two decimals, as counters' exports do."""
    stream = random_stream(seed, "ingest")
    n_rows = hours * _ENTITIES
    names = pl.Series([f"cell-{number:05d}" for number in range(_ENTITIES)])
    return pl.DataFrame(
        {
            "entity": pl.concat([names] * hours),
            "timestamp": np.repeat(_START_S + _HOUR_S * np.arange(hours), _ENTITIES),
            **{kpi: stream.gamma(2.0, 50.0, n_rows).round(2) for kpi in KPIS},
        }
    )


def _measured(
    method: str,
    write: Callable[[Path, Sequence[pl.DataFrame]], None],
    dataset: str,
    sent: Sequence[pl.DataFrame],
) -> Row:
    seconds: list[float] = []
    memory: Row = {}
    disk_mb = 0.0
    for _ in range(_REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            peak = PeakMemory()
            start = time.perf_counter()
            write(Path(folder), sent)
            seconds.append(time.perf_counter() - start)
            memory = memory or peak.since()
            disk_mb = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file()) / 1e6
    n_rows = sum(table.height for table in sent)
    median = float(np.median(seconds))
    return {
        "method": method,
        "dataset": dataset,
        "rows": n_rows,
        "kpis": len(KPIS),
        "appends": len(sent),
        "seconds": median,
        "rows_per_second": n_rows / median,
        "times_plain_parquet": None,
        "disk_mb": disk_mb,
        **memory,
    }


def _faultsight(folder: Path, sent: Sequence[pl.DataFrame]) -> None:
    store = KpiStore.create(folder / "cells", name="cells", interval_s=_HOUR_S)
    for table in sent:
        store.append(table, received_at_s=_START_S + _HOURS * _HOUR_S)


def _polars(folder: Path, sent: Sequence[pl.DataFrame]) -> None:
    for number, table in enumerate(sent):
        table.write_parquet(folder / f"{number}.parquet")


def _sqlite3(folder: Path, sent: Sequence[pl.DataFrame]) -> None:
    database = sqlite3.connect(os.fspath(folder / "telemetry.sqlite"))
    try:
        columns = ", ".join(f"{kpi} REAL" for kpi in KPIS)
        database.execute(f"CREATE TABLE telemetry (entity TEXT, timestamp INTEGER, {columns})")
        places = ", ".join("?" * (len(KPIS) + 2))
        for table in sent:
            with database:
                database.executemany(
                    f"INSERT INTO telemetry VALUES ({places})",  # noqa: S608
                    table.iter_rows(),
                )
    finally:
        database.close()


_METHODS = {"faultsight": _faultsight, "polars": _polars, "sqlite3": _sqlite3}
