"""faultsight serve: the service and its API, until it is told to stop."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from faultsight.cli.users import StateDir

if TYPE_CHECKING:
    from faultsight.app.application import Application

__all__ = ["serve"]


def serve(
    state: StateDir = None,
    host: Annotated[
        str | None, Option(help="Address to listen on; any but this machine's needs a user first.")
    ] = None,
    port: Annotated[
        int | None, Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")
    ] = None,
    api_only: Annotated[
        bool, Option("--api-only", help="Answer requests; collect, watch and learn nothing.")
    ] = False,
) -> None:
    """Run the service until Ctrl-C or SIGTERM: watch feeds, raise alarms, learn, answer requests.

    The API is under /api/v1. Settings, such as which feeds there are and who is
    told, are in faultsight.toml in the state folder, which is made where it is
    missing; SIGHUP reads them anew. To see it at work: make start, then serve
    with --state reports/start/state.
    """
    from faultsight.app.build import open_application
    from faultsight.app.front import load_front
    from faultsight.app.service import Service
    from faultsight.app.settings import load_settings

    given: dict[str, Any] = {}
    server = {"host": host, "port": port}
    if chosen := {name: value for name, value in server.items() if value is not None}:
        given["server"] = chosen
    if api_only:
        given["loop"] = {"enabled": False}
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    settings = load_settings(state, **given)
    stopping = threading.Event()
    with open_application(settings) as application:
        front = load_front()
        listening = front.listen(application)
        service = Service(application, stopping=stopping)
        _on_hangup(lambda: service.reload(load_settings(state, **given)))
        service.start()
        try:
            front.run_server(
                application,
                listening,
                on_ready=lambda: _tell(application, listening.getsockname()),
                stopping=stopping,
            )
        finally:
            stopping.set()
            listening.close()
            service.stop()
    sys.stderr.write("faultsight: stopped\n")


def _tell(application: Application, address: tuple[Any, ...]) -> None:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    sys.stderr.write(f"faultsight: http://{host}:{address[1]}/api/v1\n")
    if not application.accounts.any_user():
        if application.accounts.local_person():
            told = "whoever is at this machine is admin (server.local_admin)"
        else:
            told = "nobody is let in"
        sys.stderr.write(
            f"faultsight: there is no user yet, {told}; "
            "add one with `faultsight users add NAME --role admin`\n"
        )
    sys.stderr.flush()


def _on_hangup(reload: Any) -> None:
    import signal

    def asked(_sig: int, _frame: object) -> None:
        # Not here: a signal may come in the middle of anything.
        threading.Thread(target=reload, name="reload", daemon=True).start()

    if hasattr(signal, "SIGHUP") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, asked)
