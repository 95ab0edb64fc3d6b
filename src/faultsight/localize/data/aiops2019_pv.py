"""Eight days of real page views every five minutes: a stream of sparse leaf tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import polars as pl

from faultsight.core.errors import MissingColumnError
from faultsight.core.tables import TABLE_SUFFIXES, read_table
from faultsight.localize.data._contract import LeafTick, Source, StreamDataset


class AIOps2019PV(StreamDataset):
    """Eight days of real page views every five minutes: a stream of sparse leaf tables.

    The file ``localize/aiops2019_pv.parquet`` (or ``.csv``) has a column ``timestamp``, the
    attributes, and ``pv``.
    """

    name: ClassVar[str] = "aiops2019_pv"
    description: ClassVar[str] = (
        "page views by 5 attributes (i, e, c, p, l), about 2,470 leaves a tick; no labels"
    )
    source: ClassVar[Source] = Source(
        url="https://github.com/Rosevil1874/faultLocalization",
        licence="Apache-2.0 (this copy); the original of the AIOps challenge 2019 names none",
        obtain=(
            "join the leaf tables of github.com/Rosevil1874/faultLocalization into one table "
            "localize/aiops2019_pv.parquet with the columns timestamp, i, e, c, p, l, pv"
        ),
    )
    interval_s: ClassVar[int] = 300
    measures: ClassVar[tuple[str, ...]] = ("pv",)

    @property
    def path(self) -> Path:
        """The file, rather than a folder."""
        folder = self.data_dir / "localize"
        files = [folder / f"{self.name}{suffix}" for suffix in TABLE_SUFFIXES]
        return next((file for file in files if file.is_file()), files[-1])

    def ticks(self) -> Iterator[LeafTick]:
        """Yield the ticks in time order."""
        if not self.is_present:
            raise self.missing()
        table = read_table(self.path)
        for column in ("timestamp", "pv"):
            if column not in table.columns:
                raise MissingColumnError(column, table.columns, source=str(self.path))
        table = table.with_columns(_utc(table["timestamp"])).sort("timestamp", maintain_order=True)
        starts = table["timestamp"].rle_id().to_frame().with_row_index()
        edges = starts.unique("timestamp", keep="first", maintain_order=True)["index"].to_list()
        for start, end in zip(edges, [*edges[1:], table.height], strict=True):
            time: datetime = table["timestamp"][start]
            yield LeafTick(time, table[start:end].drop("timestamp"))


def _utc(times: pl.Series) -> pl.Series:
    """Return times as UTC; a time without a zone is UTC, a number is epoch seconds."""
    if times.dtype == pl.String:
        times = times.str.to_datetime(time_zone="UTC")
    elif times.dtype.is_integer():
        times = pl.from_epoch(times, time_unit="s")
    if not isinstance(times.dtype, pl.Datetime) or times.dtype.time_zone is None:
        return times.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return times.dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC"))
