import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from faultsight import __version__, cli

HEAVY = ("torch", "sklearn", "pandas", "scipy", "numba", "polars", "numpy", "statsmodels")


def python(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, **env},
    )  # fmt: skip


@pytest.mark.parametrize("code", ["import faultsight", "import faultsight.cli"])
def test_the_command_line_is_light(code: str) -> None:
    result = python("-c", f"{code}; import sys; print([m for m in {HEAVY} if m in sys.modules])")
    assert result.stdout.strip() == "[]"


def test_python_m_faultsight() -> None:
    result = python("-m", "faultsight", "--version")
    assert (result.returncode, result.stdout) == (0, f"faultsight {__version__}\n")


def test_help_names_every_command_and_exit_code() -> None:
    result = python("-m", "faultsight", "--help", COLUMNS="200")
    assert result.returncode == 0
    for command in ("demo", "detect", "localize", "simulate", "data", "bench", "doctor"):
        assert command in result.stdout
    for code in cli.EXIT_CODES:
        assert re.search(rf"\b{code} \w", result.stdout)


@pytest.mark.parametrize("columns", ["80", "120"])
def test_detect_tells_its_commands_in_the_order_of_work(columns: str) -> None:
    result = python("-m", "faultsight", "detect", "--help", COLUMNS=columns)
    assert result.returncode == 0
    told = re.findall(r"^│ ([a-z]+) ", result.stdout, re.M)
    assert told == ["fit", "score", "marks", "tune", "evaluate", "versions", "revert"]
    assert max(map(len, result.stdout.splitlines())) <= int(columns)


@pytest.mark.parametrize("command", ["detect", "detect fit", "detect score --since", "data"])
def test_what_is_used_wrongly_is_a_usage_error(run: Any, command: str) -> None:
    assert run(*command.split()).code == 2


def test_shells_can_complete() -> None:
    told = python(
        "-c", "import sys; sys.argv = ['faultsight']; from faultsight.cli import main; main()",
        _FAULTSIGHT_COMPLETE="complete_bash",
        COMP_WORDS="faultsight lo", COMP_CWORD="1",
    )  # fmt: skip
    assert told.stdout.split() == ["localize"]


def test_a_defect_has_its_own_exit_code() -> None:
    code = (
        "import sys, faultsight.cli as cli, faultsight.localize.data as d\n"
        "d.open_dataset = lambda *a, **k: 1 / 0\n"
        "sys.argv = ['faultsight', 'data', 'path', 'shipped']\n"
        "cli.main()"
    )
    result = python("-c", code)
    assert result.returncode == 70
    assert "this is a defect of FaultSight" in result.stderr


def test_a_dataset_that_is_not_here(run: Any, tmp_path: Path) -> None:
    outcome = run("data", "path", "squeeze_B0", "--data", tmp_path)
    assert outcome.code == 4
    assert str(tmp_path) in outcome.err


def test_doctor_knows_what_is_installed(run: Any) -> None:
    document = json.loads(run("doctor", "--json").out)
    assert document["faultsight"] == __version__
    assert all(document["packages"].values())
    assert document["datasets"]["shipped"] is True
    assert document["datasets"]["sim_stations"] is True
    assert set(document["extras"]) == {"detect", "forecast", "snmp"}
    assert all(all(document["extras"][extra].values()) for extra in ("detect", "snmp"))


def test_doctor_tells_the_sets_of_each_pillar(run: Any, monkeypatch: Any, tmp_path: Path) -> None:
    (tmp_path / "detect" / "ASD").mkdir(parents=True)
    monkeypatch.setenv("FAULTSIGHT_DATA", str(tmp_path))
    lines = run("doctor").out.splitlines()
    (detect,) = (line for line in lines if line.startswith("detect sets"))
    assert detect.split(maxsplit=2)[2] == "ASD, sim_stations"
    (localize,) = (line for line in lines if line.startswith("localize sets"))
    assert "shipped" in localize
    assert "ASD" not in localize


def test_datasets_of_every_pillar_are_listed_and_found(run: Any, tmp_path: Path) -> None:
    (tmp_path / "detect" / "ASD").mkdir(parents=True)
    place = ("--data", tmp_path)
    rows = {row["name"]: row for row in json.loads(run("data", "list", *place, "--json").out)}
    assert {row["pillar"] for row in rows.values()} == {"detect", "localize"}
    assert [rows[n]["pillar"] for n in ("ASD", "squeeze_B0")] == ["detect", "localize"]
    assert [rows[n]["present"] for n in ("ASD", "SMD", "sim_stations")] == [True, False, True]
    table = run("data", "list", *place).out
    assert re.search(r"ASD +detect +yes +Application servers", table)
    assert re.search(r"SMD +detect +no +Server machines", table)

    assert run("data", "path", "asd", *place).out.strip() == str(tmp_path / "detect" / "ASD")
    assert "simulated" in run("data", "path", "sim_stations", *place).out
    absent = run("data", "path", "SMD", *place)
    assert (absent.code, "OmniAnomaly" in run("data", "fetch", "smd", *place).out) == (4, True)
    assert str(tmp_path / "detect" / "SMD") in absent.err
    told = json.loads(run("data", "fetch", "ASD", *place, "--json").out)
    assert (told["pillar"], told["present"], told["licence"]) == ("detect", True, "MIT")
    unknown = run("data", "fetch", "nothing", *place)
    assert unknown.code == 2
    assert "asd" in unknown.err
    assert "squeeze_b0" in unknown.err


