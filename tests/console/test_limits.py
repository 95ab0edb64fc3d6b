"""Huge, slow and endless requests: each costs no more than the settings say."""

from __future__ import annotations

import io
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from faultsight.app.application import Application
from faultsight.app.build import open_application
from faultsight.app.busy import BusyError
from faultsight.app.roles import COMMAND_LINE
from faultsight.app.settings import LimitSettings, Settings, load_settings
from faultsight.app.uploads import Incoming, look_through
from faultsight.bench.served import Served
from faultsight.console.server import create_app
from faultsight.core.errors import InputError

from ._serving import HOST, everything, raw, serving

GIGABYTE = 1_000_000_000


@pytest.fixture
def quick(tmp_path: Path) -> Any:
    """An application whose clients must be quick."""
    limits = {"receive_s": 0.3, "request_s": 1.0, "upload_s": 2.0, "body_bytes": 2_000,
              "upload_bytes": 100_000}  # fmt: skip
    settings = load_settings(tmp_path / "quick", server={"port": 0}, limits=limits)
    with open_application(settings) as application:
        application.feeds.add("cells", "kpi", 3600, {}, COMMAND_LINE)
        yield application


def client_of(application: Application) -> TestClient:
    return TestClient(create_app(application), base_url="http://localhost", client=("127.0.0.1", 5))


def test_a_body_that_tells_its_size(quick: Application) -> None:
    answer = client_of(quick).post("/api/v1/feeds", content=b"x" * 2_001)
    assert answer.status_code == 413
    assert answer.json()["detail"] == "larger than the 2,000 bytes that are taken here"
    assert answer.headers["connection"] == "close"


def test_a_body_that_does_not(quick: Application) -> None:
    parts = (b"x" * 100 for _ in range(30))
    assert client_of(quick).post("/api/v1/feeds", content=parts).status_code == 413
    csv = {"content-type": "text/csv"}
    parts = (b"x" * 1000 for _ in range(101))
    answer = client_of(quick).post("/api/v1/feeds/cells/uploads", content=parts, headers=csv)
    assert answer.status_code == 413
    assert list(quick.folder.incoming.glob("*")) == []


@pytest.mark.parametrize("told", ["-1", "1e9", "x", "9" * 30, "٣"])
def test_a_size_that_is_none(quick: Application, told: str) -> None:
    answer = client_of(quick).post(
        "/api/v1/feeds",
        headers={b"content-length": told.encode()},
    )
    assert answer.status_code in (400, 413)


def test_an_answer_that_takes_too_long(quick: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()
    monkeypatch.setattr(quick.feeds, "list", lambda: may_end.wait(20) and [])
    try:
        answer = client_of(quick).get("/api/v1/feeds")
        assert answer.status_code == 504
        assert answer.headers["content-type"] == "application/problem+json"
    finally:
        may_end.set()


def test_clients_that_send_slowly_are_left(quick: Application) -> None:
    """Half a head, a head byte by byte, half a body: each is ended by the server."""
    with serving(quick) as port:
        half_body = (
            b"POST /api/v1/feeds HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        assert raw(port, b"GET / HTTP/1.1\r\nHost: loc") == b""
        answer = raw(port, half_body)
        assert answer.startswith(b"HTTP/1.1 408")
        with socket.create_connection((HOST, port), timeout=30) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
            assert not trickles_on(client, n_bytes=200)
        # And whoever is quick is answered all the while, also on a second request.
        with socket.create_connection((HOST, port), timeout=30) as client:
            request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
            for _ in range(2):
                client.sendall(request)
                answer = b""
                while not answer.endswith(b'{"status":"ok"}'):
                    answer += client.recv(65_536)
            client.sendall(b"GET /healthz HTTP/1.1\r\nHo")
            assert everything(client) == b""


def trickles_on(client: socket.socket, n_bytes: int) -> bool:
    """Send byte by byte; whether the server bears it to the end."""
    try:
        for _ in range(n_bytes):
            client.sendall(b"x")
            time.sleep(0.02)
    except ConnectionError:
        return False
    return True


def test_a_body_byte_by_byte_ends_too(quick: Application) -> None:
    with serving(quick) as port, socket.create_connection((HOST, port), timeout=30) as client:
        client.sendall(
            b"POST /api/v1/feeds/cells/uploads HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: text/csv\r\nContent-Length: 90000\r\n\r\n"
        )
        stop = threading.Event()

        def trickle() -> None:
            while not stop.wait(0.1):
                try:
                    client.sendall(b"x")
                except OSError:
                    return

        sender = threading.Thread(target=trickle)
        sender.start()
        answer = everything(client)
        stop.set()
        sender.join()
    assert answer.startswith(b"HTTP/1.1 504")


def test_a_head_that_never_ends(quick: Application) -> None:
    with serving(quick) as port:
        head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"y" * 200_000
        answer = raw(port, head)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))


