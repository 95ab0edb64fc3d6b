"""Shapes that several resources share: names and ids in paths, moments, bodies."""

from __future__ import annotations

from typing import Annotated

from fastapi import HTTPException, Path, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from faultsight.app.accounts import USER_NAME
from faultsight.app.settings import FEED_NAME
from faultsight.core.kpi_frame import TimeWindow

__all__ = [
    "FEED",
    "PREFIX",
    "CountedId",
    "EntityName",
    "FeedFilter",
    "FeedName",
    "From",
    "Given",
    "Moment",
    "Names",
    "Reason",
    "RecordId",
    "Span",
    "To",
    "Told",
    "UserName",
    "example",
    "shown",
    "span_of",
]

PREFIX = "/api/v1"
"""In front of every path but those of health and metrics."""

LATEST_S = 253_402_300_799
"""The last second of the year 9999, where the calendar of most tools ends."""

_RECORD = r"^[0-9a-f]{16}$"
FEED = FEED_NAME

FeedName = Annotated[str, Path(pattern=FEED_NAME, description="Name of the feed.")]
RecordId = Annotated[str, Path(pattern=_RECORD, description="16 hexadecimal digits.")]
CountedId = Annotated[int, Path(ge=1, le=2**53, description="A number.")]
UserName = Annotated[str, Path(pattern=USER_NAME, description="Name of a user.")]
FeedFilter = Annotated[str | None, Query(pattern=FEED_NAME, description="Of this feed only.")]
EntityName = Annotated[str, Query(min_length=1, max_length=512, description="Name of the entity.")]
From = Annotated[
    int | None, Query(ge=0, le=LATEST_S, description="From this second on (since 1970 UTC).")
]
To = Annotated[int | None, Query(ge=0, le=LATEST_S, description="Before this second.")]

Moment = Annotated[int, Field(ge=0, le=LATEST_S, description="Seconds since 1970 UTC.")]
Reason = Annotated[
    str, StringConstraints(min_length=1, max_length=2_000), Field(description="Why.")
]
Names = Annotated[list[Annotated[str, StringConstraints(max_length=512)]], Field(max_length=1_000)]


class Given(BaseModel):
    """What a client sends: keys that are not known are refused, and types are not guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)


def example(body: dict[str, JsonValue]) -> ConfigDict:
    """Return what shows a whole body in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [body]})


class Told(BaseModel):
    """What a client is told."""

    model_config = ConfigDict(from_attributes=True)


class Span(Given):
    """A half-open span of time."""

    start_s: Moment
    end_s: Moment


def span_of(span: Span) -> TimeWindow:
    """Return a span as the core has it; 422 through `InputError` if it ends before it starts."""
    return TimeWindow(span.start_s, span.end_s)


def shown(text: str | None, limit: int, *, name: str) -> list[str]:
    """Return the names of a comma-separated query parameter.

    Raises
    ------
    HTTPException
        422 if there are more than the limit.
    """
    names = [part for part in (text or "").split(",") if part]
    if len(names) > limit:
        raise HTTPException(422, f"{name}: at most {limit} names")
    return names
