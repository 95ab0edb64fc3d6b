"""Exports of alarms and feedback as CSV or JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from faultsight.app.alarms import AlarmFilter
from faultsight.app.exports import as_csv, as_json_lines
from faultsight.console.access import App, Viewer
from faultsight.console.api.alarms import alarm_filter
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, FeedFilter, From, To

routes = APIRouter(prefix=f"{PREFIX}/exports", tags=["exports"])

Format = Annotated[Literal["csv", "jsonl"], Query(description="CSV, or one JSON object a line.")]

_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}


def _file(what: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {
            "description": f"The {what}, one a line",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/jsonl": {"schema": {"type": "string"}},
            },
        }
    }


@routes.get(
    "/alarms", response_class=StreamingResponse, responses={**responses(), **_file("alarms")}
)
def export_alarms(
    _: Viewer,
    app: App,
    wanted: Annotated[AlarmFilter, Depends(alarm_filter)],
    format: Format = "csv",  # noqa: A002 - the name that clients expect
) -> StreamingResponse:
    """Return alarms as a file; cells that a spreadsheet would run as formulas are disarmed."""
    return _streamed("alarms", app.exports.alarms(wanted), format)


@routes.get(
    "/feedback", response_class=StreamingResponse, responses={**responses(), **_file("feedback")}
)
def export_feedback(
    _: Viewer,
    app: App,
    feed: FeedFilter = None,
    from_s: From = None,
    to_s: To = None,
    format: Format = "csv",  # noqa: A002 - the name that clients expect
) -> StreamingResponse:
    """Return feedback as a file."""
    return _streamed("feedback", app.exports.feedback(feed=feed, from_s=from_s, to_s=to_s), format)


def _streamed(
    name: str, rows: Iterator[dict[str, object]], form: Literal["csv", "jsonl"]
) -> StreamingResponse:
    lines = as_csv(rows) if form == "csv" else as_json_lines(rows)
    return StreamingResponse(
        lines,
        media_type=_TYPES[form],
        headers={"content-disposition": f'attachment; filename="faultsight-{name}.{form}"'},
    )
