"""Point adjustment: an anomaly is found as a whole if one of its rows alarms.

It is the protocol of the AnoTuner paper and of most before it, and it is generous: a random
score reaches an F1 of 0.6 to 0.9 where anomalies are long (Kim et al., AAAI '22). Read it beside
the same number of a random score, and beside metrics that do not adjust.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.detect.metrics._best_level import Best, best_level
from faultsight.detect.metrics._rows import Pairs, as_alarm, as_pair, mean_of_known, pairs_of
from faultsight.detect.metrics.counts import Counts, PrecisionRecall, count_rows, f1_of, fleet_f1
from faultsight.detect.metrics.segments import segments

__all__ = [
    "Best",
    "Counts",
    "PrecisionRecall",
    "adjusted_counts",
    "best_f1",
    "best_fleet_f1",
    "fleet_f1",
    "point_adjusted",
]


def point_adjusted(alarm: ArrayLike, truth: ArrayLike) -> NDArray[np.bool_]:
    """Return the alarm with every row of a true segment alarmed if one of its rows is.

    The AnoTuner paper, appendix C and figure 9.

    Parameters
    ----------
    alarm, truth : array of shape (time,)
        0 or 1.

    Returns
    -------
    array of shape (time,)
        Rows outside true segments are as they were.

    Raises
    ------
    InputError
        If the lengths differ, or a value is neither 0 nor 1.

    Examples
    --------
    >>> point_adjusted([1, 0, 0, 1, 0], [0, 0, 1, 1, 1]).astype(int).tolist()
    [1, 0, 1, 1, 1]
    """
    raised, rows = as_alarm(alarm, truth)
    adjusted = raised.copy()
    for start, stop in segments(rows):
        adjusted[start:stop] = raised[start:stop].any()
    return adjusted


def adjusted_counts(score: ArrayLike, truth: ArrayLike, level: float) -> Counts:
    """Return the point-adjusted counts of one entity at a level.

    Parameters
    ----------
    score : array of shape (time,)
        Higher is more anomalous; NaN never alarms.
    truth : array of shape (time,)
        0 or 1.
    level : float
        Scores above it alarm.

    Raises
    ------
    InputError
        If the lengths differ, or truth holds another value than 0 and 1.

    Examples
    --------
    >>> adjusted_counts([0.0, 3.0, 1.0, 9.0, 2.0], [0, 0, 1, 1, 0], 2.5)
    Counts(tp=2, fp=1, fn=0)
    """
    values, rows = as_pair(score, truth)
    return count_rows(point_adjusted(values > level, rows), rows)


def best_f1(score: ArrayLike, truth: ArrayLike) -> Best:
    """Return the best point-adjusted F1 of one entity over all levels.

    Exact: scores are sorted once, and a segment counts from its highest row on.

    Parameters
    ----------
    score : array of shape (time,)
        Higher is more anomalous; NaN never alarms.
    truth : array of shape (time,)
        0 or 1.

    Returns
    -------
    Best
        Precision, recall, F1 and the level above which a score alarms, the highest of those that
        are equally good. NaN but for a level that never alarms if there is no true row.

    Raises
    ------
    InputError
        If the lengths differ, or truth holds another value than 0 and 1.

    Examples
    --------
    >>> best_f1([0.0, 3.0, 1.0, 9.0, 2.0], [0, 0, 1, 1, 0])
    Best(precision=1.0, recall=1.0, f1=1.0, level=3.0)
    """
    values, rows = as_pair(score, truth)
    runs = segments(rows)
    n_false = int(np.count_nonzero(~rows))
    peaks = [values[start:stop].max() for start, stop in runs]
    heights = np.concatenate([np.array(peaks, dtype=np.float64), values[~rows]])
    true_rows = np.concatenate([runs[:, 1] - runs[:, 0], np.zeros(n_false, dtype=np.int64)])
    return best_level(values, heights, true_rows, int(rows.sum()))


def best_fleet_f1(pairs: Pairs) -> PrecisionRecall:
    """Return the paper's number: each entity at its own best level, then `fleet_f1`'s averages.

    The levels are found with the labels: it is what a score could reach, not what a network gets.

    Parameters
    ----------
    pairs : mapping of str to (score, truth), or iterable of (score, truth)
        One for each entity, as in `best_f1`. Entities without a true row are left out.

    Raises
    ------
    InputError
        If there is no entity, or lengths differ.

    Examples
    --------
    >>> found = best_fleet_f1([([0.0, 5.0, 1.0], [0, 1, 1]), ([3.0, 2.0, 1.0], [0, 1, 0])])
    >>> found.precision, found.recall, round(found.f1, 3)
    (0.75, 1.0, 0.857)
    """
    best = [best_f1(score, truth) for score, truth in pairs_of(pairs)]
    precision = mean_of_known(entity.precision for entity in best)
    recall = mean_of_known(entity.recall for entity in best)
    return PrecisionRecall(precision, recall, f1_of(precision, recall))
