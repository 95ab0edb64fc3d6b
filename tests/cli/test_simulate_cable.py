import json
from pathlib import Path
from typing import Any

import polars as pl

from faultsight.core.telemetry import TelemetryFolder


def test_a_cable_plant_is_written_and_the_next_command_told(run: Any, tmp_path: Path) -> None:
    out, told = tmp_path / "plant", tmp_path / "told.json"
    outcome = run("simulate", "cable", "--out", out, "--fnodes", 2, "--days", 2, "--counters",
                  "--round-ids", "--pre-equalization", "--json", told)  # fmt: skip
    assert outcome.code == 0
    last = outcome.out.strip().splitlines()[-1]
    assert last == (
        f"next: faultsight diagnose {out / 'telemetry'} --tickets {out / 'tickets.csv'} "
        f"--topology {out / 'topology.csv'} --model MODEL"
    )
    document = json.loads(told.read_text())
    assert (document["recipe"], document["rate"], document["days"]) == ("cable", "stress", 2)
    nodes = list(TelemetryFolder(out / "telemetry").nodes(
        metrics=("t3_timeouts",), with_pre_equalization=True
    ))  # fmt: skip
    assert [len(nodes), sum(node.n_polls for node in nodes)] == [2, document["polls"]]
    assert all(node.round_id is not None and node.pre_equalization is not None for node in nodes)
    assert all("t3_timeouts" in node.values for node in nodes)
    assert json.loads((out / "truth" / "plant.json").read_text())["seed"] == 0
    again = run("simulate", "cable", "--out", out, "--fnodes", 2, "--days", 2)
    assert again.code == 3
    assert "telemetry already" in again.err


def test_a_quiet_plant_has_no_faults(run: Any, tmp_path: Path) -> None:
    outcome = run("simulate", "cable", "--out", tmp_path, "--fnodes", 1, "--days", 1,
                  "--rate", "quiet")  # fmt: skip
    assert outcome.code == 0
    assert pl.read_csv(tmp_path / "truth" / "faults.csv").height == 0


def test_options_of_a_cable_plant_are_for_it_alone(run: Any, tmp_path: Path) -> None:
    for option in (("--fnodes", 2), ("--rate", "quiet"), ("--round-ids",), ("--counters",)):
        outcome = run("simulate", "stations", "--out", tmp_path, *option)
        assert outcome.code == 2
        assert f"{option[0]} is for cable" in outcome.err
    assert run("simulate", "cable", "--out", tmp_path, "--cases", 2).code == 2
