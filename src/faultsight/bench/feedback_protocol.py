"""The paper's protocol (4.3): deploy, mark the errors of the first 30 %, tune, judge the rest.

Operators are played by the labels: see `faultsight.detect.marking`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from faultsight.core.feedback import Mark, MarkKind
from faultsight.detect.contract import Score
from faultsight.detect.data import FEEDBACK_SHARE, Fleet
from faultsight.detect.marking import EVERY_KIND, mark_errors

__all__ = ["TUNINGS", "Judged", "first_judged_rows", "first_test_rows", "judged_pairs",
           "marks_of_errors"]  # fmt: skip

TUNINGS: Mapping[str, Collection[MarkKind]] = {
    "none": (),
    "fp": (MarkKind.FALSE_ALARM,),
    "fn": (MarkKind.MISSED,),
    "fp+fn": (MarkKind.FALSE_ALARM, MarkKind.MISSED),
    "fp+fn+tp": EVERY_KIND,
}
"""Columns of the paper's Table 1, and confirmed alarms as one of their own."""

Judged = dict[str, tuple[NDArray[np.float64], NDArray[np.int8]]]
"""Score and truth of each entity, on the rows that are judged."""


def first_test_rows(fleet: Fleet) -> dict[str, int]:
    """Return how many rows lie before the test part, by entity."""
    return {
        test.entity: (test.start_s - train.start_s) // test.interval_s
        for train, test in zip(fleet.train, fleet.test, strict=True)
    }


def first_judged_rows(fleet: Fleet, *, share: float = FEEDBACK_SHARE) -> dict[str, int]:
    """Return how many rows lie before the judged ones, by entity."""
    first = first_test_rows(fleet)
    return {test.entity: first[test.entity] + int(share * len(test)) for test in fleet.test}


def judged_pairs(scores: Iterable[Score], fleet: Fleet, *, share: float = FEEDBACK_SHARE) -> Judged:
    """Return score and truth of each entity after the first part of the test."""
    first = first_judged_rows(fleet, share=share)
    truth = {test.entity: test.labels for test in fleet.test}
    pairs = {}
    for score in scores:
        labels = truth[score.entity]
        if labels is not None:
            total = score.total[first[score.entity] :]
            pairs[score.entity] = total, labels[len(labels) - len(total) :]
    return pairs


def marks_of_errors(
    fleet: Fleet,
    scores: Sequence[Score],
    levels: Mapping[str, float],
    kinds: Collection[MarkKind],
) -> list[Mark]:
    """Return what operators would mark in the first 30 % of the test.

    Parameters
    ----------
    fleet : Fleet
        With a labelled test part.
    scores : sequence of Score
        Of history and test, in the fleet's order.
    levels : mapping of str to float
        The deployed levels.
    kinds : collection of MarkKind
        Which marks to make.

    Examples
    --------
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> train = KpiFrame("a", ("x",), 0, 60, np.zeros((2, 1)))
    >>> test = KpiFrame("a", ("x",), 120, 60, np.zeros((10, 1)), labels=[0, 0, 1] + [0] * 7)
    >>> total = np.array([0, 0, 9, 0, 0] + [9] * 7, dtype=float)
    >>> fleet, scores = Fleet("f", (train,), (test,)), [Score("a", 0, 60, (), total)]
    >>> marks = marks_of_errors(fleet, scores, {"a": 1.0}, TUNINGS["fp+fn"])
    >>> [(mark.kind.value, mark.window.start_s, mark.window.end_s) for mark in marks]
    [('false_alarm', 120, 180), ('missed', 240, 300)]
    """
    start, stop = first_test_rows(fleet), first_judged_rows(fleet)
    marks = []
    for test, score in zip(fleet.test, scores, strict=True):
        rows = slice(start[test.entity], stop[test.entity])
        labels = () if test.labels is None else test.labels[: rows.stop - rows.start]
        marks += mark_errors(score[rows], labels, levels[test.entity], kinds=kinds)
    return marks
