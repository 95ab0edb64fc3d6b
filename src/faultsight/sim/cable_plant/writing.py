"""A plant on disk: telemetry, tickets, topology, and in a folder of its own the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl

from faultsight.core.errors import InputError
from faultsight.core.files import write_atomic
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls
from faultsight.core.telemetry import TelemetryFolder, bucket_of
from faultsight.sim.cable_plant.config import CablePlantConfig
from faultsight.sim.cable_plant.node import SimulatedNode, simulate_node

__all__ = ["write_plant"]

_DAY_S = 86_400
_LEAST_BUCKETS, _NODES_OF_A_BUCKET = 16, 16
_ROWS_AT_ONCE = 2_000_000
_TABLES = ("tickets", "topology", "truth/faults", "truth/affected", "truth/activity")
_TRUTH = """\
What really happened in this simulated plant: faults, whom they affect, and when they act.
Nothing here may be given to what is to be tested.
plant.json holds every setting and the seed; the same ones give the same bytes.
"""


def write_plant(
    config: CablePlantConfig,
    out: Path | str,
    *,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> dict[str, int]:
    """Write a plant, one bucket of fiber nodes at a time.

    ``telemetry`` is a `faultsight.core.telemetry.TelemetryFolder` with one file for each bucket and
    day; ``tickets.csv`` and ``topology.csv`` are for ``read_tickets`` and ``Plant.from_table``;
    ``truth`` holds what really happened.

    Parameters
    ----------
    config : CablePlantConfig
        The plant.
    out : path
        A folder without telemetry.
    seed : int
        Same config and seed, same bytes.
    progress : callable, optional
        Told in a short line what is done.

    Returns
    -------
    dict of str to int
        How many fiber nodes, modems, polls, tickets and faults there are.

    Raises
    ------
    InputError
        If the folder holds telemetry already.

    Examples
    --------
    >>> import tempfile
    >>> told = write_plant(CablePlantConfig(n_fnodes=2, days=1), tempfile.mkdtemp())
    >>> list(told), told["fnodes"]
    (['fnodes', 'modems', 'polls', 'tickets', 'faults'], 2)
    """
    out = Path(out)
    if TelemetryFolder.is_telemetry(out / "telemetry"):
        raise InputError("there is telemetry already; name another folder", source=str(out))
    n_buckets = max(_LEAST_BUCKETS, -(-config.n_fnodes // _NODES_OF_A_BUCKET))
    telemetry = TelemetryFolder.create(out / "telemetry", n_buckets=n_buckets)
    tables: dict[str, dict[str, pl.DataFrame]] = {name: {} for name in _TABLES}
    told = dict.fromkeys(("fnodes", "modems", "polls", "tickets", "faults"), 0)
    for indices in _by_bucket(config.n_fnodes, n_buckets):
        polls = []
        for index in indices:
            node = simulate_node(config, index, seed=seed)
            polls.append(node.polls)
            for name, table in zip(_TABLES, _tables(node), strict=True):
                tables[name][node.fnode] = table
            told["fnodes"] += 1
            told["modems"] += node.polls.n_devices
            told["polls"] += node.polls.n_polls
        for table in _days(config, polls):
            telemetry.append(table)
        if progress is not None:
            progress(f"{told['fnodes']} of {config.n_fnodes} fiber nodes written")
    for name, of_node in tables.items():
        table = pl.concat(of_node[fnode] for fnode in sorted(of_node))
        if name in {"tickets", "truth/faults"}:
            told[name.rpartition("/")[2]] = table.height
        text = table.write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ")
        write_atomic(out / f"{name}.csv", text)
    write_atomic(out / "truth" / "README", _TRUTH)
    plant = {"seed": seed, "config": asdict(config), **told}
    write_atomic(out / "truth" / "plant.json", json.dumps(plant, indent=1) + "\n")
    return told


def _by_bucket(n_fnodes: int, n_buckets: int) -> Iterator[list[int]]:
    """Yield the fiber nodes of each bucket, so that a bucket's day is written in one go."""
    buckets: dict[int, list[int]] = {}
    for index in range(n_fnodes):
        buckets.setdefault(bucket_of(f"FN{index:03d}", n_buckets), []).append(index)
    for bucket in sorted(buckets):
        yield buckets[bucket]


def _tables(node: SimulatedNode) -> tuple[pl.DataFrame, ...]:
    return node.tickets, node.topology, node.faults, node.affected, node.activity


def _days(config: CablePlantConfig, polls: list[NodePolls]) -> Iterator[pl.DataFrame]:
    """Yield the rows of some fiber nodes, whole days at a time and never too many at once."""
    n_rows = sum(node.n_polls * len(node.channels) for node in polls)
    n_days = max(int(config.days * _ROWS_AT_ONCE / max(n_rows, 1)), 1)
    step_s = n_days * _DAY_S
    last_s = max((float(node.time_s.max()) for node in polls if node.n_polls), default=0.0)
    end_s = max(
        config.end_s, int(np.floor(last_s)) + 1
    )  # the last round may end after the last day
    for start_s in range(config.start_s, end_s, step_s):
        window = TimeWindow(start_s, start_s + step_s)
        parts = [node.in_window(window) for node in polls]
        tables = [part.to_table() for part in parts if part.n_polls]
        if tables:
            yield pl.concat(tables)
