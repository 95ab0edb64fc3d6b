"""The input's norm: how far a row lies from the entity's mean, with no model at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from faultsight.detect.contract import DetectorState
from faultsight.detect.peers._standardized import Rows, StandardizedDetector

__all__ = ["InputNorm", "InputNormConfig"]


@dataclass(frozen=True)
class InputNormConfig:
    """Settings of `InputNorm`: none."""


class InputNorm(StandardizedDetector):
    """Squared standardized values, summed over KPIs (the untrained score of Kim et al., AAAI '22).

    Examples
    --------
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.random.default_rng(0).normal(size=(200, 3))
    >>> rows[150] += 5.0
    >>> frame = KpiFrame("cell-1", ("a", "b", "c"), 0, 3600, rows)
    >>> int(InputNorm().fit([frame[:100]]).score([frame])[0].total.argmax())
    150
    """

    def __init__(self, config: InputNormConfig | None = None) -> None:
        self.config = config or InputNormConfig()

    def _learn(self, tables: Sequence[Rows]) -> None:
        pass

    def _learned(self) -> Mapping[str, Rows]:
        return {}

    def _take(self, state: DetectorState) -> None:
        pass

    def _expect(self, table: Rows) -> Rows:
        return np.zeros_like(table)
