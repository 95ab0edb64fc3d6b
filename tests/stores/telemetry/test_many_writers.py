"""Several processes append, merge and read one feed, or one folder of polls, at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl

from faultsight.core.telemetry import TelemetryFolder
from faultsight.stores.telemetry import KpiStore

NOW = 1_767_571_200
N_WRITERS, N_APPENDS, N_ENTITIES = 4, 6, 20

_WRITER = """
import sys
import polars as pl
from faultsight.stores.telemetry import KpiStore

store, number = KpiStore(sys.argv[1]), int(sys.argv[2])
for append in range(6):
    names = [f"cell-{number}-{i}" for i in range(20)]
    sent = pl.DataFrame({"entity": names, "drops": float(append), f"own_{number}": 1.0})
    store.append(sent.with_columns(timestamp=pl.lit(1_767_571_200 + append * 3600)),
                 received_at_s=2e9)
    if number == 0:
        store.compact(before_s=2e9)
"""


def test_no_append_is_lost(tmp_path: Path) -> None:
    store = KpiStore.create(tmp_path / "cells", name="cells", interval_s=3600, n_buckets=2)
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(store.path), str(number)])
        for number in range(N_WRITERS)
    ]
    seen = [0]
    while any(writer.poll() is None for writer in writers):
        table = store.table()
        # A reader sees whole appends: twenty entities at each moment that there is one.
        assert table.height % N_ENTITIES == 0
        seen.append(table.height)
    assert [writer.returncode for writer in writers] == [0] * N_WRITERS
    assert seen == sorted(seen)
    table = store.table()
    assert table.height == N_WRITERS * N_APPENDS * N_ENTITIES
    assert store.last == N_WRITERS * N_APPENDS - 1
    assert len(store.entities) == N_WRITERS * N_ENTITIES
    assert sorted(store.columns) == ["drops", *(f"own_{number}" for number in range(N_WRITERS))]
    for number in range(N_WRITERS):
        mine = table.filter(pl.col("entity").str.starts_with(f"cell-{number}-"))
        assert mine[f"own_{number}"].sum() == N_APPENDS * N_ENTITIES
        hours = (mine["timestamp"].dt.epoch("s") - NOW) // 3600
        assert (mine["drops"] == hours).all()


_POLLER = """
import sys
import polars as pl
from faultsight.core.telemetry import TelemetryFolder

folder, device = TelemetryFolder(sys.argv[1]), sys.argv[2]
for poll in range(30):
    folder.append(pl.DataFrame({"timestamp": [1_767_571_200.0 + 60 * poll], "device_id": [device],
                                "fnode": ["F1"], "channel": ["1"], "snr_db": [36.0]}))
"""


def test_no_poll_is_lost(tmp_path: Path) -> None:
    """All write files of one bucket and day, each under a number of its own."""
    folder = TelemetryFolder.create(tmp_path / "plant")
    writers = [
        subprocess.Popen([sys.executable, "-c", _POLLER, str(folder.path), f"m{number}"])
        for number in range(N_WRITERS)
    ]
    assert [writer.wait() for writer in writers] == [0] * N_WRITERS
    (node,) = TelemetryFolder(folder.path).nodes()
    assert (node.n_devices, node.n_polls) == (N_WRITERS, 30 * N_WRITERS)
