"""Tokens by which programs ask."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field, StringConstraints

from faultsight.app.roles import Role
from faultsight.console.access import App, Viewer
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, CountedId, Given, Moment, Told, example

routes = APIRouter(prefix=f"{PREFIX}/tokens", tags=["tokens"])


class Token(Told):
    """One token; its secret is shown once, when it is made."""

    id: int
    user: str
    name: str
    role: Role
    created_s: int
    expires_s: int | None
    revoked_s: int | None


class NewToken(Given):
    """A token to make."""

    model_config = example({"name": "grafana", "role": "viewer"})

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        examples=["grafana"]
    )
    role: Literal["viewer", "operator", "admin"] = Field(
        "viewer", description="Not more than one's own."
    )
    expires_s: Moment | None = Field(None, description="When it ends; never if not given.")


class TokenMade(Told):
    """A token, with the secret that is never shown again."""

    token: Token
    secret: str = Field(examples=["fs_..."])


@routes.get("", responses=responses())
def list_tokens(who: Viewer, app: App) -> list[Token]:
    """Return one's own tokens; an admin sees all."""
    return [Token.model_validate(token) for token in app.accounts.tokens(who)]


@routes.post("", status_code=201, responses=responses(409))
def add_token(given: NewToken, who: Viewer, app: App) -> TokenMade:
    """Make a token that acts in one's own name."""
    token, secret = app.accounts.add_token(who, given.name, Role(given.role), given.expires_s)
    return TokenMade(token=Token.model_validate(token), secret=secret)


@routes.delete("/{token_id}", status_code=204, responses=responses(404))
def revoke_token(token_id: CountedId, who: Viewer, app: App) -> None:
    """End a token at once; an admin may end any."""
    app.accounts.revoke_token(token_id, who)
