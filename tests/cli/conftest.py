from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from faultsight.cli import app

Run = Callable[..., "Outcome"]


class Outcome:
    """What a command printed and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run() -> Run:
    def _run(*words: object) -> Outcome:
        result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return _run


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """Site S1 has lost four fifths; every other leaf is as expected."""
    rows = [(f"S{i}", os, 20.0 if i == 1 else 100.0, 100.0)
            for i in range(1, 6) for os in ("ios", "android", "web")]  # fmt: skip
    path = tmp_path / "case.csv"
    pl.DataFrame(rows, schema=["site", "os", "real", "predict"], orient="row").write_csv(path)
    return path
