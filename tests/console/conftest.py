"""An application on an empty state folder, and clients of each role."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from faultsight.app.application import Application
from faultsight.app.build import open_application
from faultsight.app.roles import COMMAND_LINE, Role
from faultsight.app.settings import Settings
from faultsight.console.server import create_app

PASSWORD = "correct horse battery"
ROLES = ("viewer", "operator", "admin")

Client = Callable[..., TestClient]


@pytest.fixture(scope="session")
def hashed() -> str:
    from faultsight.app.passwords import hash_password

    return hash_password(PASSWORD)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state")


@pytest.fixture
def application(settings: Settings) -> Iterator[Application]:
    with open_application(settings) as opened:
        yield opened


@pytest.fixture
def users(application: Application, hashed: str) -> dict[str, str]:
    """Return a token of a user of each role; their names are the roles."""
    tokens = {}
    for role in ROLES:
        application.ops.users.add(role, hashed, Role(role))
        _, tokens[role] = application.accounts.add_token(
            COMMAND_LINE, "test", Role(role), None, user=role
        )
    return tokens


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def client_of(application: Application, users: dict[str, str], stopping: threading.Event) -> Client:
    """Return what makes a client of a role; anonymous without one."""
    guarded = create_app(application, stopping=stopping)

    def make(role: str = "") -> TestClient:
        headers = {"authorization": f"Bearer {users[role]}"} if role else {}
        return TestClient(
            guarded, base_url="http://localhost", headers=headers, client=("127.0.0.1", 50_000)
        )

    return make


@pytest.fixture
def admin(client_of: Client) -> TestClient:
    return client_of("admin")


@pytest.fixture
def operator(client_of: Client) -> TestClient:
    return client_of("operator")


@pytest.fixture
def viewer(client_of: Client) -> TestClient:
    return client_of("viewer")
