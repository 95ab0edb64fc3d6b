"""An application on an empty state folder, and clients of each role."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from faultsight.app.application import Application
from faultsight.app.build import open_application
from faultsight.app.passwords import digest, new_secret
from faultsight.app.roles import COMMAND_LINE, Role
from faultsight.app.settings import Settings
from faultsight.console.server import create_app
from faultsight.core.alarm import AlarmKind, AlarmRecord
from faultsight.core.combination import AttributeCombination
from faultsight.core.incident import IncidentRecord, RootPattern, Severity, incident_id
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.score_book import ScoredRows
from faultsight.flow.score_store import ScoreStore

PASSWORD = "correct horse battery"
ROLES = ("viewer", "operator", "admin")

Client = Callable[..., TestClient]


@pytest.fixture(scope="session")
def hashed() -> str:
    from faultsight.app.passwords import hash_password

    return hash_password(PASSWORD)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state")


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty operations store, made once: its schema takes a while."""
    folder = tmp_path_factory.mktemp("empty") / "state"
    with open_application(Settings(state_dir=folder)) as opened:
        return opened.ops.backup(folder / "copy.sqlite")


@pytest.fixture
def application(settings: Settings, empty: Path) -> Iterator[Application]:
    settings.state_dir.mkdir(mode=0o700)
    (settings.state_dir / "operations.sqlite").touch(mode=0o600)
    (settings.state_dir / "operations.sqlite").write_bytes(empty.read_bytes())
    with open_application(settings) as opened:
        yield opened


@pytest.fixture
def users(application: Application, hashed: str) -> dict[str, str]:
    """Return a token of a user of each role; their names are the roles."""
    tokens = {role: f"fs_{new_secret()}" for role in ROLES}
    store = application.ops.users
    with application.ops.transaction() as tx:
        for role, secret in tokens.items():
            store.add(role, hashed, Role(role), tx=tx)
            store.add_token(role, "test", digest(secret), role=Role(role), tx=tx)
    return tokens


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def client_of(application: Application, users: dict[str, str], stopping: threading.Event) -> Client:
    """Return what makes a client of a role; anonymous without one."""
    guarded = create_app(application, stopping=stopping)

    def make(role: str = "") -> TestClient:
        headers = {"authorization": f"Bearer {users[role]}"} if role else {}
        return TestClient(
            guarded, base_url="http://localhost", headers=headers, client=("127.0.0.1", 50_000)
        )

    return make


@pytest.fixture
def admin(client_of: Client) -> TestClient:
    return client_of("admin")


@pytest.fixture
def operator(client_of: Client) -> TestClient:
    return client_of("operator")


@pytest.fixture
def viewer(client_of: Client) -> TestClient:
    return client_of("viewer")


@dataclass(frozen=True)
class Seeded:
    """A feed with telemetry, scores, an alarm that is raised, one that cleared, an incident."""

    raised: str
    cleared: str
    incident: str


@pytest.fixture
def seeded(application: Application) -> Seeded:
    ops = application.ops
    application.feeds.add("cells", "kpi", 3600, {}, COMMAND_LINE)
    rows = pl.DataFrame(
        {
            "entity": ["cell-1"] * 48 + ["cell-2"] * 48,
            "timestamp": [3600 * hour for hour in range(48)] * 2,
            "drops": [float(hour % 24) for hour in range(48)] * 2,
            "load": [50.0] * 96,
        }
    )
    application.intake.take("cells", rows, key="first", source="a test")
    ops.entities.put("cells", {"cell-1": {"region": "north"}, "cell-2": {"region": "south"}})
    residual = np.zeros((1, 48, 2), np.float32)
    residual[0, 30] = (9.0, 1.0)
    score = np.full((1, 48), 0.5, np.float32)
    score[0, 30] = 10.0
    ScoreStore(application.folder.scores("cells"), "cells", 3600).append(
        [ScoredRows(("cell-1",), 0, 3600, 1, ("drops", "load"), score, np.array([2.0], np.float32),
                    residual)]
    )  # fmt: skip
    ops.feeds.set_watermark("cells", scored_until_s=48 * 3600)
    cleared = AlarmRecord(
        feed="cells", entity="cell-1", kind=AlarmKind.KPI, start_s=36_000, end_s=43_200, peak=3.0,
        kpis=(("drops", 0.9), ("load", 0.1)),
    )  # fmt: skip
    raised = AlarmRecord(
        feed="cells", entity="cell-2", kind=AlarmKind.KPI, start_s=108_000, peak=5.0
    )
    number = incident_id("cells", (("region", "south"),), raised.id)
    ops.alarms.reconcile("cells", TimeWindow(0, 10**9), None, [cleared, raised])
    pattern = RootPattern(AttributeCombination({"region": "south"}), 0.9, 0.8, 4.0, "drops")
    ops.incidents.upsert(
        IncidentRecord(
            id=number, feed="cells", scope=(("region", "south"),), title="cell-2",
            severity=Severity.MINOR, start_s=108_000, alarm_ids=(raised.id,), patterns=(pattern,),
        )
    )  # fmt: skip
    ops.alarms.set_incident([raised.id], number)
    return Seeded(raised.id, cleared.id, number)
