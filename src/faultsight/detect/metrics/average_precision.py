"""Average precision: the mean precision over the levels at which true rows are found."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from faultsight.detect.metrics._rows import as_pair

__all__ = ["average_precision"]


def average_precision(score: ArrayLike, truth: ArrayLike) -> float:
    """Return the area under the precision-recall steps, row by row and without a level.

    The sum over levels, from high to low, of precision times the gain in recall; equal scores
    are one level. It equals scikit-learn's ``average_precision_score``.

    Parameters
    ----------
    score : array of shape (time,)
        Higher is more anomalous. NaN is alarmed at no level, so a true row of unknown score is
        never found.
    truth : array of shape (time,)
        0 or 1.

    Returns
    -------
    float
        In [0, 1]; a random score reaches about the share of true rows. NaN without a true row.

    Raises
    ------
    InputError
        If the lengths differ, or truth holds another value than 0 and 1.

    Examples
    --------
    >>> average_precision([4.0, 3.0, 2.0, 1.0], [1, 0, 1, 0])
    0.8333333333333333
    """
    values, rows = as_pair(score, truth)
    n_true = int(rows.sum())
    if not n_true:
        return math.nan
    order = np.argsort(-values, kind="stable")
    order = order[: np.count_nonzero(values > -np.inf)]
    ranked = values[order]
    ends = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], [True] * bool(ranked.size)))
    found = np.cumsum(rows[order])[ends]
    return float(np.sum(np.diff(found, prepend=0) * (found / (ends + 1)))) / n_true
