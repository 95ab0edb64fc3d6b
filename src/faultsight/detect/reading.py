"""KPI files in: CSV, Parquet, or folders of them, as frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.core.tables import TABLE_SUFFIXES, read_table

__all__ = ["read_frames"]


def read_frames(
    paths: Sequence[Path | str],
    *,
    timestamp: str = "timestamp",
    entity: str = "entity",
    label: str = "label",
    kpis: Sequence[str] | None = None,
    interval_s: int | None = None,
) -> list[KpiFrame]:
    """Return one frame for each entity of some files.

    Parameters
    ----------
    paths : sequence of path
        Tables, or folders of tables. A table without an entity column is one entity's, called
        like the file. Files that share an entity are joined; where two tell the same moment, the
        later file stays.
    timestamp, entity, label, kpis, interval_s
        As in `KpiFrame.from_table`.

    Raises
    ------
    InputError
        If a file cannot be read, or there is none; names the file, and column and row.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in TABLE_SUFFIXES)
            if not inside:
                raise InputError(f"holds no {' or '.join(TABLE_SUFFIXES)} file", source=str(path))
            files += inside
        else:
            files.append(path)
    tables = []
    for file in files:
        table = read_table(file, names=(entity,))
        if timestamp not in table.columns:
            raise InputError(
                f"no such column; the table has {', '.join(map(repr, table.columns))}",
                source=str(file), column=timestamp,
            )  # fmt: skip
        if entity not in table.columns:
            table = table.with_columns(pl.lit(file.stem).alias(entity))
        tables.append((file, table))
    if len(tables) == 1:
        file, table = tables[0]
        return KpiFrame.from_table(
            table, timestamp=timestamp, entity=entity, label=label, kpis=kpis,
            interval_s=interval_s, source=str(file),
        )  # fmt: skip
    together = pl.concat(
        [table.with_columns(pl.col(entity).cast(pl.String)) for _, table in tables],
        how="diagonal_relaxed",
    )
    return KpiFrame.from_table(
        together, timestamp=timestamp, entity=entity, label=label, kpis=kpis,
        interval_s=interval_s, source=", ".join(str(file) for file, _ in tables),
    )  # fmt: skip
