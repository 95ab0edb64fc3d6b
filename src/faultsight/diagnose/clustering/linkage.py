"""Hierarchical clustering by nearest-neighbour chains, and cuts through its dendrogram.

Average linkage (UPGMA) merges the two clusters of highest average similarity until it falls below a
threshold. Its heights never decrease, so one dendrogram holds the clusters of every threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from faultsight.core.errors import SettingError

__all__ = ["LINKAGES", "Dendrogram", "cut", "link", "linkage"]

LINKAGES = ("average", "single", "complete")


@dataclass(frozen=True, eq=False)
class Dendrogram:
    """All merges of ``n`` points, lowest first.

    Attributes
    ----------
    merged : array of shape (n - 1, 2)
        int64; what is merged: a point below ``n``, else ``n`` plus the number of an earlier merge.
    height : array of shape (n - 1,)
        float64, ascending; the distance at which.
    """

    merged: NDArray[np.int64]
    height: NDArray[np.float64]

    @property
    def n_points(self) -> int:
        """How many points were clustered."""
        return len(self.height) + 1

    def leaves(self) -> NDArray[np.int64]:
        """Return the points from left to right as the tree is drawn.

        Examples
        --------
        >>> linkage(np.array([[0, 9, 1], [9, 0, 9], [1, 9, 0.0]])).leaves().tolist()
        [1, 0, 2]
        """
        order: list[int] = []
        waiting = [2 * self.n_points - 2]
        while waiting:
            node = waiting.pop()
            if node < self.n_points:
                order.append(node)
            else:
                waiting.extend(reversed(self.merged[node - self.n_points].tolist()))
        return np.array(order, np.int64)


def linkage(distance: NDArray[np.float64], method: str = "average") -> Dendrogram:
    """Return the dendrogram of a square matrix of distances.

    Parameters
    ----------
    distance : array of shape (n, n)
        Symmetric; at least one point.
    method : str
        ``average``, ``single`` or ``complete``.

    Raises
    ------
    SettingError
        If the method is unknown.

    Notes
    -----
    O(n²); equal to ``scipy.cluster.hierarchy.linkage`` up to the order of merges at one height.

    Examples
    --------
    >>> tree = linkage(np.array([[0, 1, 4], [1, 0, 6], [4, 6, 0.0]]))
    >>> tree.merged.tolist(), tree.height.tolist()
    ([[0, 1], [2, 3]], [1.0, 5.0])
    """
    if method not in LINKAGES:
        raise SettingError(f"{method!r} is not one of {', '.join(LINKAGES)}")
    merged, height = link(np.array(distance, np.float64), LINKAGES.index(method))
    return Dendrogram(merged, height)


def cut(dendrogram: Dendrogram, height: float) -> NDArray[np.int64]:
    """Return the cluster of each point when merges up to a height are done.

    Clusters are numbered by their first point.

    Examples
    --------
    >>> cut(linkage(np.array([[0, 1, 4], [1, 0, 6], [4, 6, 0.0]])), 1.0).tolist()
    [0, 0, 1]
    """
    return _cut(dendrogram.merged, dendrogram.height, height)


@njit(nogil=True, cache=True)
def link(
    distance: NDArray[np.float64], method: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # pragma: no cover - compiled
    """Return merges and heights; `distance` is overwritten, `method` counts in `LINKAGES`."""
    n = len(distance)
    size = np.ones(n, np.int64)
    first, second = np.empty(n - 1, np.int64), np.empty(n - 1, np.int64)
    height = np.empty(n - 1)
    chain, length = np.empty(n, np.int64), 0
    for step in range(n - 1):
        if length == 0:
            chain[0], length = np.argmax(size > 0), 1
        while True:
            before = chain[length - 2] if length > 1 else -1
            nearest = _nearest(distance, size, chain[length - 1], before)
            if nearest == before:
                break
            chain[length] = nearest
            length += 1
        x, y = chain[length - 1], chain[length - 2]
        length -= 2
        first[step], second[step], height[step] = x, y, distance[x, y]
        _join(distance, size, x, y, method)
    order = np.argsort(height, kind="mergesort")
    parent = np.arange(2 * n - 1)
    merged = np.empty((n - 1, 2), np.int64)
    for place in range(n - 1):
        step = order[place]
        a, b = _root(parent, first[step]), _root(parent, second[step])
        merged[place, 0], merged[place, 1] = min(a, b), max(a, b)
        parent[a] = n + place
        parent[b] = n + place
    return merged, height[order]


@njit(nogil=True, cache=True)
def _nearest(
    distance: NDArray[np.float64], size: NDArray[np.int64], x: int, before: int
) -> int:  # pragma: no cover - compiled
    """Return the cluster nearest to x; `before` wins ties, so that the chain always ends."""
    best, nearest = before, distance[x, before] if before >= 0 else np.inf
    for i in range(len(size)):
        if size[i] > 0 and i != x and distance[x, i] < nearest:
            nearest, best = distance[x, i], i
    return best


@njit(nogil=True, cache=True)
def _join(
    distance: NDArray[np.float64], size: NDArray[np.int64], x: int, y: int, method: int
) -> None:  # pragma: no cover - compiled
    """Put the two clusters' distances to all others in y's place (Lance and Williams)."""
    n_x, n_y = size[x], size[y]
    for i in range(len(size)):
        if size[i] > 0 and i not in (x, y):
            if method == 0:
                joined = (n_x * distance[x, i] + n_y * distance[y, i]) / (n_x + n_y)
            elif method == 1:
                joined = min(distance[x, i], distance[y, i])
            else:
                joined = max(distance[x, i], distance[y, i])
            distance[y, i] = joined
            distance[i, y] = joined
    size[x], size[y] = 0, n_x + n_y


@njit(nogil=True, cache=True)
def _root(parent: NDArray[np.int64], node: int) -> int:  # pragma: no cover - compiled
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@njit(nogil=True, cache=True)
def _cut(
    merged: NDArray[np.int64], heights: NDArray[np.float64], height: float
) -> NDArray[np.int64]:  # pragma: no cover - compiled
    n = len(heights) + 1
    parent = np.arange(2 * n - 1)
    for step in range(n - 1):
        if heights[step] > height:
            break
        parent[merged[step, 0]] = n + step
        parent[merged[step, 1]] = n + step
    number = np.full(2 * n - 1, -1)
    labels = np.empty(n, np.int64)
    n_clusters = 0
    for i in range(n):
        root = _root(parent, i)
        if number[root] < 0:
            number[root] = n_clusters
            n_clusters += 1
        labels[i] = number[root]
    return labels
