"""loop/api: requests a second and their slowest percent, under 50 clients while files come in."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl

from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.served import Served
from faultsight.core.seed import random_stream

_CLIENTS = 50
_ENTITIES = 2_000
_HISTORY_H = 48
_FILE_EVERY_S = 1.0
_WARM_S = 1.0
_LONGEST_S = 10.0
_DAY_S, _HOUR_S = 86_400, 3_600
_SETTINGS = """
[loop]
tick_s = 0.5

[[feeds]]
name = "cells"
interval_s = 3600
watch = "in"
"""


@dataclass(frozen=True)
class _Ask:
    """One kind of request."""

    name: str
    target: str


class LoopApi(Scenario):
    """50 clients ask one service over keep-alive connections, each again as soon as it is answered.

    The service runs as a process of its own on the same machine, with 2,000 base stations of two
    KPIs. Part ``quiet``: nothing else happens. Part ``ingesting``: once a second a file with an
    hour of all stations appears in the watched folder and is taken in. Every request carries a
    token. Kinds of requests: who am I (a lookup of the token alone), a page of 100 entities, the
    overview, and the curves of one station over two days.
    """

    id: ClassVar[str] = "loop/api"
    title: ClassVar[str] = "Requests a second and their time, 50 clients, also while files come in"
    shown: ClassVar[tuple[str, ...]] = (
        "part", "request", "clients", "requests_per_s", "median_ms", "p99_ms", "errors",
        "rows_ingested",
    )  # fmt: skip

    def run(self, context: Context) -> Outcome:
        """Start a service and ask it."""
        seconds = min(context.seconds, _LONGEST_S)
        rows: list[Row] = []
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder) / "state"
            (state / "in").mkdir(parents=True)
            (state / "faultsight.toml").write_text(_SETTINGS)
            token = _prepared(state, context.seed)
            with Served(state) as served:
                port = served.port()
                _wait_for_rows(port, token, _ENTITIES * _HISTORY_H)
                for part in ("quiet", "ingesting"):
                    for ask in _asks():
                        if context.wants(ask.name):
                            context.progress(f"{part}: {ask.name}")
                            rows.append(
                                _measured(part, ask, port, token, state, context.seed, seconds)
                            )
                memory_mb = served.resident_mb(peak=True)
                served.stop()
        return Outcome(
            rows,
            notes=(
                f"service and clients share one machine of {os.cpu_count()} cores: the clients' own"
                " work is in every figure",
                "largest memory of the service: "
                + ("not known" if memory_mb is None else f"{memory_mb:.0f} MB"),
            ),
        )


def _asks() -> list[_Ask]:
    start_s = _start_s()
    span = f"from_s={start_s}&to_s={start_s + _HISTORY_H * _HOUR_S}"
    return [
        _Ask("session", "/api/v1/session"),
        _Ask("entities", "/api/v1/feeds/cells/entities?limit=100"),
        _Ask("overview", "/api/v1/overview"),
        _Ask("series", f"/api/v1/feeds/cells/series?entity=cell-00007&{span}"),
    ]


def _start_s() -> int:
    return int(time.time()) // _DAY_S * _DAY_S - 30 * _DAY_S


def _prepared(state: Path, seed: int) -> str:
    """Write the first file, and return a token of a viewer; by commands, as an operator would."""
    import subprocess
    import sys

    _write(state, _start_s(), _HISTORY_H, seed)
    command = [sys.executable, "-m", "faultsight"]
    place = ["--state", str(state)]
    subprocess.run(  # noqa: S603 - our own interpreter and module
        [*command, "users", "add", "bench", "--role", "admin", "--password-stdin", *place],
        input="a password of the benchmark\n", text=True, check=True, capture_output=True,
    )  # fmt: skip
    made = subprocess.run(  # noqa: S603 - our own interpreter and module
        [*command, "tokens", "add", "bench", "bench", *place, "--json"],
        text=True, check=True, capture_output=True,
    )  # fmt: skip
    return str(json.loads(made.stdout)["secret"])


def _write(state: Path, start_s: int, hours: int, seed: int) -> None:
    """Put a finished file into the watched folder: complete under its name, and not quite new."""
    rng = random_stream(seed, "loop/api", start_s)
    times = start_s + _HOUR_S * np.arange(hours)
    n = _ENTITIES * hours
    table = pl.DataFrame(
        {
            "entity": np.repeat([f"cell-{i:05d}" for i in range(_ENTITIES)], hours),
            "timestamp": np.tile(times, _ENTITIES),
            "traffic_mb": rng.normal(100.0, 10.0, n).astype(np.float32),
            "drop_rate": rng.random(n).astype(np.float32),
        }
    )
    temporary = state / "in" / f".{start_s}.tmp"
    table.write_parquet(temporary)
    old = time.time() - 60
    os.utime(temporary, (old, old))
    temporary.rename(state / "in" / f"{start_s}.parquet")


def _wait_for_rows(port: int, token: str, n_rows: int, timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if _rows_taken(port, token) >= n_rows:
            return
        time.sleep(0.2)
    raise TimeoutError("the first file was not taken in")


def _rows_taken(port: int, token: str) -> int:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(
            "GET", "/api/v1/feeds/cells/files?limit=1000",
            headers={"authorization": f"Bearer {token}"},
        )  # fmt: skip
        files = json.loads(connection.getresponse().read())["items"]
    finally:
        connection.close()
    return sum(file["n_rows"] for file in files)


def _measured(
    part: str, ask: _Ask, port: int, token: str, state: Path, seed: int, seconds: float
) -> Row:
    stop = threading.Event()
    writer = None
    before = _rows_taken(port, token)
    if part == "ingesting":
        writer = threading.Thread(target=_keep_writing, args=(state, seed, stop))
        writer.start()
    try:
        times_s, errors, wall_s = asyncio.run(_load(port, ask.target, token, seconds))
    finally:
        stop.set()
        if writer is not None:
            writer.join()
    told_ms = np.sort(np.array(times_s)) * 1000
    return {
        "part": part,
        "request": ask.name,
        "clients": _CLIENTS,
        "requests": len(told_ms),
        "seconds": wall_s,
        "requests_per_s": len(told_ms) / wall_s,
        "median_ms": float(np.quantile(told_ms, 0.5)) if len(told_ms) else None,
        "p99_ms": float(np.quantile(told_ms, 0.99)) if len(told_ms) else None,
        "max_ms": float(told_ms[-1]) if len(told_ms) else None,
        "errors": errors,
        "rows_ingested": _rows_taken(port, token) - before,
    }


def _keep_writing(state: Path, seed: int, stop: threading.Event) -> None:
    """Put an hour of all stations into the folder, once a second, each hour once."""
    taken = len(list((state / "in").glob("*.parquet"))) - 1
    while not stop.is_set():
        _write(state, _start_s() + (_HISTORY_H + taken) * _HOUR_S, 1, seed)
        taken += 1
        stop.wait(_FILE_EVERY_S)


async def _load(
    port: int, target: str, token: str, seconds: float
) -> tuple[list[float], int, float]:
    """Let all clients ask; the first second, in which connections are made, does not count."""
    request = (
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    begins = time.perf_counter() + _WARM_S
    ends = begins + seconds
    times_s: list[float] = []
    errors = 0

    async def client() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while (sent := time.perf_counter()) < ends:
                writer.write(request)
                status = await _answer(reader)
                done = time.perf_counter()
                if sent >= begins and done <= ends:
                    times_s.append(done - sent)
                    errors += status != 200
        finally:
            writer.close()
            await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(_CLIENTS)))
    return times_s, errors, seconds


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read one answer with a told length; return its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(" ", 2)[1])
