"""TelApart learned anew from tickets, as a job."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from faultsight.flow.learn import LearnConfig, Learner, load_diagnoser, revert
from faultsight.flow.learn.cable_job import drifted
from faultsight.sim.cable_plant import CablePlantConfig, write_plant
from faultsight.stores.operations import Job, JobState, ModelState, Operations

_DAYS = 21
_CONFIG = CablePlantConfig(n_fnodes=2, days=_DAYS, modems=(60, 61))
_END_S = _CONFIG.start_s + _DAYS * 86_400


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    write_plant(_CONFIG, folder, seed=1000)
    return folder


class Plant:
    """A state folder with two small fiber nodes and their tickets."""

    def __init__(self, written: Path, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(written / "telemetry", folder / "telemetry" / "pnm")
        self.tickets = folder / "telemetry" / "pnm" / "tickets.csv"
        shutil.copy(written / "tickets.csv", self.tickets)
        self.ops = Operations.open(folder / "operations.sqlite", clock=lambda: float(_END_S))
        self.ops.feeds.add("pnm", "polls", 14_400, {"notifiers": ["log"]})

    def do(self, *, days: tuple[int, int] = (0, _DAYS), **changes: float) -> Job:
        window = [_CONFIG.start_s + day * 86_400 for day in days]
        self.ops.jobs.enqueue("tune_cable", "pnm", {"feed": "pnm", "window": window}, by="ana")
        done = Learner(self.ops, self.folder, LearnConfig(**changes)).run_next("worker")  # type: ignore[arg-type]
        assert done is not None
        return done


@pytest.fixture
def plant(written: Path, tmp_path: Path) -> Plant:
    return Plant(written, tmp_path)


def test_tickets_make_the_first_model_and_better_it(plant: Plant) -> None:
    job = plant.do(days=(0, 10))
    assert (job.state, job.error, job.result["decision"]) == (JobState.DONE, "", "promoted")
    first = plant.ops.models.active("pnm")
    assert first is not None
    assert (first.member, first.path) == ("telapart", "models/pnm/0001")
    before = load_diagnoser(plant.folder / first.path)
    job = plant.do()
    assert job.state is JobState.DONE, job.error
    second = plant.ops.models.get(job.result["model"])
    card = second.card
    assert abs(card["held_out"][0] - (_END_S - 7 * 86_400)) < 86_400
    assert card["data"][1] == card["held_out"][0]
    assert {"before", "after", "passed", "why"} == set(card["back_test"])
    assert card["back_test"]["after"]["tickets"] > 0
    passed = job.result["decision"] == "promoted"
    assert second.state is (ModelState.ACTIVE if passed else ModelState.REJECTED)
    if not passed:
        assert job.result["why"] == card["back_test"]["why"]
    else:
        back = revert(plant.ops, plant.folder, "pnm", by="bo", why="crews were sent home")
        assert back.id == first.id
    again = load_diagnoser(plant.folder / first.path)
    assert json.dumps(again.to_dict()) == json.dumps(before.to_dict())


def test_tickets_that_teach_nothing_are_counted(plant: Plant) -> None:
    head, *rows = plant.tickets.read_text().splitlines()
    at = head.split(",").index("kind")
    for number in (0, 1):
        cells = rows[number].split(",")
        cells[at] = "billing"
        rows[number] = ",".join(cells)
    told_again = rows[2:5]
    cells = rows[6].split(",")
    cells[head.split(",").index("opened")] = "2026-01-06 00:00"
    rows[6] = ",".join(cells)
    plant.tickets.write_text("\n".join([head, *rows, *told_again]) + "\n")
    job = plant.do(days=(0, 10))
    (reason, n_rows), *others = job.result["tickets_set_aside"].items()
    assert "neither maintenance nor service, such as 'billing'" in reason
    assert n_rows == 2
    assert others == [("an earlier row of a ticket that is told again: ticket set aside", 3)]
    model = plant.ops.models.active("pnm")
    assert model is not None
    assert model.card["tickets_set_aside"] == job.result["tickets_set_aside"]
    assert job.result["tickets_noticed"] == {
        "opened: a stamp without a zone beside stamps with one: read as UTC": 1
    }


def test_thresholds_that_move_far_are_told(plant: Plant) -> None:
    plant.do(days=(0, 10))
    # So narrow that whatever moves at all has drifted.
    job = plant.do(drift_similarity=1e-9, drift_factor=1 + 1e-9)
    drift = job.result["drift"]
    assert drift
    assert set(drift[0]) == {"threshold", "before", "after"}
    (notice,) = plant.ops.outbox.due(limit=10, lease_s=60, owner="pump")
    assert notice.notifier == "log"
    assert "have drifted" in notice.payload["title"]
    assert notice.payload["drift"] == drift
    entries = plant.ops.audit.page(subject=f"model {job.result['model']}").items
    assert [(e.by, e.action) for e in entries] == [("ana", "drift")]


def test_no_drift_is_told_of_where_nothing_moves(plant: Plant) -> None:
    plant.do(days=(0, 10))
    job = plant.do(drift_similarity=1e9, drift_factor=1e9)
    assert job.result["drift"] == []
    assert plant.ops.outbox.due(limit=10, lease_s=60, owner="pump") == []


def test_drift_is_by_ratio_and_by_distance() -> None:
    def told(score: float, similarity: float) -> dict[str, dict[str, dict[str, float]]]:
        return {
            "scores": {"snr": {"value": score}},
            "similarity": {"snr": {"similarity": similarity}},
        }

    config = LearnConfig(drift_similarity=0.1, drift_factor=2.0)
    assert drifted(told(2.0, 0.5), told(3.9, 0.59), config) == []
    assert [d["threshold"] for d in drifted(told(2.0, 0.5), told(0.9, 0.61), config)] == [
        "score of snr", "similarity of snr",
    ]  # fmt: skip


def test_without_tickets_the_job_says_so(plant: Plant) -> None:
    plant.tickets.unlink()
    job = plant.do()
    assert job.state is JobState.FAILED
    assert "tickets.csv: there are no tickets" in job.error
