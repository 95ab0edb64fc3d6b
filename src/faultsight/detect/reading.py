"""KPI files in and out: CSV, Parquet, or folders of them, as frames."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.exported_tables import refuse_other_separators
from faultsight.core.kpi_frame import KpiFrame, entity_names, epoch_seconds, numbers
from faultsight.core.tables import TABLE_SUFFIXES, read_table, refuse_columns_told_twice

__all__ = ["frames_to_table", "parquet_bytes", "read_frames"]


def read_frames(
    paths: Sequence[Path | str],
    *,
    timestamp: str = "timestamp",
    entity: str = "entity",
    label: str = "label",
    kpis: Sequence[str] | None = None,
    interval_s: int | None = None,
    expected_s: int | None = None,
) -> list[KpiFrame]:
    """Return one frame for each entity of some files.

    Parameters
    ----------
    paths : sequence of path
        Tables, or folders of tables. A table without an entity column is one entity's, called
        like the file. Files that share an entity are joined; where two tell the same moment, the
        later file stays. A column that holds numbers in one of them is a KPI of all.
    timestamp, entity, label, kpis, interval_s, expected_s
        As in `KpiFrame.from_table`.

    Raises
    ------
    InputError
        If a file cannot be read, has two columns of one name, is not separated by commas, or there
        is none; names the file, and column and row.
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
    if not files:
        raise InputError("no file was given")
    tables = []
    for file in files:
        refuse_other_separators(file)
        refuse_columns_told_twice(file)
        table = read_table(file, names=(entity,))
        if timestamp not in table.columns:
            raise MissingColumnError(timestamp, table.columns, source=str(file))
        if entity not in table.columns:
            table = table.with_columns(pl.lit(file.stem).alias(entity))
        tables.append((file, table))
    if len(tables) == 1:
        file, table = tables[0]
        return KpiFrame.from_table(
            table, timestamp=timestamp, entity=entity, label=label, kpis=kpis,
            interval_s=interval_s, expected_s=expected_s, source=str(file),
        )  # fmt: skip
    together = _joined(tables, timestamp, entity, label=label, kpis=kpis)
    return KpiFrame.from_table(
        together, timestamp=timestamp, entity=entity, label=label, kpis=kpis,
        interval_s=interval_s, expected_s=expected_s,
        source=", ".join(str(file) for file, _ in tables),
    )  # fmt: skip


def _joined(
    tables: Sequence[tuple[Path, pl.DataFrame]],
    timestamp: str,
    entity: str,
    *,
    label: str,
    kpis: Sequence[str] | None,
) -> pl.DataFrame:
    """Return the rows of all tables.

    Each file is read by itself first: joined as they are, stamps of two kinds would be confused,
    numbers beside one text would all be texts, and no message could tell the file and its row.
    """
    numeric = set(kpis or ()) or {
        name
        for _, table in tables
        for name, kind in table.schema.items()
        if kind.is_numeric() or kind == pl.Boolean
    }
    numeric = (numeric | {label}) - {timestamp, entity}
    alike = []
    for file, table in tables:
        source = str(file)
        columns = {
            timestamp: pl.Series(epoch_seconds(table[timestamp], source)),
            entity: entity_names(table[entity], source),
        }
        columns |= {c: numbers(table[c], source) for c in table.columns if c in numeric}
        alike.append(pl.DataFrame(columns))
    return pl.concat(alike, how="diagonal_relaxed")


def frames_to_table(frames: Sequence[KpiFrame]) -> pl.DataFrame:
    """Return frames of the same KPIs as one table: timestamp, entity, KPIs, and label if known.

    Examples
    --------
    >>> frame = KpiFrame("cell-1", ("drops",), 0, 3600, [[1.0], [2.0]], labels=[0, 1])
    >>> frames_to_table([frame]).columns
    ['timestamp', 'entity', 'drops', 'label']
    """
    parts = []
    for frame in frames:
        stamps = pl.Series(frame.times_s * 1_000_000).cast(pl.Datetime("us", "UTC"))
        columns: dict[str, object] = {"timestamp": stamps, "entity": [frame.entity] * len(frame)}
        columns |= {
            kpi: pl.Series(frame.values[:, place], nan_to_null=True)
            for place, kpi in enumerate(frame.kpis)
        }
        if frame.labels is not None:
            columns["label"] = frame.labels
        parts.append(pl.DataFrame(columns))
    return pl.concat(parts)


def parquet_bytes(table: pl.DataFrame) -> bytes:
    """Return the table as the content of a Parquet file."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()