@pytest.mark.parametrize(("recipe", "leaves"), [("cdn", 10_560), ("squeeze", 21_600)])
def test_simulated_cases_can_be_localized(
    run: Any, tmp_path: Path, recipe: str, leaves: int
) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        assert run("simulate", recipe, "--out", folder, "--cases", 2, "--seed", 5).code == 0
    names = sorted(path.name for path in first.iterdir())
    assert names == ["000000.csv", "000001.csv", "injection_info.csv"]
    assert all((first / n).read_bytes() == (second / n).read_bytes() for n in names)
    outcome = run("localize", first, "--method", "rapminer", "--json")
    assert [c["leaves"] for c in json.loads(outcome.out)["cases"]] == [leaves, leaves]


@pytest.mark.parametrize(
    ("words", "takers"),
    [
        ("cdn --noise 0.1", "squeeze"),
        ("cdn --noise 0", "squeeze"),
        ("riskloc --days 7", "stations, cable"),
        ("squeeze --stations 200", "stations"),
        ("cable --interval-s 900", "stations"),
        ("stations --cases 10", "cdn, squeeze, riskloc"),
        ("stations --noise 0.1", "squeeze"),
    ],
)
def test_an_option_that_the_recipe_would_pass_over_is_refused(
    run: Any, tmp_path: Path, words: str, takers: str
) -> None:
    recipe, option, value = words.split()
    outcome = run("simulate", recipe, "--out", tmp_path, option, value)
    assert outcome.code == 2
    assert outcome.err == f"faultsight: {option} is for {takers}; {recipe} takes none\n"
    assert not list(tmp_path.iterdir())


def test_simulated_stations_are_two_tables_and_the_truth(run: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    size = ("--stations", 12, "--days", 2, "--seed", 5)
    outcome = run("simulate", "stations", "--out", first, *size)
    told = json.loads(run("simulate", "stations", "--out", second, *size, "--json").out)
    names = ["test.parquet", "train.parquet", "truth/faults.csv", "truth/sites.csv"]
    files = (path for path in first.rglob("*") if path.is_file())
    assert sorted(path.relative_to(first).as_posix() for path in files) == names
    assert all((first / n).read_bytes() == (second / n).read_bytes() for n in names)

    train, test = (pl.read_parquet(first / f"{part}.parquet") for part in ("train", "test"))
    assert train.columns == test.columns
    assert train.columns[:2] == ["timestamp", "entity"]
    assert (train.height, train.width) == (12 * 48, 2 + 25 + 1)
    begins = "2024-01-03T00:00"
    assert told["test_since"] == begins
    assert test["timestamp"].dt.strftime("%Y-%m-%dT%H:%M").min() == begins
    faults = pl.read_csv(first / "truth" / "faults.csv")
    assert told["faults"] == faults["is_anomaly"].sum() > 0
    assert f"from {begins} UTC on test.parquet with labels" in outcome.out
    assert f"\n{told['faults']} faults and " in outcome.out
    assert f"next: faultsight detect fit {first / 'train.parquet'} --model MODEL\n" in outcome.out


def test_stations_have_the_step_that_is_asked_for(run: Any, tmp_path: Path) -> None:
    size = ("--stations", 2, "--days", 1, "--interval-s", 900)
    told = json.loads(run("simulate", "stations", "--out", tmp_path, *size, "--json").out)
    assert (told["interval_s"], told["test_since"]) == (900, "2024-01-02T00:00")
    for part in ("train", "test"):
        table = pl.read_parquet(tmp_path / f"{part}.parquet")
        assert table.height == 2 * 96
        steps = table.group_by("entity").agg(pl.col("timestamp").diff().drop_nulls().unique())
        assert steps["timestamp"].explode().dt.total_seconds().to_list() == [900, 900]
    usual = run("simulate", "stations", "--out", tmp_path / "usual", "--stations", 1, "--json")
    assert json.loads(usual.out)["interval_s"] == 3600


def test_a_step_beside_the_hour_is_refused(run: Any, tmp_path: Path) -> None:
    outcome = run("simulate", "stations", "--out", tmp_path / "none", "--interval-s", 7)
    assert outcome.code == 2
    assert "interval_s must divide an hour" in outcome.err
    assert not (tmp_path / "none").exists()


def test_a_fleet_in_which_nothing_happens_is_written_too(run: Any, tmp_path: Path) -> None:
    quiet = 0
    for seed in range(8):
        size = ("--stations", 1, "--days", 1, "--seed", seed)
        told = json.loads(run("simulate", "stations", "--out", tmp_path, *size, "--json").out)
        quiet += not told["faults"]
    assert quiet
