"""Processes: parts side by side in other processes; one that is killed does not lose the run."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

from faultsight.core.errors import SettingError
from faultsight.runners._contract import Runner, RunnerError

__all__ = ["Processes", "ProcessesConfig"]

Part = TypeVar("Part")
Result = TypeVar("Result")

_PENDING: Any = object()


@dataclass(frozen=True)
class ProcessesConfig:
    """Settings of `Processes`.

    Parameters
    ----------
    workers : int, optional
        How many; one for each core if not given.
    most_losses : int
        So many workers in a row may be killed over one part before it is given up. 3: memory that
        runs short is often there again a moment later, a part that crashes never is.
    """

    workers: int | None = None
    most_losses: int = 3

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise SettingError(f"at least one worker is needed, not {self.workers}")
        if self.most_losses < 1:
            raise SettingError("most_losses is at least 1")


class Processes(Runner):
    """A pool of processes, started with the first `map` and kept until `close`.

    When a worker is killed the parts without a result are run again. What killed it is not known
    then, so they go one at a time, each blamed for its own worker alone.

    Examples
    --------
    >>> with Processes(ProcessesConfig(workers=2)) as runner:
    ...     runner.map(abs, [-2, 1])
    [2, 1]
    """

    def __init__(self, config: ProcessesConfig | None = None) -> None:
        self.config: ProcessesConfig = config or ProcessesConfig()
        self._pool: ProcessPoolExecutor | None = None
        self._lock = Lock()

    @property
    def workers(self) -> int:
        """How many parts are run at once."""
        return self.config.workers or os.cpu_count() or 1

    def _map(self, function: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        with self._lock:
            results: list[Any] = [_PENDING] * len(parts)
            if self._run(function, parts, range(len(parts)), results):
                return results
            for at in range(len(parts)):
                self._run_alone(function, parts, at, results)
            return results

    def _run_alone(
        self, function: Callable[[Part], Result], parts: Sequence[Part], at: int, results: list[Any]
    ) -> None:
        for _ in range(self.config.most_losses):
            if results[at] is not _PENDING or self._run(function, parts, [at], results):
                return
        raise RunnerError(
            f"part {at + 1} of {len(parts)} has cost {self.config.most_losses} workers; is there "
            "enough memory?"
        )

    def _run(
        self,
        function: Callable[[Part], Result],
        parts: Sequence[Part],
        places: Sequence[int],
        results: list[Any],
    ) -> bool:
        """Run some parts; return whether all have a result, False if a worker was killed."""
        futures: dict[int, Any] = {}
        try:
            for at in places:
                futures[at] = self._engaged().submit(function, parts[at])
            for at, future in futures.items():
                results[at] = future.result()
        except BrokenProcessPool:
            for at, future in futures.items():
                if results[at] is _PENDING and future.done() and future.exception() is None:
                    results[at] = future.result()
            self._let_go()
            return False
        except BaseException:
            for future in futures.values():
                future.cancel()
            raise
        return True

    def _engaged(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Never a plain fork: threads of this process may hold locks that no child gets back.
            methods = multiprocessing.get_all_start_methods()
            method = "forkserver" if "forkserver" in methods else "spawn"
            context = multiprocessing.get_context(method)
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context)
        return self._pool

    def _let_go(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def close(self) -> None:
        """Let the workers go; a later `map` engages new ones."""
        with self._lock:
            self._let_go()
