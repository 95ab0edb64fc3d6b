"""From marks to rows: what each says of the rows of a score, contradictions settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.contract import Score

__all__ = ["MarkedRows", "MarkedSpan", "rows_of_marks"]


@dataclass(frozen=True, eq=False)
class MarkedSpan:
    """One mark and the rows that it speaks of.

    Attributes
    ----------
    mark : Mark
        What was said.
    rows : array of int
        Rows of the entity's frame; at least one.
    """

    mark: Mark
    rows: NDArray[np.int64]

    @property
    def is_anomaly(self) -> bool:
        """Whether something was wrong in the span."""
        return self.mark.kind.is_anomaly


@dataclass(frozen=True, eq=False)
class MarkedRows:
    """All that was marked, laid on the rows of a fleet.

    Attributes
    ----------
    spans : tuple of MarkedSpan
        Marks to learn from, in order.
    ignored : mapping of str to array of bool, shape (time,)
        Rows of each entity that nothing may be learned from.
    dropped : mapping of str to int
        Marks that could not be used: ``unknown_entity``, ``outside_data``, ``contradicted``.
    """

    spans: tuple[MarkedSpan, ...]
    ignored: Mapping[str, NDArray[np.bool_]]
    dropped: Mapping[str, int]

    def only(self, spans: Sequence[MarkedSpan]) -> MarkedRows:
        """Return the same with fewer spans."""
        return MarkedRows(tuple(spans), self.ignored, self.dropped)

    def tells_nothing_usual(self, entity: str, n_rows: int) -> NDArray[np.bool_]:
        """Return which of an entity's first rows are marked as anomalies or ignored."""
        rows = np.zeros(n_rows, dtype=bool)
        if entity in self.ignored:
            rows |= self.ignored[entity][:n_rows]
        for span in self.spans:
            if span.is_anomaly and span.mark.entity == entity:
                rows[span.rows[span.rows < n_rows]] = True
        return rows

    def is_marked(self, entity: str, n_rows: int) -> NDArray[np.bool_]:
        """Return which rows of an entity any mark speaks of, or are ignored."""
        marked = np.zeros(n_rows, dtype=bool)
        if entity in self.ignored:
            marked |= self.ignored[entity]
        for span in self.spans:
            if span.mark.entity == entity:
                marked[span.rows] = True
        return marked


def rows_of_marks(frames: Sequence[KpiFrame | Score], marks: Sequence[Mark]) -> MarkedRows:
    """Lay marks on the rows of frames or scores.

    A row marked both as an anomaly and as normal is contradicted: it is ignored, as are rows
    marked ``ignore``. A row belongs to a mark if its interval starts inside the mark's span.

    Examples
    --------
    >>> from faultsight.core.kpi_frame import TimeWindow
    >>> frame = KpiFrame("a", ("x",), 0, 60, np.zeros((5, 1)))
    >>> marks = [Mark("a", TimeWindow(0, 180), MarkKind.FALSE_ALARM),
    ...          Mark("a", TimeWindow(120, 240), MarkKind.MISSED),
    ...          Mark("b", TimeWindow(0, 60), MarkKind.MISSED)]
    >>> marked = rows_of_marks([frame], marks)
    >>> [span.rows.tolist() for span in marked.spans], dict(marked.dropped)
    ([[0, 1], [3]], {'unknown_entity': 1})
    """
    by_entity = {frame.entity: frame for frame in frames}
    dropped: dict[str, int] = {}
    told: list[tuple[Mark, NDArray[np.int64]]] = []
    says: dict[str, dict[bool, NDArray[np.bool_]]] = {}
    ignored: dict[str, NDArray[np.bool_]] = {}
    for mark in sorted(set(marks)):
        frame = by_entity.get(mark.entity)
        if frame is None:
            dropped["unknown_entity"] = dropped.get("unknown_entity", 0) + 1
            continue
        offset = frame.start_s
        first = max(-((offset - mark.window.start_s) // frame.interval_s), 0)
        last = min(-((offset - mark.window.end_s) // frame.interval_s), len(frame))
        if last <= first:
            dropped["outside_data"] = dropped.get("outside_data", 0) + 1
            continue
        blank = np.zeros(len(frame), dtype=bool)
        if mark.kind is MarkKind.IGNORE:
            ignored.setdefault(mark.entity, blank.copy())[first:last] = True
            continue
        kinds = says.setdefault(mark.entity, {False: blank.copy(), True: blank.copy()})
        kinds[mark.kind.is_anomaly][first:last] = True
        told.append((mark, np.arange(first, last, dtype=np.int64)))
    for entity, kinds in says.items():
        both = kinds[False] & kinds[True]
        ignored[entity] = ignored.get(entity, np.zeros_like(both)) | both
    spans = []
    for mark, rows in told:
        kept = rows[~ignored[mark.entity][rows]]
        if kept.size:
            spans.append(MarkedSpan(mark, kept))
        else:
            dropped["contradicted"] = dropped.get("contradicted", 0) + 1
    return MarkedRows(tuple(spans), ignored, dropped)
