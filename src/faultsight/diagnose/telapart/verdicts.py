"""From clusters to verdicts: an anomalous cluster is maintenance if it is large, else service.

Modems that are mildly off do not make a cluster, but join a large one that they move like.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.clustering.dbscan import dbscan
from faultsight.diagnose.clustering.linkage import Dendrogram, cut, linkage
from faultsight.diagnose.contract import Group, NodeDiagnosis, Verdict
from faultsight.diagnose.telapart.config import TelApartConfig
from faultsight.diagnose.telapart.feature_window import FeatureWindow
from faultsight.diagnose.telapart.prepared_node import PreparedNode
from faultsight.diagnose.telapart.ticket_guided import height_of

__all__ = ["cluster", "dendrogram_of", "groups_of", "verdicts_of"]

_DBSCAN_SAMPLES = 5
"""The paper does not tell; an amplifier's worth of modems."""
_NOBODY = np.zeros(0, np.int64)


def dendrogram_of(feature: FeatureWindow, clustering: str) -> Dendrogram:
    """Return the dendrogram of a feature's candidates under a linkage."""
    return linkage(1.0 - feature.similarity, clustering)


def cluster(
    similarity: NDArray[np.float64], threshold: float, clustering: str
) -> NDArray[np.int64]:
    """Return each candidate's cluster, numbered by its first member.

    Parameters
    ----------
    similarity : array of shape (candidate, candidate)
        At most 1.
    threshold : float
        Clusters are merged while their similarity reaches it.
    clustering : str
        A linkage, or ``dbscan`` with one minus the threshold as eps; noise stands alone.

    Examples
    --------
    >>> cluster(np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1.0]]), 0.8, "average").tolist()
    [0, 0, 1]
    """
    if not len(similarity):
        return np.zeros(0, np.int64)
    if clustering == "dbscan":
        eps = height_of(threshold)
        return np.asarray(dbscan(1.0 - similarity, eps=eps, min_samples=_DBSCAN_SAMPLES))
    return cut(linkage(1.0 - similarity, clustering), height_of(threshold))


def groups_of(
    feature: FeatureWindow,
    threshold: float,
    config: TelApartConfig,
    channels: Sequence[str],
) -> list[Group]:
    """Return the anomalous clusters of a feature as groups, the larger first."""
    labels = cluster(feature.similarity, threshold, config.clustering)
    clusters = []
    for label in range(int(labels.max()) + 1 if len(labels) else 0):
        inside = np.flatnonzero(labels == label)
        n_anomalous = int(feature.is_anomalous[feature.candidates[inside]].sum())
        if n_anomalous > 0 and n_anomalous >= config.quorum * len(inside):
            clusters.append(inside)
    # Size is counted without the milder ones: in a large group they are told by those they move
    # like, but a few modems do not become a fault of the plant by them.
    large = [inside for inside in clusters if len(inside) > config.cluster_size]
    joined = _joined(feature, large, threshold)
    groups = []
    for inside, milder in [
        *zip(large, joined, strict=True),
        *((small, _NOBODY) for small in clusters if len(small) <= config.cluster_size),
    ]:
        mine = feature.candidates[inside]
        verdict = Verdict.MAINTENANCE if len(mine) > config.cluster_size else Verdict.SERVICE
        members = np.sort(np.concatenate([mine, feature.milder[milder]]))
        told = feature.channel[members]
        told = told[told >= 0]
        channel = channels[int(np.bincount(told).argmax())] if len(told) else ""
        groups.append(
            Group(
                feature.feature, verdict, members, int(feature.is_anomalous[mine].sum()),
                _cohesion(feature.similarity[np.ix_(inside, inside)]), channel,
                float(np.median(feature.deviation[members])),
            )
        )  # fmt: skip
    groups.sort(key=lambda group: (-len(group.members), int(group.members[0])))
    return groups


def _joined(
    feature: FeatureWindow, clusters: Sequence[NDArray[np.int64]], threshold: float
) -> list[NDArray[np.int64]]:
    """Return which milder modems join each cluster: the one they are most like, if enough."""
    if not len(feature.milder) or not clusters:
        return [_NOBODY] * len(clusters)
    alike = np.stack([feature.milder_similarity[:, mine].mean(axis=1) for mine in clusters])
    nearest = np.where(1.0 - alike.max(axis=0) <= height_of(threshold), alike.argmax(axis=0), -1)
    return [np.flatnonzero(nearest == place) for place in range(len(clusters))]


def _cohesion(similarity: NDArray[np.float64]) -> float:
    """Return the average similarity of two members; 1 for a single one."""
    n = len(similarity)
    return 1.0 if n < 2 else float((similarity.sum() - np.trace(similarity)) / (n * (n - 1)))


def verdicts_of(
    node: PreparedNode,
    window: TimeWindow,
    features: Sequence[FeatureWindow],
    groups: Sequence[Group],
    *,
    covered_s: NDArray[np.float64],
    answered: NDArray[np.int64],
    least_values: int,
) -> NodeDiagnosis:
    """Join what each feature says: maintenance before service before nothing."""
    n_devices = node.polls.n_devices
    verdict = np.full(n_devices, Verdict.HEALTHY, np.int8)
    verdict[answered < least_values] = Verdict.INSUFFICIENT
    for group in groups:
        verdict[group.members] = np.maximum(verdict[group.members], np.int8(group.verdict))
    ordered = sorted(
        groups,
        key=lambda g: (-int(g.verdict), -len(g.members), g.feature, int(g.members[0])),
    )
    return NodeDiagnosis(
        node.polls.fnode,
        window,
        node.polls.device_ids,
        verdict,
        covered_s,
        tuple(ordered),
        {feature.feature: feature.is_anomalous for feature in features},
    )
