"""The weekly tuning and the training from scratch, as jobs."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faultsight.core.errors import ConflictError, InputError
from faultsight.core.feedback import FeedbackEvent, FeedbackKind
from faultsight.core.kpi_frame import TimeWindow
from faultsight.detect.model_folder import read_card
from faultsight.flow.learn import BackTestRule, Learner, load_model, promote, reject, revert
from faultsight.flow.learn import learner as learner_module
from faultsight.stores.operations import Answer, JobState, ModelState, Operations, TaskState

from .conftest import DAY_S, START_S, State, copied


def _tensors(folder: Path) -> dict[str, str]:
    """Return the digest of the tensors of each model."""
    return {
        path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("models/cells/*/*.safetensors"))
    }


def _work_folders(state: State) -> list[Path]:
    return list((state.folder / "models" / "cells").glob(".*"))


def test_the_first_model_has_nothing_to_pass(state: State) -> None:
    job = state.first_model()
    assert (job.state, job.result["decision"]) == (JobState.DONE, "promoted")
    active = state.active
    assert (active.id, active.parent, active.path) == ("cells/1", None, "models/cells/0001")
    assert load_model(state.folder, active).trained == TimeWindow(START_S, START_S + 7 * DAY_S)
    told = state.ops.models.decisions(feed="cells")
    assert [(d.by, d.action) for d in told] == [("ana", "added"), ("ana", "promoted")]
    assert told[1].why == "the first model of the feed"
    assert _work_folders(state) == []


def test_a_week_of_feedback_tunes_a_copy_and_one_action_goes_back(state: State) -> None:
    state.first_model()
    before = state.score_bytes()
    n_marks = state.mark_week()
    job = state.do("tune")
    assert (job.state, job.error, job.result["decision"]) == (JobState.DONE, "", "promoted")
    # Those too near to a mark that is held out are not learned from.
    assert 0 < job.result["held_out_marks"] < n_marks / 2
    assert job.result["marks"] + job.result["held_out_marks"] <= n_marks
    test = job.result["back_test"]
    assert test["after"]["still_raised"] + test["after"]["not_raised"] <= (
        test["before"]["still_raised"] + test["before"]["not_raised"]
    )
    active = state.active
    assert (active.parent, active.card["root"], active.card["step"]) == (
        "cells/1", "cells/1", "tune",
    )  # fmt: skip
    assert state.score_bytes() != before
    told = read_card(state.folder / active.path)
    assert told["card"] == active.card
    assert told["card"]["last_event"] == n_marks
    assert len(told["marks"]) == job.result["marks"]
    with pytest.raises(InputError, match="say why"):
        revert(state.ops, state.folder, "cells", by="bo", why=" ")
    back = revert(state.ops, state.folder, "cells", by="bo", why="too quiet on Sunday")
    assert (back.id, back.state) == ("cells/1", ModelState.ACTIVE)
    assert state.score_bytes() == before
    last = state.ops.models.decisions(feed="cells")[-1]
    assert (last.by, last.action, last.why) == ("bo", "reverted", "too quiet on Sunday")
    promote(state.ops, state.folder, active.id, by="bo", why="it was the holiday")
    assert state.active.id == active.id


def test_the_back_test_sees_marks_that_tuning_does_not(state: State) -> None:
    state.first_model()
    state.mark_week()
    state.do("tune")
    learned = {tuple(mark[:3]) for mark in read_card(state.folder / state.active.path)["marks"]}
    card = state.active.card
    quiet = TimeWindow(*card["quiet"])
    assert quiet.end_s - quiet.start_s == DAY_S
    assert card["data"][1] == quiet.start_s
    split = BackTestRule().split("cells", state.marks, quiet)
    assert {(m.entity, m.window.start_s, m.window.end_s) for m in split.learned} == learned
    assert not set(split.learned) & set(split.held_out)


def test_a_model_that_does_worse_is_rejected_with_the_reason(state: State) -> None:
    state.first_model()
    before = state.score_bytes()
    # What is called missed is nothing but ordinary hours: levels come down to them.
    for place, frame in enumerate(state.frames):
        for day in range(8, 13):
            start_s = START_S + day * DAY_S + (place + day) % 24 * 3600
            state.say(
                FeedbackEvent(
                    at_s=int(state.now[0]), by="eve", kind=FeedbackKind.MISSED, feed="cells",
                    entity=frame.entity, window=TimeWindow(start_s, start_s + 3600),
                )
            )  # fmt: skip
    job = state.do("tune", layers={"guard": False, "head": False, "least_quantile": 0.5})
    assert job.result["decision"] == "rejected"
    assert "alarms in the quiet window, the model at work" in job.result["why"]
    rejected = state.ops.models.get(job.result["model"])
    assert rejected.state is ModelState.REJECTED
    assert state.ops.models.decisions(model_id=rejected.id)[-1].why.endswith(job.result["why"])
    assert state.active.id == "cells/1"
    assert state.score_bytes() == before
    with pytest.raises(ConflictError):
        promote(state.ops, state.folder, rejected.id, by="bo", why="I want it")


def test_without_marks_the_model_at_work_stays(state: State) -> None:
    state.first_model()
    job = state.do("tune")
    assert (job.result["decision"], job.result["why"]) == (
        "unchanged", "there are no marks to learn from; the model at work stays",
    )  # fmt: skip
    assert state.active.id == "cells/1"


def test_feedback_that_is_undone_is_forgotten(state: State) -> None:
    state.first_model()
    before = state.score_bytes()
    state.mark_week()
    state.do("tune")
    assert state.score_bytes() != before
    for event in state.ops.feedback.events("cells"):
        state.say(
            FeedbackEvent(at_s=event.at_s + 10_000, by="bo", kind=FeedbackKind.UNDO,
                          feed="cells", undoes=event.id)
        )  # fmt: skip
    job = state.do("tune")
    # Without any mark there is only the quiet window to pass, in which the untuned is louder.
    assert job.result["model"] == "cells/1"
    if job.result["decision"] == "rejected":
        assert "quiet window" in job.result["why"]
        job = state.do("tune", back_test=BackTestRule(spare_alarms=100.0))
    assert job.result["decision"] == "promoted"
    assert state.score_bytes() == before


@pytest.mark.parametrize("seed", range(2))
def test_the_model_follows_from_what_stands_of_the_events(
    state: State, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """The same marks told in another order, with words taken back in between: the same bytes."""
    state.first_model()
    state.mark_week()
    other = copied(state, tmp_path_factory.mktemp("other") / "state", with_feedback=False)
    chance = random.Random(seed)
    events = list(state.ops.feedback.events("cells"))
    chance.shuffle(events)
    for event in events:
        told = FeedbackEvent.from_dict({**event.to_dict(), "id": 0})
        if chance.random() < 0.2:
            wrong = other.say(
                FeedbackEvent(
                    at_s=event.at_s - 5, by="bo", kind=FeedbackKind.IGNORE, feed="cells",
                    entity=event.entity, window=event.window,
                )
            )  # fmt: skip
            other.say(FeedbackEvent(at_s=event.at_s - 4, by="bo", kind=FeedbackKind.UNDO,
                                    feed="cells", undoes=wrong.id))  # fmt: skip
        other.say(told)
    assert state.marks == other.marks
    state.do("tune")
    other.do("tune")
    assert _tensors(state.folder) == _tensors(other.folder)
    assert state.score_bytes() == other.score_bytes()
    other.ops.close()


def test_training_from_scratch_is_guarded_the_same_way(state: State) -> None:
    state.first_model()
    state.mark_week()
    state.do("tune")
    at_work = state.active
    job = state.do("retrain")
    assert job.result["decision"] in ("promoted", "rejected")
    made = state.ops.models.get(job.result["model"])
    fresh = state.ops.models.get(str(made.card["root"]))
    assert (fresh.card["step"], fresh.card["root"], made.parent) == ("retrain", None, at_work.id)
    assert load_model(state.folder, fresh).trained == TimeWindow(*fresh.card["data"])
    assert fresh.card["data"][1] == fresh.card["quiet"][0]
    # The next weekly step starts from whatever the model at work was tuned from.
    job = state.do("tune", layers={"guard": False})
    expected = fresh.id if state.ops.models.get(made.id).state is ModelState.ACTIVE else "cells/1"
    assert state.ops.models.get(job.result["model"]).card["root"] == expected


def test_what_cannot_be_learned_from_fails_with_its_reason(state: State) -> None:
    job = state.do("tune")
    assert (job.state, job.error) == (
        JobState.FAILED, "cells: no model is at work: train one first",
    )  # fmt: skip
    assert _work_folders(state) == []
    state.ops.feeds.add("empty", "kpi", 3600)
    state.ops.jobs.enqueue("retrain", "empty", {"feed": "empty"}, by="ana")
    done = state.learner().run_next("worker")
    assert done is not None
    assert done.error == "empty: there is no telemetry to learn from"
    feed = state.ops.feeds.get("cells")
    settings = {"detector": "ridge_var", "detector_settings": {"lags": 3}}
    state.ops.feeds.set_settings("cells", settings, expected_version=feed.version)
    job = state.first_model()
    assert (job.state, job.error) == (
        JobState.FAILED, "ridge_var has no setting 'lags'; there are n_lags, penalty",
    )  # fmt: skip
    with pytest.raises(InputError, match="say why"):
        reject(state.ops, "cells/1", by="bo", why="")


def test_a_defect_is_told_with_the_job(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("of a customer's data")

    monkeypatch.setitem(learner_module._STEPS, "tune", broken)
    job = state.ops.jobs.enqueue("tune", "cells", {"feed": "cells"}, by="ana")
    with pytest.raises(ZeroDivisionError):
        state.learner().run_next("worker")
    told = state.ops.jobs.get(job.id)
    assert told.state is JobState.QUEUED  # it is tried again, and given up after so many times
    assert told.error.startswith("a defect of FaultSight (ZeroDivisionError)")
    assert "customer" not in told.error


def test_a_damaged_model_is_not_gone_back_to(state: State) -> None:
    state.first_model()
    state.mark_week()
    state.do("tune")
    at_work = state.active.id
    (state.folder / "models/cells/0001/detector.safetensors").write_bytes(b"gone")
    with pytest.raises(InputError, match="0001"):
        revert(state.ops, state.folder, "cells", by="bo", why="too loud")
    assert state.active.id == at_work


def test_a_stopped_worker_gives_the_job_back(state: State) -> None:
    state.first_model()
    state.mark_week()
    state.ops.jobs.enqueue("tune", "cells", {"feed": "cells"}, by="ana")
    asked = iter([False, False, False, True])
    stopped = state.learner().run_next("first", stop=lambda: next(asked, True))
    assert stopped is not None
    assert (stopped.state, stopped.attempts) == (JobState.QUEUED, 0)
    # Words said meanwhile are for the next job: this one goes on with what stood when it began.
    n_before = len(state.ops.feedback.events("cells"))
    state.mark_week()
    done = state.learner().run_next("second")
    assert done is not None
    assert (done.state, done.result["last_event"]) == (JobState.DONE, n_before)


def test_a_cancelled_job_ends(state: State) -> None:
    state.first_model()
    state.mark_week()
    job = state.ops.jobs.enqueue("tune", "cells", {"feed": "cells"}, by="ana")

    def cancel() -> bool:
        if not state.ops.jobs.get(job.id).is_cancelled:
            state.ops.jobs.cancel(job.id)
        time.sleep(1.2)
        return False

    done = Learner(state.ops, state.folder, lease_s=3).run_next("worker", stop=cancel)
    assert done is not None
    assert done.state is JobState.CANCELLED
    assert state.active.id == "cells/1"


_WORKER = """
    import sys, time
    from pathlib import Path
    from faultsight.flow.learn import Learner
    from faultsight.stores.operations import Operations
    folder, now_s = Path(sys.argv[1]), float(sys.argv[2])
    ops = Operations.open(folder / "operations.sqlite", clock=lambda: now_s)
    print("ready", flush=True)
    Learner(ops, folder, lease_s=60).run_next(sys.argv[3])
