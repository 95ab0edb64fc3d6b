"""Faults of a cable plant: followed day by day, all at once, or with polls that come late."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import LEVELS
from faultsight.core.tables import read_table
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import read_tickets
from faultsight.diagnose.telapart import TelApart
from faultsight.flow.config import FeedConfig
from faultsight.flow.learn.stored_diagnoser import save_diagnoser
from faultsight.flow.loop import Loop
from faultsight.flow.replay import replay
from faultsight.flow.stages.diagnose import heard
from faultsight.sim.cable_plant import CablePlantConfig
from faultsight.sim.cable_plant.writing import write_plant
from faultsight.stores.operations import Operations

DAY_S = 86_400
PLANT = CablePlantConfig(n_fnodes=3, days=17, modems=(30, 40))
START_S = PLANT.start_s
TRAINED_S = START_S + 12 * DAY_S
END_S = START_S + PLANT.days * DAY_S
CONFIG = FeedConfig(
    "plant", kind="polls", since_s=TRAINED_S, tickets="tickets.csv", topology="topology.csv",
    horizon_s=7 * DAY_S,
)  # fmt: skip


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plant on disk, and a model fitted on its first days."""
    folder = tmp_path_factory.mktemp("plant")
    write_plant(PLANT, folder, seed=1000)
    tickets = read_tickets(read_table(folder / "tickets.csv", as_text=True))
    model = TelApart().fit(
        TelemetryFolder(folder / "telemetry"), tickets, window=TimeWindow(START_S, TRAINED_S)
    )
    save_diagnoser(model, folder / "model", {})
    return folder


@dataclass
class Plant:
    ops: Operations
    loop: Loop
    telemetry: Path

    def standing(self) -> list[dict[str, Any]]:
        alarms = [alarm.to_dict() | {"version": 0} for alarm in self.ops.alarms.find()]
        incidents = [i.to_dict() | {"version": 0} for i in self.ops.incidents.find() if i.alarm_ids]
        return alarms + incidents


@pytest.fixture
def make(plant: Path, tmp_path: Path) -> Callable[..., Plant]:
    def made(*, without: str | None = None, day_s: int = 0) -> Plant:
        """Make a state folder; one fiber node may lack the polls of a day."""
        folder = Path(mkdtemp(dir=tmp_path))
        for name in ("tickets.csv", "topology.csv"):
            shutil.copy(plant / name, folder / name)
        telemetry = folder / "telemetry" / "plant"
        if without is None:
            shutil.copytree(plant / "telemetry", telemetry)
        else:
            store = TelemetryFolder.create(telemetry)
            for polls in TelemetryFolder(plant / "telemetry").nodes(metrics=LEVELS):
                for window in (TimeWindow(0, day_s), TimeWindow(day_s + DAY_S, 2**40)):
                    store.append(polls.in_window(window).to_table())
                if polls.fnode != without:
                    store.append(polls.in_window(TimeWindow(day_s, day_s + DAY_S)).to_table())
        ops = Operations.open(folder / "operations.sqlite")
        ops.feeds.add("plant", "polls", 14_400)
        told = ops.models.add("plant", "telapart", str(plant / "model"), by="test")
        ops.models.promote(told.id, by="test", why="the first")
        return Plant(ops, Loop(ops, folder, [CONFIG]), telemetry)

    return made


def test_day_by_day_is_all_at_once(make: Callable[..., Plant]) -> None:
    daily, batch = make(), make()
    for end_s in range(TRAINED_S + DAY_S, END_S + 1, DAY_S):
        daily.loop.tick("plant", end_s)
    batch.loop.tick("plant", END_S)
    assert daily.standing() == batch.standing()
    assert len(daily.ops.alarms.find()) > 3


def test_each_fault_is_an_incident_with_verdict_place_and_advice(
    make: Callable[..., Plant],
) -> None:
    made = make()
    told = made.loop.tick("plant", END_S)
    alarms = {alarm.id: alarm for alarm in made.ops.alarms.find()}
    assert len(alarms) == len(told.new) == len(told.incidents)
    for incident in made.ops.incidents.find():
        (alarm_id,) = incident.alarm_ids
        alarm = alarms[alarm_id]
        assert alarm.incident_id == incident.id
        assert alarm.entity == f"{alarm.payload['fnode']}/{alarm.payload['fault_id']}"
        assert incident.scope == (("fnode", alarm.payload["fnode"]),)
        assert incident.verdict in ("maintenance", "service")
        assert incident.evidence["dispatch"]["advice"] in ("send", "watch", "ended")
        assert incident.evidence["dispatch"]["where"].startswith(str(alarm.payload["fnode"]))
        assert (incident.end_s is None) == (incident.evidence["dispatch"]["advice"] != "ended")
    assert not made.loop.tick("plant", END_S).incidents
    severities = {m.payload["severity"] for m in made.ops.outbox.page(limit=100).items}
    assert "warning" not in severities


def test_late_polls_of_a_day_end_in_the_same_faults(
    make: Callable[..., Plant], plant: Path
) -> None:
    day_s = TRAINED_S + 2 * DAY_S
    whole = make()
    whole.loop.tick("plant", END_S)
    late = make(without="FN001", day_s=day_s)
    late.loop.tick("plant", END_S)
    before = late.standing()
    missing = TimeWindow(day_s, day_s + DAY_S)
    (polls,) = TelemetryFolder(plant / "telemetry").nodes(missing, fnodes=["FN001"], metrics=LEVELS)
    TelemetryFolder(late.telemetry).append(polls.to_table())
    late.ops.feeds.mark_dirty("plant", {"FN001": missing})
    told = late.loop.tick("plant", END_S)
    assert before != whole.standing()
    assert late.standing() == whole.standing()
    touched = {a.payload["fnode"] for a in (*told.new, *told.changed, *told.withdrawn)}
    assert touched == {"FN001"}


def test_planned_work_on_a_node_mutes_its_faults(make: Callable[..., Plant]) -> None:
    made = make()
    made.ops.entities.put("plant", {f"FN00{i}": {"hub": f"H{i}"} for i in range(3)})
    made.ops.suppressions.add(
        "plant", scope={"hub": "H1"}, start_s=START_S, reason="node split", by="ana"
    )
    made.loop.tick("plant", END_S)
    alarms = made.ops.alarms.find()
    assert {a.payload["fnode"] for a in alarms if a.muted_by} == {"FN001"}
    assert {a.mute_reason for a in alarms if a.muted_by} == {"node split"}
    assert all(a.muted_by or a.payload["fnode"] != "FN001" for a in alarms)
    scopes = {incident.scope[0][1] for incident in made.ops.incidents.find()}
    assert "FN001" not in scopes


def test_polls_cut_from_a_longer_span_are_those_of_the_shorter_one(plant: Path) -> None:
    telemetry = TelemetryFolder(plant / "telemetry")
    window = TimeWindow(TRAINED_S, TRAINED_S + DAY_S)
    for longer, shorter in zip(
        telemetry.nodes(TimeWindow(START_S, END_S)), telemetry.nodes(window), strict=True
    ):
        cut, read = heard(longer.in_window(window)), heard(shorter)
        assert (cut.fnode, cut.device_ids, cut.channels) == (
            read.fnode, read.device_ids, read.channels,
        )  # fmt: skip
        assert cut.time_s.tobytes() == read.time_s.tobytes()
        for metric, values in cut.values.items():
            assert values.tobytes() == read.values[metric].tobytes()


def test_faults_are_not_replayed(make: Callable[..., Plant]) -> None:
    with pytest.raises(SettingError):
        replay(make().loop, "plant", TimeWindow(TRAINED_S, END_S))
