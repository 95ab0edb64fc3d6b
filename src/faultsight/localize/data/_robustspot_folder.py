"""The layout of RobustSpot's cases: minutes of a live-video service around an alarm.

``anomaly.yaml`` lists for each case the table's name, the alarm's minute and the truth, a list
where there are two roots. A table has a row for each leaf and minute: ``min`` (epoch seconds),
the attributes, ``value`` (viewers whose video stalled) and ``cnt`` (viewers).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import InputError
from faultsight.core.kpi import Kpi
from faultsight.core.tables import TABLE_SUFFIXES, read_table
from faultsight.localize.data._contract import CaseDataset, LabelledCase
from faultsight.localize.history import History, cube_from_history

LABELS = "anomaly.yaml"


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
        cube = self.history(name).cube
        path, label = self._case(name)
        causes = label["cause"]
        try:
            roots = causes if isinstance(causes, list) else [causes]
            truth = frozenset(AttributeCombination(root) for root in roots)
        except (TypeError, ValueError) as error:
            raise InputError(f"{LABELS} gives no usable cause", source=str(path)) from error
        for root in truth:
            if not set(root) <= set(cube.attributes):
                raise InputError(
                    f"the root {root} of {LABELS} names an attribute that is not a column",
                    source=str(path),
                )
        return LabelledCase(name, cube, truth)

    def history(self, name: str) -> History:
        """Return one case with its minutes up to the alarm; the cube is that of `read`.

        Raises
        ------
        MissingDataError, InputError
            As `read`.
        """
        path, label = self._case(name)
        return cube_from_history(
            read_table(path),
            time="min",
            measures=("value", "cnt"),
            at=str(label["timestamp"]),
            kpis=[Kpi.ratio("stall_ratio", "value", "cnt")],
            duplicates="sum",
            name=f"{self.name}/{name}",
        )

    def _case(self, name: str) -> tuple[Path, dict[str, Any]]:
        self.case_names()
        if name not in self._labels:
            raise InputError(f"no case {name!r}", source=str(self.path))
        path, label = self._labels[name]
        if not {"timestamp", "cause"} <= set(label):
            raise InputError(f"{LABELS} gives no timestamp and cause", source=str(path))
        return path, label
