"""faultsight bench and faultsight data, as a user types them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from faultsight.cli import app


def _run(*args: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, args)
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


def test_bench_lists_its_scenarios() -> None:
    ids = [row["id"] for row in json.loads(_run("bench", "list", "--json"))]
    assert "localize/accuracy" in ids
    assert "localize/accuracy" in _run("bench", "list")


def test_bench_runs_a_scenario_and_compares_results(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    run = ("bench", "run", "localize/accuracy", "--methods", "rapminer,random_guess")
    table = _run(*run, "--datasets", "shipped", "--cases", "2", "--json", str(file))
    assert "shipped" in table
    written = json.loads(file.read_text())
    assert [row["method"] for row in written["rows"]] == ["random_guess", "rapminer"]
    assert written["parameters"]["cases"] == 2
    printed = json.loads(_run(*run, "--datasets", "shipped", "--cases", "2", "--json"))
    assert {"scenario", "parameters", "versions", "machine", "rows"} <= set(printed)
    written["rows"][1]["f1"] += 0.25
    written["summary"][1]["mean_rank"] += 0.125
    written["parameters"]["seed"] = 7
    written["notes"] = ["a [bold]note[/bold]"]
    other = tmp_path / "other.json"
    other.write_text(json.dumps(written))
    compare = ("bench", "compare", str(file), str(other))
    found = json.loads(_run(*compare, "--json"))
    (row,) = found["rows"]
    assert (row["method"], row["figure"]) == ("rapminer", "f1")
    assert row["change"] == pytest.approx(0.25)
    assert found["about"] == [{"part": "parameters", "name": "seed", "before": "0", "after": "7"}]
    assert [row["figure"] for row in found["summary"]] == ["mean_rank"]
    assert found["notes"][-1] == {"only_in": "after", "note": "a [bold]note[/bold]"}
    shown = _run(*compare)
    assert shown.count("what changed") == 2
    assert "what changed over all rows" in shown
    assert "note only in after: a [bold]note[/bold]" in shown
    assert "seed" in shown
    shown = _run(*compare, "--tolerance", "0.3")
    assert "what changed" not in shown
    assert "changed by no more than 0.3" in shown


def test_bench_run_reads_any_folder_in_the_layout(tmp_path: Path) -> None:
    folder = tmp_path / "localize" / "riskloc_S"
    folder.mkdir(parents=True)
    (folder / "injection_info.csv").write_text("timestamp,set\n1,a=x\n")
    (folder / "1.csv").write_text("a,b,real,predict\nx,p,1,9\nx,q,2,9\ny,p,9,9\ny,q,9,9\n")
    run = ("bench", "run", "localize/accuracy", "--methods", "rapminer", "--json")
    (row,) = json.loads(_run(*run, "--data", str(tmp_path)))["rows"]
    assert (row["dataset"], row["cases"], row["f1"]) == ("riskloc_S", 1, 1.0)


@pytest.mark.parametrize("command", ["list", "path", "fetch"])
def test_data_tells_what_there_is(command: str, tmp_path: Path) -> None:
    place = ("--data", str(tmp_path))
    if command == "list":
        rows = {row["name"]: row for row in json.loads(_run("data", "list", *place, "--json"))}
        assert rows["shipped"]["present"] is True
        assert rows["squeeze_B0"]["present"] is False
    elif command == "path":
        (tmp_path / "localize" / "squeeze_B0").mkdir(parents=True)
        path = _run("data", "path", "squeeze_B0", *place).strip()
        assert path == str(tmp_path / "localize" / "squeeze_B0")
        assert "simulated" in _run("data", "path", "sim_rapmd")
        assert "riskloc" in _run("data", "path", "riskloc_S", *place, code=4)
    else:
        told = json.loads(_run("data", "fetch", "squeeze_B0", *place, "--json"))
        assert told["present"] is False
        assert "8153367" in told["obtain"]
        assert told["put_into"] == str(tmp_path / "localize" / "squeeze_B0")
        assert "8153367" in _run("data", "fetch", "squeeze_B0", *place)


def test_what_does_not_exist_is_a_usage_error() -> None:
    assert "localize/accuracy" in _run("bench", "run", "localize/nothing", code=2)
    assert "squeeze_b0" in _run("data", "path", "nothing", code=2)
