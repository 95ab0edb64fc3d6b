"""From groups of modems and single anomalies to verdicts (TelApart, section IV-A)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from faultsight.diagnose.clustering.linkage import Dendrogram
from faultsight.diagnose.contract import Group, Verdict

__all__ = [
    "LARGEST_SERVICE_GROUP",
    "deciding_level",
    "in_order",
    "joining_height",
    "verdict_of_groups",
]

Array = NDArray[np.float64]

LARGEST_SERVICE_GROUP = 5
"""Most amplifiers serve more modems (the paper's operator): a larger group has a common cause."""


def verdict_of_groups(
    size: NDArray[np.int64],
    n_anomalous: NDArray[np.int64],
    *,
    largest_service_group: int = LARGEST_SERVICE_GROUP,
) -> NDArray[np.int8]:
    """Return the verdict of each group: of one with an anomalous modem, its size decides.

    Examples
    --------
    >>> verdict_of_groups(np.array([6, 5, 9]), np.array([1, 2, 0])).tolist()
    [3, 2, 0]
    """
    by_size = np.where(size > largest_service_group, Verdict.MAINTENANCE, Verdict.SERVICE)
    return np.where(n_anomalous > 0, by_size, Verdict.HEALTHY).astype(np.int8)


def in_order(
    label: NDArray[np.int64],
    verdict: NDArray[np.int8],
    describe: Callable[[NDArray[np.int64], Verdict], Group],
) -> tuple[Group, ...]:
    """Return the groups whose verdict is not healthy: maintenance first, the larger first.

    Parameters
    ----------
    label : array of shape (modem,)
        The group of each modem; -1 is none.
    verdict : array of shape (group,)
        Of each group.
    describe : callable
        From positions in `label` and the group's verdict to the group.
    """
    found = [
        describe(np.flatnonzero(label == group), Verdict(verdict[group]))
        for group in np.flatnonzero(verdict != Verdict.HEALTHY).tolist()
    ]
    found.sort(key=lambda group: (-group.verdict, -len(group.members), int(group.members[0])))
    return tuple(found)


def deciding_level(level: Array, label: NDArray[np.int64], quorum: float) -> Array:
    """Return for each group the level up to which a threshold finds it at fault.

    It is that of its k-th worst modem, where k is the quorum of its size, or 1: so one number holds
    the answer for every threshold.

    Examples
    --------
    >>> label = np.array([0, 0, 0, 1])
    >>> deciding_level(np.array([-30.0, -20.0, -25.0, -40.0]), label, quorum=0.5).tolist()
    [-25.0, -40.0]
    """
    order = np.lexsort((-level, label))
    size = np.bincount(label)
    rank = np.maximum(np.ceil(quorum * size - 1e-9).astype(np.int64), 1)
    return np.asarray(level[order][np.cumsum(size) - size + rank - 1])


def joining_height(tree: Dendrogram, label: NDArray[np.int64], height: float) -> Array:
    """Return at which height the last two parts of each group were joined; 0 for one modem."""
    done = tree.height <= height
    merged = tree.merged[done]
    leaf = np.arange(tree.n_points + len(merged))
    for step, pair in enumerate(merged):
        leaf[tree.n_points + step] = leaf[pair[0]]
    joined = np.zeros(int(label.max()) + 1)
    np.maximum.at(joined, label[leaf[tree.n_points :]], tree.height[done])
    return joined
