"""The overall KPIs of a cube feed, watched as one entity that is called like the feed."""

from __future__ import annotations

import numpy as np
import polars as pl

from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.flow.config import CubeConfig, FeedConfig
from faultsight.flow.cubes.measures import Array, measure_values
from faultsight.stores.telemetry import KpiStore

__all__ = ["overall_frame", "overall_values"]


def overall_frame(store: KpiStore, window: TimeWindow, config: FeedConfig) -> KpiFrame | None:
    """Return the overall KPIs of a cube feed; None where the window holds no row.

    Parameters
    ----------
    store : KpiStore
        The feed's telemetry.
    window : TimeWindow
        On the grid of the feed's interval.
    config : FeedConfig
        With a cube.
    """
    if config.cube is None:
        return None
    table = store.table(window, columns=config.cube.columns)
    if not table.height:
        return None
    row = (table["timestamp"].dt.epoch("s").to_numpy() - window.start_s) // config.interval_s
    n_rows = (window.end_s - window.start_s) // config.interval_s
    values = overall_values(table, row, n_rows, config.cube)
    kpis = [kpi.name for kpi in config.cube.told_kpis]
    return KpiFrame(config.name, kpis, window.start_s, config.interval_s, values)


def overall_values(
    table: pl.DataFrame, row: np.ndarray[tuple[int], np.dtype[np.int64]], n_rows: int,
    cube: CubeConfig,
) -> Array:  # fmt: skip
    """Return each KPI of the whole at each time, (time, KPI): summed, then derived.

    A time without a row is missing. Sums are made in order of the rows, so that the same rows give
    the same bytes.
    """
    seen = np.bincount(row, minlength=n_rows) > 0
    sums: dict[str, Array] = {
        measure.name: np.bincount(row, weights=np.nan_to_num(values), minlength=n_rows).astype(
            np.float64
        )
        for measure, values in zip(cube.measures, measure_values(table, cube), strict=True)
    }
    columns = []
    for kpi in cube.told_kpis:
        told = kpi.value(*(sums[name] for name in kpi.measures))
        if kpi.is_ratio:  # nothing to divide by is not known, and is no 0
            told = np.where(sums[kpi.measures[1]] > 0, told, np.nan)
        columns.append(np.where(seen, told, np.nan))
    return np.stack(columns, axis=1)
