"""Nearest neighbours: how far a window lies from the windows of history that are most like it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.detect.contract import DetectorState, Progress
from faultsight.detect.peers._windows import WindowBank, WindowDetector, masked_squared_distances

__all__ = ["KNN", "KNNConfig"]

_WINDOWS_AT_ONCE = 2048


@dataclass(frozen=True)
class KNNConfig:
    """Settings of `KNN`.

    Parameters
    ----------
    n_neighbors : int
        The score is the distance to the neighbour of this rank; 5 as in common practice.
    window : int
        Rows of a window.
    most_windows : int
        Windows of history that are kept, evenly thinned. The method keeps all of them; with 2,000
        a fleet of 200 stations is scored in seconds.
    """

    n_neighbors: int = 5
    window: int = 8
    most_windows: int = 2_000

    def __post_init__(self) -> None:
        if min(self.n_neighbors, self.window, self.most_windows) < 1:
            raise SettingError("n_neighbors, window and most_windows are at least 1")


class KNN(WindowDetector):
    """Distance to the k-th nearest window of history (Ramaswamy et al., SIGMOD 2000, section 2).

    Windows of the same entity that overlap a window are no neighbours of it: they hold the same
    rows (the non-self matches of Keogh et al., ICDM '05). Distances are taken over the values that
    both windows know.

    Examples
    --------
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.sin(np.arange(300.0) / 5)[:, None]
    >>> rows[250] = 0.9 - rows[250]
    >>> frame = KpiFrame("cell-1", ("load",), 0, 3600, rows)
    >>> 250 <= int(KNN().fit([frame[:200]]).score([frame])[0].total.argmax()) < 258
    True
    """

    names_kpis: ClassVar[bool] = False

    def __init__(self, config: KNNConfig | None = None) -> None:
        self.config = config or KNNConfig()

    @property
    def _length(self) -> int:
        return int(self.config.window)

    def _learn(self, bank: WindowBank, progress: Progress) -> None:
        kept = bank.thinned(self.config.most_windows)
        rows, known = bank.take(kept)
        self.rows = np.where(known, rows, 0).reshape(len(kept), -1)
        self.known = known.reshape(len(kept), -1)
        self.owners = self._numbers(bank)[bank.owners[kept]]
        self.stamps = bank.stamps[kept]

    def _learned(self) -> Mapping[str, NDArray[np.float64]]:
        return {
            "rows": self.rows.astype(np.float64),
            "known": self.known.astype(np.float64),
            "owners": self.owners.astype(np.float64),
            "stamps": self.stamps.astype(np.float64),
        }

    def _take(self, state: DetectorState) -> None:
        width = self._length * len(state.kpis)
        self.rows = state.array("rows", -1, width).astype(np.float32)
        n_windows = len(self.rows)
        self.known = state.array("known", n_windows, width) > 0
        self.owners = state.array("owners", n_windows).astype(np.int64)
        self.stamps = state.array("stamps", n_windows).astype(np.int64)

    def _errors(self, bank: WindowBank) -> NDArray[np.float32]:
        asking = self._numbers(bank)[bank.owners]
        reach_s = self.config.window * self.interval_s
        found = [np.empty((0, 1), np.float32)]
        for start in range(0, len(bank), _WINDOWS_AT_ONCE):
            part = slice(start, start + _WINDOWS_AT_ONCE)
            rows, known = bank.take(part)
            n = len(rows)
            squares = masked_squared_distances(
                rows.reshape(n, -1), known.reshape(n, -1), self.rows, self.known
            )
            gaps_s = np.abs(bank.stamps[part][:, None] - self.stamps)
            overlap = (asking[part][:, None] == self.owners) & (gaps_s < reach_s)
            found.append(self._of_rank(squares, overlap)[:, None])
        return np.sqrt(np.concatenate(found))

    def _numbers(self, bank: WindowBank) -> NDArray[np.int64]:
        """Return the number of each of a bank's entities; -1 where it has no history."""
        number = {entity: i for i, entity in enumerate(self.measure.moments)}
        return np.array([number.get(entity, -1) for entity in bank.entities], dtype=np.int64)

    def _of_rank(
        self, squares: NDArray[np.float32], overlap: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Return the k-th smallest of each row, or the last there is."""
        others = np.where(overlap, np.inf, squares)
        # History so short that all of it overlaps is better than none.
        others = np.where(np.isfinite(others).any(axis=1, keepdims=True), others, squares)
        rank = min(self.config.n_neighbors, others.shape[1])
        nearest = np.sort(np.partition(others, rank - 1, axis=1)[:, :rank], axis=1)
        usable = np.isfinite(nearest).sum(axis=1)
        found = nearest[np.arange(len(nearest)), np.maximum(usable - 1, 0)]
        return np.where(usable > 0, found, 0.0).astype(np.float32)
