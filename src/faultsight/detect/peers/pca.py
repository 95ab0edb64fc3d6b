"""Principal components: what a row has besides the directions in which the fleet usually moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from faultsight.core.errors import SettingError
from faultsight.detect.contract import DetectorState
from faultsight.detect.peers._standardized import Rows, StandardizedDetector

__all__ = ["PCA", "PCAConfig"]


@dataclass(frozen=True)
class PCAConfig:
    """The one setting.

    Parameters
    ----------
    explained : float
        Components are kept until they explain this share of the variance.
    """

    explained: float = 0.9

    def __post_init__(self) -> None:
        if not 0.0 < self.explained <= 1.0:
            raise SettingError(f"explained lies in (0, 1], not {self.explained}")


class PCA(StandardizedDetector):
    """Squared distance from the principal subspace of the fleet's standardized rows.

    One subspace, as many components as explain 90 % of the variance, and the reconstruction error
    by KPI; its sum is the Q statistic of Jackson and Mudholkar (Technometrics 1979) but for the
    usual errors that it is measured by. The PCA of TSB-AD and pyod (after Shyu et al., ICDM '03
    workshop) is another score: distances from each component's unit vector, over the share of
    variance that it explains.

    Examples
    --------
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> stream = np.random.default_rng(0)
    >>> rows = stream.normal(size=(200, 1)) * [1.0, 2.0] + 0.01 * stream.normal(size=(200, 2))
    >>> rows[150] = [2.0, -2.0]  # neither value is odd, together they are
    >>> frame = KpiFrame("cell-1", ("requests", "successes"), 0, 3600, rows)
    >>> int(PCA().fit([frame[:100]]).score([frame])[0].total.argmax())
    150
    """

    excused: ClassVar[Mapping[str, str]] = {
        "check_a_gross_deviation_stands_out": "one along its components is usual to it",
    }

    def __init__(self, config: PCAConfig | None = None) -> None:
        self.config = config or PCAConfig()

    def _learn(self, tables: Sequence[Rows]) -> None:
        covariance = sum((table.T @ table for table in tables), np.zeros(2 * (len(self.kpis),)))
        values, vectors = np.linalg.eigh(covariance)
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        share = np.cumsum(values) / max(values.sum(), 1e-12)
        n_kept = int(np.searchsorted(share, self.config.explained - 1e-12)) + 1
        # With all components every row would be usual.
        # In one layout, so that a stored one rounds as this one does.
        self.components = np.ascontiguousarray(vectors[:, : min(n_kept, len(values) - 1)])

    def _learned(self) -> Mapping[str, Rows]:
        return {"components": self.components}

    def _take(self, state: DetectorState) -> None:
        self.components = state.array("components", len(state.kpis), -1)

    def _expect(self, table: Rows) -> Rows:
        return np.asarray(table @ self.components @ self.components.T)
