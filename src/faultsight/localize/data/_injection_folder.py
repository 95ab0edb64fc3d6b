"""The layout of the public localization datasets: one table a case, and what was injected.

A folder holds ``<timestamp>.csv`` or ``.parquet`` tables with attribute columns, ``real`` and
``predict``, and ``injection_info.csv`` with the columns ``timestamp`` and ``set``: combinations
joined by ``;``, their elements by ``&``. A set may consist of several such folders.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path, PurePosixPath

import polars as pl

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.tables import TABLE_SUFFIXES, read_table
from faultsight.localize.data._contract import CaseDataset, LabelledCase

INFO = "injection_info.csv"


class InjectionFolder(CaseDataset):
    """A dataset in the layout of the public localization datasets.

    A case is a row of an ``injection_info.csv`` whose table lies next to it: who has a part of a
    set has its cases.
    """

    def group_of(self, folder: str) -> str:
        """Return the group of the cases in a sub-folder; the set's own folder is ``"."``."""
        return "" if folder == "." else folder

    @cached_property
    def _labels(self) -> dict[str, tuple[Path, str]]:
        """Table and label of each case by name, in the order of the names."""
        labels = {}
        for info in sorted(self.path.rglob(INFO)):
            table = read_table(info, as_text=True)
            for column in ("timestamp", "set"):
                if column not in table.columns:
                    raise MissingColumnError(column, table.columns, source=str(info))
            rows = table.select(pl.col("timestamp", "set").cast(pl.String)).rows()
            folder = PurePosixPath(info.parent.relative_to(self.path).as_posix())
            for timestamp, label in rows:
                for suffix in TABLE_SUFFIXES:
                    path = info.parent / f"{timestamp}{suffix}"
                    if path.parent == info.parent and path.is_file():
                        labels[str(folder / str(timestamp))] = (path, label or "")
        return dict(sorted(labels.items()))

    def case_names(self) -> list[str]:
        """Return ``<sub-folder>/<timestamp>`` of every case."""
        if not self._labels:
            raise self.missing()
        return list(self._labels)

    def read(self, name: str) -> LabelledCase:
        """Read one case."""
        self.case_names()
        if name not in self._labels:
            raise InputError(f"no case {name!r}", source=str(self.path))
        path, label = self._labels[name]
        table = read_table(path, as_text=True)
        cube = KpiCube.from_frame(
            table,
            attributes=[c for c in table.columns if c not in ("real", "predict")],
            name=f"{self.name}/{name}",
        )
        truth = frozenset(_combinations(label, path))
        for combination in truth:
            if not set(combination) <= set(cube.attributes):
                raise InputError(
                    f"the root {combination} of {INFO} names an attribute that is not a column",
                    source=str(path),
                )
        return LabelledCase(name, cube, truth, self.group_of(str(PurePosixPath(name).parent)))


def _combinations(label: str, path: Path) -> list[AttributeCombination]:
    try:
        return [AttributeCombination.parse(text) for text in label.split(";") if text.strip()]
    except InputError as error:
        raise InputError(f"{INFO}: {error.problem}", source=str(path)) from error
