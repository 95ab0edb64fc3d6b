"""The OpenAPI document of this API."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from faultsight.console.access import Viewer
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX

routes = APIRouter(prefix=PREFIX, tags=["openapi"])


@routes.get("/openapi.json", responses=responses())
def get_openapi(_: Viewer, request: Request) -> dict[str, Any]:
    """Return the OpenAPI document."""
    document: dict[str, Any] = request.app.openapi()
    return document
