"""k-means on windows: how far a window lies from the nearest of a few typical ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.seed import random_stream
from faultsight.detect.contract import DetectorState, Progress
from faultsight.detect.peers._lloyd import lloyd
from faultsight.detect.peers._windows import WindowBank, WindowDetector, masked_squared_distances

__all__ = ["KMeansWindows", "KMeansWindowsConfig"]

_WINDOWS_AT_ONCE = 4096


@dataclass(frozen=True)
class KMeansWindowsConfig:
    """Settings of `KMeansWindows`.

    Parameters
    ----------
    n_clusters : int
        Typical windows; the TSB-AD benchmark takes 10, of 40 rows.
    window : int
        Rows of a window.
    most_windows : int
        Windows of history that are clustered, evenly thinned.
    n_iterations : int
        Rounds of Lloyd's algorithm at most.
    seed : int
        Of the first centroids.
    """

    n_clusters: int = 20
    window: int = 16
    most_windows: int = 8_000
    n_iterations: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        least = min(self.n_clusters, self.window, self.most_windows, self.n_iterations)
        if least < 1 or self.seed < 0:
            raise SettingError(
                "n_clusters, window, most_windows and n_iterations are at least 1, seed 0"
            )


class KMeansWindows(WindowDetector):
    """Distance to the nearest centroid of history's windows (Yairi et al., i-SAIRAS 2001).

    Called k-MeansAD in the field's benchmarks. Distances and means are taken over known values.

    Examples
    --------
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.sin(np.arange(300.0) / 5)[:, None]
    >>> rows[250] = 0.9 - rows[250]
    >>> frame = KpiFrame("cell-1", ("load",), 0, 3600, rows)
    >>> 250 <= int(KMeansWindows().fit([frame[:200]]).score([frame])[0].total.argmax()) < 266
    True
    """

    names_kpis: ClassVar[bool] = False

    def __init__(self, config: KMeansWindowsConfig | None = None) -> None:
        self.config = config or KMeansWindowsConfig()

    @property
    def _length(self) -> int:
        return int(self.config.window)

    def _learn(self, bank: WindowBank, progress: Progress) -> None:
        kept = bank.thinned(self.config.most_windows)
        rows, known = bank.take(kept)
        rows, known = rows.reshape(len(kept), -1), known.reshape(len(kept), -1)
        self.centroids = lloyd(
            rows, known, self.config.n_clusters,
            random_stream(self.config.seed, "k-means"), n_iterations=self.config.n_iterations,
        )  # fmt: skip

    def _learned(self) -> Mapping[str, NDArray[np.float64]]:
        return {"centroids": self.centroids.astype(np.float64)}

    def _take(self, state: DetectorState) -> None:
        width = self._length * len(state.kpis)
        self.centroids = state.array("centroids", -1, width).astype(np.float32)

    def _errors(self, bank: WindowBank) -> NDArray[np.float32]:
        everywhere = np.ones(self.centroids.shape, dtype=bool)
        found = [np.empty((0, 1), np.float32)]
        for start in range(0, len(bank), _WINDOWS_AT_ONCE):
            rows, known = bank.take(slice(start, start + _WINDOWS_AT_ONCE))
            n = len(rows)
            squares = masked_squared_distances(
                rows.reshape(n, -1), known.reshape(n, -1), self.centroids, everywhere
            )
            found.append(squares.min(axis=1, keepdims=True))
        errors = np.concatenate(found)
        # A window that knows nothing is as far as it could be from all; its row is not scored.
        return np.sqrt(np.where(np.isfinite(errors), errors, 0.0))
