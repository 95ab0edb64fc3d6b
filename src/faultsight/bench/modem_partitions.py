"""A clustering of a node's modems under every similarity threshold at once.

A linkage is done once and cut at each threshold; what no dendrogram holds is clustered anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faultsight.diagnose.clustering.linkage import Dendrogram, cut, linkage
from faultsight.diagnose.telapart.ticket_guided import height_of
from faultsight.diagnose.telapart.verdicts import cluster

__all__ = ["Partitions", "Same", "Shuffled", "clustered"]


class Partitions(Protocol):
    """One partition of the modems for each threshold."""

    def at(self, threshold: float) -> NDArray[np.int64]:
        """Return the cluster of each modem when clusters as similar as this are one."""


@dataclass(frozen=True, eq=False)
class _Cuts:
    tree: Dendrogram

    def at(self, threshold: float) -> NDArray[np.int64]:
        return cut(self.tree, height_of(threshold))


@dataclass(frozen=True, eq=False)
class _Dbscan:
    similarity: NDArray[np.float64]

    def at(self, threshold: float) -> NDArray[np.int64]:
        return cluster(self.similarity, threshold, "dbscan")


@dataclass(frozen=True, eq=False)
class _OfSome:
    """Partitions of some modems; each of the others is alone, or all of them are one cluster."""

    some: Partitions
    candidates: NDArray[np.int64]
    n_devices: int
    are_others_one: bool

    def at(self, threshold: float) -> NDArray[np.int64]:
        labels = np.zeros(self.n_devices, np.int64)
        if not self.are_others_one:
            labels -= np.arange(self.n_devices)
        if len(self.candidates):
            labels[self.candidates] = 1 + self.some.at(threshold)
        return labels


@dataclass(frozen=True, eq=False)
class Same:
    """One partition, whatever the threshold."""

    labels: NDArray[np.int64]

    def at(self, threshold: float) -> NDArray[np.int64]:
        """Return the partition."""
        del threshold
        return self.labels


@dataclass(frozen=True, eq=False)
class Shuffled:
    """Another's partitions with its modems exchanged: clusters of the same sizes, by chance."""

    partitions: Partitions
    order: NDArray[np.int64]

    def at(self, threshold: float) -> NDArray[np.int64]:
        """Return the other's partition in another order."""
        return self.partitions.at(threshold)[self.order]


def clustered(
    similarity: NDArray[np.float64],
    clustering: str,
    *,
    candidates: NDArray[np.int64],
    n_devices: int,
    are_others_one: bool = False,
) -> Partitions:
    """Return the partitions of a clustering.

    Parameters
    ----------
    similarity : array of shape (candidate, candidate)
        At most 1.
    clustering : str
        A linkage, or ``dbscan``.
    candidates : array of shape (candidate,)
        The modems that are clustered.
    n_devices : int
        Of the node.
    are_others_one : bool
        Whether all other modems are one cluster; else each is alone.

    Examples
    --------
    >>> pair = np.array([[1.0, 0.9], [0.9, 1.0]])
    >>> found = clustered(pair, "average", candidates=np.array([0, 2]), n_devices=4)
    >>> found.at(0.8).tolist(), found.at(0.95).tolist()
    ([1, -1, 1, -3], [1, -1, 2, -3])
    """
    some: Partitions = _Dbscan(similarity)
    if clustering != "dbscan" and len(candidates):
        some = _Cuts(linkage(1.0 - similarity, clustering))
    return _OfSome(some, candidates, n_devices, are_others_one)
