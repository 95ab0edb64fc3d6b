"""Algorithm 2: pair the slots of two modems that are nearest to each other.

Slots i and j are paired if j is the nearest of the other's slots to i, and i the nearest to j. All
channels of a poll share its stamp, so two modems are aligned once for all of them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["align", "align_into"]


def align(a_s: NDArray[np.float64], b_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the pairs of mutually nearest moments of two ascending series.

    Parameters
    ----------
    a_s, b_s : array
        Strictly ascending moments.

    Returns
    -------
    array of shape (pair, 2)
        Positions in `a_s` and `b_s`, ascending in both; of equally near moments the earlier is
        taken. O(len(a) + len(b)).

    Notes
    -----
    Theorem 1 of the paper: for every pair (x, y) that is not returned, a pair (a, b) is, with x = a
    or y = b or reached from them step by step, such that ``|a - b| <= |x - y|``.

    Examples
    --------
    >>> align(np.array([0.0, 4.0, 8.1]), np.array([0.5, 7.9, 12.0])).tolist()
    [[0, 0], [2, 1]]
    """
    left = np.empty(min(len(a_s), len(b_s)), np.int64)
    right = np.empty_like(left)
    n = align_into(
        np.ascontiguousarray(a_s, np.float64), np.ascontiguousarray(b_s, np.float64), left, right
    )
    return np.stack([left[:n], right[:n]], axis=1)


@njit(nogil=True, cache=True)
def align_into(
    a_s: NDArray[np.float64],
    b_s: NDArray[np.float64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> int:  # pragma: no cover - compiled
    """Write the pairs into two arrays and return how many there are."""
    n_a, n_b = len(a_s), len(b_s)
    if n_a == 0 or n_b == 0:
        return 0
    n, j = 0, 0
    for i in range(n_a):
        here = a_s[i]
        while j + 1 < n_b and abs(b_s[j + 1] - here) < abs(b_s[j] - here):
            j += 1
        gap = abs(b_s[j] - here)
        # Only a neighbour can be nearer to b[j]; of equally near ones the earlier is taken.
        if i > 0 and abs(a_s[i - 1] - b_s[j]) <= gap:
            continue
        if i + 1 < n_a and abs(a_s[i + 1] - b_s[j]) < gap:
            continue
        left[n], right[n] = i, j
        n += 1
    return n
