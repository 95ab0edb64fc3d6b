"""What the linear peers share: standardized rows, and errors in usual units.

They see the same scaled and clipped rows as AnoTuner, and their errors are measured as its are:
squared, over the usual one of the entity and KPI, summed over KPIs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Self

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.contract import Detector, DetectorState, Progress, Score
from faultsight.detect.peers._measure import Measure
from faultsight.detect.tuning.aggregation import aggregate

__all__ = ["StandardizedDetector"]

Rows = NDArray[np.float64]


class StandardizedDetector(Detector):
    """The base of detectors that predict a standardized row.

    They implement `_learn` and `_expect`, and give and take what was learned.
    """

    @abstractmethod
    def _learn(self, tables: Sequence[Rows]) -> None:
        """Learn from the history of each entity, (time, kpi); 0 where missing."""

    @abstractmethod
    def _expect(self, table: Rows) -> Rows:
        """Return what each row should be, from rows up to it."""

    @abstractmethod
    def _learned(self) -> Mapping[str, Rows]:
        """Return what `_learn` has found, by name."""

    @abstractmethod
    def _take(self, state: DetectorState) -> None:
        """Take up what `_learned` returned."""

    def state(self) -> DetectorState:
        """Return all that was learned.

        Raises
        ------
        InputError
            If the detector is not fitted.
        """
        if not self.kpis:
            raise InputError(f"{self.name} is not fitted; there is no state to take")
        return DetectorState(
            asdict(self.config), self.kpis, self.interval_s, tuple(self.measure.moments),
            {**self.measure.arrays(), **self._learned()},
        )  # fmt: skip

    @classmethod
    def from_state(cls, state: DetectorState) -> Self:
        """Return a detector that scores as the one did that the state was taken from.

        Raises
        ------
        InputError
            If the state is not one of this detector's.
        """
        detector = cls.with_settings(state.settings)
        detector.kpis, detector.interval_s = state.kpis, state.interval_s
        detector.measure = Measure.from_state(state, n_errors=len(state.kpis))
        detector._take(state)
        return detector

    def _fit(self, frames: Sequence[KpiFrame], progress: Progress) -> None:
        self.measure = Measure.fit(frames)
        tables = [self.measure.standardized(frame) for frame in frames]
        self._learn([np.nan_to_num(table) for table in tables])
        self.measure.learn_usual(
            {f.entity: self._deviations(t) ** 2 for f, t in zip(frames, tables, strict=True)}
        )

    def _score(self, frames: Sequence[KpiFrame]) -> list[Score]:
        scores = []
        for frame in frames:
            deviations = self._deviations(self.measure.standardized(frame))
            residuals = self.measure.residuals(frame.entity, deviations**2)
            scores.append(
                Score(
                    frame.entity, frame.start_s, frame.interval_s, self.kpis,
                    aggregate(residuals), residuals, deviations < 0,
                )
            )  # fmt: skip
        return scores

    def _deviations(self, table: Rows) -> Rows:
        return np.asarray(table - self._expect(np.nan_to_num(table)))
