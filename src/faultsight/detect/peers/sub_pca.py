"""Principal components of windows: what a row has besides the usual courses of the rows before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.detect.contract import DetectorState, Progress
from faultsight.detect.peers._windows import WindowBank, WindowDetector

__all__ = ["SubPCA", "SubPCAConfig"]

_WINDOWS_AT_ONCE = 4096


@dataclass(frozen=True)
class SubPCAConfig:
    """Settings of `SubPCA`.

    Parameters
    ----------
    window : int
        Rows of a window.
    explained : float
        Components are kept until they explain this share of the variance of windows.
    """

    window: int = 16
    explained: float = 0.9

    def __post_init__(self) -> None:
        if self.window < 1:
            raise SettingError(f"window is at least 1, not {self.window}")
        if not 0.0 < self.explained <= 1.0:
            raise SettingError(f"explained lies in (0, 1], not {self.explained}")


class SubPCA(WindowDetector):
    """Distance of a window's last row from the principal subspace of the fleet's windows.

    PCA on flattened windows, which TSB-AD (Liu and Paparrizos, NeurIPS '24) calls Sub-PCA, with
    another score: here the squared reconstruction error, of the last row alone, so that what is
    scored is now; there the distances of the whole window from each component's unit vector, over
    the share of variance that it explains.

    Where values are missing, the components' weights are those expected given what is known, under
    probabilistic PCA (Tipping and Bishop, JRSS B 1999, section 3).

    Examples
    --------
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.sin(np.arange(300.0) / 5)[:, None]
    >>> rows[250] = 0.9 - rows[250]
    >>> frame = KpiFrame("cell-1", ("load",), 0, 3600, rows)
    >>> int(SubPCA().fit([frame[:200]]).score([frame])[0].total.argmax())
    250
    """

    excused: ClassVar[Mapping[str, str]] = {
        "check_a_gross_deviation_stands_out": "one along its components is usual to it",
    }

    def __init__(self, config: SubPCAConfig | None = None) -> None:
        self.config = config or SubPCAConfig()

    @property
    def _length(self) -> int:
        return int(self.config.window)

    def _learn(self, bank: WindowBank, progress: Progress) -> None:
        width = self.config.window * len(self.kpis)
        products, counts = np.zeros((width, width)), np.zeros((width, width))
        for start in range(0, len(bank), _WINDOWS_AT_ONCE):
            rows, known = _flat(bank, start)
            products += rows.T @ rows
            counts += known.T @ known
        covariance = products / np.maximum(counts, 1.0)
        values, vectors = np.linalg.eigh(covariance)
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        share = np.cumsum(values) / max(values.sum(), 1e-12)
        # With all components every window would be usual.
        n_kept = min(int(np.searchsorted(share, self.config.explained - 1e-12)) + 1, width - 1)
        self.components = np.ascontiguousarray(vectors[:, :n_kept])
        left_over = values[n_kept:].mean()
        self.noise = np.array([max(left_over, 1e-6)])
        self.signal = np.maximum(values[:n_kept] - left_over, 1e-6)

    def _learned(self) -> Mapping[str, NDArray[np.float64]]:
        return {"components": self.components, "signal": self.signal, "noise": self.noise}

    def _take(self, state: DetectorState) -> None:
        self.signal = state.array("signal", -1)
        width = self._length * len(state.kpis)
        self.components = state.array("components", width, len(self.signal))
        self.noise = state.array("noise", 1)

    def _errors(self, bank: WindowBank) -> NDArray[np.float64]:
        found = [np.empty((0, len(self.kpis)))]
        for start in range(0, len(bank), _WINDOWS_AT_ONCE):
            rows, known = _flat(bank, start)
            weights = rows @ self.components
            for cells, windows in _by_gaps(known):
                some = self.components[cells]
                precision = some.T @ some + np.diag(self.noise[0] / self.signal)
                weights[windows] = np.linalg.solve(precision, (rows[windows][:, cells] @ some).T).T
            last = slice(-len(self.kpis), None)
            found.append(rows[:, last] - weights @ self.components[last].T)
        apart = np.concatenate(found)
        return apart * np.abs(apart)


def _flat(bank: WindowBank, start: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return windows as vectors, 0 where missing, and 1 where known."""
    rows, known = bank.take(slice(start, start + _WINDOWS_AT_ONCE))
    n = len(rows)
    return rows.reshape(n, -1).astype(np.float64), known.reshape(n, -1).astype(np.float64)


def _by_gaps(
    known: NDArray[np.float64],
) -> list[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Return, for each set of known cells that is not all, the cells and the windows."""
    gaps = np.flatnonzero((known == 0).any(axis=1))
    if not len(gaps):
        return []
    sets, which = np.unique(known[gaps], axis=0, return_inverse=True)
    order = np.argsort(which, kind="stable")
    bounds = np.searchsorted(which[order], np.arange(1, len(sets)))
    groups = np.split(gaps[order], bounds)
    return [(cells > 0, windows) for cells, windows in zip(sets, groups, strict=True)]
