"""The API as one application, and the server that runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from faultsight import __version__
from faultsight.app.application import Application
from faultsight.app.settings import Settings
from faultsight.console import api, health
from faultsight.console.access import is_loopback, require_roles
from faultsight.console.guard import Guard, RouteCost
from faultsight.console.measured import Measured
from faultsight.console.openapi import openapi_of
from faultsight.console.problems import add_problem_handlers
from faultsight.console.protocol import patient_for
from faultsight.console.shapes import PREFIX
from faultsight.core.errors import SettingError

__all__ = ["PREFIX", "api_document", "create_api", "create_app", "listen", "run_server"]


def create_api(application: Application, *, stopping: threading.Event | None = None) -> FastAPI:
    """Return the routes of the API; `create_app` adds what guards them.

    Parameters
    ----------
    application : Application
        The one layer that it speaks to.
    stopping : threading.Event, optional
        Set when the service is to end; streams then end by themselves.

    Raises
    ------
    UndeclaredRouteError
        If a route does not declare which role it needs.
    """
    app = _bare_api()
    app.state.application = application
    app.state.stopping = stopping or threading.Event()
    app.state.registry = CollectorRegistry()
    app.add_middleware(Measured, registry=app.state.registry)
    return app


def api_document() -> dict[str, Any]:
    """Return the OpenAPI document; it needs no state.

    Examples
    --------
    >>> api_document()["paths"]["/healthz"]["get"]["x-role"]
    'anyone'
    """
    return _bare_api().openapi()


def _bare_api() -> FastAPI:
    """Return the routes, not yet of any application."""
    # Flat, so that the check below sees every route that there is.
    routes = [route for router in (*resources(), health.routes) for route in router.routes]
    require_roles(routes)
    app = FastAPI(
        title="FaultSight",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        routes=routes,
    )
    require_roles(app.routes)
    add_problem_handlers(app)
    app.openapi = lambda: openapi_of(app)  # type: ignore[method-assign]
    return app


def create_app(application: Application, *, stopping: threading.Event | None = None) -> Guard:
    """Return the whole ASGI application: the API and what every request passes first."""
    app = create_api(application, stopping=stopping)
    settings = application.settings
    return Guard(
        app,
        hosts=_hosts(settings),
        limits=settings.limits,
        cost_of=_costs(app, settings),
        is_https=settings.server.secure_cookies,
    )


def resources() -> Iterator[APIRouter]:
    """Yield the routes of each resource, by file name."""
    for module in sorted(pkgutil.iter_modules(api.__path__), key=lambda found: found.name):
        if not module.name.startswith("_"):
            yield importlib.import_module(f"{api.__name__}.{module.name}").routes


def _hosts(settings: Settings) -> set[str]:
    own = {"localhost", "127.0.0.1", "::1"} | set(settings.server.allowed_hosts)
    host = settings.server.host.lower()
    return own if host in ("0.0.0.0", "::", "") else own | {host}  # noqa: S104 - compared only


def _costs(app: FastAPI, settings: Settings) -> Callable[[str, str], RouteCost | None]:
    """Return what tells the cost of the few paths that are not as all others."""
    limits = settings.limits

    def cost_of(method: str, path: str) -> RouteCost | None:
        if method == "POST" and path.startswith(f"{PREFIX}/feeds/") and path.endswith("/uploads"):
            return RouteCost(limits.upload_bytes, limits.upload_s)
        if path.startswith(f"{PREFIX}/exports/"):
            return RouteCost(0, limits.upload_s)
        if path == f"{PREFIX}/events":
            return RouteCost(0, None)
        return None

    return cost_of


class _Server(uvicorn.Server):
    """Tells streams to end as soon as a signal asks the server to."""

    stopping: threading.Event

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.stopping.set()
        super().handle_exit(sig, frame)


def listen(application: Application) -> socket.socket:
    """Return a socket that listens where the settings say.

    Raises
    ------
    SettingError
        If others than this machine could reach it and there is no user yet.
    OSError
        If the address cannot be listened on.
    """
    server = application.settings.server
    if not is_loopback(server.host) and not application.accounts.any_user():
        raise SettingError(
            f"{server.host} can be reached from other machines and there is no user yet: "
            "add one first, `faultsight users add NAME --role admin`"
        )
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    return socket.create_server((server.host, server.port), family=family)


def run_server(
    application: Application,
    listening: socket.socket,
    *,
    on_ready: Callable[[], None] = lambda: None,
    stopping: threading.Event | None = None,
) -> None:
    """Answer requests until SIGTERM or SIGINT (or until ``stopping`` is set), then return.

    Requests that run are given ``server.stop_s`` seconds to end.
    """
    stopping = stopping or threading.Event()
    settings = application.settings
    config = uvicorn.Config(
        create_app(application, stopping=stopping),
        http=patient_for(settings.limits.receive_s),
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.limits.connections,
        timeout_graceful_shutdown=max(int(settings.server.stop_s), 1),
        h11_max_incomplete_event_size=65_536,
    )
    server = _Server(config)
    server.stopping = stopping

    async def until_stopped() -> None:
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        if server.started:
            on_ready()
        while not serving.done():
            if stopping.is_set():
                server.should_exit = True
            await asyncio.wait({serving}, timeout=0.1)
        await serving

    # The server raises the signal again when it has ended; by then it shall do nothing.
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {sig: signal.signal(sig, _nothing) for sig in (signal.SIGINT, signal.SIGTERM)}
    try:
        asyncio.run(until_stopped())
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)


def _nothing(_sig: int, _frame: FrameType | None) -> None:
    return None
