"""What an operator who knows the truth would mark: the errors of a detector at its level."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import InputError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import TimeWindow
from faultsight.detect.contract import Score

__all__ = ["EVERY_KIND", "mark_errors"]

EVERY_KIND = frozenset({MarkKind.FALSE_ALARM, MarkKind.MISSED, MarkKind.CONFIRMED})


def mark_errors(
    score: Score, labels: ArrayLike, level: float, *, kinds: Collection[MarkKind] = EVERY_KIND
) -> list[Mark]:
    """Return what labels say of an entity's alarms, in order of time.

    Parameters
    ----------
    score : Score
        The rows that the operator looks at.
    labels : array of shape (time,)
        Not 0 where something is wrong.
    level : float
        Rows with a higher score are in alarm.
    kinds : collection of MarkKind
        Which marks to make. A run of alarmed rows without anomaly is a false alarm; an anomaly
        without an alarmed row is missed, one with an alarm is confirmed.

    Raises
    ------
    InputError
        If there is not one label for each row.

    Examples
    --------
    >>> score = Score("a", 0, 60, (), np.array([9.0, 0.0, 0.0, 9.0, 9.0, 0.0]))
    >>> for mark in mark_errors(score, [0, 1, 0, 0, 1, 1], level=1.0):
    ...     print(mark.kind.value, mark.window.start_s, mark.window.end_s)
    false_alarm 0 60
    missed 60 120
    false_alarm 180 240
    confirmed 240 360
    """
    truth = np.asarray(labels) != 0
    if truth.shape != score.total.shape:
        raise InputError(f"{len(score)} rows, {truth.size} labels", source=score.entity)
    alarm = score.total > level  # NaN raises none
    marks = [(run, MarkKind.FALSE_ALARM) for run in _runs(alarm & ~truth)]
    for start, end in _runs(truth):
        found = bool(alarm[start:end].any())
        marks.append(((start, end), MarkKind.CONFIRMED if found else MarkKind.MISSED))
    step = score.interval_s
    return [
        Mark(score.entity, TimeWindow(score.start_s + a * step, score.start_s + b * step), kind)
        for (a, b), kind in sorted(marks)
        if kind in kinds
    ]


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
