"""Segments: unbroken runs of rows that are all 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.detect.metrics._rows import as_rows

__all__ = ["n_segments", "segment_lengths", "segments"]


def segments(truth: ArrayLike) -> NDArray[np.int64]:
    """Return the runs of ones in order of time.

    Parameters
    ----------
    truth : array of shape (time,)
        0 or 1; alarms do as well.

    Returns
    -------
    array of shape (segment, 2)
        The first row of each run, and the row after its last.

    Raises
    ------
    InputError
        If `truth` is not one row of zeros and ones.

    Examples
    --------
    >>> segments([1, 1, 0, 0, 1]).tolist()
    [[0, 2], [4, 5]]
    """
    rows = np.concatenate([[False], as_rows(truth), [False]])
    return np.flatnonzero(rows[1:] != rows[:-1]).astype(np.int64).reshape(-1, 2)


def n_segments(truth: ArrayLike) -> int:
    """Return how many runs of ones there are.

    Examples
    --------
    >>> n_segments([1, 1, 0, 0, 1])
    2
    """
    return len(segments(truth))


def segment_lengths(truth: ArrayLike) -> NDArray[np.int64]:
    """Return the rows of each run of ones.

    Examples
    --------
    >>> segment_lengths([1, 1, 0, 0, 1]).tolist()
    [2, 1]
    """
    runs = segments(truth)
    return runs[:, 1] - runs[:, 0]
