"""Curves of fewer points that still show every extreme."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["kept_rows"]


def kept_rows(values: NDArray[np.floating], points: int) -> NDArray[np.int64]:
    """Return which rows of a curve to show: the least and greatest value of each stretch.

    Stretches have one length. One of missing values alone keeps its first row, so that a gap stays
    a gap.

    Parameters
    ----------
    values : array of shape (time,)
        NaN is missing.
    points : int
        At most so many rows, at least 2.

    Returns
    -------
    array of int64
        Ascending.

    Examples
    --------
    >>> kept_rows(np.array([0.0, 9.0, 1.0, 1.0, -5.0, 0.0]), 4).tolist()
    [0, 1, 3, 4]
    """
    n = len(values)
    if n <= points:
        return np.arange(n)
    n_stretches = max(points // 2, 1)
    length = -(-n // n_stretches)
    padded = np.full(n_stretches * length, np.nan)
    padded[:n] = values
    rows = padded.reshape(n_stretches, length)
    known = ~np.isnan(rows)
    least = np.argmin(np.where(known, rows, np.inf), axis=1)
    greatest = np.argmax(np.where(known, rows, -np.inf), axis=1)
    starts = np.arange(n_stretches) * length
    chosen = np.unique(np.concatenate([starts + least, starts + greatest]))
    return chosen[chosen < n]
