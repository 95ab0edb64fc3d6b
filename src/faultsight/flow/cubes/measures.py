"""The measures of a cube from the columns of telemetry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.errors import MissingColumnError
from faultsight.flow.config import CubeConfig

__all__ = ["Array", "column_measures", "measure_values"]

Array: TypeAlias = NDArray[np.float64]


def measure_values(table: pl.DataFrame, cube: CubeConfig) -> list[Array]:
    """Return the values of each measure in the rows of a table; NaN is missing.

    Raises
    ------
    MissingColumnError
        If the table lacks a column.
    """
    columns: dict[str, Array] = {}
    for name in cube.columns:
        if name not in table.columns:
            raise MissingColumnError(name, table.columns)
        known = table[name].cast(pl.Float64).fill_null(np.nan)
        columns[name] = np.asarray(known.to_numpy(), np.float64)
    return column_measures(columns, cube)


def column_measures(columns: Mapping[str, Array], cube: CubeConfig) -> list[Array]:
    """Return the values of each measure from those of the columns, arrays of one shape.

    Examples
    --------
    >>> from faultsight.flow.config import Measure
    >>> cube = CubeConfig(measures=(Measure("failures", "asked", "granted"),))
    >>> column_measures({"asked": np.array([9.0, 5.0]), "granted": np.array([7.0, 6.0])}, cube)
    [array([2., 0.])]
    """
    # Counts that were read at two moments may differ by one the wrong way round.
    return [
        np.maximum(columns[measure.column] - columns[measure.minus], 0.0)
        if measure.minus
        else columns[measure.column]
        for measure in cube.measures
    ]
