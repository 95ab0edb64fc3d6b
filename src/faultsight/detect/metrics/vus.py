"""VUS-PR: the volume under the precision-recall surface of widening labels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import SettingError
from faultsight.detect.metrics._rows import as_pair
from faultsight.detect.metrics.segments import segments

__all__ = ["vus_pr"]


def vus_pr(
    score: ArrayLike, truth: ArrayLike, *, window: int = 100, thresholds: int = 250
) -> float:
    """Return the mean, over label widths, of the area under a range-aware precision-recall curve.

    Paparrizos et al., VLDB '22, sections 4 and 5. It forgives an alarm that is a little early or
    late: for each width w from 0 to `window`, a label of 1 falls off on both sides of a true
    segment as sqrt(1 - d / w) at a distance of d rows up to w / 2, and rows near it count as
    found or alarmed by that share.

    At each level recall is multiplied by the existence reward: the share of true segments that
    have any alarm within w / 2 rows (segments that touch when widened are one). So the rows of
    one long anomaly cannot make up for short ones that are missed, and recall reaches 1 only
    when each anomaly is seen.

    Scores are sorted once. Each row belongs to the first level that alarms it, so that one
    cumulative sum for each width gives all levels.

    Parameters
    ----------
    score : array of shape (time,)
        Higher is more anomalous. NaN is alarmed at no level.
    truth : array of shape (time,)
        0 or 1.
    window : int
        The widest label slope in rows, both sides together.
    thresholds : int
        Levels, evenly spaced in rank.

    Returns
    -------
    float
        About 0 to 1; higher is better. NaN without a true row.

    Raises
    ------
    InputError
        If the lengths differ, or truth holds another value than 0 and 1.
    SettingError
        If `window` is below 0 or `thresholds` below 1.

    Examples
    --------
    >>> truth = np.zeros(400)
    >>> truth[200:220] = 1
    >>> late = np.roll(truth, 5) + np.linspace(0.0, 0.1, 400)
    >>> round(vus_pr(late, truth), 3), round(vus_pr(late, truth, window=0), 3)
    (0.846, 0.458)
    """
    if window < 0:
        raise SettingError(f"window must be at least 0, not {window}")
    if thresholds < 1:
        raise SettingError(f"thresholds must be at least 1, not {thresholds}")
    values, rows = as_pair(score, truth)
    runs = segments(rows)
    if not len(runs):
        return math.nan
    if not (values > -np.inf).any():
        return 0.0
    first_level, n_alarmed = _levels(values, thresholds)
    n_true = int(rows.sum())
    true_alarmed = _up_to_level(first_level[rows], n_alarmed.size)
    near, reach, distance = _slopes(rows, runs, window // 2)
    near_level = first_level[near]
    total = 0.0
    for width in range(window + 1):
        half = width // 2
        if width % 2 == 0:  # an odd width reaches as far as the even one before it
            existence = _existence(first_level, runs, half, n_alarmed.size)
        n_reached = int(np.searchsorted(distance, half, side="right"))
        fall = np.sqrt(1.0 - np.arange(half + 1) / max(width, 1))
        label = np.bincount(reach[:n_reached], fall[distance[:n_reached]], minlength=near.size)
        near_alarmed = _up_to_level(near_level, n_alarmed.size, np.minimum(label, 1.0))
        found = true_alarmed + near_alarmed
        # The truth is the mean of the labels as given and as widened where there are alarms.
        recall = np.minimum(found / (n_true + near_alarmed / 2.0), 1.0) * existence
        total += float(np.sum(np.diff(recall, prepend=0.0) * found / n_alarmed))
    return total / (window + 1)


def _levels(
    values: NDArray[np.float64], thresholds: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first level that alarms each row (`thresholds` is never), and rows per level."""
    ordered = np.sort(values[values > -np.inf])
    picked = np.linspace(0, ordered.size - 1, thresholds).astype(np.int64)
    levels = ordered[::-1][picked]
    first = np.searchsorted(-levels, -values, side="left")
    return first.astype(np.int64), ordered.size - np.searchsorted(ordered, levels, side="left")


def _up_to_level(
    first_level: NDArray[np.int64], n_levels: int, weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the rows, or their weights, that are alarmed at each level."""
    at_level = np.bincount(first_level, weights, minlength=n_levels + 1)[:n_levels]
    return np.cumsum(at_level.astype(np.float64))


def _slopes(
    rows: NDArray[np.bool_], runs: NDArray[np.int64], half: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows near a segment, and every (row, distance) of a slope by rising distance.

    A row between two segments is on the slope of both.
    """
    away = np.arange(1, half + 1)[:, None]
    row = np.concatenate([runs[:, 0] - away, runs[:, 1] - 1 + away], axis=1).ravel()
    distance = np.repeat(np.arange(1, half + 1), 2 * len(runs))
    inside = (row >= 0) & (row < rows.size)
    inside[inside] = ~rows[row[inside]]
    near, reach = np.unique(row[inside], return_inverse=True)
    return near, reach, distance[inside]


def _existence(
    first_level: NDArray[np.int64], runs: NDArray[np.int64], half: int, n_levels: int
) -> NDArray[np.float64]:
    """Return the share of widened segments that hold an alarm at each level."""
    starts = np.maximum(runs[:, 0] - half, 0)
    stops = np.minimum(runs[:, 1] + half, first_level.size)
    apart = stops[:-1] < starts[1:] + 1
    starts = starts[np.concatenate([[True], apart])]
    stops = stops[np.concatenate([apart, [True]])]
    padded = np.append(first_level, n_levels)  # reduceat takes no bound past the end
    seen = np.minimum.reduceat(padded, np.column_stack([starts, stops]).ravel())[::2]
    return _up_to_level(seen, n_levels) / len(starts)
