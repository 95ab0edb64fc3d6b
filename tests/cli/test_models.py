"""faultsight models: list, show, promote, revert, backtest, replay."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from faultsight.app.build import open_application
from faultsight.cli import app
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.checks import small_fleet
from faultsight.detect.deployed import DeployedDetector
from faultsight.detect.model_folder import save_detector
from faultsight.flow.loop import Loop
from faultsight.stores.operations import Operations

Told = Callable[..., tuple[int, str]]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with two models of one feed, the second at work."""
    ops = Operations.open(tmp_path / "operations.sqlite")
    ops.feeds.add("cells", "kpi", 3600)
    history = [KpiFrame(f.entity, f.kpis, 0, 3600, f.values) for f in small_fleet()]
    for version in (1, 2):
        path = f"models/cells/{version:04d}"
        model = DeployedDetector().fit([frame[: 90 + version] for frame in history])
        card: dict[str, Any] = {"step": "fit", "back_test": {"why": f"it is number {version}"}}
        save_detector(model, tmp_path / path, card)
        parent = "cells/1" if version == 2 else None
        ops.models.add("cells", "ridge_var", path, parent=parent, card=card, by="ana")
        ops.models.promote(f"cells/{version}", by="ana", why="it is better")
    ops.close()
    return tmp_path


@pytest.fixture
def told(state: Path) -> Told:
    """Run a command on the state folder, and return its exit code and what it wrote."""

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["models", *words, "--state", str(state)])
        return done.exit_code, done.output

    return run


def test_list_names_the_model_at_work(told: Told) -> None:
    code, said = told("list")
    assert code == 0
    first, second = said.splitlines()
    assert first.split()[:3] == ["cells/2", "active", "ridge_var"]
    assert second.split()[:2] == ["cells/1", "retired"]
    assert first.endswith("it is number 2")
    code, said = told("list", "cells", "--json")
    assert [m["id"] for m in json.loads(said)] == ["cells/2", "cells/1"]
    assert told("list", "nothing")[0] == 3


def test_show_tells_who_decided_what(told: Told) -> None:
    code, said = told("show", "cells/1")
    assert code == 0
    assert "comes from: cells/1" in said
    assert "promoted by ana: it is better" in said
    document = json.loads(told("show", "cells/2", "--json")[1])
    assert document["lineage"] == ["cells/2", "cells/1"]
    assert [d["action"] for d in document["decisions"]] == ["added", "promoted"]
    assert told("show", "cells/9")[0] == 3
    for wrong in ("cells", "cells/x", "/1", "cells/-1", "cells/99999999999999999999"):
        assert told("show", wrong)[0] == 2


def test_revert_and_promote_keep_the_reason(told: Told) -> None:
    code, said = told("revert", "cells", "--why", "too loud")
    assert (code, said) == (0, "cells/1 is at work\n")
    decisions = json.loads(told("show", "cells/1", "--json")[1])["decisions"]
    assert (decisions[-1]["action"], decisions[-1]["why"]) == ("reverted", "too loud")
    assert decisions[-1]["by"] == "command line"
    assert told("revert", "cells", "--why", "again")[0] == 3  # it is the first
    document = json.loads(told("promote", "cells/2", "--why", "it was the holiday", "--json")[1])
    assert (document["id"], document["state"]) == ("cells/2", "active")


def test_a_reason_is_asked_for(told: Told) -> None:
    assert told("revert", "cells")[0] == 2
    assert told("promote", "cells/1")[0] == 2
    assert told("promote", "cells/1", "--why", " ")[0] == 3


def test_a_damaged_model_is_not_put_to_work(told: Told, state: Path) -> None:
    (state / "models/cells/0001/detector.safetensors").write_bytes(b"")
    code, _ = told("revert", "cells", "--why", "too loud")
    assert code == 3
    assert told("list")[1].startswith("cells/2 ")
    assert json.loads(told("list", "--json")[1])[0]["state"] == "active"


def test_an_empty_state_folder_has_no_model(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["models", "list", "--state", str(tmp_path / "new")])
    assert (done.exit_code, done.output) == (0, "no model yet\n")


