"""Who may call what: every route of the OpenAPI document, as everybody."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from fastapi import APIRouter
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from faultsight.app.application import Application
from faultsight.console import server
from faultsight.console.access import UndeclaredRouteError
from faultsight.console.server import create_api, create_app

ROLES = ("anonymous", "viewer", "operator", "admin")
FILLED = {
    "feed": "cells", "alarm_id": "0" * 16, "incident_id": "0" * 16, "event_id": "1", "name": "bob",
    "task_id": "1", "version": "1", "job_id": "1", "suppression_id": "1", "token_id": "999",
    "key": "limits.page_rows",
}  # fmt: skip


def operations(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return method, path with its parameters filled in, and the role needed."""
    return [
        (method, re.sub(r"{(\w+)}", lambda name: FILLED[name[1]], path), operation["x-role"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_route_as_everybody(
    client_of: Any, application: Application, stopping: threading.Event
) -> None:
    stopping.set()  # event streams end at once
    clients = {role: client_of("" if role == "anonymous" else role) for role in ROLES}
    found = operations(create_api(application).openapi())
    assert len(found) > 60
    for method, path, needed in found:
        for role, client in clients.items():
            if (method, path) == ("delete", "/api/v1/session"):
                continue  # below
            status = client.request(method, path).status_code
            place = f"{method} {path} as {role}: {status}"
            if needed == "anyone":
                assert status not in (401, 403), place
            elif role == "anonymous":
                assert status == 401, place
            elif ROLES.index(role) < ROLES.index(needed):
                assert status == 403, place
            else:
                assert status not in (401, 403, 500), place


def test_only_health_and_login_are_open(application: Application) -> None:
    found = operations(create_api(application).openapi())
    opened = {(method, path) for method, path, needed in found if needed == "anyone"}
    assert opened == {("get", "/healthz"), ("get", "/readyz"), ("post", "/api/v1/session")}


def test_reading_never_needs_more_than_viewer_but_for_administration(
    application: Application,
) -> None:
    found = operations(create_api(application).openapi())
    needed = {path: role for method, path, role in found if method == "get" and role != "anyone"}
    administered = {path for path, role in needed.items() if role != "viewer"}
    assert {path.split("/")[3] for path in administered} == {"users", "settings", "audit"}


def test_a_route_without_a_role_does_not_start(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = APIRouter()

    @forgotten.get("/api/v1/open-by-oversight")
    def read() -> str:
        return "everything"

    monkeypatch.setattr(server, "resources", lambda: iter([forgotten]))
    with pytest.raises(UndeclaredRouteError, match="open-by-oversight"):
        create_app(application)


def test_a_mounted_application_does_not_start(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = APIRouter()
    mounted.routes.append(Mount("/files", Starlette()))
    monkeypatch.setattr(server, "resources", lambda: iter([mounted]))
    with pytest.raises(UndeclaredRouteError, match="/files"):
        create_app(application)


@pytest.mark.parametrize(
    "header",
    ["Bearer ", "Bearer nonsense", "Basic YTpi", "bearer", "Bearer " + "x" * 5000, "Bearer \xe9"],
)
def test_a_token_that_is_none_is_nobody(client_of: Any, header: str) -> None:
    client: TestClient = client_of()
    answer = client.get("/api/v1/session", headers={b"authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_goes_before_a_session(client_of: Any, users: dict[str, str]) -> None:
    client: TestClient = client_of()
    client.post("/api/v1/session", json={"name": "admin", "password": "correct horse battery"})
    told = client.get(
        "/api/v1/session", headers={"authorization": f"Bearer {users['viewer']}"}
    ).json()
    assert told == {"name": "viewer", "role": "viewer", "via": "token"}
