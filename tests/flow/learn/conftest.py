"""A state folder with simulated base stations, an operations store, and an operator."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from faultsight.core.feedback import FeedbackEvent, FeedbackKind, Mark, MarkKind, fold
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.marking import mark_errors
from faultsight.flow.learn import LearnConfig, Learner, load_model
from faultsight.sim.base_stations import StationsConfig, simulate_stations
from faultsight.stores.operations import Job, ModelRecord, Operations
from faultsight.stores.telemetry import KpiStore

DAY_S = 86_400
START_S = StationsConfig().start_s
_KIND_OF = {
    MarkKind.FALSE_ALARM: FeedbackKind.REJECT,
    MarkKind.CONFIRMED: FeedbackKind.CONFIRM,
    MarkKind.MISSED: FeedbackKind.MISSED,
}


@dataclass
class State:
    """A state folder, and hands to work on it."""

    folder: Path
    ops: Operations
    frames: list[KpiFrame]
    now: list[float]

    def learner(self, **changes: Any) -> Learner:
        return Learner(self.ops, self.folder, LearnConfig(**changes))

    def do(self, kind: str, window: TimeWindow | None = None, **changes: Any) -> Job:
        payload: dict[str, Any] = {"feed": "cells"}
        if window is not None:
            payload["window"] = [window.start_s, window.end_s]
        self.ops.jobs.enqueue(kind, "cells", payload, by="ana")
        done = self.learner(**changes).run_next("worker")
        assert done is not None
        return done

    def first_model(self) -> Job:
        return self.do("retrain", TimeWindow(START_S, START_S + 7 * DAY_S))

    @property
    def active(self) -> ModelRecord:
        found = self.ops.models.active("cells")
        assert found is not None
        return found

    @property
    def marks(self) -> list[Mark]:
        return fold(self.ops.feedback.events("cells")).marks

    def mark_of(self, event: FeedbackEvent) -> Mark:
        (mark,) = fold([event]).marks
        return mark

    def say(self, event: FeedbackEvent) -> FeedbackEvent:
        return self.ops.feedback.append(event)

    def mark_week(self, frames: Sequence[KpiFrame] | None = None) -> int:
        """Let an operator who knows the truth mark the week after the first model's history."""
        model = load_model(self.folder, self.active)
        n = 0
        for frame, score in zip(self.frames, model.score(self.frames), strict=True):
            labels = np.zeros(0) if frame.labels is None else frame.labels[168:336]
            for mark in mark_errors(score[168:336], labels, model.level_of(frame.entity)):
                self.say(
                    FeedbackEvent(
                        at_s=int(self.now[0]) + n, by="ana", kind=_KIND_OF[mark.kind],
                        feed="cells", entity=mark.entity, window=mark.window,
                    )
                )  # fmt: skip
                n += 1
        return n

    def score_bytes(self) -> list[bytes]:
        model = load_model(self.folder, self.active)
        return [score.total.tobytes() for score in model.score(self.frames)]


def fill(folder: Path, frames: Sequence[KpiFrame]) -> None:
    store = KpiStore.create(folder / "telemetry" / "cells", name="cells", interval_s=3600)
    parts = [
        pl.DataFrame(frame.values, schema=list(frame.kpis)).insert_column(
            0, pl.Series("timestamp", frame.times_s)
        ).with_columns(entity=pl.lit(frame.entity)).fill_nan(None)
        for frame in frames
    ]  # fmt: skip
    store.append(pl.concat(parts), received_at_s=frames[0].window.end_s)


def copied(state: State, folder: Path, *, with_feedback: bool = True) -> State:
    """Return a copy of a state, elsewhere."""
    shutil.copytree(state.folder, folder, ignore=shutil.ignore_patterns("operations.sqlite*"))
    state.ops.backup(folder / "operations.sqlite")
    if not with_feedback:
        with sqlite3.connect(folder / "operations.sqlite") as database:
            database.execute("PRAGMA foreign_keys = OFF")
            database.execute("DELETE FROM feedback")
        database.close()
    now = list(state.now)
    ops = Operations.open(folder / "operations.sqlite", clock=lambda: now[0])
    return State(folder, ops, state.frames, now)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    stations = simulate_stations(StationsConfig(n_stations=4, test_s=8 * DAY_S), seed=1001)
    frames = [a.then(b) for a, b in zip(stations.train, stations.test, strict=True)]
    now = [float(frames[0].window.end_s)]
    ops = Operations.open(tmp_path / "operations.sqlite", clock=lambda: now[0])
    ops.feeds.add("cells", "kpi", 3600)
    fill(tmp_path, frames)
    yield State(tmp_path, ops, frames, now)
    ops.close()
