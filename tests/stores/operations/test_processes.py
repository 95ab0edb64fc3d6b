"""Many processes write to one database, and some are killed at random points."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("processes.py")


def run(what: str, path: Path, *numbers: int) -> Any:
    command = [sys.executable, str(SCRIPT), what, str(path), *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_eight_processes_write_at_once_and_every_write_is_kept(tmp_path: Path) -> None:
    result = run("writers", tmp_path / "operations.sqlite", 8, 100)
    assert result["exit_codes"] == [0] * 8
    assert len(result["ids_kept"]) == 800
    assert result["ids_told"] == result["ids_kept"]
    assert result["writes"] == [
        [f"operator-{process}", number, 1] for process in range(8) for number in range(100)
    ]


def test_two_workers_never_hold_one_job(tmp_path: Path) -> None:
    result = run("workers", tmp_path / "operations.sqlite", 4, 40)
    assert result["exit_codes"] == [0] * 4
    leased = [job for of_worker in result["leased"] for job in of_worker]
    assert sorted(leased) == list(range(1, 41))
    assert result["states"] == [["done", 1, 40]]


def test_processes_that_start_together_make_the_database_once(tmp_path: Path) -> None:
    result = run("openers", tmp_path / "operations.sqlite", 6)
    assert result == {"exit_codes": [0] * 6, "told": [[0]] * 6}


def test_killed_while_feedback_is_written(tmp_path: Path) -> None:
    result = run("killed_feedback", tmp_path / "operations.sqlite", 40, 1000)
    assert result["kept"] > 0
    assert result["interrupted"] > 0, "no transaction was ever interrupted: nothing is tested"


def test_killed_while_alarms_are_reconciled(tmp_path: Path) -> None:
    result = run("killed_reconcile", tmp_path / "operations.sqlite", 35, 1001)
    assert result["steps"] > 0
    assert result["interrupted"] > 0, "no transaction was ever interrupted: nothing is tested"


def test_killed_during_a_migration(tmp_path: Path) -> None:
    result = run("killed_migration", tmp_path / "operations.sqlite", 25, 1002)
    assert result["nothing"] > 0
    assert result["interrupted"] > 0, "no transaction was ever interrupted: nothing is tested"