"""


@pytest.mark.parametrize("kind", ["tune", "retrain"])
def test_killed_at_any_moment_a_job_ends_with_the_same_weights(
    state: State, tmp_path_factory: pytest.TempPathFactory, kind: str
) -> None:
    state.first_model()
    state.mark_week()
    whole = copied(state, tmp_path_factory.mktemp("whole") / "state")
    whole.do(kind)
    state.ops.jobs.enqueue(kind, "cells", {"feed": "cells"}, by="ana", max_attempts=99)
    chance = np.random.default_rng(7)
    for attempt in range(3):
        state.now[0] += 100  # the lease of whoever was killed is over
        code = [sys.executable, "-c", textwrap.dedent(_WORKER), str(state.folder)]
        with subprocess.Popen(
            [*code, str(state.now[0]), f"worker {attempt}"], stdout=subprocess.PIPE
        ) as worker:
            assert worker.stdout is not None
            worker.stdout.readline()
            time.sleep(float(chance.uniform(0.05, 1.5)))
            worker.send_signal(signal.SIGKILL)
    state.now[0] += 100
    state.learner().run_next("the last")
    (job,) = state.ops.jobs.page(kind=kind, limit=1).items
    assert job.state is JobState.DONE
    assert _tensors(state.folder) == _tensors(whole.folder)
    assert state.score_bytes() == whole.score_bytes()
    assert [m.id for m in state.ops.models.page("cells").items] == [
        m.id for m in whole.ops.models.page("cells").items
    ]
    assert _work_folders(state) == []
    whole.ops.close()


def test_interrupted_training_of_anotuner_ends_with_the_same_weights(
    state: State, tmp_path_factory: pytest.TempPathFactory
) -> None:
    quick = {"epochs": 4, "n_hidden": 8, "n_filters": 4, "n_latent": 2, "most_windows": 300}
    settings = {"detector": "anotuner", "detector_settings": quick}
    feed = state.ops.feeds.get("cells")
    state.ops.feeds.set_settings("cells", settings, expected_version=feed.version)
    other = copied(state, tmp_path_factory.mktemp("whole") / "state")
    window = TimeWindow(START_S, START_S + 7 * DAY_S)
    assert other.do("retrain", window).state is JobState.DONE
    state.ops.jobs.enqueue(
        "retrain", "cells", {"feed": "cells", "window": [window.start_s, window.end_s]}, by="ana"
    )
    n_asked = 0

    def after_two_epochs() -> bool:
        nonlocal n_asked
        n_asked += 1
        return n_asked > 3

    stopped = state.learner().run_next("first", stop=after_two_epochs)
    assert stopped is not None
    assert stopped.state is JobState.QUEUED
    assert any(folder.joinpath("training.safetensors").exists() for folder in _work_folders(state))
    done = state.learner().run_next("second")
    assert done is not None
    assert done.state is JobState.DONE, done.error
    assert _tensors(state.folder) == _tensors(other.folder)
    other.ops.close()


def test_anotuner_asks_and_learns_from_the_answers(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    from faultsight.detect.anotuner import _tuning
    from faultsight.detect.tuning import active_learning

    # A network that is hardly trained keeps everything together.
    finer = partial(active_learning.ActiveLearning, distance=0.005)
    monkeypatch.setattr(_tuning, "ActiveLearning", finer)
    quick = {"epochs": 2, "n_hidden": 8, "n_filters": 4, "n_latent": 2, "most_windows": 300}
    settings = {"detector": "anotuner", "detector_settings": quick}
    feed = state.ops.feeds.get("cells")
    state.ops.feeds.set_settings("cells", settings, expected_version=feed.version)
    state.first_model()
    state.mark_week()
    layers = {"guard": False, "least_marks": 1, "epochs": 1}
    job = state.do("tune", layers=layers, most_questions=30)
    assert job.state is JobState.DONE, job.error
    tasks = state.ops.tasks.page(feed="cells").items
    assert job.result["tasks"] == len(tasks) == 30
    for task in tasks:
        assert task.window.end_s - task.window.start_s == 3600
        assert len(task.body["curves"]["kpis"]) == 25
        assert task.body["alike"] >= 1
        state.ops.tasks.answer(task.id, "no", by="ana")  # type: ignore[arg-type]
    again = state.do("tune", layers=layers, most_questions=30)
    card = state.ops.models.get(again.result["model"]).card
    assert 0 < card["answers"] <= len(tasks)
    asked = state.ops.tasks.page(TaskState.OPEN, feed="cells").items
    assert not {t.id for t in tasks} & {t.id for t in asked}


def test_operators_are_asked_about_history_and_their_answers_count(state: State) -> None:
    state.first_model()
    state.mark_week()
    # Nothing that was marked tells of the rows asked about.
    job = state.do("tune", most_questions=4, layers={"guard": False})
    tasks = state.ops.tasks.page(feed="cells").items
    assert 0 < job.result["tasks"] == len(tasks) <= 4
    first = load_model(state.folder, state.ops.models.get("cells/1"))
    for task in tasks:
        assert task.state is TaskState.OPEN
        assert task.window.start_s < first.trained.end_s
        curves = task.body["curves"]
        assert set(curves["kpis"]) == set(first.kpis)
        shown = {len(values) for values in curves["kpis"].values()}
        assert len(shown) == 1
        assert shown.pop() <= 60
        state.ops.tasks.answer(task.id, Answer.YES, by="ana")
    again = state.do("tune", most_questions=4, layers={"guard": False})
    made = state.ops.models.get(again.result["model"])
    assert made.card["answers"] == len(tasks)
    confirmed = {(m[0], m[1]) for m in read_card(state.folder / made.path)["marks"]}
    assert {(task.entity, task.window.start_s) for task in tasks} <= confirmed
    # What was asked once is not asked again.
    asked = [(t.entity, t.window) for t in state.ops.tasks.page(feed="cells").items]
    assert len(asked) == len(set(asked))
    state.ops.tasks.add("cells", "cell-9", tasks[0].window, job_id=job.id)
    assert state.do("tune", most_questions=0).result["tasks"] == 0
    # Nor is anything left to be answered that no job asks any more.
    assert state.ops.tasks.page(TaskState.OPEN, feed="cells").items == ()
    left = state.ops.tasks.page(TaskState.WITHDRAWN, feed="cells").items
    assert "cell-9" in {task.entity for task in left}


def test_the_schedule_queues_what_is_due(state: State) -> None:
    learner = state.learner()
    (first,) = learner.schedule()
    assert (first.kind, first.created_by) == ("retrain", "schedule")
    assert learner.schedule() == []  # it waits
    learner.run_next("worker")
    assert state.active.id == "cells/1"
    assert learner.schedule() == []
    state.now[0] += 8 * DAY_S
    assert learner.schedule() == []  # nobody has said anything
    state.mark_week()
    (weekly,) = learner.schedule()
    assert weekly.kind == "tune"
    learner.run_next("worker")
    assert learner.schedule() == []
    state.now[0] += 8 * DAY_S
    assert learner.schedule() == []  # nothing new was said
    state.now[0] += 91 * DAY_S
    (quarterly,) = learner.schedule()
    assert quarterly.kind == "retrain"


def test_a_state_folder_can_be_moved(
    state: State, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state.first_model()
    moved = copied(state, tmp_path_factory.mktemp("elsewhere") / "state")
    assert moved.score_bytes() == state.score_bytes()
    moved.ops.close()
    assert isinstance(moved.ops, Operations)
