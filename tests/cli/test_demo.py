"""faultsight demo as a command: what it writes, what it prints, what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

SIZES = ("--stations", 3, "--fnodes", 1, "--days", 2, "--seed", 1000)


def test_the_demo_leads_to_a_report_and_a_state(run: Any, tmp_path: Path) -> None:
    outcome = run("demo", "--out", tmp_path, *SIZES, "--method", "rapminer")
    assert outcome.code == 0
    assert f"report: {tmp_path / 'report.html'}" in outcome.out
    assert f"faultsight serve --state {tmp_path / 'state'}" in outcome.out
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    cases = document["localize"]["cases"]
    assert len(cases) == 11
    known = sum(c["roots_known"] for c in cases)
    hit = sum(c["roots_hit"] for c in cases)
    assert f"{hit} of {known} known roots found exactly" in outcome.out
    assert 0 < hit <= known
    page = (tmp_path / "localize.html").read_text(encoding="utf-8")
    assert all(c["case"] in page for c in cases)
    story = (tmp_path / "report.html").read_text(encoding="utf-8")
    for link in re.findall(r"href='([^'#]+)'", story):
        assert (tmp_path / link).is_file(), link
    models = run("models", "list", "stations", "--state", tmp_path / "state", "--json")
    assert "stations/1" in [model["id"] for model in json.loads(models.out)]


def test_a_state_that_no_demo_made_stays(run: Any, tmp_path: Path) -> None:
    kept = tmp_path / "state" / "operations.sqlite"
    kept.parent.mkdir()
    kept.write_bytes(b"somebody's")
    outcome = run("demo", "--out", tmp_path, *SIZES)
    assert outcome.code == 3
    assert "not made by the demo" in outcome.err
    assert kept.read_bytes() == b"somebody's"


def test_an_unknown_localizer_is_told_before_the_work(run: Any, tmp_path: Path) -> None:
    outcome = run("demo", "--out", tmp_path, "--method", "oracle")
    assert outcome.code == 2
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(("option", "value"), [("--days", 1), ("--stations", 0), ("--fnodes", 0)])
def test_sizes_that_cannot_be_are_refused(
    run: Any, tmp_path: Path, option: str, value: int
) -> None:
    outcome = run("demo", "--out", tmp_path, option, value)
    assert outcome.code == 2
    assert option in outcome.err
