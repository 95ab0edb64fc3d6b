"""Point-wise precision, recall and F1: every row counts for itself, nothing is adjusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from faultsight.detect.metrics._best_level import Best, best_level
from faultsight.detect.metrics._rows import as_pair
from faultsight.detect.metrics.counts import Counts, count_rows

__all__ = ["best_pointwise_f1", "pointwise_counts"]


def pointwise_counts(score: ArrayLike, truth: ArrayLike, level: float) -> Counts:
    """Return the counts of one entity's rows at a level.

    Parameters
    ----------
    score : array of shape (time,)
        Higher is more anomalous; NaN never alarms.
    truth : array of shape (time,)
        0 or 1.
    level : float
        Scores above it alarm.

    Returns
    -------
    Counts
        With precision, recall and F1; `fleet_f1` averages them over entities.

    Raises
    ------
    InputError
        If the lengths differ, or truth holds another value than 0 and 1.

    Examples
    --------
    >>> pointwise_counts([0.0, 3.0, 1.0, 9.0, 2.0], [0, 0, 1, 1, 0], 2.5)
    Counts(tp=1, fp=1, fn=1)
    """
    values, rows = as_pair(score, truth)
    return count_rows(values > level, rows)


def best_pointwise_f1(score: ArrayLike, truth: ArrayLike) -> Best:
    """Return the best point-wise F1 of one entity over all levels, exact by sorting.

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
    >>> best_pointwise_f1([0.0, 3.0, 1.0, 9.0], [0, 0, 1, 1])
    Best(precision=0.6666666666666666, recall=1.0, f1=0.8, level=0.0)
    """
    values, rows = as_pair(score, truth)
    return best_level(values, values, rows.astype(np.int64), int(rows.sum()))
