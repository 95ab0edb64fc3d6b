"""How far what TelApart's Theorem 2 assumes is true of the windows it is tried on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.bench.engine import Row
from faultsight.diagnose.clustering.linkage import Dendrogram

__all__ = ["TheoremAssumptions", "merge_heights"]

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]

_DIGITS = 9
"""Heights that differ by less are equal: rounding is no order."""


def merge_heights(dendrogram: Dendrogram) -> Floats:
    """Return the height at which each two points are first in one cluster; 0 with themselves.

    Examples
    --------
    >>> from faultsight.diagnose.clustering.linkage import linkage
    >>> merge_heights(linkage(np.array([[0, 1, 4], [1, 0, 6], [4, 6, 0.0]]))).tolist()
    [[0.0, 1.0, 5.0], [1.0, 0.0, 5.0], [5.0, 5.0, 0.0]]
    """
    n = dendrogram.n_points
    found = np.zeros((n, n))
    members = [np.array([point]) for point in range(n)]
    for (left, right), height in zip(dendrogram.merged, dendrogram.height, strict=True):
        one, other = members[left], members[right]
        found[np.ix_(one, other)] = height
        found[np.ix_(other, one)] = height
        members.append(np.concatenate([one, other]))
    return found


class TheoremAssumptions:
    """One feature over any number of windows of fiber nodes.

    The first assumption, that modems of a maintenance fault merge before others do, is about pairs
    of clustered modems and the height at which a pair is first in one cluster. A pair is a fault's
    *own* if both modems have the same maintenance fault, *mixed* if one of them has it and the
    other does not (but is healthy or has another fault), *outside* if neither has any maintenance
    fault. The second is that maintenance tickets come from modems of maintenance faults alone.
    """

    def __init__(self) -> None:
        self._before_mixed: list[float] = []
        self._before_outside: list[float] = []
        self._n_first = 0
        self._n_tickets = 0.0
        self._n_tickets_inside = 0.0

    def merge(self, other: TheoremAssumptions) -> None:
        """Add another's windows."""
        self._before_mixed += other._before_mixed
        self._before_outside += other._before_outside
        self._n_first += other._n_first
        self._n_tickets += other._n_tickets
        self._n_tickets_inside += other._n_tickets_inside

    def add_tickets(self, maintenance_tickets: Floats, is_maintenance: Mask) -> None:
        """Add the maintenance tickets of one window: of each modem, clustered or not."""
        self._n_tickets += float(maintenance_tickets.sum())
        self._n_tickets_inside += float(maintenance_tickets[is_maintenance].sum())

    def add(self, dendrogram: Dendrogram, label: Labels, is_maintenance: Mask) -> None:
        """Add one window: a dendrogram, and of each of its modems the true fault and its kind."""
        faults = [np.flatnonzero(is_maintenance & (label == f))
                  for f in np.unique(label[is_maintenance])]  # fmt: skip
        faults = [mine for mine in faults if 1 < len(mine) < len(label)]
        if not faults:
            return
        heights = merge_heights(dendrogram).round(_DIGITS)
        own, mixed, shares = [], [], []
        for mine in faults:
            others = np.setdiff1d(np.arange(len(label)), mine)
            own.append(_pairs(heights, mine))
            mixed.append(heights[np.ix_(mine, others)].ravel())
            shares.append(_share_before(own[-1], mixed[-1]))
        # A fault counts with its pairs, as if all were told in one list.
        weights = [float(len(a)) * len(b) for a, b in zip(own, mixed, strict=True)]
        self._before_mixed.append(float(np.average(shares, weights=weights)))
        outside = _pairs(heights, np.flatnonzero(~is_maintenance))
        last_own = max(float(a.max()) for a in own)
        if len(outside):
            self._before_outside.append(_share_before(np.concatenate(own), outside))
        self._n_first += last_own < min(float(b.min()) for b in (*mixed, outside) if len(b))

    def figures(self) -> Row:
        """Return what each assumption asks to be 1, and over how many windows it was found.

        Returns
        -------
        Row
            ``windows``: those that have own and mixed pairs. ``before_mixed``: the share, of all
            choices of an own pair and a mixed pair of the same fault, in which the own pair merges
            first (at the same height: half), as the mean over windows. ``windows_outside`` and
            ``before_outside``: the same with outside pairs. ``windows_all_first``: the share of
            windows in which every own pair merges before every mixed and every outside one.
            ``tickets_inside``: the share of maintenance tickets whose modem has a maintenance fault
            in their window. None where there is nothing to judge.
        """
        n = len(self._before_mixed)
        return {
            "windows": n,
            "before_mixed": _mean(self._before_mixed),
            "windows_outside": len(self._before_outside),
            "before_outside": _mean(self._before_outside),
            "windows_all_first": self._n_first / n if n else None,
            "tickets_inside": (
                self._n_tickets_inside / self._n_tickets if self._n_tickets else None
            ),
        }


def _pairs(heights: Floats, points: NDArray[np.int64]) -> Floats:
    """Return the heights of all pairs of some points."""
    first, second = np.triu_indices(len(points), k=1)
    return heights[points[first], points[second]]


def _share_before(own: Floats, other: Floats) -> float:
    """Return how often one of the first is lower than one of the second; equal is half."""
    ordered = np.sort(other)
    not_after = np.searchsorted(ordered, own, "left") + np.searchsorted(ordered, own, "right")
    return float(1.0 - not_after.mean() / (2 * len(ordered)))


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
