"""PA%K: a segment is adjusted only if more than K percent of its rows alarm.

Kim et al., AAAI '22. K of 0 is point adjustment, K of 100 is point-wise; the area over all K
is one number between the two that a random score cannot inflate as it does the first.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import SettingError
from faultsight.detect.metrics._rows import as_pair
from faultsight.detect.metrics.counts import Counts
from faultsight.detect.metrics.segments import segments

__all__ = ["f1_pa_k", "f1_pa_k_area"]


def f1_pa_k(score: ArrayLike, truth: ArrayLike, level: float, k: float) -> float:
    """Return the F1 at a level after the segments with enough alarms are adjusted.

    Parameters
    ----------
    score : array of shape (time,)
        Higher is more anomalous; NaN never alarms.
    truth : array of shape (time,)
        0 or 1.
    level : float
        Scores above it alarm.
    k : float
        In percent, 0 to 100: a segment counts as found in full if the share of its rows that
        alarm is above it; otherwise only the rows that alarm count.

    Returns
    -------
    float
        In [0, 1]; NaN without a true row.

    Raises
    ------
    InputError
        If the lengths differ, or truth holds another value than 0 and 1.
    SettingError
        If `k` is not a percentage.

    Examples
    --------
    >>> score, truth = [9.0, 1.0, 1.0, 1.0, 0.0], [1, 1, 1, 1, 0]
    >>> f1_pa_k(score, truth, 5.0, k=20), f1_pa_k(score, truth, 5.0, k=30)
    (1.0, 0.4)
    """
    if not 0.0 <= k <= 100.0:
        raise SettingError(f"k is a percentage from 0 to 100, not {k}")
    lengths, alarmed, fp = _alarmed(score, truth, level)
    # In whole rows: a share of 0.07 is above 7 percent in floating point.
    found = np.where(100.0 * alarmed > k * lengths, lengths, alarmed)
    tp = int(found.sum())
    return Counts(tp, fp, int(lengths.sum()) - tp).f1


def f1_pa_k_area(score: ArrayLike, truth: ArrayLike, level: float) -> float:
    """Return the mean of `f1_pa_k` over all K from 0 to 100.

    Exact: between the shares of alarmed rows of the segments the F1 does not change.

    Parameters
    ----------
    score, truth, level
        As in `f1_pa_k`.

    Returns
    -------
    float
        In [0, 1]; NaN without a true row.

    Raises
    ------
    InputError
        If the lengths differ, or truth holds another value than 0 and 1.

    Examples
    --------
    >>> round(f1_pa_k_area([9.0, 1.0, 1.0, 1.0, 0.0], [1, 1, 1, 1, 0], 5.0), 12)  # 1 up to 25 %
    0.55
    """
    lengths, alarmed, fp = _alarmed(score, truth, level)
    n_true = int(lengths.sum())
    if not n_true:
        return math.nan
    order = np.argsort(alarmed / lengths, kind="stable")
    lengths, alarmed = lengths[order], alarmed[order]
    # From each share on, one more segment counts by its alarmed rows alone.
    tp = n_true - np.concatenate([[0], np.cumsum(lengths - alarmed)])
    f1 = 2.0 * tp / (tp + fp + n_true)
    ks = np.concatenate([[0.0], alarmed / lengths, [1.0]])
    return float(np.sum(f1 * np.diff(ks)))


def _alarmed(
    score: ArrayLike, truth: ArrayLike, level: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return rows and alarmed rows of each segment, and the false rows that alarm."""
    values, rows = as_pair(score, truth)
    alarm = values > level
    so_far = np.concatenate([[0], np.cumsum(alarm, dtype=np.int64)])
    runs = segments(rows)
    alarmed = so_far[runs[:, 1]] - so_far[runs[:, 0]]
    return runs[:, 1] - runs[:, 0], alarmed, int(so_far[-1] - alarmed.sum())
