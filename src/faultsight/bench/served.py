"""``faultsight serve`` as a process of its own, on a free port of this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from faultsight.core.errors import FaultSightError

__all__ = ["Served"]

_TELLS = re.compile(r"^faultsight: http://127\.0\.0\.1:(\d+)/api")


class Served:
    """A service, started; use it as a context, which ends it.

    Parameters
    ----------
    state : path
        Its state folder.
    *options : str
        More of the command line.
    **environment : str
        Variables that it sees besides this process's own.
    """

    def __init__(self, state: Path, *options: str, **environment: str) -> None:
        self.lines: list[str] = []
        self._port: int | None = None
        self._told = threading.Event()
        command = [sys.executable, "-m", "faultsight", "serve", "--state", str(state)]
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*command, "--port", "0", *options],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr or ():
            self.lines.append(line)
            found = _TELLS.match(line)
            if found:
                self._port = int(found[1])
                self._told.set()
        self._told.set()

    def port(self, timeout_s: float = 120.0) -> int:
        """Wait until it answers, and return its port.

        Raises
        ------
        FaultSightError
            If it ends instead, or does not answer in time; tells what it said.
        """
        self._told.wait(timeout_s)
        if self._port is None:
            raise FaultSightError(f"the service does not answer: {''.join(self.lines)}")
        return self._port

    def resident_mb(self, *, peak: bool = False) -> float | None:
        """Return its resident memory, or the largest since it began; None where it is not known."""
        name = "VmHWM" if peak else "VmRSS"
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return None
        found = re.search(rf"^{name}:\s+(\d+)", status, re.M)
        return None if found is None else int(found[1]) * 1024 / 1e6

    def stop(self, timeout_s: float = 60.0) -> int:
        """Ask it to end, and return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.end(timeout_s)

    def end(self, timeout_s: float = 60.0) -> int:
        """Wait for its end, and return its exit code."""
        started = time.monotonic()
        code = self.process.wait(timeout_s)
        self._reader.join(max(timeout_s - (time.monotonic() - started), 1.0))
        if self.process.stderr is not None:
            self.process.stderr.close()
        return code

    def kill(self) -> None:
        """End it as a power cut would, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
