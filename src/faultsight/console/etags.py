"""Versions as ETags: an edit names the version that was read, and a stale one is refused."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header, HTTPException, Response

__all__ = ["IfMatch", "IfNoneMatch", "etag", "expected_version", "not_modified", "tag"]

IfMatch = Annotated[
    str | None,
    Header(max_length=128, description='The ETag that was read, such as `"3"`.'),
]
IfNoneMatch = Annotated[str | None, Header(max_length=128, description="The ETag at hand.")]


def etag(version: int) -> str:
    """Return the ETag of a version.

    Examples
    --------
    >>> etag(3)
    '"3"'
    """
    return f'"{version}"'


def tag(response: Response, version: int, if_none_match: str | None = None) -> None:
    """Name the version of what is answered.

    Raises
    ------
    HTTPException
        304 if the client has this version already.
    """
    headers = {"etag": etag(version), "cache-control": "private, no-cache"}
    if not_modified(if_none_match, version):
        raise HTTPException(304, headers=headers)
    response.headers.update(headers)


def expected_version(if_match: str | None) -> int:
    """Return the version that an edit expects.

    Raises
    ------
    HTTPException
        428 without If-Match; 409 for one that names no version of ours.

    Examples
    --------
    >>> expected_version('"3"')
    3
    """
    if if_match is None:
        raise HTTPException(428, "an edit needs If-Match with the ETag that was read")
    found = re.fullmatch(r'"(\d{1,18})"', if_match.strip(), re.ASCII)
    if found is None:
        raise HTTPException(409, "If-Match names no version of this")
    return int(found.group(1))


def not_modified(if_none_match: str | None, version: int) -> bool:
    """Whether a client has this version already.

    Examples
    --------
    >>> not_modified('"3"', 3), not_modified('W/"2", "3"', 3), not_modified(None, 3)
    (True, True, False)
    """
    if if_none_match is None:
        return False
    return etag(version) in (part.strip().removeprefix("W/") for part in if_none_match.split(","))
