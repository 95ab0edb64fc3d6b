"""Water plants' logs as their owners hand them out: one CSV of normal days, one with attacks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl

from faultsight.core.errors import InputError, MissingDataError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.data._contract import Fleet, FleetDataset

__all__ = ["PlantCsv"]

_ROWS_A_POINT = 10
"""Rows of a second each are joined to ten seconds, as most papers do."""
_MOST_LINES_BEFORE = 5


class PlantCsv(FleetDataset):
    """One plant: sensors and actuators every second, ten of them joined by their median."""

    normal_file: ClassVar[str]
    attack_file: ClassVar[str]
    label_column: ClassVar[str]
    normal_label: ClassVar[str]
    not_kpis: ClassVar[Sequence[str]]

    @property
    def is_present(self) -> bool:
        """Whether both files are on this machine."""
        return not self._files_not_there()

    def missing(self) -> MissingDataError:
        """Return the error that says which file is missing where, and how to get it."""
        return MissingDataError(
            f"{super().missing()}. Not there: {' and '.join(self._files_not_there())}"
        )

    def _files_not_there(self) -> list[str]:
        both = (self.normal_file, self.attack_file)
        return [name for name in both if not (self.path / name).is_file()]

    def fleets(self) -> list[Fleet]:
        """Read both files."""
        if not self.is_present:
            raise self.missing()
        train = self._read(self.path / self.normal_file, 0)
        test = self._read(self.path / self.attack_file, train.window.end_s)
        if test.labels is None:
            raise InputError(
                f"no column {self.label_column!r}", source=str(self.path / self.attack_file)
            )
        known = tuple(kpi for kpi in train.kpis if kpi in test.kpis)
        return [Fleet(self.name, (train.with_kpis(known),), (test.with_kpis(known),))]

    def _lines_before_names(self, path: Path) -> int:
        """Return how many lines of groups or of nothing stand before the line of column names."""
        with path.open(encoding="utf-8", errors="replace") as file:
            for n, line in enumerate(islice(file, _MOST_LINES_BEFORE)):
                if set(self.not_kpis) & {name.strip(' "\ufeff') for name in line.split(",")}:
                    return n
        return 0

    def _read(self, path: Path, start_s: int) -> KpiFrame:
        try:
            table = pl.read_csv(
                path, infer_schema=False, truncate_ragged_lines=True,
                skip_lines=self._lines_before_names(path),
            )  # fmt: skip
        except (OSError, pl.exceptions.PolarsError) as error:
            raise InputError("cannot be read as CSV", source=str(path)) from error
        table = table.rename({name: name.strip() for name in table.columns})
        labels = None
        if self.label_column in table.columns:
            said = table[self.label_column].str.strip_chars()
            wrong = (said != self.normal_label).fill_null(value=False).to_numpy()
            labels = _tens(wrong.astype(np.float64)[:, None]).max(axis=1)[:, 0] > 0
        table = table.drop(self.not_kpis, self.label_column, strict=False)
        numbers = table.select(pl.all().str.strip_chars().cast(pl.Float64, strict=False))
        numbers = numbers.select(c for c in numbers if c.null_count() < numbers.height)
        if not numbers.width:
            raise InputError("holds no column of numbers", source=str(path))
        values = np.median(_tens(numbers.fill_null(strategy="forward").to_numpy()), axis=1)
        return KpiFrame(self.name, numbers.columns, start_s, _ROWS_A_POINT, values, labels=labels)


def _tens(table: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> np.ndarray[
    tuple[int, ...], np.dtype[np.float64]
]:  # fmt: skip
    n_points = len(table) // _ROWS_A_POINT
    return table[: n_points * _ROWS_A_POINT].reshape(n_points, _ROWS_A_POINT, -1)
