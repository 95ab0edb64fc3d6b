"""Login, sessions, tokens, and the person at this machine."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from faultsight.app.application import Application
from faultsight.app.build import open_application
from faultsight.app.roles import Role
from faultsight.app.settings import Settings
from faultsight.console.server import create_app

PASSWORD = "correct horse battery"
OWN = {"origin": "http://localhost"}


def login(client: TestClient, name: str = "operator", password: str = PASSWORD) -> Any:
    return client.post("/api/v1/session", json={"name": name, "password": password})


def test_the_cookie_is_for_this_site_and_no_script(client_of: Any) -> None:
    answer = login(client_of())
    assert answer.json() == {"name": "operator", "role": "operator", "via": "session"}
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert "domain" not in cookie


def test_over_https_no_other_host_can_set_it(settings: Settings, hashed: str) -> None:
    server = settings.server.model_copy(update={"secure_cookies": True})
    with open_application(settings.model_copy(update={"server": server})) as application:
        application.ops.users.add("ana", hashed, Role.ADMIN)
        client = TestClient(create_app(application), base_url="https://localhost")
        answer = login(client, "ana")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-")
        assert "secure" in cookie.lower()
        assert "max-age=" in answer.headers["strict-transport-security"]
        assert client.get("/api/v1/session").json()["name"] == "ana"


def test_a_wrong_name_and_a_wrong_password_look_alike(client_of: Any) -> None:
    client = client_of()
    answers = [login(client, "operator", "wrong password"), login(client, "nobody", PASSWORD)]
    assert {answer.status_code for answer in answers} == {401}
    assert answers[0].json() == answers[1].json()
    assert "set-cookie" not in answers[0].headers


def test_a_name_that_cannot_be_stored_is_nobody(client_of: Any) -> None:
    assert login(client_of(), "a\0b").status_code == 401


def test_a_weak_hash_is_made_stronger_at_login(client_of: Any, application: Application) -> None:
    """Parameters of argon2 grow over the years; only a login knows the password to hash anew."""
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    users = application.ops.users
    users.set_password_hash("operator", weak)
    version = users.get("operator").version
    assert login(client_of(), "operator", "wrong password").status_code == 401
    assert users.password_hash("operator") == weak
    client = client_of()
    assert login(client).status_code == 200
    strong = users.password_hash("operator")
    assert strong is not None
    assert "m=8," in weak
    assert "m=8," not in strong
    assert users.get("operator").version == version
    assert client.get("/api/v1/session").json()["name"] == "operator"
    assert login(client_of()).status_code == 200
    assert users.password_hash("operator") == strong


def test_guessing_is_slowed_for_that_name_alone(client_of: Any, application: Application) -> None:
    client = client_of()
    for _ in range(application.limits.login_failures):
        assert login(client, "viewer", "wrong password").status_code == 401
    assert login(client, "viewer").status_code == 429
    assert login(client, "operator").status_code == 200


def test_logout_ends_the_session_for_good(client_of: Any) -> None:
    client = client_of()
    secret = login(client).cookies["faultsight"]
    assert client.delete("/api/v1/session", headers=OWN).status_code == 204
    again = client_of()
    again.cookies.set("faultsight", secret)
    assert again.get("/api/v1/session").status_code == 401


def test_a_session_ends_by_itself(client_of: Any, application: Application) -> None:
    client = client_of()
    login(client)
    database = application.folder.database
    with sqlite3.connect(database) as connection:
        connection.execute("update sessions set expires_s = 1")
    connection.close()
    assert client.get("/api/v1/session").status_code == 401


def test_whoever_is_shut_out_is_out_at_once(client_of: Any, admin: TestClient) -> None:
    by_session, by_token = client_of(), client_of("operator")
    login(by_session)
    told = admin.get("/api/v1/users/operator")
    admin.patch(
        "/api/v1/users/operator",
        json={"is_disabled": True, "why": "left"},
        headers={"if-match": told.headers["etag"]},
    ).raise_for_status()
    assert by_session.get("/api/v1/session").status_code == 401
    assert by_token.get("/api/v1/session").status_code == 401
    assert login(client_of()).status_code == 401


def test_a_role_that_is_taken_away_is_gone_at_once(client_of: Any, admin: TestClient) -> None:
    told = admin.get("/api/v1/users/operator")
    admin.patch(
        "/api/v1/users/operator",
        json={"role": "viewer", "why": "new job"},
        headers={"if-match": told.headers["etag"]},
    ).raise_for_status()
    assert client_of("operator").get("/api/v1/session").json()["role"] == "viewer"


def test_a_changed_password_ends_other_sessions(client_of: Any) -> None:
    first, second = client_of(), client_of()
    login(first), login(second)
    body = {"old": PASSWORD, "new": "another long password"}
    assert first.put("/api/v1/session/password", json=body, headers=OWN).status_code == 204
    assert second.get("/api/v1/session").status_code == 401
    assert login(client_of()).status_code == 401
    assert login(client_of(), password="another long password").status_code == 200


def test_short_passwords_are_refused(admin: TestClient) -> None:
    body = {"name": "eve", "password": "short", "role": "viewer"}
    answer = admin.post("/api/v1/users", json=body)
    assert answer.status_code == 422
    assert "short" not in answer.text.replace("shorter", "")


def test_secrets_are_stored_nowhere(
    client_of: Any, users: dict[str, str], application: Application
) -> None:
    client = client_of()
    session = login(client).cookies["faultsight"]
    application.ops.backup(application.folder.path / "copy.sqlite")
    held = (application.folder.path / "copy.sqlite").read_bytes()
    for secret in (PASSWORD, session, *users.values()):
        assert secret.encode() not in held
    assert b"$argon2id$" in held


def test_the_state_is_private(application: Application) -> None:
    assert application.folder.path.stat().st_mode & 0o077 == 0
    assert application.folder.database.stat().st_mode & 0o077 == 0


def test_tokens_do_not_rise_above_who_makes_them(operator: TestClient) -> None:
    assert operator.post("/api/v1/tokens", json={"name": "a", "role": "admin"}).status_code == 403
    made = operator.post("/api/v1/tokens", json={"name": "a", "role": "operator"})
    assert made.json()["token"]["role"] == "operator"


def test_a_viewers_token_of_an_admin_stays_a_viewer(admin: TestClient, client_of: Any) -> None:
    secret = admin.post("/api/v1/tokens", json={"name": "a"}).json()["secret"]
    headers = {"authorization": f"Bearer {secret}"}
    client = client_of()
    assert client.get("/api/v1/session", headers=headers).json()["role"] == "viewer"
    assert client.get("/api/v1/users", headers=headers).status_code == 403


def test_one_sees_and_ends_ones_own_tokens(
    admin: TestClient, operator: TestClient, viewer: TestClient
) -> None:
    made = operator.post("/api/v1/tokens", json={"name": "a", "role": "operator"}).json()
    number = made["token"]["id"]
    assert {token["user"] for token in viewer.get("/api/v1/tokens").json()} == {"viewer"}
    assert viewer.delete(f"/api/v1/tokens/{number}").status_code == 404
    assert operator.delete(f"/api/v1/tokens/{number}").status_code == 204
    headers = {"authorization": f"Bearer {made['secret']}"}
    assert viewer.get("/api/v1/session", headers=headers).status_code == 401
    assert len(admin.get("/api/v1/tokens").json()) == 4


def test_the_last_admin_stays(admin: TestClient) -> None:
    told = admin.get("/api/v1/users/admin")
    answer = admin.patch(
        "/api/v1/users/admin",
        json={"role": "viewer", "why": "oops"},
        headers={"if-match": told.headers["etag"]},
    )
    assert answer.status_code == 409


def test_the_first_user_is_an_admin(application: Application, hashed: str) -> None:
    client = TestClient(
        create_app(application), base_url="http://localhost", client=("127.0.0.1", 5)
    )
    body = {"name": "eve", "password": PASSWORD, "role": "viewer"}
    assert client.post("/api/v1/users", json=body).status_code == 409
    body["role"] = "admin"
    assert client.post("/api/v1/users", json=body).status_code == 201
    assert client.get("/api/v1/session").status_code == 401  # the local person is nobody now


class TestLocalPerson:
    """Before the first user, whoever is at this machine is admin."""

    def ask(self, application: Application, client: str = "127.0.0.1", **headers: str) -> int:
        asker = TestClient(create_app(application), base_url="http://localhost", client=(client, 5))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return asker.get("/api/v1/users", headers=named).status_code

    def test_is_admin(self, application: Application) -> None:
        assert self.ask(application) == 200

    def test_unless_the_setting_says_no(self, settings: Settings) -> None:
        server = settings.server.model_copy(update={"local_admin": False})
        with open_application(settings.model_copy(update={"server": server})) as application:
            assert self.ask(application) == 401

    def test_not_from_another_machine(self, application: Application) -> None:
        assert self.ask(application, "192.0.2.7") == 401

    @pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip", "via"])
    def test_not_through_a_proxy(self, application: Application, header: str) -> None:
        assert self.ask(application, **{header: "127.0.0.1"}) == 401

    def test_not_under_another_name(self, settings: Settings) -> None:
        server = settings.server.model_copy(update={"allowed_hosts": ("noc.example",)})
        with open_application(settings.model_copy(update={"server": server})) as application:
            assert self.ask(application, host="noc.example") == 401

    def test_not_after_all_users_are_shut_out(self, application: Application, hashed: str) -> None:
        application.ops.users.add("ana", hashed, Role.ADMIN)
        assert self.ask(application) == 401

    def test_acts_under_the_name_local(self, application: Application) -> None:
        client = TestClient(create_app(application), base_url="http://localhost", client=("::1", 5))
        body = {"name": "cells", "kind": "kpi", "interval_s": 900}
        assert client.post("/api/v1/feeds", json=body).status_code == 201
        assert client.get("/api/v1/audit").json()["items"][0]["by"] == "local"
