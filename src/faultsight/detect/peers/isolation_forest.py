"""Isolation forest: how few random cuts part a row from the rest of history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError, MissingExtraError, SettingError
from faultsight.core.seed import random_stream
from faultsight.detect.contract import DetectorState, Progress
from faultsight.detect.peers._windows import Cells, Known, WindowBank, WindowDetector

__all__ = ["IsolationForest", "IsolationForestConfig"]

if find_spec("sklearn") is None:  # it takes a second to import: only a fit does that
    raise MissingExtraError("isolation_forest", "peers")

_WINDOWS_AT_ONCE = 16_384


@dataclass(frozen=True)
class IsolationForestConfig:
    """Settings of `IsolationForest`; the paper's defaults but for the window.

    Parameters
    ----------
    n_trees : int
        Trees.
    n_samples : int
        Points that each tree is grown from.
    window : int
        Rows of a point. The paper's points are rows.
    seed : int
        Of samples and cuts.
    """

    n_trees: int = 100
    n_samples: int = 256
    window: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.n_trees, self.window) < 1 or self.n_samples < 2 or self.seed < 0:
            raise SettingError(
                "n_trees and window are at least 1, n_samples at least 2, seed at least 0"
            )


class IsolationForest(WindowDetector):
    """``2 ** -(mean depth / usual depth)`` in a forest of random trees (Liu et al., ICDM '08).

    Trees are grown by scikit-learn on history whose missing values stand at the mean. A point whose
    value is missing at a cut goes both ways, in the shares of the points that went there.

    Examples
    --------
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.random.default_rng(0).normal(size=(200, 3))
    >>> rows[150] += 9.0
    >>> frame = KpiFrame("cell-1", ("a", "b", "c"), 0, 3600, rows)
    >>> int(IsolationForest().fit([frame[:100]]).score([frame])[0].total.argmax())
    150
    """

    names_kpis: ClassVar[bool] = False
    excused: ClassVar[Mapping[str, str]] = {
        "check_a_gross_deviation_stands_out": "it ends where history's highest value does",
    }

    def __init__(self, config: IsolationForestConfig | None = None) -> None:
        self.config = config or IsolationForestConfig()

    @property
    def _length(self) -> int:
        return int(self.config.window)

    def _learn(self, bank: WindowBank, progress: Progress) -> None:
        from sklearn import ensemble

        rows, _ = bank.take(bank.thinned(len(bank)))
        points = rows.reshape(len(rows), -1)
        n_samples = min(self.config.n_samples, len(points))
        seed = int(random_stream(self.config.seed, "isolation forest").integers(2**31 - 1))
        forest = ensemble.IsolationForest(
            n_estimators=self.config.n_trees, max_samples=n_samples, random_state=seed, n_jobs=1
        ).fit(points)
        trees = [tree.tree_ for tree in forest.estimators_]
        # One table of nodes: cell and height of the cut (-1 at a leaf), children, share that goes
        # left, and the depth that a point which ends here has.
        columns: list[list[NDArray[np.float64]]] = [[] for _ in range(6)]
        first = 0
        for tree in trees:
            left, right = tree.children_left, tree.children_right
            sizes = tree.n_node_samples.astype(np.float64)
            share = np.where(left >= 0, sizes[left] / sizes, 0.0)
            depth = _depths(left, right) + usual_depth(sizes)
            for column, part in zip(
                columns,
                (np.where(left >= 0, tree.feature, -1), tree.threshold, left + first,
                 right + first, share, depth),
                strict=True,
            ):  # fmt: skip
                column.append(np.asarray(part, dtype=np.float64))
            first += len(left)
        self.nodes = np.stack([np.concatenate(column) for column in columns])
        self.roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])]).astype(np.float64)
        self.depth = usual_depth(np.array([float(n_samples)]))

    def _learned(self) -> Mapping[str, NDArray[np.float64]]:
        return {"nodes": self.nodes, "roots": self.roots, "depth": self.depth}

    def _take(self, state: DetectorState) -> None:
        self.nodes = state.array("nodes", 6, -1)
        self.roots, self.depth = state.array("roots", -1), state.array("depth", 1)
        self._check_nodes(len(state.kpis) * self._length)

    def _check_nodes(self, n_cells: int) -> None:
        """Refuse trees that never end or cut what is not there."""
        cell, _, left, right, *_ = self.nodes
        cuts = np.flatnonzero(cell >= 0)
        n_nodes = len(cell)
        children = np.stack([left[cuts], right[cuts]])
        inside = (children > cuts).all() and (children < n_nodes).all()
        rooted = ((self.roots >= 0) & (self.roots < n_nodes)).all() and self.roots.size
        if not (inside and rooted and (cell < n_cells).all()):
            raise InputError("the detector's 'nodes' are no trees over its cells")

    def _errors(self, bank: WindowBank) -> NDArray[np.float64]:
        found = [np.empty((0, 1))]
        for start in range(0, len(bank), _WINDOWS_AT_ONCE):
            rows, known = bank.take(slice(start, start + _WINDOWS_AT_ONCE))
            n = len(rows)
            depths = self._mean_depths(rows.reshape(n, -1), known.reshape(n, -1))
            found.append(2.0 ** -(depths / max(self.depth[0], 1e-12))[:, None])
        return np.concatenate(found)

    def _mean_depths(self, points: Cells, known: Known) -> NDArray[np.float64]:
        total = np.zeros(len(points))
        whole = known.all(axis=1)
        for root in self.roots.astype(np.int64):
            total[whole] += self._fall(points[whole], root)
            if not whole.all():
                everyone = np.ones(int((~whole).sum()))
                total[~whole] += self._spread(points[~whole], known[~whole], everyone, root)
        return total / len(self.roots)

    def _fall(self, points: Cells, root: np.int64) -> NDArray[np.float64]:
        """Return the depth at which each point, all of it known, ends in a tree."""
        cell, height, left, right, _, depth = self.nodes
        at = np.full(len(points), root)
        falling = np.flatnonzero(cell[at] >= 0)
        while falling.size:
            here = at[falling]
            goes_left = points[falling, cell[here].astype(np.int64)] <= height[here]
            at[falling] = np.where(goes_left, left[here], right[here]).astype(np.int64)
            falling = falling[cell[at[falling]] >= 0]
        return np.asarray(depth[at])

    def _spread(
        self, points: Cells, known: Known, weights: NDArray[np.float64], node: np.int64
    ) -> NDArray[np.float64]:
        """Return weighted depths below a node; where a value is missing a point goes both ways."""
        cell, height, left, right, share, depth = self.nodes[:, node]
        if cell < 0:
            return np.asarray(weights * depth)
        found = np.zeros(len(points))
        column = int(cell)
        falls_left = (points[:, column] <= height).astype(np.float64)
        goes_left = np.where(known[:, column], falls_left, share)
        for child, part in ((left, weights * goes_left), (right, weights * (1.0 - goes_left))):
            here = part > 0
            if here.any():
                found[here] += self._spread(points[here], known[here], part[here], np.int64(child))
        return found


def usual_depth(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean depth of an unsuccessful search in a binary tree of so many points (eq. 1).

    Examples
    --------
    >>> usual_depth(np.array([1.0, 2.0, 256.0])).round(2).tolist()
    [0.0, 1.0, 10.24]
    """
    less = np.maximum(sizes - 1.0, 1.0)
    depths = 2.0 * (np.log(less) + np.euler_gamma) - 2.0 * less / np.maximum(sizes, 1.0)
    return np.where(sizes <= 1, 0.0, np.where(sizes == 2, 1.0, depths))


def _depths(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
    depths = np.zeros(len(left))
    for node in range(len(left)):  # a parent stands before its children
        if left[node] >= 0:
            depths[[left[node], right[node]]] = depths[node] + 1.0
    return depths
