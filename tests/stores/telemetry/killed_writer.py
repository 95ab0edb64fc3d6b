"""Writes to a store until somebody kills it; one child process for each line on standard input.

The children are forked from a process that has imported everything and done nothing, so that
starting one costs no more than what it is to be killed in.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from faultsight.collectors import FileLedger
from faultsight.collectors.folder import FolderCollector, FolderConfig
from faultsight.core.seed import random_stream
from faultsight.stores.telemetry import KpiStore

DAY_S = 86_400
START_S = 1_767_571_200
INTERVAL_S = 3600
N_ENTITIES = 12


def sent(number: int) -> pl.DataFrame:
    """Return the rows of an append: some are new, some tell again what was told before."""
    stream = random_stream(number, "killed writer")
    n_rows = 60
    hour = number // 2 + stream.integers(-6, 3, n_rows)
    return pl.DataFrame(
        {
            "timestamp": START_S + DAY_S + hour * INTERVAL_S,
            "entity": [f"cell-{i}" for i in stream.integers(0, N_ENTITIES, n_rows)],
            "drops": stream.integers(0, 9, n_rows).astype(float),
            "traffic_gb": np.where(stream.random(n_rows) < 0.3, np.nan, stream.random(n_rows)),
        }
    )


def append(store: KpiStore, first: int) -> None:
    """Append one table after the other."""
    for number in range(first, first + 200):
        store.append(sent(number), key=str(number), received_at_s=START_S + 400 * DAY_S)


def append_parts(store: KpiStore, first: int) -> None:
    """Append two tables at a time, under the key of the second."""
    for number in range(first, first + 200, 2):
        parts = (sent(number), sent(number + 1))
        store.append_parts(parts, key=str(number + 1), received_at_s=START_S + 400 * DAY_S)


def compact(store: KpiStore, first: int) -> None:
    """Append, and merge what is there at once."""
    for number in range(first, first + 200):
        store.append(sent(number), key=str(number), received_at_s=START_S + 400 * DAY_S)
        store.compact(before_s=START_S + 400 * DAY_S, grace_s=0.0)


def retain(store: KpiStore, first: int) -> None:
    """Give up an hour more each time."""
    for number in range(first, first + 200):
        store.retain(0, START_S + DAY_S + number * INTERVAL_S)


def ingest(store: KpiStore, first: int) -> None:
    """Take in the files of a folder, and note each; look again and again."""
    ledger = FileLedger(store.path.parent / "ledger")
    config = FolderConfig(settle_s=0.0)
    while True:
        FolderCollector(store.path.parent / "in", ledger, config).collect(cast(Any, store))


def main() -> None:
    """Fork a child for each line, tell its process id, and wait until it is gone."""
    jobs = {
        "append": append,
        "append_parts": append_parts,
        "compact": compact,
        "retain": retain,
        "ingest": ingest,
    }
    for line in sys.stdin:
        told: dict[str, Any] = json.loads(line)
        child = os.fork()
        if child == 0:
            jobs[told["job"]](KpiStore(Path(told["path"])), told["first"])
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
