"""Faults of a cable plant: followed day by day, all at once, or with polls that come late."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import polars as pl
import pytest

from faultsight.core.alarm import AlarmRecord
from faultsight.core.errors import InputError, SettingError
from faultsight.core.feedback import FeedbackEvent, FeedbackKind
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import LEVELS
from faultsight.core.tables import read_table
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import read_tickets
from faultsight.diagnose.telapart import TelApart
from faultsight.flow.backtest import back_test
from faultsight.flow.config import FeedConfig
from faultsight.flow.fault_states import FaultStates
from faultsight.flow.learn.stored_diagnoser import save_diagnoser
from faultsight.flow.loop import Loop
from faultsight.flow.replay import replay
from faultsight.flow.stages.diagnose import heard
from faultsight.sim.cable_plant import CablePlantConfig
from faultsight.sim.cable_plant.writing import write_plant
from faultsight.stores.operations import AlarmFilter, Operations

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

    @property
    def states(self) -> Path:
        return self.loop.folder / "faults" / "plant"

    def standing(self) -> list[dict[str, Any]]:
        alarms = [alarm.to_dict() | {"version": 0} for alarm in self.ops.alarms.find()]
        incidents = [i.to_dict() | {"version": 0} for i in self.ops.incidents.find() if i.alarm_ids]
        return alarms + incidents


@pytest.fixture
def make(plant: Path, tmp_path: Path) -> Callable[..., Plant]:
    def made(*, without: str | None = None, day_s: int = 0, config: FeedConfig = CONFIG) -> Plant:
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
        return Plant(ops, Loop(ops, folder, [config]), telemetry)

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


def test_before_the_first_window_nothing_is_late(make: Callable[..., Plant]) -> None:
    """Polls of history are marked as they come in; the loop has not begun by then."""
    made = make()
    made.ops.feeds.mark_dirty("plant", {"FN001": TimeWindow(TRAINED_S - DAY_S, END_S)})
    told = made.loop.tick("plant", END_S)
    assert (told.late_entities, told.too_late) == (0, 0)
    assert told.new
    whys = {entry.why for alarm in told.new for entry in made.ops.alarms.history(alarm.id)}
    assert whys == {"scored"}
    assert made.ops.feeds.dirty("plant").windows == {}


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


class TestReplay:
    def test_a_span_again_is_the_same(self, make: Callable[..., Plant]) -> None:
        made = make()
        made.ops.suppressions.add(
            "plant", entity="FN002", start_s=TRAINED_S + DAY_S, end_s=TRAINED_S + 4 * DAY_S,
            reason="node split", by="ana",
        )  # fmt: skip
        for end_s in range(TRAINED_S + DAY_S, END_S + 1, DAY_S):
            made.loop.tick("plant", end_s)
        # An operator's work on an incident is no difference.
        incident = made.ops.incidents.find()[0]
        made.ops.incidents.assign(incident.id, "bo", by="bo", expected_version=incident.version)
        for first, days in ((0, 5), (1, 1), (3, 1), (4, 1), (-3, 30), (9, 1)):
            window = TimeWindow(TRAINED_S + first * DAY_S, TRAINED_S + (first + days) * DAY_S)
            told = replay(made.loop, "plant", window)
            assert told.differences == []
            assert [a.id for a in told.alarms] == [
                a.id for a in made.ops.alarms.find(AlarmFilter(feed="plant", window=window))
            ]
            assert told.alarms or first == 9
            assert len(told.incidents) == sum(a.muted_by is None for a in told.alarms)

    def test_the_past_is_replayed_from_the_first_state_of_its_week(
        self, make: Callable[..., Plant]
    ) -> None:
        made = make(config=replace(CONFIG, horizon_s=DAY_S, since_s=TRAINED_S - 5 * DAY_S))
        for end_s in range(TRAINED_S - 4 * DAY_S, END_S + 1, DAY_S):
            made.loop.tick("plant", end_s)
        kept = sorted(int(path.stem) for path in made.states.glob("*.json"))
        old = [end_s for end_s in kept if end_s < END_S - 3 * DAY_S]
        assert len({end_s // (7 * DAY_S) for end_s in old}) == len(old) < 7
        window = TimeWindow(END_S - 5 * DAY_S, END_S - 4 * DAY_S)
        assert window.start_s not in kept
        told = replay(made.loop, "plant", window)
        assert told.is_same
        assert told.alarms

    def test_a_changed_poll_is_noticed(self, make: Callable[..., Plant], plant: Path) -> None:
        made = make()
        made.loop.tick("plant", END_S)
        fnode = str(made.ops.alarms.find()[0].payload["fnode"])
        window = TimeWindow(TRAINED_S, END_S)
        told = TelemetryFolder(plant / "telemetry").nodes(window, fnodes=[fnode], metrics=LEVELS)
        (polls,) = told
        rows = polls.to_table().with_columns(snr_db=pl.lit(38.0), tx_power_dbmv=pl.lit(40.0))
        TelemetryFolder(made.telemetry).append(rows)
        assert replay(made.loop, "plant", window).differences

    def test_nothing_is_replayed_that_is_not_kept(self, make: Callable[..., Plant]) -> None:
        made = make()
        made.loop.tick("plant", END_S)
        FaultStates(made.states).drop(END_S - 2 * DAY_S)
        with pytest.raises(InputError, match="lies before what is kept"):
            replay(made.loop, "plant", TimeWindow(TRAINED_S, TRAINED_S + 2 * DAY_S))
        assert replay(made.loop, "plant", TimeWindow(END_S - DAY_S, END_S)).is_same

    def test_before_the_first_tick_there_is_nothing(self, make: Callable[..., Plant]) -> None:
        told = replay(make().loop, "plant", TimeWindow(TRAINED_S, END_S))
        assert told.is_same
        assert not told.alarms


class TestStates:
    def test_lost_ones_are_made_anew(self, make: Callable[..., Plant]) -> None:
        """A backup without them, or a folder removed by hand: faults go on under their names."""
        whole, lost = make(), make()
        whole.loop.tick("plant", END_S)
        lost.loop.tick("plant", END_S - DAY_S)
        shutil.rmtree(lost.states)
        lost.loop.tick("plant", END_S)
        assert lost.standing() == whole.standing()

    def test_late_polls_take_no_older_alarm_back(
        self, make: Callable[..., Plant], plant: Path
    ) -> None:
        """With a long horizon, faults that ended long before it have left the states."""
        config = replace(CONFIG, since_s=TRAINED_S - 4 * DAY_S, horizon_s=4 * DAY_S)
        made = make(config=config)
        made.loop.tick("plant", END_S)
        old = {a.id for a in made.ops.alarms.find() if a.end_s and a.end_s <= END_S - 6 * DAY_S}
        assert old
        told = TelemetryFolder(plant / "telemetry").nodes(
            TimeWindow(END_S - 4 * DAY_S, END_S - 3 * DAY_S), fnodes=["FN001"], metrics=LEVELS
        )
        (polls,) = told
        TelemetryFolder(made.telemetry).append(polls.to_table())
        made.ops.feeds.mark_dirty(
            "plant", {"FN001": TimeWindow(END_S - 4 * DAY_S, END_S - 3 * DAY_S)}
        )
        before = made.standing()
        made.loop.tick("plant", END_S)
        assert made.standing() == before  # the same polls again change nothing

    def test_windows_of_another_length_go_on_with_the_faults(
        self, make: Callable[..., Plant]
    ) -> None:
        made = make(config=replace(CONFIG, step_s=DAY_S // 4))
        made.loop.tick("plant", END_S - DAY_S - DAY_S // 4)
        going_on = {a.id for a in made.ops.alarms.find() if a.end_s is None}
        assert going_on
        longer = Loop(made.ops, made.loop.folder, [CONFIG])
        longer.tick("plant", END_S)
        assert going_on <= {a.id for a in made.ops.alarms.find()}


class TestBackTest:
    WINDOW = TimeWindow(TRAINED_S + DAY_S, END_S)

    def said(self, made: Plant, kind: FeedbackKind, alarm: AlarmRecord) -> None:
        window = TimeWindow(alarm.start_s, alarm.end_s or END_S)
        made.ops.feedback.append(
            FeedbackEvent(
                at_s=END_S, by="ana", kind=kind, feed="plant", entity=alarm.entity, window=window,
                alarm_id=alarm.id,
            )
        )  # fmt: skip

    def test_the_same_rules_say_the_same_and_nothing_is_written(
        self, make: Callable[..., Plant]
    ) -> None:
        made = make()
        made.loop.tick("plant", END_S)
        before = contents(made.loop.folder)
        told = back_test(made.loop, CONFIG, self.WINDOW)
        stored = made.ops.alarms.find(AlarmFilter(feed="plant", window=self.WINDOW))
        assert [a.id for a in told.alarms] == [a.id for a in stored]
        assert told.proposed == told.current
        assert not told.is_fitted
        assert told.tickets["proposed"] == told.tickets["current"]
        assert told.tickets["current"]["tickets"] > 0
        assert contents(made.loop.folder) == before
        assert json.loads(json.dumps(told.to_dict()))["tickets"]["current"]["thresholds"]

    def test_another_mode_and_thresholds_learned_again(self, make: Callable[..., Plant]) -> None:
        made = make()
        made.loop.tick("plant", END_S)
        first, *_, last = made.ops.alarms.find(AlarmFilter(feed="plant", window=self.WINDOW))
        self.said(made, FeedbackKind.CONFIRM, first)
        self.said(made, FeedbackKind.REJECT, last)
        before = contents(made.loop.folder)
        again = back_test(made.loop, CONFIG, self.WINDOW, refit=True)
        assert again.is_fitted
        assert (again.current.anomalies, again.current.found) == (1, 1)
        assert (again.current.false_alarms, again.current.raised) == (1, 1)
        other = replace(CONFIG, diagnoser_settings={"evidence": "paper"})
        paper = back_test(made.loop, other, self.WINDOW)
        assert paper.is_fitted
        assert paper.current == again.current
        assert set(paper.tickets["proposed"]["thresholds"]) != set(
            paper.tickets["current"]["thresholds"]
        )
        assert {a.id for a in paper.alarms} != {a.id for a in again.alarms}
        assert contents(made.loop.folder) == before

    def test_a_fault_under_another_name_is_the_same_fault(self, make: Callable[..., Plant]) -> None:
        """Without what is known of the day on which it began, a fault has another name."""
        made = make()
        made.loop.tick("plant", END_S)
        FaultStates(made.states).write(END_S - DAY_S, [])
        window = TimeWindow(END_S - DAY_S, END_S)
        seen = made.ops.alarms.find(AlarmFilter(feed="plant", window=window))
        lasting = [a for a in seen if a.end_s is None and a.start_s < window.start_s]
        assert lasting
        self.said(made, FeedbackKind.CONFIRM, lasting[0])
        told = back_test(made.loop, CONFIG, window)
        assert lasting[0].id not in {a.id for a in told.alarms}
        assert (told.proposed.anomalies, told.proposed.found) == (1, 1)

    def test_what_cannot_be_tried_is_refused(self, make: Callable[..., Plant]) -> None:
        made = make()
        with pytest.raises(InputError, match="nothing was scored"):
            back_test(made.loop, CONFIG, self.WINDOW)
        made.loop.tick("plant", END_S)
        for wrong in ({"diagnoser_settings": {"colour": 1}}, {"diagnoser": "majority"}):
            with pytest.raises(SettingError):
                back_test(made.loop, replace(CONFIG, **wrong), self.WINDOW)
        with pytest.raises(InputError, match="no tickets"):
            back_test(made.loop, replace(CONFIG, tickets="none.csv"), self.WINDOW)


def contents(folder: Path) -> dict[str, str]:
    """Return every file but those of the database, which readers touch too."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("operations.sqlite")
    }
