"""Lists in pages: a cursor that clients do not look into, and how many at most."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

__all__ = ["After", "Limit", "Page", "limited"]

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | None = Field(
        None, description="Give it as `after` for the next page; null on the last one."
    )


After = Annotated[
    str | None,
    Query(max_length=512, description="`next` of the page before; nothing for the first page."),
]
Limit = Annotated[int, Query(ge=1, le=1_000, description="Items of a page, at most.")]


def limited(asked: int, most: int) -> int:
    """Return how many items a page holds: what was asked for, up to what the settings allow.

    Examples
    --------
    >>> limited(1_000, 500), limited(50, 500)
    (500, 50)
    """
    return min(asked, most)
