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
from faultsight.detect.peers._windows import (
    Cells,
    Known,
    WindowBank,
    WindowDetector,
    masked_squared_distances,
)

__all__ = ["KMeansWindows", "KMeansWindowsConfig"]

_WINDOWS_AT_ONCE = 4096


@dataclass(frozen=True)
class KMeansWindowsConfig:
    """Settings of `KMeansWindows`.

    Parameters
    ----------
    n_clusters : int
        Typical windows; 20 as in the first paper.
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
