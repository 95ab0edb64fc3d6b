"""Two-stage active learning: which history to learn from beside the marks (paper, 3.4).

Marks are few and of one kind; learned alone they bend the network. Stage one clusters history by
what the encoder sees in it and finds the clusters that no mark belongs to. Stage two samples those
in proportion to their size (Algorithm 1), and an operator labels each sampled cluster by its most
typical window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist

from faultsight.core.errors import SettingError
from faultsight.core.seed import random_stream

__all__ = [
    "ActiveLearning",
    "Clusters",
    "Query",
    "assign",
    "bias_eliminating_sizes",
    "choose_history",
    "cluster_history",
]


@dataclass(frozen=True)
class ActiveLearning:
    """How history is clustered and sampled.

    Parameters
    ----------
    distance : float
        Ward's linkage is cut at this height; 5 as in OmniCluster.
    most_clustered : int
        So many windows, evenly spread, are clustered; the rest go to the nearest cluster.
    reach : float
        A marked window belongs to the nearest cluster if it is no farther from its centre than
        this share of the cluster's own windows, else to none.
    most_ratio : float
        At most so many sampled windows for each marked one.
    seed : int
        Of the samples.
    """

    distance: float = 5.0
    most_clustered: int = 4_000
    reach: float = 0.95
    most_ratio: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.distance <= 0 or self.most_clustered < 2 or not 0 < self.reach <= 1:
            raise SettingError(
                "distance must be positive, most_clustered 2 or more, reach in (0, 1]"
            )
        if not self.most_ratio >= 0:
            raise SettingError(f"most_ratio must be at least 0, not {self.most_ratio}")


@dataclass(frozen=True, eq=False)
class Clusters:
    """History in clusters, the largest first.

    Attributes
    ----------
    labels : array of shape (window,)
        Cluster of each window.
    centres : array of shape (cluster, feature)
        Mean of each cluster.
    medoids : array of shape (cluster,)
        The window nearest to each centre: a real one, to be shown to an operator.
    radii : array of shape (cluster,)
        How far from a centre a window may be to belong.
    """

    labels: NDArray[np.int64]
    centres: NDArray[np.float64]
    medoids: NDArray[np.int64]
    radii: NDArray[np.float64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Windows of each cluster."""
        return np.bincount(self.labels, minlength=len(self.centres))


@dataclass(frozen=True)
class Query:
    """A question to an operator, whether a window is an anomaly.

    Attributes
    ----------
    row : int
        The cluster's medoid among the windows of history.
    size : int
        Windows in its cluster.
    entity : str
        Whose window it is.
    at : int
        The window's last row in the entity's frame since the history trained on.
    time_s : int
        When that row starts.
    """

    row: int
    size: int
    entity: str = ""
    at: int = -1
    time_s: int = 0


