"""A plant is the same however it is made, and comes back from disk as it was."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from faultsight.core.errors import InputError, SettingError
from faultsight.core.plant import Plant
from faultsight.core.polls import COUNTERS, LEVELS, NodePolls
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import read_tickets
from faultsight.sim.cable_plant import (
    CablePlantConfig,
    SimulatedNode,
    simulate_node,
    simulate_plant,
    write_plant,
)

FULL = CablePlantConfig(
    n_fnodes=5, days=4, with_counters=True, with_pre_equalization=True, with_round_ids=True
)


def same_polls(one: NodePolls, other: NodePolls) -> None:
    assert (one.fnode, one.device_ids, one.channels) == (
        other.fnode, other.device_ids, other.channels,
    )  # fmt: skip
    np.testing.assert_array_equal(one.time_s, other.time_s)
    np.testing.assert_array_equal(one.device_start, other.device_start)
    np.testing.assert_array_equal(one.round_id, other.round_id)
    assert set(one.values) == set(other.values)
    for metric, values in one.values.items():
        np.testing.assert_array_equal(values, other.values[metric])
    assert one.pre_equalization is not None
    assert other.pre_equalization is not None
    assert one.pre_equalization.data == other.pre_equalization.data
    np.testing.assert_array_equal(one.pre_equalization.poll, other.pre_equalization.poll)


def same_tables(one: SimulatedNode, other: SimulatedNode) -> bool:
    names = ("tickets", "topology", "faults", "affected", "activity")
    return all(getattr(one, name).equals(getattr(other, name)) for name in names)


def test_a_node_depends_on_its_number_and_the_seed_alone() -> None:
    nodes = list(simulate_plant(FULL, seed=2))
    alone = simulate_node(replace(FULL, n_fnodes=99), 3, seed=2)
    same_polls(nodes[3].polls, alone.polls)
    assert same_tables(nodes[3], alone)
    assert not same_tables(nodes[3], simulate_node(FULL, 3, seed=1))
    # What polls bring in addition changes nothing else.
    plain = simulate_node(CablePlantConfig(days=4), 3, seed=2)
    for metric in LEVELS:
        np.testing.assert_array_equal(plain.polls.values[metric], alone.polls.values[metric])


def test_a_plant_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    lines: list[str] = []
    told = write_plant(FULL, tmp_path / "one", seed=2, progress=lines.append)
    write_plant(FULL, tmp_path / "two", seed=2)
    files = {f.relative_to(tmp_path / "one"): f.read_bytes()
             for f in (tmp_path / "one").rglob("*") if f.is_file()}  # fmt: skip
    again = {f.relative_to(tmp_path / "two"): f.read_bytes()
             for f in (tmp_path / "two").rglob("*") if f.is_file()}  # fmt: skip
    assert files == again
    assert lines[-1] == "5 of 5 fiber nodes written"
    with pytest.raises(InputError, match="telemetry already"):
        write_plant(FULL, tmp_path / "one")

    nodes = {node.fnode: node for node in simulate_plant(FULL, seed=2)}
    folder = TelemetryFolder(tmp_path / "one" / "telemetry")
    buckets = {path.name for path in folder.path.glob("bucket=*")}
    parquet = [path for path in files if path.suffix == ".parquet"]
    assert len(parquet) == len(buckets) * FULL.days
    read = list(folder.nodes(metrics=(*LEVELS, *COUNTERS), with_pre_equalization=True))
    assert {node.fnode for node in read} == set(nodes)
    for polls in read:
        same_polls(polls, nodes[polls.fnode].polls)
    assert told["polls"] == sum(node.n_polls for node in read)

    tickets = read_tickets(pl.read_csv(tmp_path / "one" / "tickets.csv"))
    expected = read_tickets(pl.concat(node.tickets for node in nodes.values()))
    np.testing.assert_array_equal(tickets.opened_s, expected.opened_s)
    np.testing.assert_array_equal(tickets.primary_id, expected.primary_id)
    plant = Plant.from_table(
        pl.read_csv(tmp_path / "one" / "topology.csv", schema_overrides={"device_id": pl.String})
    )
    assert len(plant.places) == told["modems"]
    faults = pl.read_csv(tmp_path / "one" / "truth" / "faults.csv", try_parse_dates=True)
    affected = pl.read_csv(
        tmp_path / "one" / "truth" / "affected.csv", schema_overrides={"device_id": pl.String}
    )
    assert faults.height == told["faults"] > 0
    for fault_id, fnode, kind, element in faults.select(
        "fault_id", "fnode", "element_kind", "element"
    ).iter_rows():  # fmt: skip
        if kind in {"amplifier", "fiber node"}:
            below = plant.downstream(fnode, kind, element)
            assert below == sorted(affected.filter(fault_id=fault_id)["device_id"])


def test_long_rounds_and_odd_sizes(tmp_path: Path) -> None:
    config = CablePlantConfig(n_fnodes=1, days=2, round_s=12_960, interval_s=14_400)
    told = write_plant(config, tmp_path)
    (read,) = TelemetryFolder(tmp_path / "telemetry").nodes()
    assert read.n_polls == told["polls"]
    tiny = CablePlantConfig(modems=(3, 3), n_amplifiers=2, n_channels=1, days=1)
    assert simulate_node(tiny, 0).polls.n_devices == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"days": 0}, {"modems": (10, 300)}, {"round_s": 14_400}, {"loss_share": 1.2},
        {"maintenance_rate": -1.0}, {"drop_db": (9.0, 2.0)}, {"mean_dwell_h": 0.0},
        {"service_mix": {"gremlin": 1.0}}, {"maintenance_mix": {"outage": 0.0}},
        {"most_in_cascade": 1}, {"snr_noise_db": float("nan")},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        CablePlantConfig(**wrong)
