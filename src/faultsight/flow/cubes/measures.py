"""The measures of a cube from the columns of telemetry."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.errors import MissingColumnError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.flow.config import CubeConfig, Measure

__all__ = ["Array", "frame_measures", "measure_values"]

Array: TypeAlias = NDArray[np.float64]


def measure_values(table: pl.DataFrame, cube: CubeConfig) -> list[Array]:
    """Return the values of each measure in the rows of a table; NaN is missing.

    Raises
    ------
    MissingColumnError
        If the table lacks a column.
    """

    def column(name: str) -> Array:
        if name not in table.columns:
            raise MissingColumnError(name, table.columns)
        return np.asarray(table[name].cast(pl.Float64).fill_null(np.nan).to_numpy(), np.float64)

    return [_less(column(m.column), column(m.minus) if m.minus else None) for m in cube.measures]


def frame_measures(frame: KpiFrame, cube: CubeConfig) -> Array:
    """Return the measures of an entity's rows, (measure, time); NaN is missing."""
    place = {kpi: position for position, kpi in enumerate(frame.kpis)}

    def values(measure: Measure) -> Array:
        told = [
            frame.values[:, place[name]].astype(np.float64)
            if name in place
            else np.full(len(frame), np.nan)
            for name in (measure.column, measure.minus)
            if name
        ]
        return _less(told[0], told[1] if len(told) > 1 else None)

    return np.stack([values(measure) for measure in cube.measures])


def _less(values: Array, minus: Array | None) -> Array:
    # Counts that were read at two moments may differ by one the wrong way round.
    return values if minus is None else np.maximum(values - minus, 0.0)
