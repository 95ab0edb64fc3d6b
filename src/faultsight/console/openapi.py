"""The OpenAPI document: who may call what stands in it, so that tests and clients can read it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from faultsight.console.access import role_of
from faultsight.console.problems import Problem, responses

__all__ = ["openapi_of"]

_INTRODUCTION = """
Everything that FaultSight's console does goes through these routes.

* **Who asks**: a session (`POST /api/v1/session` sets a cookie) or a token
  (`Authorization: Bearer ...`). `x-role` says which role a route needs; each role may all that the
  ones before it may: viewer, operator, admin.
* **Errors** are `application/problem+json`.
* **Lists** come in pages: give `next` as `after`.
* **Edits** need `If-Match` with the ETag that was read; 409 if somebody else was faster.
* **Times** are seconds since 1970 UTC; windows hold their start and not their end.
* **Other sites**: a request whose `Origin`, `Sec-Fetch-Site` or `Host` is foreign gets 403.
""".strip()


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """Return the document; made once."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=app.title, version=app.version, description=_INTRODUCTION, routes=app.routes
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": "faultsight"},
    }
    for route in app.routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        _, role = role_of(route)
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            operation["operationId"] = route.name
            operation["x-role"] = role.value if role else "anyone"
            operation["security"] = [{"token": []}, {"session": []}] if role else []
            told = operation["responses"]
            common = [403, 503, 504, *([400, 408, 413] if "requestBody" in operation else [])]
            for status, meaning in responses(*common).items():
                told.setdefault(str(status), meaning)
            operation["responses"] = {
                status: told[status]
                for status in sorted(told)
                if role is not None or status != "401" or operation["operationId"] == "login"
            }
    app.openapi_schema = document
    return document
