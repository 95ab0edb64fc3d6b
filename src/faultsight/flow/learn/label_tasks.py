"""Questions of the tuning step to operators: answered ones are used, new ones become tasks.

Two-stage active learning asks of each cluster of history whether its typical window is an anomaly.
A question that was answered before is answered from the task; any other counts as "cannot tell"
now and becomes an open task, so that the next tuning knows. Only medoids are asked about, and only
so many at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from faultsight.core.files import write_atomic
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.flow.learn.job_run import JobRun
from faultsight.stores.operations import Transaction

__all__ = ["LabelTasks", "Question", "add_tasks"]

_PENDING = "questions.json"

_ROWS_BEFORE, _ROWS_AFTER = 47, 12
_MOST_CURVES = 32


class Question(Protocol):
    """Whether a window of history is an anomaly."""

    @property
    def entity(self) -> str:
        """Whose window it is."""

    @property
    def at(self) -> int:
        """The window's last row in the entity's frame."""

    @property
    def size(self) -> int:
        """How many windows are like it."""


class LabelTasks:
    """Answers questions as far as operators have, and collects the others.

    Parameters
    ----------
    feed : str
        Whose history.
    frames : sequence of KpiFrame
        What the tuning sees, as it sees it.
    answers : mapping of (entity, start_s) to bool
        What operators said.
    most : int
        So many new questions at most.
    """

    def __init__(
        self,
        feed: str,
        frames: Sequence[KpiFrame],
        answers: Mapping[tuple[str, int], bool],
        *,
        most: int,
    ) -> None:
        self._feed = feed
        self._frames = {frame.entity: frame for frame in frames}
        self._answers = answers
        self._most = most
        self._asked: dict[tuple[str, int], Question] = {}
        self.n_answered = 0

    def __call__(self, question: Question) -> bool | None:
        """Return the answer, or None where nobody has given one yet."""
        frame = self._frames[question.entity]
        key = question.entity, frame.start_s + question.at * frame.interval_s
        if key in self._answers:
            self.n_answered += 1
            return self._answers[key]
        self._asked.setdefault(key, question)
        return None

    def keep(self, work: Path) -> None:
        """Write down the questions without an answer, in the order in which they were asked.

        They become tasks when the job is done: see `add_tasks`.
        """
        asked = list(self._asked.items())
        told = [
            {"entity": entity, "start_s": start_s, "interval_s": self._frames[entity].interval_s,
             "alike": question.size, "curves": self._curves(entity, question.at)}
            for (entity, start_s), question in asked[: self._most]
        ]  # fmt: skip
        write_atomic(work / _PENDING, json.dumps(told))

    def _curves(self, entity: str, at: int) -> dict[str, Any]:
        """Return the KPIs around the row, to six digits: retention may not keep the telemetry."""
        frame = self._frames[entity]
        shown = frame[max(at - _ROWS_BEFORE, 0) : at + 1 + _ROWS_AFTER]
        return {
            "start_s": shown.start_s,
            "interval_s": shown.interval_s,
            "kpis": {
                kpi: [float(f"{v:.6g}") if np.isfinite(v) else None for v in shown.values[:, place]]
                for place, kpi in enumerate(shown.kpis[:_MOST_CURVES])
            },
        }


def add_tasks(run: JobRun, feed: str, tx: Transaction) -> int:
    """Make tasks of the questions that a job has kept, and return how many there are.

    A question that waits for its answer since an earlier job stays one task; one that is not asked
    any more, since the model or the history it was about is another, is taken back.
    """
    path = run.work / _PENDING
    if not path.is_file():
        return 0
    tasks = {
        run.ops.tasks.add(
            feed, told["entity"],
            TimeWindow(told["start_s"], told["start_s"] + told["interval_s"]), (),
            {"alike": told["alike"], "curves": told["curves"]}, job_id=run.job.id, tx=tx,
        ).id
        for told in json.loads(path.read_text(encoding="utf-8"))
    }  # fmt: skip
    run.ops.tasks.withdraw_others(feed, tasks, tx=tx)
    return len(tasks)
