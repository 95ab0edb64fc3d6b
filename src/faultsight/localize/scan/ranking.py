"""Which of all combinations score highest: gain, less the price of naming one in its cuboid.

The combinations of a large cube take more memory than its leaves. So their scores are never
written down: each question is one pass over gains and counts.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Ranking", "count_combinations"]

Array = NDArray[np.float64]
Cells = NDArray[np.int64]
_Table = tuple[Array, Array, NDArray[np.intp], Array, float]


def count_combinations(counts: Array, offsets: NDArray[np.intp]) -> Cells:
    """Return how many combinations of each cuboid hold a leaf, given how many each holds.

    Examples
    --------
    >>> count_combinations(np.array([3.0, 0.0, 1.0, 2.0]), np.array([0, 2, 4])).tolist()
    [1, 2]
    """
    combinations: Cells = _count(counts, offsets)
    return combinations


class Ranking:
    """The candidates among all combinations, by score.

    Parameters
    ----------
    gains, counts : ndarray
        Of each combination, one cuboid after the other: its gain, and how many leaves it holds. A
        combination is a candidate if its gain is above 0 and it holds enough leaves.
    offsets : ndarray of int
        Where each cuboid begins, and the number of all combinations.
    prices : ndarray
        Of naming a combination, for each cuboid.
    least : float
        How many leaves are enough.

    Examples
    --------
    >>> ranking = Ranking(np.array([3.0, 0.0, 5.0, 4.0]), np.array([2.0, 1.0, 1.0, 1.0]),
    ...                   np.array([0, 2, 4]), np.array([0.5, 3.0]), 1)
    >>> ranking.highest(), ranking.at_least(1.5).tolist(), ranking.top(9).tolist()
    (2.5, [0, 2], [0, 2, 3])
    """

    def __init__(
        self, gains: Array, counts: Array, offsets: NDArray[np.intp], prices: Array, least: float
    ) -> None:
        self._table: _Table = gains, counts, offsets, prices, float(least)

    def highest(self) -> float:
        """Return the highest score; minus infinity if there is no candidate."""
        return float(_highest(self._table))

    def at_least(self, score: float) -> Cells:
        """Return the candidates with at least this score, ascending."""
        found: Cells = _at_least(self._table, score)
        return found

    def top(self, most: int) -> Cells:
        """Return the candidates with the highest scores, at most so many, best first."""
        found: Cells = _top(self._table, most)
        return found


@njit(cache=True, nogil=True)
def _count(counts: Array, offsets: NDArray[np.intp]) -> Cells:
    combinations = np.zeros(len(offsets) - 1, dtype=np.int64)
    for cuboid in range(len(combinations)):
        for cell in range(offsets[cuboid], offsets[cuboid + 1]):
            combinations[cuboid] += counts[cell] > 0
    return combinations


@njit(cache=True, nogil=True)
def _highest(table: _Table) -> float:
    gains, counts, offsets, prices, least = table
    best = -np.inf
    for cuboid in range(len(prices)):
        most = 0.0
        for cell in range(offsets[cuboid], offsets[cuboid + 1]):
            if gains[cell] > most and counts[cell] >= least:
                most = gains[cell]
        if most > 0:
            best = max(best, most - prices[cuboid])
    return best


@njit(cache=True, nogil=True)
def _at_least(table: _Table, score: float) -> Cells:
    gains, counts, offsets, prices, least = table
    found = []
    for cuboid in range(len(prices)):
        for cell in range(offsets[cuboid], offsets[cuboid + 1]):
            gain = gains[cell]
            if gain > 0 and gain - prices[cuboid] >= score and counts[cell] >= least:
                found.append(cell)
    return np.array(found, dtype=np.int64)


@njit(cache=True, nogil=True)
def _top(table: _Table, most: int) -> Cells:
    gains, counts, offsets, prices, least = table
    cells, scores = np.empty(most, dtype=np.int64), np.empty(most)
    n = 0
    for cuboid in range(len(prices)):
        for cell in range(offsets[cuboid], offsets[cuboid + 1]):
            score = gains[cell] - prices[cuboid]
            if gains[cell] <= 0 or counts[cell] < least or (n == most and score <= scores[n - 1]):
                continue
            # Make room among the best so far, which are few.
            at = min(n, most - 1)
            while at > 0 and scores[at - 1] < score:
                cells[at], scores[at] = cells[at - 1], scores[at - 1]
                at -= 1
            cells[at], scores[at] = cell, score
            n = min(n + 1, most)
    return cells[:n]
