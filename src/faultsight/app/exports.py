"""Alarms and feedback as files: CSV that no spreadsheet runs, and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from faultsight.app.alarms import AlarmFilter, Alarms
from faultsight.app.feedback import Feedback
from faultsight.core.alarm import AlarmRecord
from faultsight.core.feedback import FeedbackEvent
from faultsight.core.spreadsheet import cell, csv_line

__all__ = ["ALARM_COLUMNS", "FEEDBACK_COLUMNS", "Exports", "as_csv", "as_json_lines"]

SCHEMA_VERSION = 1
_BATCH_ROWS = 500

ALARM_COLUMNS = (
    "schema", "id", "feed", "entity", "kind", "state", "start", "end", "peak", "kpis", "muted_by",
    "mute_reason", "flaps", "model_id", "incident_id", "version", "payload",
)  # fmt: skip
FEEDBACK_COLUMNS = (
    "schema", "id", "at", "by", "kind", "feed", "entity", "start", "end", "kpis", "alarm_id",
    "incident_id", "body", "reason", "undoes",
)  # fmt: skip


class Exports:
    """Rows of what is exported, page by page, never all in memory.

    Parameters
    ----------
    alarms, feedback
        Where they come from.
    most : callable
        Returns how many rows an export may have.
    """

    def __init__(self, alarms: Alarms, feedback: Feedback, most: Callable[[], int]) -> None:
        self._alarms = alarms
        self._feedback = feedback
        self._most = most

    def alarms(self, wanted: AlarmFilter) -> Iterator[dict[str, Any]]:
        """Yield alarms, the latest first."""
        after: str | None = None
        left = self._most()
        while left > 0:
            page = self._alarms.page(wanted, after=after, limit=min(_BATCH_ROWS, left))
            yield from map(_alarm_row, page.items)
            left -= len(page.items)
            after = page.next
            if after is None:
                return

    def feedback(
        self, *, feed: str | None = None, from_s: int | None = None, to_s: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield what was said, the latest first."""
        left = self._most()
        for event in self._feedback.every(feed=feed):
            if left == 0:
                return
            if (from_s is None or event.at_s >= from_s) and (to_s is None or event.at_s < to_s):
                yield _feedback_row(event)
                left -= 1


def _alarm_row(alarm: AlarmRecord) -> dict[str, Any]:
    told = alarm.to_dict()
    return {
        "schema": f"alarm {SCHEMA_VERSION}",
        **{name: told[name] for name in ("id", "feed", "entity", "kind", "state")},
        "start": _moment(alarm.start_s),
        "end": _moment(alarm.end_s),
        **{name: told[name] for name in ALARM_COLUMNS[8:]},
    }


def _feedback_row(event: FeedbackEvent) -> dict[str, Any]:
    told = event.to_dict()
    window = event.window
    return {
        "schema": f"feedback {SCHEMA_VERSION}",
        "id": event.id,
        "at": _moment(event.at_s),
        **{name: told[name] for name in ("by", "kind", "feed", "entity")},
        "start": _moment(None if window is None else window.start_s),
        "end": _moment(None if window is None else window.end_s),
        **{name: told[name] for name in FEEDBACK_COLUMNS[9:]},
    }


def _moment(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def as_json_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    r"""Yield one JSON object a line.

    Examples
    --------
    >>> list(as_json_lines([{"id": "a", "peak": 2.5}]))
    ['{"id": "a", "peak": 2.5}\n']
    """
    for row in rows:
        yield json.dumps(row, allow_nan=False) + "\n"


def as_csv(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    r"""Yield CSV, the names of the columns first; `faultsight.core.spreadsheet` disarms formulas.

    Examples
    --------
    >>> list(as_csv([{"entity": "=cmd()", "peak": 2.5}]))
    ['entity,peak\r\n', "'=cmd(),2.5\r\n"]
    """
    columns: list[str] = []
    for row in rows:
        if not columns:
            columns = list(row)
            yield csv_line(map(cell, columns))
        yield csv_line(cell(row[column]) for column in columns)
