"""New and changed alarms as server-sent events; a client that comes back misses none."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from faultsight.console.access import App, Viewer, still_may
from faultsight.console.api.alarms import alarm_told
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, FeedFilter

routes = APIRouter(prefix=PREFIX, tags=["events"])

_POLL_S = 1.0
_HEARTBEAT_S = 15.0
_BATCH = 200

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A stream that ends when the client goes",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'id: 17\nevent: alarm\ndata: {"id":"8f14e45fceea167a", ...}\n\n',
            }
        },
    }
}


@routes.get(
    "/events",
    response_class=StreamingResponse,
    responses={**responses(503), **_STREAM},
)
async def stream_events(
    _: Viewer,
    app: App,
    request: Request,
    feed: FeedFilter = None,
    last_event_id: Annotated[
        str | None,
        Header(pattern=r"^\d{1,18}$", description="The id of the last event that was received."),
    ] = None,
) -> StreamingResponse:
    """Return alarms as they are raised, cleared, muted or withdrawn.

    Each event has an id; a client that sends it as `Last-Event-ID` goes on from there.
    """
    state = request.app.state
    state.streams = getattr(state, "streams", 0)
    if state.streams >= app.limits.event_streams:
        raise HTTPException(503, "too many event streams are open", {"Retry-After": "10"})
    if last_event_id is None:
        start = await run_in_threadpool(app.alarms.last_event)
    else:
        start = int(last_event_id)
    return StreamingResponse(_events(request, app, feed, start), media_type="text/event-stream")


async def _events(request: Request, app: App, feed: str | None, after: int) -> AsyncIterator[str]:
    state = request.app.state
    state.streams += 1
    told = time.monotonic()
    try:
        yield f"retry: 2000\nid: {after}\n\n"
        while not state.stopping.is_set() and not await request.is_disconnected():
            events = await run_in_threadpool(app.alarms.events, after, feed, _BATCH)
            is_quiet = time.monotonic() - told > _HEARTBEAT_S
            # Who may no longer read, reads no longer, also on a stream that stays open, however
            # much there is to tell.
            if (events or is_quiet) and not await run_in_threadpool(still_may, request):
                return
            for number, action, alarm in events:
                after = number
                if alarm is None:  # of another feed
                    continue
                data = {"action": action, "alarm": alarm_told(alarm).model_dump(mode="json")}
                yield f"id: {number}\nevent: alarm\ndata: {json.dumps(data)}\n\n"
                told = time.monotonic()
            if time.monotonic() - told > _HEARTBEAT_S:
                told = time.monotonic()
                yield f": heartbeat\nid: {after}\n\n"
            if len(events) < _BATCH:
                await asyncio.sleep(_POLL_S)
    finally:
        state.streams -= 1
