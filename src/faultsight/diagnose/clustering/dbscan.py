"""DBSCAN: clusters are where points lie densely, and what lies alone stays alone."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError

__all__ = ["dbscan"]


def dbscan(distance: NDArray[np.float64], *, eps: float, min_samples: int = 5) -> NDArray[np.int64]:
    """Return the cluster of each point.

    Parameters
    ----------
    distance : array of shape (n, n)
        Between all pairs; NaN is far.
    eps : float
        Points at most so far apart are neighbours.
    min_samples : int
        A point with so many neighbours, itself among them, is the core of a cluster. 5 is
        scikit-learn's default; the TelApart paper names none.

    Returns
    -------
    array of shape (n,)
        int64. Clusters are numbered from 0 in the order of their first core point. A point that is
        no core belongs to the first cluster that has a core near it. Noise points follow, each
        with a number of its own: as clusters of one, as TelApart's comparison needs them.

    Raises
    ------
    InputError
        If the matrix is not square.
    SettingError
        If `eps` is negative or `min_samples` below 1.

    References
    ----------
    Ester, Kriegel, Sander and Xu, "A density-based algorithm for discovering clusters in large
    spatial databases with noise", KDD 1996, section 4.

    Examples
    --------
    >>> place = np.array([0.0, 0.1, 0.2, 5.0, 9.0])
    >>> dbscan(np.abs(place[:, None] - place), eps=0.5, min_samples=2).tolist()
    [0, 0, 0, 1, 2]
    """
    if distance.ndim != 2 or distance.shape[0] != distance.shape[1]:
        raise InputError(f"distances make a square matrix, not one of shape {distance.shape}")
    if not eps >= 0:
        raise SettingError(f"eps must be at least 0, not {eps}")
    if min_samples < 1:
        raise SettingError(f"min_samples must be at least 1, not {min_samples}")
    return _labels(np.ascontiguousarray(distance, np.float64), float(eps), min_samples)


@njit(nogil=True, cache=True)
def _labels(
    distance: NDArray[np.float64], eps: float, min_samples: int
) -> NDArray[np.int64]:  # pragma: no cover - compiled
    n = len(distance)
    is_core = np.empty(n, np.bool_)
    for i in range(n):
        n_near = 0
        for j in range(n):
            n_near += distance[i, j] <= eps
        is_core[i] = n_near >= min_samples
    labels = np.full(n, -1, np.int64)
    waiting = np.empty(n, np.int64)
    n_clusters = 0
    for first in range(n):
        if labels[first] >= 0 or not is_core[first]:
            continue
        labels[first] = n_clusters
        waiting[0], n_waiting = first, 1
        while n_waiting > 0:
            n_waiting -= 1
            core = waiting[n_waiting]
            for j in range(n):
                if labels[j] < 0 and distance[core, j] <= eps:
                    labels[j] = n_clusters
                    # A border point joins but leads no further.
                    if is_core[j]:
                        waiting[n_waiting] = j
                        n_waiting += 1
        n_clusters += 1
    for i in range(n):
        if labels[i] < 0:
            labels[i] = n_clusters
            n_clusters += 1
    return labels
