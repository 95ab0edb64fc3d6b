"""Similarity thresholds from tickets, exactly, for all thresholds at once.

A cluster of a dendrogram exists from the height at which it is merged to the height at which it is
merged further. While it exists, its modems' tickets and time belong to maintenance or to service,
by its size. So each merge changes the totals of both classes at one height: these changes, summed
over all windows and nodes and cumulated over heights, are the totals under every threshold, without
clustering anything again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.diagnose.clustering.linkage import Dendrogram

__all__ = ["CRITERIA", "GuidedThreshold", "ThresholdGuards", "TicketTotals", "height_of"]

CRITERIA = ("likelihood", "trr")

F = TypeVar("F", float, NDArray[np.float64])

_STEP = 0.005
_N_THRESHOLDS = 201
_COARSE = 4
_SLACK = 1e-9
"""Heights are compared with thresholds as if they were this much smaller: rounding is no reason."""


def height_of(similarity: F) -> F:
    """Return the height up to which merges are done under a similarity threshold."""
    return 1.0 - similarity + _SLACK


@dataclass(frozen=True)
class ThresholdGuards:
    """What keeps a degenerate optimum from being chosen.

    Parameters
    ----------
    smoothing : float
        Added to the numbers of tickets of both classes; positive, so that every rate is.
    least_days : float
        Modem days that each class must hold.
    least_service_share : float
        Share of the service time under the strictest threshold that must stay service time, else
        the optimum swallows single homes into ever larger clusters.
    least_maintenance_share : float
        Share of all anomalous time that must be maintenance time, else a ratio of rates is largest
        where all but a handful of modems stand alone.
    reluctance : float
        Of ``likelihood``: log-likelihood that tickets must give for halving or doubling the
        default's distance (one minus similarity). Many tickets of one fault are one piece of
        evidence; a likelihood that counts each is too sure of itself.
    """

    smoothing: float = 0.5
    least_days: float = 2.0
    least_service_share: float = 0.02
    least_maintenance_share: float = 0.0
    reluctance: float = 24.0

    def __post_init__(self) -> None:
        if not self.smoothing > 0:
            raise SettingError(f"smoothing must be positive, not {self.smoothing}")
        if not self.reluctance >= 0:
            raise SettingError(f"reluctance must be at least 0, not {self.reluctance}")


@dataclass(frozen=True, eq=False)
class GuidedThreshold:
    """A chosen threshold, and the curve it was chosen on.

    Attributes
    ----------
    similarity : float
        The threshold.
    criterion : str
        ``trr``, ``likelihood``, or ``default`` where tickets do not tell.
    thresholds, values : array
        The criterion over all thresholds; NaN where a guard forbids one.
    trr : float
        The maintenance ticketing rate ratio there (equation 3).
    """

    similarity: float
    criterion: str
    thresholds: NDArray[np.float64]
    values: NDArray[np.float64]
    trr: float

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "similarity": self.similarity,
            "criterion": self.criterion,
            "thresholds": self.thresholds.tolist(),
            "values": [None if np.isnan(v) else float(v) for v in self.values],
            "trr": None if np.isnan(self.trr) else self.trr,
        }

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> GuidedThreshold:
        """Return what `to_dict` wrote."""
        values = np.array([np.nan if v is None else v for v in told["values"]], np.float64)
        trr = float("nan") if told["trr"] is None else float(told["trr"])
        return cls(
            float(told["similarity"]), str(told["criterion"]),
            np.array(told["thresholds"], np.float64), values, trr,
        )  # fmt: skip


class TicketTotals:
    """Time and tickets of maintenance and service under every threshold, of one feature.

    Parameters
    ----------
    cluster_size : int
        Larger anomalous clusters are maintenance.
    quorum : float
        Share of a cluster's modems that must be anomalous; 0: one is enough.

    Examples
    --------
    >>> from faultsight.diagnose.clustering.linkage import linkage
    >>> totals = TicketTotals(cluster_size=1, quorum=0.0)
    >>> totals.add(linkage(np.array([[0.0, 0.25], [0.25, 0.0]])), np.array([True, True]),
    ...            np.array([10.0, 10.0]), np.array([1.0, 0.0]), np.array([0.0, 0.0]))
    >>> table = totals.table()
    >>> table[totals.thresholds.tolist().index(0.75), 0].tolist()  # maintenance: time, m, s
    [20.0, 1.0, 0.0]
    >>> table[totals.thresholds.tolist().index(0.8), 0].tolist()
    [0.0, 0.0, 0.0]
    """

    thresholds = np.round(1.0 - _STEP * np.arange(_N_THRESHOLDS), 6)

    def __init__(self, *, cluster_size: int, quorum: float) -> None:
        self.cluster_size = cluster_size
        self.quorum = quorum
        self._changes = np.zeros((_N_THRESHOLDS + 1, 2, 3))

    def add(
        self,
        dendrogram: Dendrogram,
        is_anomalous: NDArray[np.bool_],
        covered_s: NDArray[np.float64],
        maintenance_tickets: NDArray[np.float64],
        service_tickets: NDArray[np.float64],
    ) -> None:
        """Add one window: a dendrogram, and of each of its modems the time and tickets."""
        totals = np.stack([covered_s, maintenance_tickets, service_tickets], axis=1)
        _add(
            self._changes, dendrogram.merged, dendrogram.height, is_anomalous, totals,
            self.cluster_size, self.quorum, height_of(self.thresholds),
        )  # fmt: skip

    def add_clusterings(
        self,
        clustering: Callable[[float], NDArray[np.int64]],
        is_anomalous: NDArray[np.bool_],
        covered_s: NDArray[np.float64],
        maintenance_tickets: NDArray[np.float64],
        service_tickets: NDArray[np.float64],
    ) -> None:
        """Add one window whose clusters no dendrogram holds: each threshold is clustered anew.

        Every fourth threshold is (0.02 apart); those between have the clusters of the stricter.
        """
        totals = np.stack([covered_s, maintenance_tickets, service_tickets], axis=1)
        table = np.zeros_like(self._changes)
        for place in range(0, _N_THRESHOLDS, _COARSE):
            labels = clustering(float(self.thresholds[place]))
            n_anomalous = np.bincount(labels, is_anomalous)
            size = np.bincount(labels)
            sums = np.stack([np.bincount(labels, column) for column in totals.T], axis=1)
            told = (n_anomalous > 0) & (n_anomalous >= self.quorum * size)
            is_large = size > self.cluster_size
            table[place : place + _COARSE, 0] = sums[told & is_large].sum(axis=0)
            table[place : place + _COARSE, 1] = sums[told & ~is_large].sum(axis=0)
        table[-1] = 0.0
        self._changes += np.diff(table, axis=0, prepend=0.0)

    def merge(self, other: TicketTotals) -> None:
        """Add another's windows."""
        self._changes += other._changes

    def table(self) -> NDArray[np.float64]:
        """Return the totals: (threshold, maintenance or service, seconds or m- or s-tickets)."""
        return np.asarray(np.cumsum(self._changes, axis=0)[:-1])

    def choose(self, criterion: str, guards: ThresholdGuards, *, default: float) -> GuidedThreshold:
        """Return the best threshold.

        Parameters
        ----------
        criterion : str
            ``trr``: the paper's maintenance ticketing rate ratio, ``R_mM / R_mS`` (equations 1 to
            3). ``likelihood``: the Poisson log-likelihood ratio of maintenance tickets coming more
            often in maintenance time, and service tickets more often in service time, against
            coming as often in both; it weighs how different the rates are by how many tickets say
            so.
        guards : ThresholdGuards
            What a threshold must satisfy.
        default : float
            The threshold where no one satisfies them, and from which tickets must lead away.
        """
        table = self.table()
        seconds, tickets = table[:, :, 0], table[:, :, 1:]
        rates = (tickets + guards.smoothing) / np.maximum(seconds, 1e-9)[:, :, None]
        trr = rates[:, 0, 0] / rates[:, 1, 0]
        values = (
            trr.copy() if criterion == "trr" else _one_sided_likelihood(tickets, rates, seconds)
        )
        is_allowed = (seconds >= guards.least_days * 86_400).all(axis=1) & (
            seconds[:, 1] >= guards.least_service_share * seconds[0, 1]
        )
        is_allowed &= seconds[:, 0] >= guards.least_maintenance_share * seconds.sum(axis=1)
        # Without time of a class, its rate is not defined.
        is_allowed &= (seconds > 0).all(axis=1) & (tickets.sum(axis=(1, 2)) > 0)
        values[~is_allowed] = np.nan
        if not is_allowed.any():
            return GuidedThreshold(default, "default", self.thresholds, values, float("nan"))
        best = int(np.nanargmax(values))  # the strictest of equals
        if criterion == "likelihood":
            # The mean over all thresholds, each as likely as the tickets make it: where few tickets
            # say little, the largest value alone would jump with each of them. One that is far from
            # the default must be asked for by them.
            told = np.where(is_allowed, values - guards.reluctance * self._folds(default), -np.inf)
            weights = np.exp(told - told.max())
            mean = float(weights @ self.thresholds / weights.sum())
            # Of those that may be, the nearest.
            best = int(np.argmin(np.where(is_allowed, np.abs(self.thresholds - mean), np.inf)))
        return GuidedThreshold(
            float(self.thresholds[best]), criterion, self.thresholds, values, float(trr[best])
        )

    def _folds(self, default: float) -> NDArray[np.float64]:
        """Return how many times each threshold halves or doubles the default's distance."""
        distance = np.maximum(1.0 - self.thresholds, _STEP)
        return np.asarray(np.abs(np.log2(distance / max(1.0 - default, _STEP))))


