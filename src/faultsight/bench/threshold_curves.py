"""What every similarity threshold of a feature is worth: by tickets, and in truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faultsight.bench.theorem_assumptions import TheoremAssumptions
from faultsight.diagnose.clustering.linkage import Dendrogram, cut
from faultsight.diagnose.metrics.rand_index import adjusted_rand_index
from faultsight.diagnose.telapart.config import TelApartConfig
from faultsight.diagnose.telapart.feature_window import FeatureWindow
from faultsight.diagnose.telapart.ticket_guided import TicketTotals, height_of
from faultsight.diagnose.telapart.verdicts import dendrogram_of

__all__ = ["ThresholdCurves"]

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]


class ThresholdCurves:
    """One feature over any number of windows of fiber nodes.

    Parameters
    ----------
    config : TelApartConfig
        From which size and quorum on an anomalous cluster is maintenance.

    Attributes
    ----------
    totals : TicketTotals
        Time and tickets of maintenance and service.
    assumptions : TheoremAssumptions
        Who merges first, in the windows compared with the truth.
    thresholds : array
        From the strictest on.
    """

    thresholds = TicketTotals.thresholds

    def __init__(self, config: TelApartConfig) -> None:
        self.config = config
        self.totals = TicketTotals(cluster_size=config.cluster_size, quorum=config.quorum)
        self.assumptions = TheoremAssumptions()
        self._aris: list[Floats] = []
        self._n_wrong = np.zeros(len(self.thresholds))
        self._n_devices = 0

    @property
    def n_judged(self) -> int:
        """How many windows have an adjusted Rand index."""
        return len(self._aris)

    @property
    def ari(self) -> Floats:
        """The mean adjusted Rand index on faulty modems under each threshold."""
        return np.asarray(np.mean(self._aris, axis=0)[0])

    @property
    def ari_all(self) -> Floats:
        """The same on all modems, the healthy ones being one class."""
        return np.asarray(np.mean(self._aris, axis=0)[1])

    @property
    def errors_share(self) -> Floats:
        """The share of modem windows wrongly called maintenance, or wrongly not."""
        return self._n_wrong / max(self._n_devices, 1)

    @property
    def trr(self) -> Floats:
        """The maintenance ticketing rate ratio; NaN where either side has no time."""
        table = self.totals.table()
        rates = (table[:, :, 1] + self.config.guards.smoothing) / np.maximum(table[:, :, 0], 1e-9)
        known = (table[:, :, 0] >= 1.0).all(axis=1)
        return np.where(known, rates[:, 0] / rates[:, 1], np.nan)

    def merge(self, other: ThresholdCurves) -> None:
        """Add another's windows."""
        self.totals.merge(other.totals)
        self.assumptions.merge(other.assumptions)
        self._aris += other._aris
        self._n_wrong += other._n_wrong
        self._n_devices += other._n_devices

    def add(
        self,
        feature: FeatureWindow,
        label: Labels,
        is_maintenance: Mask,
        sums: Sequence[Floats],
        *,
        with_truth: bool = True,
    ) -> None:
        """Add one window.

        Parameters
        ----------
        feature : FeatureWindow
            Similarities, and who is anomalous.
        label : array of shape (device,)
            The true fault of each modem; 0 is healthy.
        is_maintenance : array of shape (device,)
            Whether it is one of the shared plant.
        sums : sequence of array of shape (device,)
            Covered seconds, maintenance tickets and service tickets.
        with_truth : bool
            Whether it is compared with the true faults, too.

        Notes
        -----
        A window has an adjusted Rand index if a maintenance fault acts in it beside another fault:
        the paper's labels start from maintenance faults, and one cluster alone is no clustering.
        """
        if with_truth:
            self.assumptions.add_tickets(sums[1], is_maintenance)
        if not len(feature.candidates):
            self._n_devices += len(label)
            self._n_wrong += int(is_maintenance.sum())
            return
        tree = dendrogram_of(feature, "average")
        mine = feature.candidates
        if feature.is_anomalous[mine].any():
            self.totals.add(tree, feature.is_anomalous[mine], *(column[mine] for column in sums))
        if not with_truth:
            return
        self.assumptions.add(tree, label[mine], is_maintenance[mine])
        self._n_devices += len(label)
        is_judged = bool(is_maintenance.any()) and len(np.unique(label[label > 0])) > 1
        n_wrong, aris = self._judged(tree, feature, label, is_maintenance, with_ari=is_judged)
        self._n_wrong += n_wrong
        if is_judged:
            self._aris.append(aris)

    def _judged(
        self,
        tree: Dendrogram,
        feature: FeatureWindow,
        label: Labels,
        is_maintenance: Mask,
        *,
        with_ari: bool,
    ) -> tuple[Floats, Floats]:
        """Return wrong verdicts and the two adjusted Rand indices under each threshold."""
        heights = height_of(self.thresholds)
        n_merges = np.searchsorted(tree.height, heights, side="right")
        n_wrong, aris = np.empty(len(heights)), np.empty((2, len(heights)))
        is_faulty = label > 0
        for place in range(len(heights)):
            if place and n_merges[place] == n_merges[place - 1]:
                n_wrong[place], aris[:, place] = n_wrong[place - 1], aris[:, place - 1]
                continue
            clusters = cut(tree, float(heights[place]))
            told = self._maintenance(clusters, feature)
            n_wrong[place] = np.count_nonzero(told != is_maintenance)
            if with_ari:
                # Who is not clustered is said to be healthy: one class.
                labels = np.full(len(label), -1)
                labels[feature.candidates] = clusters
                aris[0, place] = adjusted_rand_index(label[is_faulty], labels[is_faulty])
                aris[1, place] = adjusted_rand_index(label, labels)
        return n_wrong, aris

    def _maintenance(self, clusters: Labels, feature: FeatureWindow) -> Mask:
        """Return which modems are in an anomalous cluster that is large."""
        mine = feature.candidates
        size = np.bincount(clusters)
        n_anomalous = np.bincount(clusters, feature.is_anomalous[mine])
        told = (n_anomalous > 0) & (n_anomalous >= self.config.quorum * size)
        told &= size > self.config.cluster_size
        verdict = np.zeros(len(feature.is_anomalous), np.bool_)
        verdict[mine] = told[clusters]
        return verdict
