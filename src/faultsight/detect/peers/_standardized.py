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
from faultsight.detect.scaling import Scaling
from faultsight.detect.tuning.aggregation import aggregate

__all__ = ["StandardizedDetector"]

Rows = NDArray[np.float64]

_LEAST_DEVIATION = 0.02
"""Of a KPI's usual range: one that hardly moves must not drown the rest when it does."""
_LEAST_ERROR = 1e-6


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
        entities = tuple(self.moments)

        def table(rows: Mapping[str, Rows]) -> Rows:
            return np.stack([rows[entity] for entity in entities])

        arrays = {
            "scaling.low": table(self.scaling.low),
            "scaling.span": table(self.scaling.span),
            "mean": table({e: mean for e, (mean, _) in self.moments.items()}),
            "deviation": table({e: deviation for e, (_, deviation) in self.moments.items()}),
            "usual": table(self.usual),
            "fleet.mean": self.fleet[0],
            "fleet.deviation": self.fleet[1],
            "fleet.usual": self.usual_elsewhere,
            **self._learned(),
        }
        return DetectorState(asdict(self.config), self.kpis, self.interval_s, entities, arrays)

    @classmethod
    def from_state(cls, state: DetectorState) -> Self:
        """Return a detector that scores as the one did that the state was taken from.

        Raises
        ------
        InputError
            If the state is not one of this detector's.
        """
        detector = cls.with_settings(state.settings)
        n, k = len(state.entities), len(state.kpis)
        detector.kpis, detector.interval_s = state.kpis, state.interval_s

        def rows(name: str) -> dict[str, Rows]:
            return dict(zip(state.entities, state.array(name, n, k), strict=True))

        detector.scaling = Scaling(rows("scaling.low"), rows("scaling.span"))
        means, deviations = rows("mean"), rows("deviation")
        detector.moments = {e: (means[e], deviations[e]) for e in state.entities}
        detector.usual = rows("usual")
        detector.fleet = state.array("fleet.mean", k), state.array("fleet.deviation", k)
        detector.usual_elsewhere = state.array("fleet.usual", k)
        detector._take(state)
        return detector

    def _fit(self, frames: Sequence[KpiFrame], progress: Progress) -> None:
        self.scaling = Scaling.fit(frames)
        scaled = [self.scaling.apply(frame).values.astype(np.float64) for frame in frames]
        # An entity or KPI without history is measured by the fleet's.
        fleet = np.concatenate(scaled)
        self.fleet = _moments(fleet, (np.full(fleet.shape[1], 0.5), np.ones(fleet.shape[1])))
        self.moments = {
            frame.entity: _moments(table, self.fleet)
            for frame, table in zip(frames, scaled, strict=True)
        }
        tables = [self._standardized(frame) for frame in frames]
        self._learn([np.nan_to_num(table) for table in tables])
        errors = {f.entity: self._deviations(t) ** 2 for f, t in zip(frames, tables, strict=True)}
        known = {entity: _mean(error) for entity, error in errors.items()}
        usual = _mean(np.concatenate(list(errors.values())))
        self.usual_elsewhere = np.where(np.isnan(usual), 1.0, usual) + _LEAST_ERROR
        self.usual = {
            entity: np.where(np.isnan(mean), self.usual_elsewhere, mean + _LEAST_ERROR)
            for entity, mean in known.items()
        }

    def _score(self, frames: Sequence[KpiFrame]) -> list[Score]:
        scores = []
        for frame in frames:
            deviations = self._deviations(self._standardized(frame))
            usual = self.usual.get(frame.entity, self.usual_elsewhere)
            residuals = (deviations**2 / usual).astype(np.float32)
            scores.append(
                Score(
                    frame.entity, frame.start_s, frame.interval_s, self.kpis,
                    aggregate(residuals), residuals, deviations < 0,
                )
            )  # fmt: skip
        return scores

    def _standardized(self, frame: KpiFrame) -> Rows:
        mean, deviation = self.moments.get(frame.entity, self.fleet)
        return (self.scaling.apply(frame).values.astype(np.float64) - mean) / deviation

    def _deviations(self, table: Rows) -> Rows:
        return np.asarray(table - self._expect(np.nan_to_num(table)))


def _mean(table: Rows) -> Rows:
    known = np.isfinite(table)
    counts = known.sum(axis=0)
    sums = np.where(known, table, 0.0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _moments(table: Rows, otherwise: tuple[Rows, Rows]) -> tuple[Rows, Rows]:
    """Return mean and deviation of each column."""
    mean = _mean(table)
    deviation = np.maximum(np.sqrt(_mean((table - mean) ** 2)), _LEAST_DEVIATION)
    unknown = np.isnan(mean)
    return np.where(unknown, otherwise[0], mean), np.where(unknown, otherwise[1], deviation)
