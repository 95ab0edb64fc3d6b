"""What a job learns from, decided when it begins and kept until it is done.

Feedback goes on while a job runs, and a job that is killed begins again. Marks, answers, the span
of data and the model to improve on are therefore written down first; every attempt reads the same.
Telemetry itself is not copied: rows that arrive late for the span change what is learned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from faultsight.core.errors import InputError
from faultsight.core.feedback import Mark, MarkKind, fold
from faultsight.core.files import write_atomic
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.core.telemetry import TelemetryFolder
from faultsight.flow.config import FeedConfig
from faultsight.flow.cubes.overall import overall_frame
from faultsight.flow.learn.job_run import JobRun
from faultsight.flow.learn.learn_config import LearnConfig
from faultsight.stores.operations import Answer, Operations
from faultsight.stores.telemetry import KpiStore

__all__ = ["LessonPlan", "feed_config", "plan_lesson", "read_frames"]


@dataclass(frozen=True)
class LessonPlan:
    """What one job learns from.

    Attributes
    ----------
    feed : str
        Whose model.
    window : TimeWindow
        The data; the quiet window is its end.
    quiet : TimeWindow
        Data that no model of this job is trained or tuned on; empty for a first model.
    marks : tuple of Mark
        What stood of the feedback, sorted.
    last_event : int
        The newest feedback event counted; 0 if there was none.
    answers : mapping of (entity, start_s) to bool
        What operators answered to questions about history.
    active : str or None
        The model at work.
    versions : tuple of int
        Reserved for the models that may come out.
    """

    feed: str
    window: TimeWindow
    quiet: TimeWindow
    marks: tuple[Mark, ...]
    last_event: int
    answers: Mapping[tuple[str, int], bool]
    active: str | None
    versions: tuple[int, ...]

    def to_json(self) -> str:
        """Return it as text."""
        told = asdict(replace(self, answers={}))
        told["answers"] = [[e, s, yes] for (e, s), yes in sorted(self.answers.items())]
        return json.dumps(told, indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> LessonPlan:
        """Return the plan that `to_json` wrote."""
        told = json.loads(text)
        told["window"], told["quiet"] = TimeWindow(**told["window"]), TimeWindow(**told["quiet"])
        told["marks"] = tuple(
            Mark(m["entity"], TimeWindow(**m["window"]), MarkKind(m["kind"]), tuple(m["kpis"]))
            for m in told["marks"]
        )
        told["answers"] = {(e, s): yes for e, s, yes in told["answers"]}
        told["versions"] = tuple(told["versions"])
        return cls(**told)


def plan_lesson(run: JobRun, folder: Path, config: LearnConfig, *, n_versions: int) -> LessonPlan:
    """Return what the job learns from: as written down before, or as it stands now.

    `n_versions` are reserved, or one for a feed's first model.

    Raises
    ------
    InputError
        If the feed has no data.
    """
    path = run.work / "plan.json"
    if path.is_file():
        return LessonPlan.from_json(path.read_text(encoding="utf-8"))
    ops, feed = run.ops, str(run.job.payload["feed"])
    rules = feed_config(ops, feed)
    active = ops.models.active(feed)
    window = _window(folder, rules, config, run.job.payload, is_first=active is None)
    quiet_s = 0
    if active is not None:
        quiet_s = config.cable_held_out_s if rules.kind == "polls" else config.back_test.quiet_s
    quiet = TimeWindow(max(window.end_s - quiet_s, window.start_s), window.end_s)
    with ops.snapshot() as tx:
        events = ops.feedback.events(feed, tx=tx)
        answers = {
            (task.entity, task.window.start_s): task.answer is Answer.YES
            for task in ops.tasks.answers(feed=feed, tx=tx)
            if task.answer in (Answer.YES, Answer.NO)
        }
    versions = tuple(ops.models.reserve_version(feed) for _ in range(n_versions if active else 1))
    plan = LessonPlan(
        feed, window, quiet, tuple(fold(events).marks), max((e.id for e in events), default=0),
        answers, None if active is None else active.id, versions,
    )  # fmt: skip
    write_atomic(path, plan.to_json())
    return plan


def feed_config(ops: Operations, feed: str) -> FeedConfig:
    """Return the rules of a feed as they are stored."""
    stored = ops.feeds.get(feed)
    fixed = {"name": stored.name, "kind": stored.kind, "interval_s": stored.interval_s}
    return FeedConfig.from_dict({**stored.settings, **fixed})


def _window(
    folder: Path,
    rules: FeedConfig,
    config: LearnConfig,
    payload: Mapping[str, Any],
    *,
    is_first: bool,
) -> TimeWindow:
    """Return which data to learn from: what was asked for, or all that is near enough."""
    path = folder / "telemetry" / rules.name
    whole = TimeWindow(0, 0)
    if rules.kind == "polls" and TelemetryFolder.is_telemetry(path):
        whole = TelemetryFolder(path).window
    elif rules.kind != "polls" and KpiStore.is_feed(path):
        whole = KpiStore(path).window
    if whole.end_s <= whole.start_s:
        raise InputError("there is no telemetry to learn from", source=rules.name)
    if payload.get("window") is not None:
        start_s, end_s = payload["window"]
        asked = TimeWindow(max(int(start_s), whole.start_s), min(int(end_s), whole.end_s))
    else:
        end_s = whole.end_s
        if is_first and rules.since_s is not None and rules.since_s > whole.start_s:
            end_s = min(end_s, rules.since_s)
        asked = TimeWindow(max(whole.start_s, end_s - config.history_s), end_s)
    step = rules.interval_s
    return TimeWindow(-(-asked.start_s // step) * step, asked.end_s // step * step)


def read_frames(
    folder: Path, rules: FeedConfig, window: TimeWindow, *, kpis: Sequence[str] | None = None
) -> list[KpiFrame]:
    """Return the telemetry of a feed as a detector sees it.

    Raises
    ------
    InputError
        If there is none in the window.
    """
    store = KpiStore(folder / "telemetry" / rules.name)
    if rules.kind == "cube":
        whole = overall_frame(store, window, rules)
        frames = [] if whole is None else [whole]
    else:
        known = None if kpis is None else [kpi for kpi in kpis if kpi in store.columns]
        frames = store.frames(window, kpis=known)
    if not frames:
        raise InputError("there is no telemetry to learn from", source=rules.name)
    return frames
