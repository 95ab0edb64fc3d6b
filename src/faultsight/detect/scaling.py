"""Per-entity scaling: every detector sees the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import KpiFrame

__all__ = ["Scaling"]

_LOWEST, _HIGHEST = -1.0, 2.0
_LEAST_SPAN = 1e-6
"""Of a KPI's own magnitude: less than this is a constant that rounding moves."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Maps each KPI of each entity to about 0 to 1, by quantiles of its history.

    Values are clipped to -1 and 2, so that one absurd value cannot drown the rest. An entity that
    was not seen gets the fleet's medians. A KPI that never moved maps to 0.5, and to 1.5 where it
    is twice as large; one that was always 0 is taken to have a span of 1.

    Parameters
    ----------
    low, span : mapping of str to array of shape (kpi,)
        Per entity, float64, in the KPI's own unit.

    Examples
    --------
    >>> frame = KpiFrame("a", ("load",), 0, 60, np.arange(101.0)[:, None])
    >>> Scaling.fit([frame], tail=0.0).apply(frame).values[[0, 50, 100], 0].tolist()
    [0.0, 0.5, 1.0]
    """

    low: Mapping[str, NDArray[np.float64]]
    span: Mapping[str, NDArray[np.float64]]

    @classmethod
    def fit(cls, frames: Sequence[KpiFrame], *, tail: float = 0.005) -> Scaling:
        """Learn the quantiles `tail` and ``1 - tail`` of each entity and KPI.

        Parameters
        ----------
        frames : sequence of KpiFrame
            History; frames share their KPIs.
        tail : float
            Share of values at either end that may lie outside 0 to 1.
        """
        lows, spans = {}, {}
        for frame in frames:
            low, high = _quantiles(frame.values, tail)
            span = high - low
            still = span <= _LEAST_SPAN * np.maximum(np.abs(low), np.abs(high))  # not where missing
            # A constant sits in the middle, and its span is its own size.
            size = np.where(np.abs(low) > 0, np.abs(low), 1.0)
            span = np.where(still, size, span)
            lows[frame.entity] = np.where(still, low - 0.5 * span, low)
            spans[frame.entity] = span
        return cls(lows, spans)

    def apply(self, frame: KpiFrame) -> KpiFrame:
        """Return the frame scaled and clipped; missing values stay missing."""
        low, span = self.of(frame.entity)
        scaled = (frame.values.astype(np.float64) - low) / span
        return KpiFrame(
            frame.entity,
            frame.kpis,
            frame.start_s,
            frame.interval_s,
            np.clip(scaled, _LOWEST, _HIGHEST).astype(np.float32),
            labels=frame.labels,
        )

    def of(self, entity: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return an entity's lowest usual values and spans; the fleet's medians if unseen."""
        if entity in self.low:
            low, span = self.low[entity], self.span[entity]
        else:
            low, span = self._fleet
        # All missing in this entity's history: what is usual elsewhere is the best guess.
        unknown = ~np.isfinite(low) | ~np.isfinite(span)
        if unknown.any():
            low = np.where(unknown, self._fleet[0], low)
            span = np.where(unknown, self._fleet[1], span)
        return low, span

    def with_others(self, earlier: Scaling) -> Scaling:
        """Return this scaling, with the entities that only the earlier one has learned."""
        return Scaling({**earlier.low, **self.low}, {**earlier.span, **self.span})

    @cached_property
    def _fleet(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._medians("low"), self._medians("span")

    def _medians(self, part: str) -> NDArray[np.float64]:
        table = np.stack(list(getattr(self, part).values()))
        known = np.isfinite(table)
        filled = np.where(known, table, np.inf)
        filled.sort(axis=0)
        n_known = known.sum(axis=0)
        middle = filled[np.maximum(n_known - 1, 0) // 2, np.arange(table.shape[1])]
        return np.where(n_known > 0, middle, 0.0 if part == "low" else 1.0)


def _quantiles(
    values: NDArray[np.float32], tail: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the quantiles `tail` and ``1 - tail`` of each column; NaN where it is all missing."""
    if not len(values):
        values = np.full((1, values.shape[1]), np.nan, dtype=np.float32)
    ordered = np.sort(values.astype(np.float64), axis=0)  # NaN goes last
    n_known = np.isfinite(ordered).sum(axis=0)
    bounds = []
    for share in (tail, 1.0 - tail):
        place = share * np.maximum(n_known - 1, 0)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(n_known - 1, 0))
        columns = np.arange(values.shape[1])
        first, second = ordered[below, columns], ordered[above, columns]
        bounds.append(first + (second - first) * (place - below))
    return bounds[0], bounds[1]
