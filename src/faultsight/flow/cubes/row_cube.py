"""A cube feed's rows as one cube: a window, and what earlier seasons lead to expect of it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from faultsight.core.cube import KpiCube
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.config import CubeConfig
from faultsight.flow.cubes.measures import measure_values
from faultsight.localize.forecasts import FORECASTERS
from faultsight.localize.history import cube_from_history

__all__ = ["row_cube"]

_SEASON = "(season)"


def row_cube(
    now: pl.DataFrame, earlier: Sequence[pl.DataFrame], window: TimeWindow, cube: CubeConfig
) -> KpiCube | None:
    """Return the cube of a window; None where no earlier season can be compared.

    A leaf without a row counted nothing. A season counts if it has every moment that the window
    has: of half a season, half would be expected.

    Parameters
    ----------
    now : polars.DataFrame
        ``timestamp``, the cube's attributes and columns, in the window.
    earlier : sequence of polars.DataFrame
        The same moments of earlier seasons, the nearest first.
    window : TimeWindow
        Of `now`.
    cube : CubeConfig
        Attributes, measures and KPIs.
    """
    moments = _moments(now, window.start_s)
    if not moments:
        return None
    parts = [_told(now, 0, cube)]
    for season, table in enumerate(earlier, start=1):
        moved_s = season * cube.season_s
        if moments <= _moments(table, window.start_s - moved_s):
            inside = (table["timestamp"].dt.epoch("s") - (window.start_s - moved_s)).is_in(
                sorted(moments)
            )
            parts.append(_told(table.filter(inside), -season, cube))
    if len(parts) == 1:
        return None
    history = cube_from_history(
        pl.concat(parts),
        time=_SEASON,
        at=0,
        measures=[measure.name for measure in cube.measures],
        attributes=cube.attributes,
        kpis=cube.told_kpis,
        forecaster=FORECASTERS.load("moving_average")(),
        missing="zero",
        duplicates="sum",
    )
    return history.cube


def _moments(table: pl.DataFrame, start_s: int) -> set[int]:
    return set((table["timestamp"].dt.epoch("s") - start_s).unique().to_list())


def _told(table: pl.DataFrame, season: int, cube: CubeConfig) -> pl.DataFrame:
    values = zip(cube.measures, measure_values(table, cube), strict=True)
    return pl.DataFrame(
        [
            pl.repeat(season, table.height, dtype=pl.Int64, eager=True).alias(_SEASON),
            *(table[name].cast(pl.String) for name in cube.attributes),
            *(pl.Series(measure.name, told).fill_nan(None) for measure, told in values),
        ]
    )
