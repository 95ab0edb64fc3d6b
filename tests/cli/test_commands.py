import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

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
    for command in ("demo", "localize", "simulate", "data", "bench", "doctor"):
        assert command in result.stdout
    for code in cli.EXIT_CODES:
        assert re.search(rf"\b{code} \w", result.stdout)


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


def test_noise_is_for_the_recipe_that_takes_it(run: Any, tmp_path: Path) -> None:
    outcome = run("simulate", "cdn", "--out", tmp_path, "--noise", "0.1")
    assert outcome.code == 2
    assert not list(tmp_path.iterdir())


def test_the_demo_leads_to_a_report(run: Any, tmp_path: Path) -> None:
    outcome = run("demo", "--out", tmp_path, "--method", "rapminer")
    assert outcome.code == 0
    assert f"report: {tmp_path / 'report.html'}" in outcome.out
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert len(document["cases"]) == 11
    known = sum(c["roots_known"] for c in document["cases"])
    hit = sum(c["roots_hit"] for c in document["cases"])
    assert f"{hit} of {known} known roots found exactly" in outcome.out
    assert 0 < hit <= known
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(c["case"] in page for c in document["cases"])
