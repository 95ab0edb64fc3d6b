"""What an operator says of a detector's work: spans of time marked, per entity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.kpi_frame import TimeWindow, epoch_seconds
from faultsight.core.tables import as_polars

__all__ = ["Mark", "MarkKind", "read_marks"]


class MarkKind(StrEnum):
    """What a mark says of its span."""

    FALSE_ALARM = "false_alarm"
    """An alarm was raised and nothing was wrong."""
    MISSED = "missed"
    """Something was wrong and no alarm was raised."""
    CONFIRMED = "confirmed"
    """An alarm was raised, rightly."""
    IGNORE = "ignore"
    """Not to be learned from: planned work, doubtful data ("don't care")."""

    @property
    def is_anomaly(self) -> bool:
        """Whether something was wrong in the span."""
        return self in (MarkKind.MISSED, MarkKind.CONFIRMED)


@dataclass(frozen=True, order=True)
class Mark:
    """One span of one entity, marked by an operator.

    Parameters
    ----------
    entity : str
        Whose KPIs were looked at.
    window : TimeWindow
        Half-open span, UTC.
    kind : MarkKind
        What the operator says of it.
    kpis : tuple of str
        The KPIs that show it; empty if the operator did not tell.

    Examples
    --------
    >>> Mark("cell-1", TimeWindow(0, 3600), MarkKind.MISSED).kind.is_anomaly
    True
    """

    entity: str
    window: TimeWindow
    kind: MarkKind
    kpis: tuple[str, ...] = ()


def read_marks(table: Any, *, source: str | None = None) -> list[Mark]:
    """Return the marks of a table, sorted, each once.

    Parameters
    ----------
    table : any eager frame
        Columns ``entity``, ``start``, ``end`` (times, ISO texts or epoch seconds; half-open),
        ``kind`` (``false_alarm``, ``missed``, ``confirmed``, ``ignore``; a row where it is empty
        was not marked and is passed over), and optionally ``kpis`` (names joined by ``;``).
    source : str, optional
        The file, for messages.

    Raises
    ------
    InputError
        If a column is missing or a value cannot be read; names the column and row.

    Examples
    --------
    >>> marks = read_marks(pl.DataFrame({"entity": ["a"], "start": [0], "end": [60],
    ...                                  "kind": ["false_alarm"]}))
    >>> marks[0].kind.value
    'false_alarm'
    """
    rows = as_polars(table)
    for column in ("entity", "start", "end", "kind"):
        if column not in rows.columns:
            raise MissingColumnError(column, rows.columns, source=source)
    starts, ends = epoch_seconds(rows["start"], source), epoch_seconds(rows["end"], source)
    kpis: Sequence[str | None] = (
        rows["kpis"].cast(pl.String).to_list() if "kpis" in rows.columns else [None] * rows.height
    )
    marks = set()
    for row in range(rows.height):

        def wrong(problem: str, column: str, row: int = row) -> InputError:
            return InputError(problem, source=source, column=column, row=row + 1)

        said = str(rows["kind"][row] or "").strip()
        if not said:
            continue
        try:
            kind = MarkKind(said)
        except ValueError:
            known = ", ".join(MarkKind)
            raise wrong(f"{said!r} is not one of {known}", "kind") from None
        if rows["entity"][row] is None:
            raise wrong("the entity is missing", "entity")
        for column, times in (("start", starts), ("end", ends)):
            if times[row] != times[row]:
                raise wrong("the time is missing", column)
        if ends[row] <= starts[row]:
            raise wrong("the span ends before it starts", "end")
        named = tuple(sorted(filter(None, (part.strip() for part in (kpis[row] or "").split(";")))))
        window = TimeWindow(int(starts[row]), -int(-ends[row] // 1))
        marks.add(Mark(str(rows["entity"][row]), window, kind, named))
    return sorted(marks)
