"""Login, logout, and who one is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field, StringConstraints

from faultsight.app.roles import Role
from faultsight.console.access import Anyone, App, Viewer, session_cookie
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, Given, Told, example

routes = APIRouter(prefix=f"{PREFIX}/session", tags=["session"])

_Password = Annotated[str, StringConstraints(min_length=1, max_length=1_024)]


class Login(Given):
    """Who wants in."""

    model_config = example({"name": "ana", "password": "correct horse battery"})

    name: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(examples=["ana"])
    password: _Password = Field(examples=["correct horse battery"])


class Person(Told):
    """Who is asking."""

    name: str = Field(examples=["ana"])
    role: Role
    via: str = Field(description="session, token or local", examples=["session"])


class PasswordChange(Given):
    """An own password changed."""

    model_config = example({"old": "correct horse battery", "new": "another long password"})

    old: _Password
    new: _Password


@routes.post("", responses=responses(429))
def login(given: Login, _: Anyone, app: App, response: Response) -> Person:
    """Log in; the answer sets the session's cookie."""
    secret, who = app.accounts.login(given.name, given.password)
    server = app.settings.server
    response.set_cookie(
        session_cookie(app), secret, max_age=server.session_s, path="/",
        httponly=True, samesite="strict", secure=server.secure_cookies,
    )  # fmt: skip
    return Person.model_validate(who)


@routes.get("", responses=responses())
def who_am_i(who: Viewer) -> Person:
    """Return who one is and what one may do."""
    return Person.model_validate(who)


@routes.delete("", status_code=204, responses=responses())
def logout(_: Viewer, app: App, request: Request, response: Response) -> None:
    """End the session; its cookie is worth nothing from now on."""
    secret = request.cookies.get(session_cookie(app))
    if secret:
        app.accounts.logout(secret)
    response.delete_cookie(
        session_cookie(app), path="/", httponly=True, samesite="strict",
        secure=app.settings.server.secure_cookies,
    )  # fmt: skip


@routes.put("/password", status_code=204, responses=responses(409, 429))
def change_password(given: PasswordChange, who: Viewer, app: App) -> None:
    """Change one's own password; all of one's other sessions end."""
    app.accounts.change_password(who, given.old, given.new)