def test_ten_gigabytes_are_refused_in_little_memory(tmp_path: Path) -> None:
    """Told at once, or sent without a word of how much: neither is ever held in memory."""
    state = tmp_path / "state"
    with open_application(Settings(state_dir=state)) as application:
        application.feeds.add("cells", "kpi", 3600, {}, COMMAND_LINE)
    served = Served(state, "--api-only", FAULTSIGHT_LIMITS__UPLOAD_BYTES="50000000")
    try:
        port = served.port()
        head = (
            b"POST /api/v1/feeds/cells/uploads HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: text/csv\r\n"
        )
        assert raw(port, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        before_mb = served.resident_mb() or 0
        told = raw(port, head + b"Content-Length: %d\r\n\r\n" % (10 * GIGABYTE))
        assert told.startswith(b"HTTP/1.1 413")
        answer, sent = _send_without_end(port, head)
        assert answer.startswith(b"HTTP/1.1 413")
        # It is refused on its way: neither memory nor disk ever holds more than the limit.
        assert sent < GIGABYTE // 4
        assert (served.resident_mb(peak=True) or 0) - before_mb < 100
        left = sum(path.stat().st_size for path in (state / "incoming").glob("*"))
        assert left == 0
    finally:
        served.kill()


def _send_without_end(port: int, head: bytes) -> tuple[bytes, int]:
    """Send 10 GB in chunks, until the server has had enough; return its answer, and how many."""
    chunk = b"100000\r\n" + b"\0" * 0x100000 + b"\r\n"
    with socket.create_connection((HOST, port), timeout=60) as client:
        client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        answer, sent = b"", 0
        for _ in range(10_000):
            try:
                client.sendall(chunk)
                sent += len(chunk)
            except ConnectionError:
                break
            client.settimeout(0.001)
            try:
                answer += client.recv(65_536)
                break
            except (TimeoutError, BlockingIOError):
                pass
            except ConnectionError:
                break
            finally:
                client.settimeout(60)
        return answer + everything(client), sent


def test_so_many_uploads_at_once_and_no_more(quick: Application) -> None:
    begun: list[Incoming] = []
    with suppress(BusyError):
        while len(begun) < 100:
            begun.append(quick.uploads.begin("cells", ".csv"))
    assert 1 < len(begun) < 20
    csv = {"content-type": "text/csv"}
    path = "/api/v1/feeds/cells/uploads"
    rows = b"entity,timestamp,x\na,0,1\n"
    assert client_of(quick).post(path, content=rows, headers=csv).status_code == 503
    for incoming in begun:
        incoming.close()
    assert client_of(quick).post(path, content=rows, headers=csv).status_code == 201


def test_what_a_crash_left_is_removed_and_nothing_else(quick: Application) -> None:
    left, running = quick.uploads.begin("cells", ".csv"), quick.uploads.begin("cells", ".csv")
    first = min(quick.folder.incoming.iterdir())
    os.utime(first, (1, 1))
    assert quick.uploads.drop_left_over() == 1
    assert len(list(quick.folder.incoming.iterdir())) == 1
    left.close()
    running.close()


class TestTables:
    """What a small file may unpack to."""

    def write(self, tmp_path: Path, table: pl.DataFrame, suffix: str) -> Path:
        path = tmp_path / f"upload{suffix}"
        (table.write_parquet if suffix == ".parquet" else table.write_csv)(path)
        return path

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    @pytest.mark.parametrize(
        ("limits", "what"),
        [
            ({"upload_rows": 9}, "10 rows are more than the 9 allowed"),
            ({"upload_columns": 2}, "3 columns are more than the 2 allowed"),
            ({"upload_cells": 29}, "30 cells are more than the 29 allowed"),
            ({"upload_values": 9}, "10 distinct values are more than the 9 allowed"),
        ],
    )
    def test_bounds(self, tmp_path: Path, suffix: str, limits: Any, what: str) -> None:
        rows = {"entity": [f"cell-{n}" for n in range(10)], "timestamp": range(10), "x": [1.0] * 10}
        path = self.write(tmp_path, pl.DataFrame(rows), suffix)
        assert look_through(path, LimitSettings(), ["entity"]) == 10
        with pytest.raises(InputError, match=what):
            look_through(path, LimitSettings(**limits), ["entity"])

    def test_a_billion_rows_in_a_small_file(self, tmp_path: Path) -> None:
        path = tmp_path / "bomb.parquet"
        column = pl.repeat(0, 200_000_000, dtype=pl.Int8, eager=True)
        pl.DataFrame({"x": column}).write_parquet(path)
        assert path.stat().st_size < 5_000_000
        with pytest.raises(InputError, match="200,000,000 rows"):
            look_through(path, LimitSettings(), [])

    @pytest.mark.parametrize("long", ["x" * 10_000, b"x" * 10_000])
    def test_a_long_text_told_again_and_again_in_a_small_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: str | bytes
    ) -> None:
        """Parquet keeps it once; whoever works on its cells copies it for each of them."""
        monkeypatch.setattr("faultsight.core.tables._MOST_TEXT_BYTES", 1_000_000)
        path = tmp_path / "bomb.parquet"
        for n_rows in (100, 101):
            pl.DataFrame({"n": range(n_rows), "x": [long] * n_rows}).write_parquet(path)
            assert path.stat().st_size < 10_000
            if n_rows == 100:
                assert look_through(path, LimitSettings(), []) == 100
        with pytest.raises(InputError, match="101 rows take 1,010,000 bytes") as told:
            look_through(path, LimitSettings(), [])
        assert str(tmp_path) not in str(told.value)

    def test_a_footer_that_lies(self, tmp_path: Path) -> None:
        whole = io.BytesIO()
        pl.DataFrame({"x": list(range(1000))}).write_parquet(whole)
        good = whole.getvalue()
        for at in range(len(good) - 200, len(good)):
            path = tmp_path / "damaged.parquet"
            path.write_bytes(good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :])
            told, height = "", 0
            try:
                height = look_through(path, LimitSettings(), [])
            except InputError as error:
                told = str(error)
            assert str(tmp_path) not in told
            assert height <= LimitSettings().upload_rows