class TestThePast:
    """Of a state with rows and polls that were looked at: with proposed settings, and again."""

    @pytest.fixture
    def state(self, tmp_path: Path) -> Path:
        kept = Path(__file__).parent.parent / "fixtures" / "upgrades" / "first" / "state"
        shutil.copytree(kept, tmp_path / "state")
        return tmp_path / "state"

    def test_of_rows(self, told: Told) -> None:
        code, said = told("backtest", "cells", "--since", "2026-01-14", "--set", "level_factor=99")
        assert code == 0
        assert said.splitlines()[0] == "cells, 2026-01-14 00:00 UTC to 2026-01-17 00:00 UTC"
        assert "proposed:  alarms 0; marked anomalies found 0 of " in said
        assert "current:   alarms 1; " in said
        code, said = told(
            "backtest", "cells", "--since", "2026-01-14", "--until", "2026-01-15", "--refit",
            "--json",
        )  # fmt: skip
        document = json.loads(said)
        assert document["is_fitted"]
        assert document["window"][1] - document["window"][0] == 86_400
        assert document["tickets"] == {}

    def test_of_polls(self, told: Told, state: Path) -> None:
        other = 'diagnoser_settings={"clustering": "dbscan"}'
        before = (state / "models").stat().st_mtime_ns, sorted(state.rglob("*.json"))
        code, said = told("backtest", "plant", "--since", "2026-01-14", "--set", other)
        assert code == 0, said
        assert "with a model fitted on what lies before" in said
        assert said.count("of the 4 invariants hold") == 2
        document = json.loads(told("backtest", "plant", "--since", "2026-01-14", "--json")[1])
        assert not document["is_fitted"]
        assert document["proposed"] == document["current"]
        assert document["tickets"]["current"]["thresholds"]
        assert ((state / "models").stat().st_mtime_ns, sorted(state.rglob("*.json"))) == before

    def test_what_cannot_be(self, told: Told) -> None:
        since = ("--since", "2026-01-14")
        assert told("backtest", "nothing", *since)[0] == 3
        assert told("backtest", "cells", *since, "--until", "2026-01-01")[0] == 2
        assert told("backtest", "cells", *since, "--set", "colour=red")[0] == 2
        assert told("backtest", "cells", *since, "--set", "colour")[0] == 2
        assert told("backtest", "cells", "--since", "2027-01-01")[0] == 3

    def test_a_replay_says_what_is_stored_or_what_differs(self, told: Told, state: Path) -> None:
        day_s, end_s = 86_400, 1_768_608_000
        with open_application(state, clock=lambda: end_s + day_s) as application:
            # The day on which calls were dropped comes once more: alarms of this machine.
            day = TimeWindow(end_s - 3 * day_s, end_s - 2 * day_s)
            later = (
                application.stores.kpi("cells")
                .table(day)
                .with_columns(pl.col("timestamp").dt.offset_by("3d"))
            )
            application.intake.take("cells", later, key="later", source="x")
            loop = Loop(application.ops, state, [application.feeds.config("cells")])
            (alarm,) = loop.tick("cells", end_s + day_s).new
            code, said = told("replay", "cells", "--since", "2026-01-17")
            assert (code, said) == (0, (
                "cells, since 2026-01-17 00:00 UTC: alarms 1, incidents 1; as they are stored\n"
            ))  # fmt: skip
            calm = later.with_columns(drops=pl.lit(5.0))
            application.intake.take("cells", calm, key="calm", source="x")
        code, said = told("replay", "cells", "--since", "2026-01-17", "--until", "2026-01-18")
        assert (code, said.splitlines()[0][-10:]) == (0, "; 2 differ")
        assert f"  {alarm.id}" in said.splitlines()
        document = json.loads(told("replay", "cells", "--since", "2026-01-17", "--json")[1])
        assert not document["is_same"]
        assert alarm.id in document["differences"]
        assert document["alarms"] == document["incidents"] == []
        assert told("replay", "nothing", "--since", "2026-01-17")[0] == 3
        assert told("replay", "cells", "--since", "soon")[0] == 2
