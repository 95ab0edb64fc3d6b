"""Users: who they are and what they may do."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import Field, StringConstraints

from faultsight.app.accounts import USER_NAME
from faultsight.app.roles import Role
from faultsight.console.access import Admin, App
from faultsight.console.etags import IfMatch, expected_version, tag
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, Given, Reason, Told, UserName, example

routes = APIRouter(prefix=f"{PREFIX}/users", tags=["users"])

_Role = Literal["viewer", "operator", "admin"]
_Password = Annotated[str, StringConstraints(min_length=12, max_length=1_024)]


class User(Told):
    """One user; nothing is told of the password."""

    name: str = Field(examples=["ana"])
    role: Role
    is_disabled: bool
    created_s: int
    version: int


class NewUser(Given):
    """A user to add."""

    model_config = example({"name": "ana", "password": "correct horse battery", "role": "operator"})

    name: str = Field(pattern=USER_NAME, examples=["ana"])
    password: _Password = Field(examples=["correct horse battery"])
    role: _Role = Field(examples=["operator"])


class UserChange(Given):
    """What to change of a user, and why."""

    model_config = example({"role": "operator", "why": "joins the shift"})

    role: _Role | None = None
    is_disabled: bool | None = None
    password: _Password | None = None
    why: Reason


@routes.get("", responses=responses())
def list_users(_: Admin, app: App) -> list[User]:
    """Return all users, by name; the disabled too."""
    return [User.model_validate(user) for user in app.accounts.users()]


@routes.post("", status_code=201, responses=responses(409))
def add_user(given: NewUser, who: Admin, app: App, response: Response) -> User:
    """Add a user."""
    user = app.accounts.add_user(given.name, given.password, Role(given.role), who)
    tag(response, user.version)
    return User.model_validate(user)


@routes.get("/{name}", responses=responses(404))
def get_user(name: UserName, _: Admin, app: App, response: Response) -> User:
    """Return one user."""
    user = app.accounts.user(name)
    tag(response, user.version)
    return User.model_validate(user)


@routes.patch("/{name}", responses=responses(404, 409, 428))
def change_user(
    name: UserName,
    given: UserChange,
    who: Admin,
    app: App,
    response: Response,
    if_match: IfMatch = None,
) -> User:
    """Change a user's role or password, or shut them out; their sessions and tokens end then."""
    user = app.accounts.change_user(
        name,
        role=None if given.role is None else Role(given.role),
        is_disabled=given.is_disabled,
        password=given.password,
        why=given.why,
        who=who,
        expected_version=expected_version(if_match),
    )
    tag(response, user.version)
    return User.model_validate(user)
