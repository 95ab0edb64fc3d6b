"""A real server on a free port, in this process or in one of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faultsight.app.application import Application
from faultsight.console.server import listen, run_server

HOST = "127.0.0.1"


@contextmanager
def serving(application: Application) -> Iterator[int]:
    """Serve in a thread; yields the port."""
    stopping, ready = threading.Event(), threading.Event()
    listening = listen(application)
    thread = threading.Thread(
        target=run_server,
        args=(application, listening),
        kwargs={"on_ready": ready.set, "stopping": stopping},
    )
    thread.start()
    try:
        assert ready.wait(60)
        yield listening.getsockname()[1]
    finally:
        stopping.set()
        thread.join(60)
        listening.close()
        assert not thread.is_alive()


class Served:
    """``faultsight serve`` as a process."""

    def __init__(self, state: Path, *options: str, **environment: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "faultsight", "serve", "--state", str(state), "--port", "0",
             *options],
            stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)

    def port(self, timeout_s: float = 120.0) -> int:
        """Wait until it answers, and return its port."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = re.search(r"http://127\.0\.0\.1:(\d+)/api", "".join(self.lines))
            if found:
                return int(found[1])
            assert self.process.poll() is None, "".join(self.lines)
            time.sleep(0.05)
        raise AssertionError("".join(self.lines))

    def resident_mb(self, name: str = "VmRSS") -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def end(self, timeout_s: float = 60.0) -> int:
        """Wait for its end; returns the exit code."""
        code = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()


def raw(port: int, request: bytes, *, timeout_s: float = 30.0) -> bytes:
    """Send bytes and return all that comes back until the server closes."""
    with socket.create_connection((HOST, port), timeout=timeout_s) as client:
        client.sendall(request)
        return everything(client)


def everything(client: socket.socket) -> bytes:
    parts = []
    while True:
        try:
            part = client.recv(65_536)
        except ConnectionError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)
