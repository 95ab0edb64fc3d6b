"""The best set of sibling combinations: those that differ in one attribute's element only.

A fault that hits a few elements of an attribute may be too weak in each of them and clear in all.
Without a price for members, the best set is one of the n first when elements are sorted by their
mean deviation, among all 2^n ("linear-time subset scanning", Neill 2012, *Fast subset scan for
spatial pattern detection*, Journal of the Royal Statistical Society B 74(2)). Such a set swallows
normal elements that lean the same way. A price for each member keeps them out, and breaks the sort:
an element of few leaves may lie far out and still not be worth its price. But at each given level
of deviation every element is in or out for itself, in over one interval of levels, so the best set
is one of at most 2n (Speakman, Somanchi, McFowland and Neill 2016, *Penalized fast subset
scanning*, Journal of Computational and Graphical Statistics 25(2)).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from faultsight.localize.scan.gain import Gain

__all__ = ["best_subset", "lines"]

Array = NDArray[np.float64]


def lines(elements: NDArray[np.int64], winner: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield for each attribute which combinations differ from one of them in it alone.

    Parameters
    ----------
    elements : ndarray of int, shape (n_combinations, n_attributes)
        Combinations of one cuboid.
    winner : int
        The row to compare with; it lies on each of the lines.

    Yields
    ------
    column : int
        The attribute's position.
    rows : ndarray of int
        The line, ascending.

    Examples
    --------
    >>> [(a, rows.tolist()) for a, rows in lines(np.array([[0, 0], [0, 1], [1, 1], [2, 0]]), 0)]
    [(0, [0, 3]), (1, [0, 1])]
    """
    agrees = elements == elements[winner]
    for column in range(elements.shape[1]):
        yield column, np.flatnonzero(np.delete(agrees, column, axis=1).all(axis=1))


def best_subset(
    gain: Gain, first: Array, second: Array, *, price: float, is_drop: bool
) -> tuple[NDArray[np.intp], float]:
    """Return the set of elements with the largest joint gain less a price for each member.

    Parameters
    ----------
    gain : Gain
        The model.
    first, second : ndarray
        The sums of each element.
    price : float
        Of a member, at least 0.
    is_drop : bool
        Which way the set deviates.

    Returns
    -------
    members : ndarray of int
        Ascending; empty if no element is worth its price.
    score : float
        The set's gain less its price; 0 if it is empty.

    Examples
    --------
    Three elements at -20 %, one at -1 %; the last lies far out, but on next to nothing.

    >>> from faultsight.localize.scan.gain import DeviationGain
    >>> gain = DeviationGain(np.array([9.0, 10.0]), np.array([10.0, 9.0]),
    ...                      cap=7.0, shift_within=0.5, least_effect=0.3)
    >>> first = np.array([300.0, 300.0, 300.0, 300.0, 1.0])
    >>> members, score = best_subset(gain, first, first * [0.2, 0.01, 0.2, 0.2, 0.9],
    ...                              price=2.0, is_drop=True)
    >>> members.tolist(), round(score, 6)
    ([0, 2, 3], 12.0)
    """
    leans = (gain.means(first, second) > 0) == is_drop
    able = np.flatnonzero(leans & (gain.signed_gains(first, second) > price))
    if not len(able):
        return able, 0.0
    first, second = first[able], second[able]
    levels = np.concatenate(gain.levels(first, second, price))
    order = np.argsort(levels, kind="stable")
    # As the level rises, each element comes in once and goes out once.
    change = np.where(order < len(able), 1.0, -1.0)
    which = order % len(able)
    count = np.cumsum(change)
    joint = gain.signed_gains(np.cumsum(change * first[which]), np.cumsum(change * second[which]))
    scores = np.where(count > 0.5, joint - price * count, -np.inf)
    best = int(scores.argmax())
    inside = np.bincount(which[: best + 1], change[: best + 1], len(able)) > 0.5
    return able[inside], float(scores[best])
