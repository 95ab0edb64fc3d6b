"""What the linear peers share: standardized rows, and errors in usual units.

They see the same scaled and clipped rows as AnoTuner, and their errors are measured as its are:
squared, over the usual one of the entity and KPI, summed over KPIs.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError
from faultsight.core.feedback import Mark
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.contract import Detector, DetectorState, Progress, Score, silent
from faultsight.detect.peers._measure import Measure
from faultsight.detect.tuning.aggregation import aggregate
from faultsight.detect.tuning.marked_rows import MarkedRows, rows_of_marks

__all__ = ["StandardizedDetector"]

Rows = NDArray[np.float64]


class StandardizedDetector(Detector):
    """The base of detectors that predict a standardized row.

    They implement `_learn` and `_expect`, and give and take what was learned.

    Attributes
    ----------
    learns_missed : bool
        Whether `tune` learns from marked anomalies, or from false alarms alone.
    """

    learns_missed: ClassVar[bool] = False

    @property
    def _rows_before(self) -> int:
        """Rows before a row that what it should be follows from."""
        return 0

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

    def tune(
        self, frames: Sequence[KpiFrame], marks: Sequence[Mark], *, progress: Progress = silent
    ) -> tuple[Self, Mapping[str, int]]:
        """Return a copy to which false alarms are normal, and how many rows and marks that were.

        It is the conventional way for a method that knows of no anomalies: it learns anew from
        history and the rows of false alarms; what was missed or confirmed teaches nothing. Rows
        are scaled as before. The same marks in another order give the same bytes.

        Parameters
        ----------
        frames : sequence of KpiFrame
            The history trained on, and the rows that the marks speak of.
        marks : sequence of Mark
            What operators said.
        progress : callable
            Told in a short line what happens.

        Raises
        ------
        InputError
            If the detector is not fitted, or the frames do not fit it or hold none of its history.
        """
        frames = self._fitting(frames)
        marked = rows_of_marks(frames, [mark for mark in marks if not mark.kind.is_anomaly])
        tuned = copy.copy(self)
        n_normal = sum(len(span.rows) for span in marked.spans)
        counts = {"anomalous": 0, "normal": n_normal, **marked.dropped}
        if not marked.spans:
            return tuned, counts
        if not any(self._is_history(frame).any() for frame in frames):
            raise InputError("the frames hold no row of the history trained on")
        normal = [self._is_normal(frame, marked) for frame in frames]
        tables = [self.measure.standardized(frame) for frame in frames]
        tuned._learn(
            [
                np.where(_widened(rows, self._rows_before)[:, None], np.nan_to_num(table), 0.0)
                for table, rows in zip(tables, normal, strict=True)
            ]
        )
        tuned.measure = replace(self.measure)
        tuned.measure.learn_usual(
            {
                frame.entity: np.where(rows[:, None], tuned._deviations(table) ** 2, np.nan)
                for frame, table, rows in zip(frames, tables, normal, strict=True)
            }
        )
        # An entity that was not among the frames is measured as it was.
        tuned.measure.usual = {**self.measure.usual, **tuned.measure.usual}
        return tuned, counts

    def _is_normal(self, frame: KpiFrame, marked: MarkedRows) -> NDArray[np.bool_]:
        """Return which rows are history or false alarms, and not to be ignored."""
        rows = self._is_history(frame)
        for span in marked.spans:
            if span.mark.entity == frame.entity:
                rows[span.rows] = True
        return rows & ~marked.ignored.get(frame.entity, np.zeros(len(frame), dtype=bool))

    def _is_history(self, frame: KpiFrame) -> NDArray[np.bool_]:
        until_s = self.measure.until_s.get(frame.entity, -(2**62))
        return np.asarray(frame.times_s < until_s)

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


def _widened(rows: NDArray[np.bool_], before: int) -> NDArray[np.bool_]:
    """Return these rows and so many before each."""
    wide = rows.copy()
    for k in range(1, before + 1):
        wide[:-k] |= rows[k:]
    return wide
