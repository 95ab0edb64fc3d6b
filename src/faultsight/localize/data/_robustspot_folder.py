"""The layout of RobustSpot's cases: minutes of a live-video service around an alarm.

``anomaly.yaml`` lists for each case the table's name, the alarm's minute and the truth, a list
where there are two roots. A table has a row for each leaf and minute: ``min`` (epoch seconds),
the attributes, ``value`` (viewers whose video stalled) and ``cnt`` (viewers).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.kpi import Kpi
from faultsight.core.tables import TABLE_SUFFIXES, read_table
from faultsight.localize.data._contract import CaseDataset, LabelledCase
from faultsight.localize.history import History, cube_from_history

LABELS = "anomaly.yaml"

_VALUES = ("min", "value", "cnt")


class RobustSpotFolder(CaseDataset):
    """RobustSpot's cases; the KPI is stalled viewers / viewers.

    The actual values are those of the alarm's minute. The forecast of a leaf is its mean over
    the earlier minutes in the table, where a minute without the leaf counts 0; later minutes are
    never looked at. A leaf is in the cube if it was seen in any of these minutes.
    """

    @cached_property
    def _labels(self) -> dict[str, tuple[Path, dict[str, Any]]]:
        file = self.path / LABELS
        if not file.is_file():
            return {}
        try:
            # Every scalar stays text: an element 2000 or `no` is a name, not a number or False.
            entries = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
            labels = {str(entry["data"]): entry for entry in entries}
        except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError) as error:
            raise InputError("not a list of cases with `data`", source=str(file)) from error
        found = {}
        for name in sorted(labels):
            for suffix in TABLE_SUFFIXES:
                path = self.path / f"{name}{suffix}"
                if path.parent == self.path and path.is_file():
                    found[name] = (path, labels[name])
        return found

    def case_names(self) -> list[str]:
        """Return the name of every labelled table."""
        if not self._labels:
            raise self.missing()
        return list(self._labels)

    def read(self, name: str) -> LabelledCase:
        """Read one case."""
        self.case_names()
        if name not in self._labels:
            raise InputError(f"no case {name!r}", source=str(self.path))
        path, label = self._labels[name]
        try:
            alarm = int(label["timestamp"])
            causes = label["cause"]
            roots = causes if isinstance(causes, list) else [causes]
            truth = frozenset(AttributeCombination(root) for root in roots)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{LABELS} gives no usable timestamp and cause", source=str(path)
            ) from error
        return LabelledCase(name, _cube(path, alarm, f"{self.name}/{name}"), truth)

    def history(self, name: str) -> History:
        """Return one case with its minutes up to the alarm; the cube is that of `read`.

        Raises
        ------
        MissingDataError, InputError
            As `read`.
        """
        self.case_names()
        if name not in self._labels:
            raise InputError(f"no case {name!r}", source=str(self.path))
        path, label = self._labels[name]
        return cube_from_history(
            read_table(path),
            time="min",
            measures=("value", "cnt"),
            at=str(label.get("timestamp")),
            kpis=[Kpi.ratio("stall_ratio", "value", "cnt")],
            duplicates="sum",
            name=f"{self.name}/{name}",
        )


def _cube(path: Path, alarm: int, name: str) -> KpiCube:
    table = read_table(path)
    for column in _VALUES:
        if column not in table.columns:
            raise MissingColumnError(column, table.columns, source=str(path))
    attributes = [c for c in table.columns if c not in _VALUES]
    earlier = pl.col("min") < alarm
    n_earlier = table.filter(earlier)["min"].n_unique()
    if not n_earlier or not (table["min"] == alarm).any():
        raise InputError(
            f"needs the alarm's minute {alarm} and minutes before it", source=str(path)
        )
    leaves = table.filter(pl.col("min") <= alarm).group_by(attributes).agg(
        *(pl.col(m).filter(pl.col("min") == alarm).sum().alias(m) for m in ("value", "cnt")),
        *(
            (pl.col(m).filter(earlier).sum() / n_earlier).alias(f"{m} expected")
            for m in ("value", "cnt")
        ),
    )  # fmt: skip
    return KpiCube.from_frame(
        leaves,
        attributes=attributes,
        measures={m: (m, f"{m} expected") for m in ("value", "cnt")},
        kpis=[Kpi.ratio("stall_ratio", "value", "cnt")],
        name=name,
    )
