"""k-means where some values are not known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.detect.peers._windows import Cells, Known, masked_squared_distances

__all__ = ["lloyd"]


def lloyd(
    rows: Cells, known: Known, n_clusters: int, stream: np.random.Generator, *, n_iterations: int
) -> NDArray[np.float32]:
    """Return centroids by Lloyd's algorithm from k-means++ (Arthur and Vassilvitskii, SODA '07).

    Parameters
    ----------
    rows, known : array of shape (n, cell)
        Points, 0 where not known.
    n_clusters : int
        At most so many; fewer if points are fewer or alike.

    Examples
    --------
    >>> points = np.array([[0.0], [1.0], [10.0], [12.0]], np.float32)
    >>> found = lloyd(points, points >= 0, 2, np.random.default_rng(0), n_iterations=9)
    >>> sorted(found.ravel().tolist())
    [0.5, 11.0]
    """
    centroids = _first_centroids(rows, known, n_clusters, stream)
    nearest = np.full(len(rows), -1)
    for _ in range(n_iterations):
        everywhere = np.ones(centroids.shape, dtype=bool)
        now = masked_squared_distances(rows, known, centroids, everywhere).argmin(axis=1)
        if (now == nearest).all():
            break
        nearest = now
        members = (nearest == np.arange(len(centroids))[:, None]).astype(np.float32)
        counts = members @ known.astype(np.float32)
        # A cell that no member knows stays where it was.
        np.divide(members @ rows, counts, out=centroids, where=counts > 0)
    return centroids


def _first_centroids(
    rows: Cells, known: Known, n_clusters: int, stream: np.random.Generator
) -> NDArray[np.float32]:
    chosen = [int(stream.integers(len(rows)))]
    distances = np.full(len(rows), np.inf)
    for _ in range(min(n_clusters, len(rows)) - 1):
        last = rows[chosen[-1] :][:1]
        found = masked_squared_distances(rows, known, last, np.ones(last.shape, dtype=bool))
        distances = np.minimum(distances, found[:, 0])
        if distances.sum() <= 0:
            break
        bounds = np.cumsum(distances)
        chosen.append(int(np.searchsorted(bounds, stream.random() * bounds[-1], side="right")))
    return rows[chosen]
