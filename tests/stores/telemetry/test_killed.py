"""kill -9 at any moment: every append and every merge is there whole, or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from faultsight.core.seed import random_stream
from faultsight.stores.telemetry import KpiStore

_SCRIPT = Path(__file__).with_name("killed_writer.py")


def _load() -> ModuleType:
    spec = spec_from_file_location("killed_writer", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


writer: Any = _load()


class Killer:
    """Starts jobs, and kills each after a while."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(_SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, job: str, path: Path, first: int, after_s: float) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"job": job, "path": str(path), "first": first}) + "\n")
        self.process.stdin.flush()
        child = int(self.process.stdout.readline())
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
        status = int(self.process.stdout.readline())
        assert os.WIFSIGNALED(status), f"the job ended by itself: {status}"

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    killer = Killer()
    yield killer
    killer.close()


@pytest.fixture
def store(tmp_path: Path) -> KpiStore:
    return KpiStore.create(
        tmp_path / "cells", name="cells", interval_s=writer.INTERVAL_S, n_buckets=3
    )


class Expected:
    """What the store must hold after each number of appends, told by simple means."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, int], dict[str, float]] = {}
        self.tables = [self._table()]

    def after(self, n_appends: int) -> pl.DataFrame:
        while len(self.tables) <= n_appends:
            self._append(writer.sent(len(self.tables) - 1))
            self.tables.append(self._table())
        return self.tables[n_appends]

    def _append(self, table: pl.DataFrame) -> None:
        told: dict[tuple[str, int], dict[str, float]] = {}
        for row in table.iter_rows(named=True):
            cells = told.setdefault((row["entity"], row["timestamp"]), {})
            for kpi in ("drops", "traffic_gb"):
                if row[kpi] == row[kpi]:
                    cells[kpi] = max(row[kpi], cells.get(kpi, row[kpi]))
        for owner, cells in told.items():
            self.cells.setdefault(owner, {}).update(cells)

    def _table(self) -> pl.DataFrame:
        rows = [(time_s * 1000, entity, cells.get("drops"), cells.get("traffic_gb"))
                for (entity, time_s), cells in self.cells.items()]  # fmt: skip
        return pl.DataFrame(
            rows,
            schema={"timestamp": pl.Datetime("ms", "UTC"), "entity": pl.String,
                    "drops": pl.Float32, "traffic_gb": pl.Float32},
            orient="row",
        ).sort("timestamp", "entity")  # fmt: skip


@pytest.mark.parametrize(
    ("job", "n_rounds"), [("append", 15), ("append_parts", 15), ("compact", 30)]
)
def test_appends_and_merges_are_whole_or_not_at_all(
    killer: Killer, store: KpiStore, job: str, n_rounds: int
) -> None:
    stream = random_stream(1000, "kill", job)
    expected = Expected()
    n_appended = 0
    for _ in range(n_rounds):
        killer.run(job, store.path, n_appended, float(stream.uniform(0.02, 0.5)))
        told = KpiStore(store.path)
        found = told.table().sort("timestamp", "entity")
        # The key of the last append that was finished; that of a later one would be a lie.
        recent = json.loads((store.path / "feed.json").read_text())["recent"]
        n_appended = int(recent[-1]["key"]) + 1 if recent else 0
        assert_frame_equal(
            found.select(expected.after(n_appended).columns) if n_appended else found.clear(),
            expected.after(n_appended) if n_appended else found,
        )
    assert n_appended >= 10
    # What is left over is looked at by nobody, and the next append clears it away.
    store.append(writer.sent(n_appended), received_at_s=2e9)
    assert not (store.path / ".writing").exists()
    assert_frame_equal(store.table().sort("timestamp", "entity"), expected.after(n_appended + 1))


def test_rows_are_given_up_whole_hours_at_a_time(killer: Killer, store: KpiStore) -> None:
    stream = random_stream(1000, "kill", "retain")
    store.append(pl.concat([writer.sent(number) for number in range(1500)]), received_at_s=2e9)
    everything = store.table()
    first = n_partly = 0
    for _ in range(15):
        killer.run("retain", store.path, first, float(stream.uniform(0.05, 0.4)))
        feed = json.loads((store.path / "feed.json").read_text())
        from_s = feed["kept_from_s"] or 0
        kept = everything.filter(pl.col("timestamp").dt.epoch("s") >= from_s)
        assert_frame_equal(KpiStore(store.path).table(), kept)
        first = max((from_s - writer.START_S - writer.DAY_S) // writer.INTERVAL_S, 0)
        n_partly += 0 < kept.height < everything.height
    assert n_partly >= 1
    days = {path.name[:10] for path in store.path.glob("bucket=*/*.parquet")}
    assert len(days) < everything["timestamp"].dt.date().n_unique()


def test_each_file_of_a_folder_comes_in_once(killer: Killer, store: KpiStore) -> None:
    stream = random_stream(1000, "kill", "ingest")
    inbox, ledger = store.path.parent / "in", store.path.parent / "ledger"
    inbox.mkdir()
    expected = Expected()
    n_files = 40
    for number in range(n_files):
        writer.sent(number).write_csv(inbox / f"{number:03d}.csv")
    for _ in range(200):
        killer.run("ingest", store.path, 0, float(stream.uniform(0.05, 0.6)))
        n_noted = len(list(ledger.glob("*.json")))
        n_appended = json.loads((store.path / "feed.json").read_text())["last"] + 1
        # A file that is in and not noted yet is known by its key when it is taken up again.
        assert n_noted <= n_appended <= n_noted + 1
        if n_appended:
            found = KpiStore(store.path).table().sort("timestamp", "entity")
            assert_frame_equal(found.select(expected.after(n_appended).columns),
                               expected.after(n_appended))  # fmt: skip
        if n_noted == n_files:
            break
    told = [json.loads(path.read_text()) for path in ledger.glob("*.json")]
    assert n_appended == len(told) == n_files
    n_rows = [writer.sent(n).with_columns(pl.col("timestamp") // 3600).unique(
              ["entity", "timestamp"]).height for n in range(n_files)]  # fmt: skip
    by_name = {Path(one["path"]).name: one["n_rows"] for one in told}
    assert by_name == {f"{n:03d}.csv": rows for n, rows in enumerate(n_rows)}
