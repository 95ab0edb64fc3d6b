"""faultsight serve as a process: it starts, works, stops, and goes on where it was."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from faultsight.app.build import open_application
from faultsight.bench.served import Served
from faultsight.cli import app

DAY_S = 86_400
SETTINGS = """
[loop]
tick_s = 0.2
lease_s = 3

[learning]
least_history_days = 1

[[feeds]]
name = "cells"
interval_s = 3600
watch = "in"
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    (folder / "in").mkdir(parents=True)
    (folder / "faultsight.toml").write_text(SETTINGS)
    return folder


@pytest.fixture
def serve(state: Path) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def start(*options: str, **environment: str) -> Served:
        started.append(Served(state, *options, **environment))
        return started[-1]

    yield start
    for served in started:
        served.kill()


def get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return json.loads(answer.read())


def post(port: int, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def wait_for(what: Callable[[], Any], timeout_s: float = 120.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come about")


def write_file(state: Path, name: str, first_hour: int, hours: int) -> None:
    """Put a file of telemetry into the watched folder, old enough to be finished."""
    rng = np.random.default_rng(1000)
    start_s = int(time.time()) // DAY_S * DAY_S - 20 * DAY_S
    times = start_s + 3600 * np.arange(first_hour, first_hour + hours)
    rows = [
        pl.DataFrame(
            {
                "entity": [f"cell-{n}"] * hours,
                "timestamp": times,
                "drops": rng.normal(10 + 5 * np.sin(times / DAY_S * 2 * np.pi), 1.0),
                "load": rng.normal(50, 2.0, hours),
            }
        )
        for n in range(3)
    ]
    path = state / "in" / name
    pl.concat(rows).write_parquet(path)
    import os

    os.utime(path, (time.time() - 60, time.time() - 60))


def test_files_come_in_a_model_is_trained_and_rows_are_scored(
    state: Path, serve: Callable[..., Served]
) -> None:
    write_file(state, "a.parquet", 0, 15 * 24)
    served = serve()
    port = served.port()
    scored = wait_for(lambda: get(port, "/api/v1/feeds/cells")["scored_until_s"])
    assert get(port, "/api/v1/feeds/cells")["active_model"] == "cells/1"
    assert {job["kind"]: job["state"] for job in get(port, "/api/v1/jobs")["items"]} == {
        "loop": "running", "retrain": "done",
    }  # fmt: skip
    asked = {"start_s": scored - 2 * DAY_S, "end_s": scored}
    body = {"kind": "backtest", "feed": "cells", "window": asked, "settings": {"raise_rows": 3}}
    path = f"/api/v1/jobs/{post(port, '/api/v1/jobs', body)['id']}"
    wait_for(lambda: get(port, path)["state"] not in ("queued", "running"))
    tried = get(port, path)
    assert (tried["state"], tried["error"]) == ("done", "")
    assert tried["result"]["window"] == [scored - 2 * DAY_S, scored]
    assert get(port, "/api/v1/feeds/cells")["settings"]["raise_rows"] == 1
    served.process.send_signal(signal.SIGTERM)
    assert served.end() == 0
    assert served.lines[-1] == "faultsight: stopped\n"

    # It goes on where it was, at once: the lease was given back.
    write_file(state, "b.parquet", 15 * 24, 24)
    again = serve()
    port = again.port()
    wait_for(lambda: get(port, "/api/v1/feeds/cells")["scored_until_s"] == scored + DAY_S)
    assert len(get(port, "/api/v1/feeds/cells/files")["items"]) == 2
    again.process.send_signal(signal.SIGINT)
    assert again.end() == 0


def test_a_killed_one_is_succeeded(state: Path, serve: Callable[..., Served]) -> None:
    served = serve()
    served.port()
    wait_for(lambda: _loop_owner(state))
    first = _loop_owner(state)
    served.process.kill()
    again = serve()
    again.port()
    wait_for(lambda: _loop_owner(state) not in (None, first))


def _loop_owner(state: Path) -> str | None:
    with open_application(state) as application:
        jobs = application.ops.jobs.page(kind="loop").items
    return jobs[0].owner if jobs else None


def test_two_share_a_state(state: Path, serve: Callable[..., Served]) -> None:
    first, second = serve(), serve()
    first.port(), second.port()
    held = wait_for(lambda: _loop_owner(state))
    holder = first if f":{first.process.pid}:" in held else second
    holder.process.send_signal(signal.SIGTERM)
    assert holder.end() == 0
    wait_for(lambda: _loop_owner(state) not in (None, held))


def test_settings_are_read_anew(state: Path, serve: Callable[..., Served]) -> None:
    served = serve("--api-only")
    port = served.port()
    path = "/api/v1/settings/limits.page_rows"
    assert get(port, path)["value"] == 500
    (state / "faultsight.toml").write_text("[limits]\npage_rows = 7\n")
    served.process.send_signal(signal.SIGHUP)
    wait_for(lambda: get(port, path)["value"] == 7)
    (state / "faultsight.toml").write_text("[limits]\npage_row = 8\n")
    served.process.send_signal(signal.SIGHUP)
    wait_for(lambda: any("page_row: no such setting" in line for line in served.lines))
    assert get(port, path)["value"] == 7


class TestRefusals:
    def run(self, *arguments: str, **options: Any) -> Any:
        return CliRunner().invoke(app, [*arguments], **options)

    def test_no_public_address_without_a_user(self, state: Path) -> None:
        for host in ("0.0.0.0", "::", "192.0.2.1"):
            done = self.run("serve", "--state", str(state), "--host", host, "--port", "0")
            assert done.exit_code == 2
            assert "there is no user yet" in done.output

    def test_a_port_that_is_taken(self, state: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            done = self.run("serve", "--state", str(state), "--port", port)
        assert done.exit_code == 5

    def test_a_setting_that_is_none(self, state: Path) -> None:
        (state / "faultsight.toml").write_text("[server]\nprot = 1\n")
        done = self.run("serve", "--state", str(state), "--port", "0")
        assert done.exit_code == 2
        assert "server.prot: no such setting" in done.output

    def test_users_and_tokens(self, state: Path) -> None:
        place = ("--state", str(state))
        password = "correct horse battery\n"
        given = {"input": password}
        stdin = "--password-stdin"
        assert self.run("users", "add", "eve", *place, stdin, **given).exit_code == 3
        added = self.run("users", "add", "ana", "--role", "admin", *place, stdin, **given)
        assert (added.exit_code, added.output) == (0, "added ana, admin\n")
        assert self.run("users", "add", "ana", *place, stdin, **given).exit_code == 3
        assert self.run("users", "add", "../x", *place, stdin, **given).exit_code == 2
        assert self.run("users", "add", "bob", *place, stdin, input="short\n").exit_code == 3
        assert self.run("users", "add", "bob", *place, stdin, **given).exit_code == 0
        listed = json.loads(self.run("users", "list", *place, "--json").output)
        assert [(user["name"], user["role"]) for user in listed] == [
            ("ana", "admin"), ("bob", "viewer"),
        ]  # fmt: skip
        made = self.run("tokens", "add", "bob", "grafana", *place, "--json")
        told = json.loads(made.output)
        assert self.run("tokens", "add", "bob", "x", "--role", "admin", *place).exit_code == 3
        with open_application(state) as application:
            assert application.accounts.by_token(told["secret"]) is not None
            assert self.run("tokens", "revoke", str(told["id"]), *place).exit_code == 0
            assert application.accounts.by_token(told["secret"]) is None
        assert self.run("users", "disable", "bob", *place).output == "disabled bob\n"
        assert self.run("users", "disable", "ana", *place).exit_code == 3
        assert self.run("users", "disable", "nobody", *place).exit_code == 3
