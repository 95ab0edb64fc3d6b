"""The paper's protocol (4.3): deploy, mark the errors of the first 30 %, tune, judge the rest.

Operators are played by the labels: in the first 30 % of the test part, runs of alarmed rows
without an anomaly are false alarms, and anomalies without an alarm are missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.contract import Score
from faultsight.detect.data import FEEDBACK_SHARE, Fleet

__all__ = ["TUNINGS", "Judged", "first_judged_rows", "judged_pairs", "marks_of_errors"]

TUNINGS: Mapping[str, tuple[MarkKind, ...]] = {
    "none": (),
    "fp": (MarkKind.FALSE_ALARM,),
    "fn": (MarkKind.MISSED,),
    "fp+fn": (MarkKind.FALSE_ALARM, MarkKind.MISSED),
    "fp+fn+tp": (MarkKind.FALSE_ALARM, MarkKind.MISSED, MarkKind.CONFIRMED),
}
"""Columns of the paper's Table 1, and confirmed alarms as one of their own."""

Judged = dict[str, tuple[NDArray[np.float64], NDArray[np.int8]]]
"""Score and truth of each entity, on the rows that are judged."""


def first_judged_rows(fleet: Fleet, *, share: float = FEEDBACK_SHARE) -> dict[str, int]:
    """Return how many rows of history and test lie before the judged ones, by entity."""
    return {
        test.entity: (test.start_s - train.start_s) // test.interval_s + int(share * len(test))
        for train, test in zip(fleet.train, fleet.test, strict=True)
    }


def judged_pairs(
    scores: Iterable[Score], frames: Sequence[KpiFrame], first: Mapping[str, int]
) -> Judged:
    """Return score and truth of each entity from its first judged row on."""
    truth = {frame.entity: frame.labels for frame in frames}
    pairs = {}
    for score in scores:
        labels = truth[score.entity]
        if labels is not None:
            row = first[score.entity]
            pairs[score.entity] = score.total[row:], labels[row:]
    return pairs


@dataclass(frozen=True)
class _Span:
    start: int
    end: int

    def mark(self, frame: KpiFrame, kind: MarkKind) -> Mark:
        start_s, end_s = (frame.start_s + r * frame.interval_s for r in (self.start, self.end))
        return Mark(frame.entity, TimeWindow(start_s, end_s), kind)


def marks_of_errors(
    fleet: Fleet,
    scores: Sequence[Score],
    levels: Mapping[str, float],
    kinds: Sequence[MarkKind],
    *,
    share: float = FEEDBACK_SHARE,
) -> list[Mark]:
    """Return what operators would mark in the first part of the test.

    Parameters
    ----------
    fleet : Fleet
        With a labelled test part.
    scores : sequence of Score
        Of history and test, in the fleet's order.
    levels : mapping of str to float
        The deployed levels.
    kinds : sequence of MarkKind
        Which marks to make. A run of alarmed rows without anomaly is a false alarm; an anomaly
        with no alarm in this part is missed, one with an alarm is confirmed.
    share : float
        The part of the test that operators look at.

    Examples
    --------
    >>> row = lambda s, n: KpiFrame("a", ("x",), s, 60, np.zeros((n, 1)), labels=[0] * n)
    >>> test = KpiFrame("a", ("x",), 120, 60, np.zeros((10, 1)), labels=[0, 0, 1] + [0] * 7)
    >>> total = np.array([0, 0, 9, 0, 0] + [0] * 7, dtype=float)
    >>> fleet, scores = Fleet("f", (row(0, 2),), (test,)), [Score("a", 0, 60, (), total)]
    >>> marks = marks_of_errors(fleet, scores, {"a": 1.0}, TUNINGS["fp+fn"])
    >>> [(m.kind.value, m.window.start_s, m.window.end_s) for m in marks]
    [('false_alarm', 120, 180), ('missed', 240, 300)]
    """
    marks = []
    first = first_judged_rows(fleet, share=share)
    for train, test, score in zip(fleet.train, fleet.test, scores, strict=True):
        offset = (test.start_s - train.start_s) // test.interval_s
        rows = slice(offset, first[test.entity])
        assert test.labels is not None, "only labelled fleets carry the protocol"
        truth = test.labels[: rows.stop - offset] != 0
        alarm = score.total[rows] > levels[test.entity]
        if MarkKind.FALSE_ALARM in kinds:
            marks += [s.mark(test, MarkKind.FALSE_ALARM) for s in _runs(alarm & ~truth)]
        for span in _runs(truth):
            found = bool(alarm[span.start : span.end].any())
            kind = MarkKind.CONFIRMED if found else MarkKind.MISSED
            if kind in kinds:
                marks.append(span.mark(test, kind))
    return marks


def _runs(flags: NDArray[np.bool_]) -> list[_Span]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [_Span(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
