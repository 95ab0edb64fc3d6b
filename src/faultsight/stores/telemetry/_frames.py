"""Rows of a bucket become a frame for each entity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from faultsight.core.kpi_frame import KpiFrame
from faultsight.stores.telemetry._rows import epoch_s, owners_of, starts_of

__all__ = ["cut_frames"]


def cut_frames(table: pl.DataFrame, kpis: Sequence[str], interval_s: int) -> list[KpiFrame]:
    """Return a frame for each entity of a table that is sorted by entity and time."""
    if not table.height:
        return []
    owners = owners_of([table["entity"]])
    seconds = epoch_s(table["timestamp"])
    values = np.full((table.height, len(kpis)), np.nan, np.float32)
    for position, kpi in enumerate(kpis):
        if kpi in table.columns:
            values[:, position] = table[kpi].cast(pl.Float32).to_numpy()
    starts = starts_of(owners.ids)
    ends = np.append(starts[1:], table.height)
    frames = []
    for name, start, end in zip(owners.names["entity"], starts, ends, strict=True):
        first_s = int(seconds[start])
        place = (seconds[start:end] - first_s) // interval_s
        rows = values[start:end]
        if int(place[-1]) + 1 != len(rows):
            rows = np.full((int(place[-1]) + 1, len(kpis)), np.nan, np.float32)
            rows[place] = values[start:end]
        frames.append(KpiFrame(name, kpis, first_s, interval_s, rows))
    return frames