def _one_sided_likelihood(
    tickets: NDArray[np.float64], rates: NDArray[np.float64], seconds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the log-likelihood ratio under every threshold; what points the wrong way is 0."""
    mean = tickets.sum(axis=1) / np.maximum(seconds.sum(axis=1), 1e-9)[:, None]
    ratio = tickets * np.log(rates / np.maximum(mean, 1e-30)[:, None, :])
    is_right = rates[:, 0, 0] > rates[:, 1, 0], rates[:, 1, 1] > rates[:, 0, 1]
    return np.asarray(
        sum(np.where(is_right[x], np.maximum(ratio[:, :, x].sum(axis=1), 0.0), 0.0) for x in (0, 1))
    )


@njit(nogil=True, cache=True)
def _add(
    changes: NDArray[np.float64],
    merged: NDArray[np.int64],
    height: NDArray[np.float64],
    is_anomalous: NDArray[np.bool_],
    totals: NDArray[np.float64],
    cluster_size: int,
    quorum: float,
    heights: NDArray[np.float64],
) -> None:  # pragma: no cover - compiled
    n = len(is_anomalous)
    n_nodes = 2 * n - 1
    size, n_anomalous = np.ones(n_nodes, np.int64), np.zeros(n_nodes, np.int64)
    sums = np.zeros((n_nodes, 3))
    born, dead = np.zeros(n_nodes, np.int64), np.full(n_nodes, len(changes) - 1)
    for node in range(n):
        n_anomalous[node] = is_anomalous[node]
        sums[node] = totals[node]
    for step in range(n - 1):
        a, b, node = merged[step, 0], merged[step, 1], n + step
        size[node] = size[a] + size[b]
        n_anomalous[node] = n_anomalous[a] + n_anomalous[b]
        sums[node] = sums[a] + sums[b]
        place = np.searchsorted(heights, height[step])
        born[node] = place
        dead[a] = place
        dead[b] = place
    for node in range(n_nodes):
        if born[node] >= dead[node] or n_anomalous[node] == 0:
            continue
        if n_anomalous[node] < quorum * size[node]:
            continue
        kind = 0 if size[node] > cluster_size else 1
        for k in range(3):
            changes[born[node], kind, k] += sums[node, k]
            changes[dead[node], kind, k] -= sums[node, k]
