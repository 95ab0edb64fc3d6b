"""Base-station KPIs as a cube: counts of the entities, added up by their attributes.

What is expected of an entity and row is its own mean at that moment of earlier seasons. A row that
is missing, now or in every earlier season, counts neither as actual nor as expected: a station that
does not report is no station without traffic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.cube import KpiCube
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.flow.config import CubeConfig
from faultsight.flow.cubes.measures import Array, column_measures

__all__ = ["station_cube"]


def station_cube(
    now: Sequence[KpiFrame],
    earlier: Sequence[Sequence[KpiFrame]],
    window: TimeWindow,
    attributes: Mapping[str, Mapping[str, str]],
    cube: CubeConfig,
) -> KpiCube | None:
    """Return the cube of a window; None where nothing can be compared.

    Parameters
    ----------
    now : sequence of KpiFrame
        The rows of the window, an entity each.
    earlier : sequence of sequence of KpiFrame
        The same moments of earlier seasons, the nearest first.
    window : TimeWindow
        On the grid of the frames.
    attributes : mapping of str to mapping
        By entity.
    cube : CubeConfig
        Attributes, measures and KPIs.
    """
    if not now:
        return None
    entities = sorted(frame.entity for frame in now)
    place = {entity: position for position, entity in enumerate(entities)}
    actual = _aligned(now, place, window.start_s, window, now[0].interval_s, cube)
    total, count = np.zeros_like(actual), np.zeros_like(actual)
    for season, frames in enumerate(earlier, start=1):
        start_s = window.start_s - season * cube.season_s
        told = _aligned(frames, place, start_s, window, now[0].interval_s, cube)
        known = np.isfinite(told)
        total += np.where(known, told, 0.0)
        count += known
    expected = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    # A ratio needs both its measures in the same rows.
    usable: NDArray[np.bool_] = np.all(np.isfinite(actual) & np.isfinite(expected), axis=0)
    seen: NDArray[np.bool_] = np.any(usable, axis=1)
    if not seen.any():
        return None
    actual = np.where(usable, actual, 0.0).sum(axis=2)[:, seen]
    expected = np.where(usable, expected, 0.0).sum(axis=2)[:, seen]
    kept = [entity for entity, is_seen in zip(entities, seen, strict=True) if is_seen]
    columns: dict[str, object] = {
        name: [attributes.get(entity, {}).get(name) for entity in kept] for name in cube.attributes
    }
    for row, measure in enumerate(cube.measures):
        columns[f"actual:{measure.name}"] = actual[row]
        columns[f"expected:{measure.name}"] = expected[row]
    return KpiCube.from_frame(
        pl.DataFrame(columns, schema_overrides=dict.fromkeys(cube.attributes, pl.String)),
        attributes=cube.attributes,
        measures={m.name: (f"actual:{m.name}", f"expected:{m.name}") for m in cube.measures},
        kpis=cube.told_kpis,
        duplicates="sum",
    )


def _aligned(
    frames: Sequence[KpiFrame],
    place: Mapping[str, int],
    start_s: int,
    window: TimeWindow,
    step: int,
    cube: CubeConfig,
) -> Array:
    """Return the measures of each entity and row of a window, (measure, entity, row)."""
    n_rows = (window.end_s - window.start_s) // step
    columns = cube.columns
    table = np.full((len(place), n_rows, len(columns)), np.nan)
    chosen: dict[tuple[str, ...], tuple[list[int], list[int]]] = {}
    for frame in frames:
        if frame.entity not in place:
            continue
        if frame.kpis not in chosen:
            there = [k for k, name in enumerate(columns) if name in frame.kpis]
            chosen[frame.kpis] = there, [frame.kpis.index(columns[k]) for k in there]
        there, own = chosen[frame.kpis]
        first = (frame.start_s - start_s) // step
        table[place[frame.entity], first : first + len(frame), there] = frame.values[:, own].T
    return np.stack(column_measures({name: table[..., k] for k, name in enumerate(columns)}, cube))
