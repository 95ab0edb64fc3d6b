"""faultsight users: who may log in to the service."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option, Typer

from faultsight.cli._json_option import STDOUT, JsonCommand, JsonTarget, write_json

__all__ = ["RoleName", "StateDir", "app"]

app = Typer(
    no_args_is_help=True, help="Users of the service: viewer, operator or admin; kept in the state."
)

StateDir = Annotated[
    Path | None,
    Option(
        "--state",
        metavar="DIR",
        help="State folder; else FAULTSIGHT_STATE_DIR, else ./faultsight-state.",
    ),
]


class RoleName(StrEnum):
    """What a user or token may do; each may all that the one before may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@app.command(cls=JsonCommand)
def add(
    name: Annotated[str, Argument(help="Letters, digits and . _ @ -; a letter or digit first.")],
    role: Annotated[RoleName, Option(help="What they may do.")] = RoleName.VIEWER,
    password_stdin: Annotated[
        bool, Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    state: StateDir = None,
    json_target: JsonTarget = None,
) -> None:
    """Add a user; the password is asked for twice, or read from standard input."""
    from faultsight.app.build import open_application
    from faultsight.app.roles import COMMAND_LINE, Role

    password = _password(from_stdin=password_stdin)
    with open_application(state) as application:
        user = application.accounts.add_user(
            _checked(name), password, Role(role.value), COMMAND_LINE
        )
    _told(user, f"added {user.name}, {user.role.value}", json_target)


@app.command("list", cls=JsonCommand)
def list_users(state: StateDir = None, json_target: JsonTarget = None) -> None:
    """List users, the disabled too."""
    from faultsight.app.build import open_application

    with open_application(state) as application:
        users = application.accounts.users()
    if json_target != STDOUT:
        for user in users:
            print_line(f"{user.name:<24} {user.role.value:<10}{' disabled' * user.is_disabled}")
        if not users:
            print_line("no user yet")
    if json_target:
        write_json(json.dumps([_document(user) for user in users], indent=1), json_target)


@app.command(cls=JsonCommand)
def disable(
    name: Annotated[str, Argument(help="Whom to shut out.")],
    why: Annotated[str, Option(help="Why; kept in the audit.")] = "by the command line",
    state: StateDir = None,
    json_target: JsonTarget = None,
) -> None:
    """Shut a user out: sessions and tokens end at once, what they did stays under their name."""
    from faultsight.app.build import open_application
    from faultsight.app.roles import COMMAND_LINE

    with open_application(state) as application:
        user = application.accounts.change_user(name, who=COMMAND_LINE, why=why, is_disabled=True)
    _told(user, f"disabled {user.name}", json_target)


def print_line(text: str) -> None:
    """Print one line on which names are only ever text."""
    from faultsight.core.printable import printable

    sys.stdout.write(printable(text) + "\n")


def _told(user: Any, line: str, json_target: str | None) -> None:
    if json_target != STDOUT:
        print_line(line)
    if json_target:
        write_json(json.dumps(_document(user), indent=1), json_target)


def _document(user: Any) -> dict[str, Any]:
    return {
        "name": user.name,
        "role": user.role.value,
        "is_disabled": user.is_disabled,
        "created_s": user.created_s,
    }


def _checked(name: str) -> str:
    import re

    from faultsight.app.accounts import USER_NAME
    from faultsight.core.errors import SettingError

    if not re.fullmatch(USER_NAME, name):
        raise SettingError(
            f"{name!r} is no name of a user: letters, digits and . _ @ -, at most 64"
        )
    return name


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    import typer

    password: str = typer.prompt("password", hide_input=True, confirmation_prompt=True)
    return password
