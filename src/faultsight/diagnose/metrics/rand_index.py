"""How well a clustering agrees with the true one: Rand index, and the same adjusted for chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from faultsight.core.errors import InputError

__all__ = ["adjusted_rand_index", "rand_index"]


class _Pairs(NamedTuple):
    """Pairs of items: together in both clusterings, in the first, in the second; and all."""

    both: int
    first: int
    second: int
    all: int


def rand_index(first: ArrayLike, second: ArrayLike) -> float:
    """Return the share of pairs on which two clusterings agree.

    TelApart, section V-C: (TP + TN) / (TP + TN + FP + FN), where a pair is positive if it is in one
    cluster. Names of clusters do not matter.

    Parameters
    ----------
    first, second : array of shape (item,)
        The cluster of each item.

    Returns
    -------
    float
        Between 0 and 1; 1 for fewer than two items.

    Raises
    ------
    InputError
        If the lengths differ.

    Examples
    --------
    >>> round(rand_index([0, 0, 1, 1], [0, 0, 1, 2]), 4)
    0.8333
    """
    pairs = _count(first, second)
    if not pairs.all:
        return 1.0
    agree = pairs.all - pairs.first - pairs.second + 2 * pairs.both
    return agree / pairs.all


def adjusted_rand_index(first: ArrayLike, second: ArrayLike) -> float:
    """Return the Rand index, rescaled so that chance is 0 and agreement 1.

    TelApart, section V-C: (RI - E) / (1 - E) with the Rand index E that is expected of clusters of
    the same sizes drawn at random (Hubert and Arabie, "Comparing partitions", 1985).

    Parameters
    ----------
    first, second : array of shape (item,)
        The cluster of each item.

    Returns
    -------
    float
        At most 1; below 0 if they agree less than by chance. 1 if both are one cluster, or both
        only clusters of one.

    Raises
    ------
    InputError
        If the lengths differ.

    Examples
    --------
    >>> round(adjusted_rand_index([0, 0, 1, 1], [0, 0, 1, 2]), 4)
    0.5714
    """
    pairs = _count(first, second)
    # Whole numbers throughout: pairs of large networks exceed what a float holds exactly.
    numerator = 2 * (pairs.all * pairs.both - pairs.first * pairs.second)
    denominator = pairs.all * (pairs.first + pairs.second) - 2 * pairs.first * pairs.second
    return numerator / denominator if denominator else 1.0


def _count(first: ArrayLike, second: ArrayLike) -> _Pairs:
    a, b = np.asarray(first), np.asarray(second)
    if a.ndim != 1 or a.shape != b.shape:
        raise InputError(f"clusterings of the same items are needed, not {a.shape} and {b.shape}")
    _, of_a = np.unique(a, return_inverse=True)
    _, of_b = np.unique(b, return_inverse=True)
    width = int(of_b.max(initial=-1)) + 1
    _, joint = np.unique(of_a.astype(np.int64) * width + of_b, return_counts=True)
    return _Pairs(
        _together(joint), _together(np.bincount(of_a)), _together(np.bincount(of_b)),
        len(a) * (len(a) - 1) // 2,
    )  # fmt: skip


def _together(sizes: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())