def cluster_history(features: NDArray[np.float64], config: ActiveLearning) -> Clusters:
    """Cluster windows by agglomeration with Ward's linkage.

    Parameters
    ----------
    features : array of shape (window, feature)
        Means of the latent Gaussian; at least one window.

    Examples
    --------
    >>> blobs = np.repeat([[0.0, 0.0], [9.0, 9.0]], [3, 5], axis=0)
    >>> cluster_history(blobs, ActiveLearning()).sizes.tolist()
    [5, 3]
    """
    step = -(-len(features) // config.most_clustered)
    chosen = features[::step]
    if len(chosen) > 1:
        raw = fcluster(linkage(chosen, "ward"), config.distance, "distance") - 1
    else:
        raw = np.zeros(len(chosen), dtype=np.int64)
    centres = np.stack([chosen[raw == c].mean(axis=0) for c in range(raw.max() + 1)])
    labels = cdist(features, centres).argmin(axis=1) if step > 1 else raw.astype(np.int64)
    kept, first, counts = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    rank = np.empty(len(centres), dtype=np.int64)
    rank[kept[order]] = np.arange(len(order))
    labels, centres = rank[labels], centres[kept[order]]
    gaps = np.linalg.norm(features - centres[labels], axis=1)
    medoids, radii = [], []
    for cluster in range(len(centres)):
        members = np.flatnonzero(labels == cluster)
        medoids.append(members[np.argmin(gaps[members])])
        radii.append(np.quantile(gaps[members], config.reach))
    return Clusters(labels, centres, np.array(medoids), np.array(radii))


def assign(features: NDArray[np.float64], clusters: Clusters) -> NDArray[np.int64]:
    """Return the cluster that each window belongs to, -1 where it is too far from all."""
    gaps = cdist(features, clusters.centres)
    nearest = gaps.argmin(axis=1)
    near = gaps[np.arange(len(features)), nearest] <= clusters.radii[nearest]
    return np.where(near, nearest, -1)


def bias_eliminating_sizes(
    sizes: Sequence[int] | NDArray[np.int64],
    assigned: Sequence[int] | NDArray[np.int64],
    *,
    most_ratio: float = float("inf"),
) -> NDArray[np.int64]:
    """Return how many windows to sample from each cluster (Algorithm 1).

    Parameters
    ----------
    sizes : sequence of int
        Windows of history in each cluster.
    assigned : sequence of int
        Cluster of each marked window; -1 for none.
    most_ratio : float
        Samples together are at most so many for each marked window; all shrink alike, and what
        rounding down leaves goes to the largest remainders, of equal ones to the larger cluster.

    Returns
    -------
    array of shape (cluster,)
        0 for clusters that have marked windows. Shares are rounded up and never exceed a cluster.

    Examples
    --------
    Clusters 0 and 1 have 6 and 2 marks: the least is m = 2 in a cluster of 40, so one window in
    20 is sampled from the others.

    >>> bias_eliminating_sizes([100, 40, 60, 10], [0] * 6 + [1] * 2).tolist()
    [0, 0, 3, 1]

    No mark belongs anywhere: the smallest cluster gives as many as there are marks.

    >>> bias_eliminating_sizes([40, 10], [-1, -1, -1]).tolist()
    [12, 3]
    """
    size = np.asarray(sizes, dtype=np.int64)
    marked = np.asarray(assigned, dtype=np.int64)
    counts = np.bincount(marked[marked >= 0], minlength=len(size))
    with_marks = np.flatnonzero(counts)
    if with_marks.size:
        # Of clusters with equally few marks the larger is taken: it asks for less history.
        least = with_marks[np.lexsort((-size[with_marks], counts[with_marks]))[0]]
        share = counts[least] / size[least]
    else:
        share = len(marked) / size.min()
    wanted = np.where(counts == 0, np.minimum(np.ceil(size * share - 1e-9), size), 0.0)
    most = most_ratio * len(marked)
    if wanted.sum() > most:
        shares = wanted * most / wanted.sum()
        wanted = np.floor(shares)
        # Many small clusters would all be left with nothing: the largest remainders get one.
        n_left = int(np.floor(most - wanted.sum() + 1e-9))
        wanted[np.lexsort((-size, wanted - shares))[:n_left]] += 1
    return wanted.astype(np.int64)


def choose_history(
    history: NDArray[np.float64],
    feedback: NDArray[np.float64],
    ask: Callable[[Query], bool | None],
    config: ActiveLearning,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return which windows of history to learn from, and their labels.

    Parameters
    ----------
    history, feedback : array of shape (window, feature)
        What the encoder sees in history and in marked windows.
    ask : callable
        Asked once for each cluster that is sampled, whether its medoid is an anomaly; the answer
        is extended to the cluster's samples. None ("I cannot tell") counts as normal.
    config : ActiveLearning
        The settings.
    """
    clusters = cluster_history(history, config)
    wanted = bias_eliminating_sizes(
        clusters.sizes, assign(feedback, clusters), most_ratio=config.most_ratio
    )
    stream = random_stream(config.seed, "active learning")
    chosen, labels = [np.empty(0, np.int64)], [np.empty(0, bool)]
    for cluster in np.flatnonzero(wanted):
        members = np.flatnonzero(clusters.labels == cluster)
        answer = ask(Query(int(clusters.medoids[cluster]), len(members)))
        chosen.append(np.sort(stream.choice(members, int(wanted[cluster]), replace=False)))
        labels.append(np.full(int(wanted[cluster]), bool(answer)))
    return np.concatenate(chosen), np.concatenate(labels)
