"""Errors as ``application/problem+json`` (RFC 9457): the same shape whatever went wrong."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from faultsight.app.accounts import LoginRefusedError, NotAllowedError, TooManyAttemptsError
from faultsight.app.busy import BusyError
from faultsight.core.errors import (
    ConflictError,
    FaultSightError,
    MissingExtraError,
    NotFoundError,
    StoreError,
)

__all__ = ["Problem", "add_problem_handlers", "problem", "responses"]

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)

_STATUS_OF: Sequence[tuple[type[FaultSightError], int]] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (MissingExtraError, 501),
    (LoginRefusedError, 401),
    (NotAllowedError, 403),
    (TooManyAttemptsError, 429),
    (BusyError, 503),
    (StoreError, 503),
    (FaultSightError, 422),
)


class Problem(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"type": "about:blank", "title": "Not Found", "status": 404,
                 "detail": "no alarm has the id 'f3'"}
            ]
        }
    )  # fmt: skip

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    errors: list[dict[str, Any]] | None = None
    """Of a request that is not as it must be: where (``loc``) and why (``msg``)."""


def problem(
    status: int,
    detail: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    errors: list[dict[str, Any]] | None = None,
) -> JSONResponse:
    r"""Return an answer that tells a problem.

    Examples
    --------
    >>> problem(404, "no alarm has the id 'f3'").body
    b'{"type":"about:blank","title":"Not Found","status":404,"detail":"no alarm has the id \'f3\'"}'
    """
    told = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors)
    # A lone surrogate in a name cannot be sent as UTF-8; it is shown as its escape.
    content = told.model_dump(exclude_none=True)
    return _AsciiSafe(content, status, headers, media_type=MEDIA_TYPE)


class _AsciiSafe(JSONResponse):
    def render(self, content: Any) -> bytes:
        try:
            return super().render(content)
        except UnicodeEncodeError:
            import json

            return json.dumps(content).encode("ascii")


_MEANINGS = {
    304: "Not changed since the ETag of If-None-Match",
    400: "Not a request",
    401: "Nobody known is asking",
    403: "The role does not allow it, or the request comes from another site",
    404: "No such thing",
    408: "The request came too slowly",
    409: "Changed by somebody else since it was read; read again",
    413: "Larger than allowed",
    415: "Not a type that can be read",
    422: "The request is not as it must be",
    428: "An edit needs If-Match with the ETag that was read",
    429: "Too many attempts; wait",
    500: "A defect of FaultSight",
    501: "An optional part is not installed",
    503: "Stopping, or too much asked at once",
    504: "The answer took too long",
}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the error answers of a route for the OpenAPI document."""
    return {
        status: {
            "description": _MEANINGS[status],
            **({} if status == 304 else _CONTENT),
        }
        for status in sorted({*statuses, 401, 403, 422})
    }


_CONTENT = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of an application a problem."""

    async def on_fault(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, FaultSightError)  # noqa: S101 - registered for it
        status = next(code for kind, code in _STATUS_OF if isinstance(error, kind))
        return problem(status, str(error))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        if error.status_code == 304:
            return Response(status_code=304, headers=error.headers)
        phrase = HTTPStatus(error.status_code).phrase
        detail = "" if error.detail == phrase else str(error.detail)
        return problem(error.status_code, detail, headers=error.headers)

    async def on_validation(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
        # What was sent is not sent back: it may be a password, or no JSON at all.
        errors = [
            {"loc": [str(part) for part in item["loc"]], "msg": str(item["msg"])}
            for item in error.errors()
        ]
        first = errors[0] if errors else {"loc": [], "msg": "cannot be read"}
        return problem(422, f"{'.'.join(first['loc'])}: {first['msg']}", errors=errors)

    async def on_defect(request: Request, error: Exception) -> JSONResponse:
        reference = secrets.token_hex(4)
        _log.error(
            "defect %s in %s %s", reference, request.method, request.url.path, exc_info=error
        )
        return problem(500, f"this is a defect of FaultSight; the log tells it as {reference}")

    app.add_exception_handler(FaultSightError, on_fault)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(Exception, on_defect)
