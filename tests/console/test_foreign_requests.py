"""Requests from pages of other sites, and under names that are not this service's."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from faultsight.app.application import Application
from faultsight.console.server import create_api

from .test_access import operations

UNSAFE = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:81"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "null"},
        {"origin": "http://[::1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
        {"host": "evil.example"},
        {"host": "localhost.evil.example"},
        {"host": "evil.example:80@localhost"},
        {"host": ""},
    ],
)
def test_every_unsafe_request_from_elsewhere_is_refused(
    admin: TestClient, application: Application, headers: dict[str, str]
) -> None:
    found = operations(create_api(application).openapi())
    asked = {(method.upper(), path) for method, path, _ in found if method != "get"}
    asked |= {(method, "/api/v1/feeds") for method in UNSAFE}
    for method, path in sorted(asked):
        answer = admin.request(method, path, headers=headers)
        assert answer.status_code == 403, f"{method} {path}"
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/alarms", "/healthz", "/metrics"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"host": "evil.example"},
    ],
)
def test_other_sites_read_nothing_either(
    admin: TestClient, path: str, headers: dict[str, str]
) -> None:
    assert admin.get(path, headers=headers).status_code == 403


def test_a_link_may_lead_here(admin: TestClient) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert admin.get("/api/v1/feeds", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://localhost"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": "http://LOCALHOST", "sec-fetch-site": "same-origin"},
    ],
)
def test_own_pages_and_programs_are_let_in(admin: TestClient, headers: dict[str, str]) -> None:
    assert admin.post("/api/v1/tokens", json={"name": "a"}, headers=headers).status_code == 201


def test_a_cookie_alone_does_not_write(client_of: Any) -> None:
    client: TestClient = client_of()
    client.post("/api/v1/session", json={"name": "admin", "password": "correct horse battery"})
    assert client.get("/api/v1/session").json()["via"] == "session"
    assert client.post("/api/v1/tokens", json={"name": "a"}).status_code == 403
    own = {"origin": "http://localhost"}
    assert client.post("/api/v1/tokens", json={"name": "a"}, headers=own).status_code == 201


def test_two_hosts_are_none(admin: TestClient) -> None:
    answer = admin.get("/healthz", headers=[("host", "localhost"), ("host", "localhost")])
    assert answer.status_code == 403


def test_web_sockets_are_closed(admin: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), admin.websocket_connect("/api/v1/events"):
        pass


def test_no_cors_is_ever_granted(admin: TestClient) -> None:
    answer = admin.get("/api/v1/feeds", headers={"origin": "http://localhost"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/feeds", "/nope", "/api/v1/alarms/x"])
def test_every_answer_has_strict_headers(admin: TestClient, path: str) -> None:
    headers = admin.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_defects_have_them_too_and_tell_no_secrets(
    application: Application, users: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from faultsight.console.server import create_app

    def broken() -> None:
        raise RuntimeError("the password is 1234")

    monkeypatch.setattr(application.feeds, "list", broken)
    client = TestClient(
        create_app(application), base_url="http://localhost", raise_server_exceptions=False
    )
    answer = client.get("/api/v1/feeds", headers={"authorization": f"Bearer {users['viewer']}"})
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/problem+json"
    assert "1234" not in answer.text
