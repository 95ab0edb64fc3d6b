"""Tasks: what a model asks operators, with the curves around the span."""

from __future__ import annotations

from faultsight.app.roles import Principal
from faultsight.app.series import Curves, SeriesReader
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import Answer, Operations, Page, Task, TaskState

__all__ = ["Answer", "TaskState", "Tasks"]


class Tasks:
    """Questions and answers."""

    def __init__(self, ops: Operations, series: SeriesReader) -> None:
        self._ops = ops
        self._series = series

    def page(
        self, *, feed: str | None, state: TaskState | None, after: str | None, limit: int
    ) -> Page[Task]:
        """Return tasks, the latest first."""
        return self._ops.tasks.page(state, feed=feed, after=after, limit=limit)

    def get(self, task_id: int) -> Task:
        """Return one task."""
        return self._ops.tasks.get(task_id)

    def curves(self, task: Task, *, points: int) -> Curves:
        """Return the curves of a task's span and as much before and after it."""
        margin_s = max(task.window.end_s - task.window.start_s, 1)
        around = TimeWindow(max(task.window.start_s - margin_s, 0), task.window.end_s + margin_s)
        return self._series.read(task.feed, task.entity, around, kpis=task.kpis, points=points)

    def answer(
        self, task_id: int, answer: Answer, who: Principal, *, expected_version: int | None
    ) -> Task:
        """Answer a task."""
        return self._ops.tasks.answer(
            task_id, answer, by=who.name, expected_version=expected_version
        )
