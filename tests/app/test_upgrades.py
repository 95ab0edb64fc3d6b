"""State folders of every format there has been are opened, brought up to date, and used.

`tests/fixtures/upgrades/make.py` made them; they are never made anew. `FIRST` lists what the first
one holds, so that a fixture that was regenerated in a later format is noticed.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from faultsight.app.build import open_application
from faultsight.app.feed_worker import FeedWorker
from faultsight.app.roles import COMMAND_LINE, Role
from faultsight.core.feedback import FeedbackKind
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.telemetry import TelemetryFolder
from faultsight.detect.model_folder import load_detector
from faultsight.flow.learn import load_diagnoser
from faultsight.flow.loop import Loop
from faultsight.stores.operations import migrations
from faultsight.stores.operations.schema import metadata

FIXTURES = Path(__file__).parent.parent / "fixtures" / "upgrades"
FORMATS = sorted(path.name for path in FIXTURES.iterdir() if (path / "expected.json").is_file())
DAY_S = 86_400


class State:
    """A copy of what an earlier version left."""

    def __init__(self, kept: Path, folder: Path) -> None:
        shutil.copytree(kept, folder)
        self.folder = folder / "state"
        self.anotuner = folder / "anotuner"
        self.expected: dict[str, Any] = json.loads((folder / "expected.json").read_text())
        self.now_s: int = self.expected["now_s"]
        self.application = open_application(self.folder, clock=lambda: self.now_s)


@pytest.fixture(params=FORMATS)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    made = State(FIXTURES / request.param, tmp_path / "kept")
    yield made
    made.application.close()


def test_the_first_formats_are_kept_as_they_were() -> None:
    kept = FIXTURES / "first"
    database = sqlite3.connect(f"file:{kept / 'state' / 'operations.sqlite'}?mode=ro", uri=True)
    assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    filled = {
        name
        for name in tables & set(metadata.tables)
        if database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
    }
    database.close()
    assert filled == {
        "alarm_history", "alarms", "api_tokens", "audit", "dirty_windows", "entities", "feedback",
        "feeds", "incident_history", "incidents", "ingested_files", "jobs", "model_decisions",
        "models", "outbox", "quarantined", "sessions", "settings", "suppressions", "tasks", "users",
    }  # fmt: skip
    formats = {
        "telemetry/cells/feed.json": "faultsight feed 1",
        "telemetry/cdn/feed.json": "faultsight feed 1",
        "telemetry/plant/telemetry.json": "faultsight telemetry 1",
        "models/cells/0001/model.json": 1,
        "models/plant/0001/telapart.json": "faultsight telapart 1",
    }
    for name, told in formats.items():
        assert json.loads((kept / "state" / name).read_text())["format"] == told
    assert sum(p.stat().st_size for p in FIXTURES.rglob("*") if p.is_file()) < 300_000


def test_what_was_decided_is_still_there(state: State) -> None:
    application, expected = state.application, state.expected
    ops = application.ops
    assert migrations.revision(ops._database) == migrations.HEAD
    assert sorted(alarm.id for alarm in ops.alarms.find()) == expected["alarms"]
    incidents = [incident for incident in ops.incidents.find() if incident.alarm_ids]
    assert sorted(incident.id for incident in incidents) == expected["incidents"]
    (root,) = (incident.patterns[0] for incident in incidents if incident.patterns)
    assert dict(root.combination) == {"region": "north", "os": "os-3"}
    assert {incident.verdict for incident in incidents} & {"maintenance", "service"}
    assert {incident.assigned_to for incident in incidents} == {None, "ana"}
    for feed in ("cells", "cdn", "plant"):
        active = ops.models.active(feed)
        assert active is not None
        assert active.id == f"{feed}/1"
        assert application.feeds.config(feed).since_s == expected["since_s"]
    said = application.feedback.state(ops.feedback.events()[0].feed)
    assert len(said.marks) == 1
    assert [user.name for user in application.accounts.users()] == ["ana", "bo"]
    session = ops.users.session("a" * 64)
    assert session is not None
    assert session.role is Role.ADMIN
    assert ops.users.token("b" * 64) is not None
    assert application.settings.loop.tick_s == 5.0
    assert len(ops.suppressions.active(TimeWindow(state.now_s, state.now_s + 1))) == 1
    assert len(ops.tasks.answers(feed="cells")) == 1
    assert application.feeds.quarantine("cells") == {"no_entity": 1}
    assert ops.feeds.dirty("cells").windows
    assert ops.outbox.due(limit=100, lease_s=60, owner="pump")


def test_telemetry_and_models_say_what_they_said(state: State) -> None:
    application, expected = state.application, state.expected
    frames = application.stores.kpi("cells").frames()
    assert {frame.entity: frame.values.sum(axis=0).tolist() for frame in frames} == expected["rows"]
    assert application.stores.kpi("cdn").table().height == expected["cube_rows"]
    polls = TelemetryFolder(application.folder.telemetry("plant"))
    (node,) = polls.nodes()
    assert node.n_polls == expected["polls"]
    detector = load_detector(state.folder / "models" / "cells" / "0001")
    for frame, score in zip(frames, detector.score(frames), strict=True):
        assert score.total[-24:] == pytest.approx(expected["scores"][frame.entity], rel=1e-3)
    diagnoser = load_diagnoser(state.folder / "models" / "plant" / "0001")
    window = TimeWindow(state.now_s - DAY_S, state.now_s)
    diagnosis = diagnoser.diagnose(polls, window=window, workers=1)
    assert diagnosis.nodes[0].verdict.tolist() == expected["verdicts"]


def test_a_model_of_anotuner_says_what_it_said(state: State) -> None:
    learned = TimeWindow(0, state.expected["since_s"])
    frames = state.application.stores.kpi("cells").frames(learned, entities=["cell-1"])
    model = load_detector(state.anotuner)
    (score,) = model.score([frames[0].with_kpis(model.kpis)])
    assert score.total[-24:] == pytest.approx(state.expected["anotuner"], rel=1e-3)


def test_the_service_goes_on_from_it(state: State) -> None:
    """A day of new samples is scored and diagnosed, and the stores are tidied."""
    application, ops = state.application, state.application.ops
    last_day = TimeWindow(state.now_s - DAY_S, state.now_s)
    state.now_s += DAY_S
    a_day_on = pl.col("timestamp").dt.offset_by("1d")
    for feed in ("cells", "cdn"):
        sent = application.stores.kpi(feed).table(last_day).with_columns(a_day_on)
        assert application.intake.take(feed, sent, key="later", source="x").n_rows == sent.height
    (node,) = TelemetryFolder(application.folder.telemetry("plant")).nodes(last_day)
    polls = node.to_table().with_columns(a_day_on)
    application.intake.polls_sink("plant").append(polls)
    known = {alarm.id for alarm in ops.alarms.find()}
    rules = [application.feeds.config(feed) for feed in ("cells", "cdn", "plant")]
    loop = Loop(ops, state.folder, rules)
    for feed in loop.feeds:
        told = loop.tick(feed, state.now_s)
        assert (told.waiting_for, told.scored_until_s) == ("", state.now_s)
    assert known <= {alarm.id for alarm in ops.alarms.find()}
    worker = FeedWorker(application)
    for stored in ops.feeds.list():
        worker.look_at(stored)  # nothing that fails is passed over
    worker.look_at_all(lambda _: None)
    worker.close()
    assert application.stores.kpi("cells").frames(last_day)
    alarm = ops.alarms.get(sorted(known)[0])
    application.feedback.on_alarm(FeedbackKind.REJECT, alarm.id, COMMAND_LINE)
    assert len(ops.feedback.events()) == 2
