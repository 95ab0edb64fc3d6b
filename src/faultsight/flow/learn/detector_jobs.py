"""The jobs on a detector: the weekly tuning, and the training from scratch.

Both end in one transaction: the models that came out, the decision on them with its reason, new
questions to operators, and the job itself. Model folders are written before it; an attempt that
was killed in between finds them and goes on from there.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faultsight.core.errors import InputError
from faultsight.core.feedback import Mark
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.deployed import DeployedDetector, LayersConfig
from faultsight.detect.model_folder import load_detector, read_card, save_detector
from faultsight.detect.tuning.history_questions import marks_of_answers
from faultsight.detect.tuning.marked_rows import rows_of_marks
from faultsight.detect.tuning.tuning_report import TuningReport
from faultsight.flow.config import FeedConfig
from faultsight.flow.learn.back_test import BackTest, BackTestFigures, Split
from faultsight.flow.learn.job_run import JobRun
from faultsight.flow.learn.label_tasks import LabelTasks, add_tasks
from faultsight.flow.learn.learn_config import LearnConfig
from faultsight.flow.learn.lesson_plan import LessonPlan, feed_config, plan_lesson, read_frames
from faultsight.flow.learn.model_versions import load_model, model_path, new_detector, root_of
from faultsight.stores.operations import Job, ModelRecord

__all__ = ["retrain", "tune"]


def tune(run: JobRun, folder: Path, config: LearnConfig) -> Job:
    """Tune a copy of the feed's model by what operators have said, and promote it if it passes.

    The model at work is not tuned further: what it was tuned from is, by all marks that stand, so
    that an undone mark is forgotten. It is compared with the model at work.

    Raises
    ------
    InputError
        If the feed has no model, no data, or the data hold none of the model's history.
    """
    plan = plan_lesson(run, folder, config, n_versions=1)
    if plan.active is None:
        raise InputError("no model is at work: train one first", source=plan.feed)
    active = run.ops.models.get(plan.active)
    root = root_of(run.ops, active)
    untuned = load_model(folder, root)
    rules = feed_config(run.ops, plan.feed)
    window = TimeWindow(min(untuned.trained.start_s, plan.window.start_s), plan.window.end_s)
    frames = read_frames(folder, rules, window, kpis=untuned.kpis)
    work = _Work(run, folder, config, rules, plan, frames)
    if not work.split.learned and root.id != active.id:
        return work.forget(untuned, root, active)
    return work.end(work.tuned(untuned, plan.versions[0], active, root.id), active)


def retrain(run: JobRun, folder: Path, config: LearnConfig) -> Job:
    """Fit a detector from scratch, tune it by the marks, and promote it if it passes.

    Rows that operators marked as anomalies, or as not to be learned from, are missing from what it
    is fitted on. A feed without a model gets its first one, which has nothing to be compared with.

    Raises
    ------
    InputError
        If the feed has no data.
    """
    plan = plan_lesson(run, folder, config, n_versions=2)
    rules = feed_config(run.ops, plan.feed)
    frames = read_frames(folder, rules, plan.window)
    work = _Work(run, folder, config, rules, plan, frames)
    active = None if plan.active is None else run.ops.models.get(plan.active)
    fresh = work.fitted(active)
    if active is None or not work.split.learned:
        return work.end([fresh], active)
    model = fresh.load(folder)
    tuned = work.tuned(model, plan.versions[1], active, fresh.id)
    return work.end([fresh, *tuned], active)


@dataclass(frozen=True, eq=False)
class _Made:
    """A model that lies in its folder, and may not be in the operations store yet."""

    id: str
    version: int
    path: str
    member: str
    parent: str | None
    card: Mapping[str, Any]
    is_stored: bool = False

    def load(self, folder: Path) -> Any:
        return load_detector(folder / self.path)


class _Work:
    """What both jobs do."""

    def __init__(
        self,
        run: JobRun,
        folder: Path,
        config: LearnConfig,
        rules: FeedConfig,
        plan: LessonPlan,
        frames: Sequence[KpiFrame],
    ) -> None:
        self.run, self.folder, self.config, self.rules = run, folder, config, rules
        self.plan, self.frames = plan, frames
        self._unchanged: TuningReport | None = None
        self.split: Split = config.back_test.split(plan.feed, plan.marks, plan.quiet)
        self.seen = [frame[: frame.rows_in(plan.quiet).start] for frame in frames]
        self.seen = [frame for frame in self.seen if len(frame)]

    def fitted(self, active: ModelRecord | None) -> _Made:
        """Return a detector fitted from scratch."""
        version = self.plan.versions[0]
        made = self._written(version)
        if made is not None:
            return made
        self.run.progress("training")
        detector = new_detector(self.rules, checkpoint=self.run.work / "training.safetensors")
        history = [_without_marks(frame, self.split) for frame in self.seen]
        try:
            detector.fit(history, progress=self.run.progress)
        except InputError as error:
            if "checkpoint" not in error.problem and "other data" not in error.problem:
                raise
            # Late rows came while the job was down: what it had learned is of other data.
            (self.run.work / "training.safetensors").unlink()
            detector.fit(history, progress=self.run.progress)
        step = "fit" if active is None else "retrain"
        card: dict[str, Any] = {**self._card(step), "root": None}
        if active is not None:
            card["back_test"] = self._back_test(detector, active).to_dict()
        return self._write(detector, version, None if active is None else active.id, card)

    def tuned(self, untuned: Any, version: int, active: ModelRecord, root: str) -> list[_Made]:
        """Return a tuned copy, in a list; an empty one if nothing was learned."""
        made = self._written(version)
        if made is not None:
            return [made]
        self.run.progress("tuning")
        asked = LabelTasks(
            self.plan.feed, self.seen_since(untuned), self.plan.answers,
            most=self.config.most_questions,
        )  # fmt: skip
        marks = (*self.split.learned, *self._answered(untuned, asked))
        model, report = untuned.tune(
            self.seen, marks, self._layers(untuned), ask=asked, progress=self.run.progress
        )
        asked.keep(self.run.work)
        if not report.changed:
            self._unchanged = report
            return []
        card = {
            **self._card("tune" if self.run.job.kind == "tune" else "retrain"),
            "root": root,
            "tuning": report.to_dict(),
            "answers": asked.n_answered,
            "back_test": self._back_test(model, active).to_dict(),
        }
        return [self._write(model, version, active.id, card)]

    def _answered(self, untuned: Any, ask: LabelTasks) -> list[Mark]:
        """Return what operators' answers say of history."""
        if not self.config.most_questions:
            return []
        frames = sorted(self.seen_since(untuned), key=lambda frame: frame.entity)
        history_rows = {
            frame.entity: frame.rows_in(untuned.spans[frame.entity]).stop
            for frame in frames
            if frame.entity in untuned.spans
        }
        marked = rows_of_marks(frames, self.split.learned)
        return marks_of_answers(untuned.score(frames), untuned.levels, history_rows, marked, ask)

    def forget(self, untuned: Any, root: ModelRecord, active: ModelRecord) -> Job:
        """Go back to the model that no mark has tuned, if it passes: no mark stands any more."""
        test = self._back_test(untuned, active)
        made = _Made(
            root.id, root.version, root.path, root.member, root.parent,
            {**root.card, "back_test": test.to_dict()}, is_stored=True,
        )  # fmt: skip
        return self.end([made], active)

    def seen_since(self, untuned: Any) -> list[KpiFrame]:
        """Return the frames as tuning sees them: from the start of each entity's history."""
        return [
            frame[frame.rows_in(untuned.spans[frame.entity]).start :]
            if frame.entity in untuned.spans
            else frame
            for frame in self.seen
        ]

    def end(self, made: Sequence[_Made], active: ModelRecord | None) -> Job:
        """Decide on what was made, and store all of it at once."""
        run, ops, plan = self.run, self.run.ops, self.plan
        run.progress("deciding")
        result: dict[str, Any] = {
            "feed": plan.feed, "marks": len(self.split.learned),
            "held_out_marks": len(self.split.held_out), "last_event": plan.last_event,
        }  # fmt: skip
        with ops.transaction() as tx:
            for model in made:
                if model.is_stored:
                    continue
                ops.models.add(
                    plan.feed, model.member, model.path, parent=model.parent, card=model.card,
                    by=run.job.created_by, version=model.version,
                    why=f"job {run.job.id}: {model.card['step']}", tx=tx,
                )  # fmt: skip
            result["tasks"] = add_tasks(run, plan.feed, tx)
            result |= self._decide(made, active, tx)
            job = ops.jobs.finish(run.job.id, run.owner, result, tx=tx)
        run.clear()
        return job

    def _decide(self, made: Sequence[_Made], active: ModelRecord | None, tx: Any) -> dict[str, Any]:
        """Promote or reject, and return what to tell of it."""
        run, models = self.run, self.run.ops.models
        if not made:
            why = "no layer helped on marks that it had not seen; the model at work stays"
            if not self.split.learned:
                why = "there are no marks to learn from; the model at work stays"
            report = self._unchanged.to_dict() if self._unchanged else None
            return {"decision": "unchanged", "why": why, "tuning": report}
        best = made[-1]
        now = models.active(self.plan.feed, tx=tx)
        test = best.card.get("back_test")
        if active is None and now is None:
            why = "the first model of the feed"
            models.promote(best.id, by=run.job.created_by, why=why, tx=tx)
            return {"decision": "promoted", "model": best.id, "why": why}
        if now is None or active is None or now.id != active.id:
            why = "another model was put to work meanwhile; this one was compared with the earlier"
            passed = False
        else:
            passed, why = bool(test and test["passed"]), str(test and test["why"])
        by, of_job = run.job.created_by, f"job {run.job.id}: "
        if passed:
            models.promote(best.id, by=by, why=f"{of_job}passed the back-test: {why}", tx=tx)
        else:
            for model in made:
                if not model.is_stored:
                    models.reject(model.id, by=by, why=of_job + why, tx=tx)
        return {
            "decision": "promoted" if passed else "rejected", "model": best.id, "why": why,
            "back_test": test, "tuning": best.card.get("tuning"),
        }  # fmt: skip

    def _back_test(self, model: Any, active: ModelRecord) -> BackTest:
        self.run.progress("back-test")
        at_work = load_model(self.folder, active)
        before, after = (
            BackTestFigures.of(each, self.frames, self.split, self.plan.quiet)
            for each in (at_work, model)
        )
        is_fair = at_work.trained.end_s <= self.plan.quiet.start_s
        return self.config.back_test.judge(before, after, quiet_counts=is_fair)

    def _layers(self, untuned: Any) -> Any:
        if isinstance(untuned, DeployedDetector):
            return LayersConfig(**self.config.layers)
        from faultsight.detect import TuningConfig

        asks = {"history": "tsal"} if self.config.most_questions else {}
        return TuningConfig(**{**asks, **self.config.layers})

    def _card(self, step: str) -> dict[str, Any]:
        plan, rule = self.plan, self.config.back_test
        return {
            "step": step,
            "job": self.run.job.id,
            "by": self.run.job.created_by,
            "planned_s": self.run.job.created_s,
            "data": [plan.window.start_s, plan.quiet.start_s],
            "quiet": [plan.quiet.start_s, plan.quiet.end_s],
            "replaces": plan.active,
            "last_event": plan.last_event,
            "held_out_rule": f"one day of an entity in {rule.one_in}, and the quiet window",
        }

    def _write(
        self,
        model: Any,
        version: int,
        parent: str | None,
        card: Mapping[str, Any],
    ) -> _Made:
        path = model_path(self.plan.feed, version)
        for left in (self.folder / path).parent.glob(f".{version:04d}.*.tmp"):
            shutil.rmtree(left, ignore_errors=True)  # of an attempt that was killed
        save_detector(model, self.folder / path, card)
        member = model.detector.name if hasattr(model, "detector") else model.name
        return _Made(f"{self.plan.feed}/{version}", version, path, member, parent, card)

    def _written(self, version: int) -> _Made | None:
        """Return the model that an earlier attempt has written, if it came so far."""
        path = model_path(self.plan.feed, version)
        if not (self.folder / path / "model.json").is_file():
            return None
        told = read_card(self.folder / path)
        card = told["card"]
        member = told["config"].get("detector", told["method"])
        return _Made(
            f"{self.plan.feed}/{version}", version, path, member, card["replaces"], card
        )  # fmt: skip


def _without_marks(frame: KpiFrame, split: Split) -> KpiFrame:
    """Return the frame without rows that are marked as anomalies or not to be learned from."""
    values = frame.values.copy()
    for mark in split.learned:
        if mark.entity == frame.entity and mark.kind.value != "false_alarm":
            values[frame.rows_in(mark.window)] = np.nan
    return KpiFrame(frame.entity, frame.kpis, frame.start_s, frame.interval_s, values)
