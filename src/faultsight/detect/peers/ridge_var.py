"""Ridge VAR: each row predicted linearly from the rows before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve

from faultsight.core.errors import SettingError
from faultsight.detect.contract import DetectorState
from faultsight.detect.peers._standardized import Rows, StandardizedDetector

__all__ = ["RidgeVAR", "RidgeVARConfig"]


@dataclass(frozen=True)
class RidgeVARConfig:
    """Settings of `RidgeVAR`.

    Parameters
    ----------
    n_lags : int
        Rows that a prediction looks back.
    penalty : float
        On each squared coefficient, in rows of evidence.
    """

    n_lags: int = 8
    penalty: float = 10.0

    def __post_init__(self) -> None:
        if self.n_lags < 1 or self.penalty <= 0:
            raise SettingError("n_lags is at least 1 and penalty above 0")


class RidgeVAR(StandardizedDetector):
    """A vector autoregression with a ridge penalty, one for the fleet (Lutkepohl 2005, chapter 2).

    Examples
    --------
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.sin(np.arange(300.0) / 5)[:, None]
    >>> rows[250] = 0.9 - rows[250]
    >>> frame = KpiFrame("cell-1", ("load",), 0, 3600, rows)
    >>> int(RidgeVAR().fit([frame[:200]]).score([frame])[0].total.argmax())
    250
    """

    def __init__(self, config: RidgeVARConfig | None = None) -> None:
        self.config = config or RidgeVARConfig()

    @property
    def _rows_before(self) -> int:
        return int(self.config.n_lags)

    def _learn(self, tables: Sequence[Rows]) -> None:
        n_kpis = len(self.kpis)
        width = n_kpis * self.config.n_lags
        gram, cross = np.zeros((width, width)), np.zeros((width, n_kpis))
        for table in tables:
            past = self._past(table)
            gram += past.T @ past
            cross += past.T @ table
        gram[np.diag_indices(width)] += self.config.penalty
        # In one layout, so that a stored one rounds as this one does.
        self.coefficients = np.ascontiguousarray(solve(gram, cross, assume_a="pos"))

    def _learned(self) -> Mapping[str, Rows]:
        return {"coefficients": self.coefficients}

    def _take(self, state: DetectorState) -> None:
        n_kpis = len(state.kpis)
        self.coefficients = state.array("coefficients", n_kpis * self.config.n_lags, n_kpis)

    def _expect(self, table: Rows) -> Rows:
        return np.asarray(self._past(table) @ self.coefficients)

    def _past(self, table: Rows) -> Rows:
        """Return the rows before each row, nearest first; 0, the mean, before the first."""
        lags = self.config.n_lags
        padded = np.concatenate([np.zeros((lags, table.shape[1])), table])
        n_rows = len(table)
        return np.concatenate([padded[lags - k : lags - k + n_rows] for k in range(1, lags + 1)], 1)
