"""faultsight tokens: by which programs ask the service."""

from __future__ import annotations

import json
from typing import Annotated

from typer import Argument, Option, Typer

from faultsight.cli._json_option import STDOUT, JsonCommand, JsonTarget, write_json
from faultsight.cli.users import RoleName, StateDir, print_line

__all__ = ["app"]

app = Typer(no_args_is_help=True, help="Tokens of users, for programs; only hashes are kept.")


@app.command(cls=JsonCommand)
def add(
    user: Annotated[str, Argument(help="In whose name it acts.")],
    name: Annotated[str, Argument(help="What it is for, such as grafana.")],
    role: Annotated[RoleName, Option(help="What it may do; not more than its user.")] = (
        RoleName.VIEWER
    ),
    days: Annotated[int | None, Option(min=1, help="Days until it ends; never if not given.")] = (
        None
    ),
    state: StateDir = None,
    json_target: JsonTarget = None,
) -> None:
    """Make a token; its secret is printed once and kept nowhere."""
    from faultsight.app.build import open_application
    from faultsight.app.roles import COMMAND_LINE, Role

    with open_application(state) as application:
        expires_s = None if days is None else application.ops.now_s() + days * 86_400
        token, secret = application.accounts.add_token(
            COMMAND_LINE, name, Role(role.value), expires_s, user=user
        )
    if json_target != STDOUT:
        print_line(f"token {token.id} of {token.user}, {token.role.value}")
        print_line(secret)
    if json_target:
        told = {"id": token.id, "user": token.user, "role": token.role.value, "secret": secret}
        write_json(json.dumps(told, indent=1), json_target)


@app.command(cls=JsonCommand)
def revoke(
    token_id: Annotated[int, Argument(metavar="ID", help="The token's number.")],
    state: StateDir = None,
    json_target: JsonTarget = None,
) -> None:
    """End a token at once."""
    from faultsight.app.build import open_application
    from faultsight.app.roles import COMMAND_LINE

    with open_application(state) as application:
        token = application.accounts.revoke_token(token_id, COMMAND_LINE)
    if json_target != STDOUT:
        print_line(f"revoked token {token.id} of {token.user}")
    if json_target:
        write_json(json.dumps({"id": token.id, "revoked_s": token.revoked_s}), json_target)
