"""The level with the best F1, exact: every level that parts two scores is tried at once."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Best", "best_level"]


class Best(NamedTuple):
    """The best that a score can do with its labels known; an alarm is a score above `level`."""

    precision: float
    recall: float
    f1: float
    level: float


def best_level(
    score: NDArray[np.float64],
    heights: NDArray[np.float64],
    true_rows: NDArray[np.int64],
    n_true: int,
) -> Best:
    """Return the best level; of several equal ones the highest.

    Parameters
    ----------
    score : array of shape (time,)
        What a level is taken from; -inf is no score.
    heights : array of shape (step,)
        The score at which a step is alarmed.
    true_rows : array of shape (step,)
        The true rows that a step finds; a step of 0 is one false row.
    n_true : int
        True rows in all.
    """
    known = np.unique(score[score > -np.inf])
    quiet = float(known[-1]) if known.size else math.inf
    if not n_true:
        return Best(math.nan, math.nan, math.nan, quiet)
    scored = heights > -np.inf
    heights, true_rows = heights[scored], true_rows[scored]
    order = np.argsort(-heights, kind="stable")
    heights, true_rows = heights[order], true_rows[order]
    found = np.cumsum(true_rows)
    alarmed = np.cumsum(np.maximum(true_rows, 1))
    # Steps of one height come together: only after the last of them can a level lie.
    ends = np.flatnonzero(np.append(heights[1:] < heights[:-1], [True] * bool(heights.size)))
    f1 = 2.0 * found[ends] / (alarmed[ends] + n_true)
    if not f1.size or not f1.max() > 0.0:
        return Best(0.0, 0.0, 0.0, quiet)
    at = int(np.argmax(f1))
    best = int(ends[at])
    below = int(np.searchsorted(known, heights[best])) - 1
    level = known[below] if below >= 0 else np.nextafter(known[0], -np.inf)
    precision, recall = found[best] / alarmed[best], found[best] / n_true
    return Best(float(precision), float(recall), float(f1[at]), float(level))
