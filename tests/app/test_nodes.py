"""Fiber nodes of a simulated plant: dendrogram and map, through the API."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from faultsight.app.application import Application
from faultsight.app.build import open_application
from faultsight.app.roles import COMMAND_LINE
from faultsight.console.server import create_app
from faultsight.core.alarm import AlarmKind, AlarmRecord
from faultsight.core.incident import IncidentRecord, Severity, incident_id
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.tables import read_table
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import read_tickets
from faultsight.diagnose.telapart import TelApart
from faultsight.flow.learn.stored_diagnoser import save_diagnoser
from faultsight.sim.cable_plant import CablePlantConfig
from faultsight.sim.cable_plant.writing import write_plant

DAY_S = 86_400
PLANT = CablePlantConfig(n_fnodes=1, days=12, modems=(30, 40))
END_S = PLANT.start_s + PLANT.days * DAY_S
API = "/api/v1/feeds/plant"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    write_plant(PLANT, folder, seed=1000)
    tickets = read_tickets(read_table(folder / "tickets.csv", as_text=True))
    telemetry = TelemetryFolder(folder / "telemetry")
    model = TelApart().fit(telemetry, tickets, window=TimeWindow(PLANT.start_s, END_S))
    save_diagnoser(model, folder / "model", {})
    return folder


@pytest.fixture
def application(plant: Path, tmp_path: Path) -> Iterator[Application]:
    with open_application(tmp_path / "state") as opened:
        settings = {"topology": "plant.csv"}
        opened.feeds.add("plant", "polls", 14_400, settings, COMMAND_LINE)
        state = opened.folder.path
        shutil.copytree(plant / "telemetry", opened.folder.telemetry("plant"))
        shutil.copy(plant / "topology.csv", state / "plant.csv")
        shutil.copytree(plant / "model", state / "models" / "plant" / "0001")
        models = opened.ops.models
        models.promote(
            models.add("plant", "telapart", "models/plant/0001", by="test").id, by="test", why="x"
        )
        yield opened


@pytest.fixture
def client(application: Application) -> TestClient:
    return TestClient(create_app(application), base_url="http://localhost", client=("127.0.0.1", 5))


def ask(client: TestClient, path: str, **asked: Any) -> Any:
    answer = client.get(f"{API}{path}", params=asked)
    return answer.json() if answer.status_code == 200 else answer.status_code


def test_a_dendrogram_is_a_tree_of_its_modems(client: TestClient) -> None:
    (node,) = ask(client, "/nodes")["items"]
    trees = []
    for day in range(5, PLANT.days):
        window = {"from_s": PLANT.start_s + day * DAY_S, "to_s": PLANT.start_s + (day + 1) * DAY_S}
        for feature in ("snr", "tx_power", "rx_power", "missing"):
            told = ask(client, "/dendrogram", fnode=node, feature=feature, **window)
            assert told == 404 or told["feature"] == feature
            trees += [] if told == 404 else [told]
    assert trees
    for tree in trees:
        n = len(tree["device_ids"])
        assert len(tree["merges"]) == n - 1
        assert sorted(tree["order"]) == list(range(n))
        joined = [side for merge in tree["merges"] for side in (merge["left"], merge["right"])]
        assert sorted(joined) == list(range(2 * n - 2))
        assert len(tree["groups"]) == len(tree["is_anomalous"]) == n
        # Below the cut are as many groups as merges are missing.
        below = sum(m["similarity"] >= tree["cut_similarity"] - 1e-9 for m in tree["merges"])
        assert len(set(tree["groups"])) == n - below


def test_a_map_shows_every_modem_and_the_verdicts_of_an_incident(
    client: TestClient, application: Application
) -> None:
    (node,) = ask(client, "/nodes")["items"]
    told = ask(client, "/map", fnode=node)
    assert len(told["modems"]) >= 30
    names = {amplifier["name"] for amplifier in told["amplifiers"]}
    assert {m["amplifier"] for m in told["modems"]} - {""} <= names
    assert {m["verdict"] for m in told["modems"]} == {""}
    ill = [m["device_id"] for m in told["modems"][:3]]
    alarm = AlarmRecord(
        feed="plant", entity=node, kind=AlarmKind.CABLE, start_s=0, peak=1.0,
        payload={"verdict": "maintenance", "members": ill},
    )  # fmt: skip
    application.ops.alarms.reconcile("plant", TimeWindow(0, 60), None, [alarm])
    number = incident_id("plant", (("fnode", node),), alarm.id)
    application.ops.incidents.upsert(
        IncidentRecord(
            id=number, feed="plant", title="x", severity=Severity.MINOR, start_s=0,
            alarm_ids=(alarm.id,),
        )
    )  # fmt: skip
    shown = ask(client, "/map", fnode=node, incident=number)["modems"]
    assert [m["device_id"] for m in shown if m["verdict"] == "maintenance"] == ill


def test_what_there_is_not(client: TestClient) -> None:
    assert ask(client, "/map", fnode="FN9") == 404
    assert ask(client, "/dendrogram", fnode="FN9", from_s=0, to_s=DAY_S) == 404
    assert ask(client, "/dendrogram", fnode="FN9", from_s=0, to_s=90 * DAY_S) == 422
    assert ask(client, "/dendrogram", fnode="FN9", from_s=0, to_s=60, feature="colour") == 422
    assert ask(client, "/nodes", after="!") == 422
    answer = client.get("/api/v1/feeds/others/nodes")
    assert answer.status_code == 404
