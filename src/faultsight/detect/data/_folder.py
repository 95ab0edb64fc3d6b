"""Sets that lie as one folder an entity: train, test and label tables, stamps where known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.data._contract import Fleet, FleetDataset

__all__ = ["FleetFolder"]


class FleetFolder(FleetDataset):
    """A set in ``detect/<set>/<entity>/{train,test,label,train_time,test_time}.parquet``.

    Entities with the same columns are one fleet. Without stamps, rows lie `interval_s` apart from
    1970 on, and the test part follows the training part at once.
    """

    interval_s: ClassVar[int]

    def fleets(self) -> list[Fleet]:
        """Read every entity's folder."""
        if not self.is_present:
            raise self.missing()
        grouped: dict[tuple[str, ...], list[tuple[KpiFrame, KpiFrame | None]]] = {}
        for folder in sorted(filter(Path.is_dir, self.path.iterdir()), key=_by_number):
            parts = self._entity(folder)
            grouped.setdefault(parts[0].kpis, []).append(parts)
        if not grouped:
            raise InputError("holds no folder of an entity", source=str(self.path))
        fleets = []
        for parts_of in grouped.values():
            train = tuple(train for train, _ in parts_of)
            test = tuple(test for _, test in parts_of if test is not None)
            name = self.name if len(grouped) == 1 else train[0].entity
            fleets.append(Fleet(name, train, test if len(test) == len(train) else ()))
        return fleets

    def _entity(self, folder: Path) -> tuple[KpiFrame, KpiFrame | None]:
        train = self._part(folder, "train", 0, None)
        if not (folder / "test.parquet").exists():
            return train, None
        labels = _table(folder / "label.parquet").to_series(0).to_numpy()
        return train, self._part(folder, "test", train.window.end_s, labels)

    def _part(
        self, folder: Path, part: str, start_s: int, labels: NDArray[np.int8] | None
    ) -> KpiFrame:
        table = _table(folder / f"{part}.parquet")
        stamps = folder / f"{part}_time.parquet"
        if not stamps.exists():
            return KpiFrame(
                folder.name, table.columns, start_s, self.interval_s, table.to_numpy(),
                labels=labels,
            )  # fmt: skip
        kpis = table.columns
        table = table.with_columns(_table(stamps).to_series(0).alias("timestamp"))
        if labels is not None:
            table = table.with_columns(pl.Series("label", labels))
        (frame,) = KpiFrame.from_table(
            table, kpis=kpis, interval_s=self.interval_s, source=str(folder)
        )
        return KpiFrame(
            folder.name, frame.kpis, frame.start_s, frame.interval_s, frame.values,
            labels=frame.labels, dropped=frame.dropped,
        )  # fmt: skip


def _table(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError("cannot be read as Parquet", source=str(path)) from error


def _by_number(folder: Path) -> list[tuple[int, str]]:
    """Return a key by which service2 comes before service10."""
    parts = re.split(r"(\d+)", folder.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
