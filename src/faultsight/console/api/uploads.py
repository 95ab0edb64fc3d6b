"""Uploads: files of telemetry into a feed, streamed to disk under a name of our own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from faultsight.console.access import App, Operator
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, FeedName, Told

routes = APIRouter(prefix=PREFIX, tags=["uploads"])

_SUFFIX = {
    "text/csv": ".csv",
    "application/vnd.apache.parquet": ".parquet",
    "application/octet-stream": "",
}
_AT_ONCE = 4


class Upload(Told):
    """What became of an upload."""

    key: str = Field(description="Its content; the same content is taken in once.")
    is_new: bool = Field(description="False: this content was taken in before.")
    n_rows: int
    n_quarantined: int
    quarantined: dict[str, int] = Field(description="Rows set aside, by reason.")


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            name: {"schema": {"type": "string", "format": "binary"}}
            for name in ("text/csv", "application/vnd.apache.parquet")
        },
    }
}


@routes.post(
    "/feeds/{feed}/uploads",
    status_code=201,
    responses=responses(404, 408, 409, 413, 415),
    openapi_extra=_BODY,
)
async def upload(
    feed: FeedName,
    who: Operator,
    app: App,
    request: Request,
    content_type: Annotated[str, Header(include_in_schema=False)] = "",
) -> Upload:
    """Take in a CSV or Parquet file, the body of the request.

    Rows that cannot be used are set aside with their reason; the file's own name is never asked.
    """
    suffix = _SUFFIX.get(content_type.partition(";")[0].strip().lower())
    if not suffix:
        raise HTTPException(415, "send text/csv or application/vnd.apache.parquet")
    await run_in_threadpool(app.feeds.get, feed)
    incoming = await run_in_threadpool(app.uploads.begin, feed, suffix)
    try:
        async for part in request.stream():
            await run_in_threadpool(incoming.write, part)
        taken = await run_in_threadpool(incoming.take_in, who)
    finally:
        await run_in_threadpool(incoming.close)
    return Upload.model_validate(taken)
