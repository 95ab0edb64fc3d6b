"""Who is asking, and whether they may: every route declares the role that it needs.

A route names it in the type of a parameter: ``who: Operator``. One that names none keeps the whole
application from starting (`require_roles`), so that nothing is open by oversight.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from faultsight.app.application import Application
from faultsight.app.roles import Principal, Role
from faultsight.core.errors import FaultSightError

__all__ = [
    "Admin",
    "Anyone",
    "App",
    "Operator",
    "UndeclaredRouteError",
    "Viewer",
    "is_loopback",
    "require_roles",
    "role_of",
    "session_cookie",
    "still_may",
]

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class UndeclaredRouteError(FaultSightError):
    """A route declares no role; the service does not start."""


class Needs:
    """What a route needs of whoever asks; None for a route that is open to all."""

    def __init__(self, role: Role | None) -> None:
        self.role = role

    def __call__(self, request: Request) -> Principal | None:
        """Return who is asking.

        Raises
        ------
        HTTPException
            401 if it is nobody known, 403 if they may not.
        """
        if self.role is None:
            return None
        who = _principal(request)
        if who is None:
            raise HTTPException(401, headers={"WWW-Authenticate": 'Bearer realm="faultsight"'})
        if not who.role.may_act_as(self.role):
            raise HTTPException(403, f"this needs the role {self.role}; {who.role} is not enough")
        request.state.who = who
        return who


Anyone = Annotated[None, Depends(Needs(None))]
Viewer = Annotated[Principal, Depends(Needs(Role.VIEWER))]
Operator = Annotated[Principal, Depends(Needs(Role.OPERATOR))]
Admin = Annotated[Principal, Depends(Needs(Role.ADMIN))]


async def _application(request: Request) -> Application:
    application: Application = request.app.state.application
    return application


App = Annotated[Application, Depends(_application)]


def session_cookie(application: Application) -> str:
    """Return the name of the session's cookie; over HTTPS, one that no other host can set."""
    return "__Host-faultsight" if application.settings.server.secure_cookies else "faultsight"


def is_loopback(address: str) -> bool:
    """Whether an address or name is this machine's own.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("::")
    (True, True, True, False)
    """
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _principal(request: Request) -> Principal | None:
    application: Application = request.app.state.application
    accounts = application.accounts
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme:  # whoever shows a token is judged by it alone
        return accounts.by_token(token.strip()) if scheme.lower() == "bearer" else None
    secret = request.cookies.get(session_cookie(application))
    if secret:
        return accounts.by_session(secret)
    if _is_local(request):
        return accounts.local_person()
    return None


def _is_local(request: Request) -> bool:
    """Whether a request comes from this machine itself, not through a proxy on it."""
    client = request.client
    return (
        client is not None
        and is_loopback(client.host)
        and is_loopback(request.url.hostname or "")
        and not any(name in request.headers for name in _FORWARDED)
    )


def still_may(request: Request) -> bool:
    """Whether whoever opened a stream may still read: sessions and tokens end."""
    return _principal(request) is not None


def role_of(route: APIRoute) -> tuple[bool, Role | None]:
    """Return whether a route declares what it needs, and what that is."""
    found = [d.call for d in _all(route.dependant) if isinstance(d.call, Needs)]
    return len(found) == 1, found[0].role if found else None


def _all(dependant: Dependant) -> Iterable[Dependant]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _all(inner)


def require_roles(routes: Iterable[BaseRoute]) -> None:
    """Refuse routes that do not declare exactly one role, and whatever is no plain route.

    Raises
    ------
    UndeclaredRouteError
        Names the first of them.
    """
    for route in routes:
        path: Any = getattr(route, "path", repr(route))
        if not isinstance(route, APIRoute):
            raise UndeclaredRouteError(f"{path} is not a route that can declare a role")
        if not role_of(route)[0]:
            raise UndeclaredRouteError(f"the route {path} does not declare exactly one role")
