"""By what a fleet's rows and errors are measured; learned from history, the same for all peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.contract import DetectorState
from faultsight.detect.scaling import Scaling

__all__ = ["Measure"]

Rows = NDArray[np.float64]

_LEAST_DEVIATION = 0.02
"""Of a KPI's usual range: one that hardly moves must not drown the rest when it does."""
_LEAST_ERROR = 1e-6


@dataclass(eq=False)
class Measure:
    """Scales, moments of scaled rows, and usual errors, of each entity and of the fleet.

    Attributes
    ----------
    scaling : Scaling
        To about 0 to 1, as AnoTuner sees rows.
    moments : dict of str to pair of arrays of shape (kpi,)
        Mean and deviation of each entity's scaled rows.
    fleet : pair of arrays of shape (kpi,)
        The same of all rows together, for an entity or KPI without history.
    until_s : dict of str to int
        Where each entity's history ends.
    usual : dict of str to array
        Each entity's mean error on history, of each KPI or (one number) of the whole.
    usual_elsewhere : array
        The same of the fleet.
    """

    scaling: Scaling
    moments: dict[str, tuple[Rows, Rows]]
    fleet: tuple[Rows, Rows]
    until_s: dict[str, int]
    usual: dict[str, Rows] = field(default_factory=dict)
    usual_elsewhere: Rows = field(default_factory=lambda: np.ones(1))

    @classmethod
    def fit(cls, frames: Sequence[KpiFrame]) -> Self:
        """Learn scales and moments; errors are learned when there are some."""
        scaling = Scaling.fit(frames)
        scaled = [scaling.apply(frame).values.astype(np.float64) for frame in frames]
        together = np.concatenate(scaled)
        n_kpis = together.shape[1]
        fleet = _moments(together, (np.full(n_kpis, 0.5), np.ones(n_kpis)))
        moments = {
            frame.entity: _moments(table, fleet)
            for frame, table in zip(frames, scaled, strict=True)
        }
        return cls(scaling, moments, fleet, {frame.entity: frame.window.end_s for frame in frames})

    def scaled(self, frame: KpiFrame) -> Rows:
        """Return rows of about 0 to 1; NaN where missing."""
        return self.scaling.apply(frame).values.astype(np.float64)

    def standardized(self, frame: KpiFrame) -> Rows:
        """Return rows of mean 0 and deviation 1 on history; NaN where missing."""
        mean, deviation = self.moments.get(frame.entity, self.fleet)
        return (self.scaled(frame) - mean) / deviation

    def mean(self, entity: str) -> Rows:
        """Return the mean of an entity's scaled rows; the fleet's if it was never seen."""
        return self.moments.get(entity, self.fleet)[0]

    def learn_usual(self, errors: Mapping[str, Rows]) -> None:
        """Learn usual errors from those of each entity's history; NaN where there is none."""
        usual = _mean(np.concatenate(list(errors.values())))
        self.usual_elsewhere = np.where(np.isnan(usual), 1.0, usual) + _LEAST_ERROR
        known = {entity: _mean(error) for entity, error in errors.items()}
        self.usual = {
            entity: np.where(np.isnan(mean), self.usual_elsewhere, mean + _LEAST_ERROR)
            for entity, mean in known.items()
        }

    def residuals(self, entity: str, errors: Rows) -> NDArray[np.float32]:
        """Return errors in units of what is usual."""
        return (errors / self.usual.get(entity, self.usual_elsewhere)).astype(np.float32)

    def arrays(self) -> dict[str, Rows]:
        """Return all of it by name; rows of tables are entities."""
        names = ("scaling.low", "scaling.span", "mean", "deviation", "usual")
        rows = [
            (self.scaling.low[e], self.scaling.span[e], *self.moments[e], self.usual[e])
            for e in self.moments
        ]
        tables = dict(zip(names, map(np.stack, zip(*rows, strict=True)), strict=True))
        return tables | {
            "until_s": np.array([float(self.until_s[entity]) for entity in self.moments]),
            "fleet.mean": self.fleet[0],
            "fleet.deviation": self.fleet[1],
            "fleet.usual": self.usual_elsewhere,
        }

    @classmethod
    def from_state(cls, state: DetectorState, *, n_errors: int) -> Self:
        """Return what `arrays` was taken from; errors are of so many columns.

        Raises
        ------
        InputError
            If an array is missing or does not fit.
        """
        n_entities, n_kpis = len(state.entities), len(state.kpis)

        def rows(name: str, width: int) -> dict[str, Rows]:
            return dict(zip(state.entities, state.array(name, n_entities, width), strict=True))

        means, deviations = rows("mean", n_kpis), rows("deviation", n_kpis)
        return cls(
            Scaling(rows("scaling.low", n_kpis), rows("scaling.span", n_kpis)),
            {entity: (means[entity], deviations[entity]) for entity in state.entities},
            (state.array("fleet.mean", n_kpis), state.array("fleet.deviation", n_kpis)),
            dict(zip(state.entities, map(int, state.array("until_s", n_entities)), strict=True)),
            rows("usual", n_errors),
            state.array("fleet.usual", n_errors),
        )


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
