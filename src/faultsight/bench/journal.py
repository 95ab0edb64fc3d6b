"""Runs the cells of a long benchmark side by side, and keeps each as it ends, to go on from there.

A cell is one piece of work that needs no other, such as one method on one dataset. The journal is
a file of JSON lines: what the run is, then one line for each cell, on the disk before the next
cell starts. A run that was interrupted is started again with the same journal and does what is
missing. Rows come in the order of the cells, whichever ended first.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from faultsight.bench.beside import read_beside, with_rows_beside
from faultsight.bench.engine import (
    Context,
    Row,
    finite_row,
    machine_facts,
    package_versions,
    run_parameters,
)
from faultsight.core.errors import FaultSightError, InputError, SettingError

__all__ = ["Cell", "Ended", "Journal", "run_cells"]

Cell = Mapping[str, str | int]
"""What tells a cell from the others, such as dataset, method and seed."""

_MOST_WORKERS = 2
_SILENCE_S = 30.0
"""When so long no cell has ended, those that run are named."""
_FORMAT = 1
_BEGIN = '{"journal":'
_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a cell ended.

    Attributes
    ----------
    rows : list of Row
        What it found.
    seconds : float
        How long it took.
    error : str
        Why it has no rows; empty if it has.
    """

    rows: list[Row]
    seconds: float
    error: str = ""


class Journal:
    """The cells that have ended, in a file or, without a path, for this run alone.

    Parameters
    ----------
    path : path, optional
        Is read if it is there, and made if not. A last line that was torn off is dropped.
    about : mapping
        What the run is: a journal of another run is refused.

    Raises
    ------
    InputError
        If the file is no journal, or one of another run; names the file and what differs.

    Examples
    --------
    >>> with Journal(None, {"seed": 0}) as journal:
    ...     journal.add({"method": "pca"}, Ended([{"method": "pca", "f1": 0.5}], 2.0))
    ...     journal.get({"method": "pca"}).rows, journal.get({"method": "knn"})
    ([{'method': 'pca', 'f1': 0.5}], None)
    """

    def __init__(self, path: Path | str | None, about: Mapping[str, Any]) -> None:
        self._ended: dict[str, Ended] = {}
        self._file = None
        if path is None:
            return
        path = Path(path)
        told = _line({"journal": _FORMAT, **about})
        kept = self._read(path, json.loads(told))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(kept)
        self._file.seek(kept)
        if not kept:
            self._write(told)

    def _read(self, path: Path, about: Mapping[str, Any]) -> int:
        """Take the whole lines of a file; return how many bytes they are."""
        try:
            whole = path.read_bytes()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise InputError("cannot be read", source=str(path)) from error
        kept = whole.rfind(b"\n") + 1
        lines = whole[:kept].splitlines()
        if not lines:
            begin = _BEGIN.encode()
            if whole[: len(begin)] != begin[: len(whole)]:
                raise InputError("is not the journal of a benchmark", source=str(path))
            return 0
        for row, line in enumerate(lines):
            try:
                known = json.loads(line)
                if row:
                    ended = Ended([dict(r) for r in known["rows"]], known["seconds"],
                                  known.get("error", ""))  # fmt: skip
                    self._ended[_name(known["cell"])] = ended
                    continue
                is_journal = known["journal"] == _FORMAT
            except (ValueError, TypeError, KeyError) as error:
                where = row or None
                problem = "is not the journal of a benchmark"
                raise InputError(problem, source=str(path), row=where) from error
            if not is_journal:
                raise InputError("is a journal of another format", source=str(path))
            differing = _differing(known, about)
            if differing:
                raise InputError(
                    f"is the journal of another run: {differing}; name another file, or remove it",
                    source=str(path),
                )
        return kept

    def get(self, cell: Cell) -> Ended | None:
        """Return how a cell ended; None if it has not."""
        return self._ended.get(_name(cell))

    def add(self, cell: Cell, ended: Ended) -> None:
        """Keep how a cell ended; it is on the disk when this returns."""
        told = _line(
            {"cell": dict(cell), "seconds": round(ended.seconds, 3)}
            | ({"error": ended.error} if ended.error else {})
            | {"rows": [finite_row(row) for row in ended.rows]}
        )
        # As it will be read back: an interrupted run and a whole one give the same bytes.
        rows = json.loads(told)["rows"]
        self._ended[_name(cell)] = Ended(rows, ended.seconds, ended.error)
        self._write(told)

    def _write(self, line: str) -> None:
        if self._file is not None:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()


def run_cells(
    scenario: str,
    cells: Sequence[Cell],
    work: Callable[[Cell], list[Row]],
    context: Context,
    *,
    budget_s: float,
    told: Callable[[Row], str],
) -> tuple[list[Row], list[str]]:
    """Run cells in processes of their own, a few at once, and return their rows and notes.

    Parameters
    ----------
    scenario : str
        Its id; a journal of another is refused.
    cells : sequence of Cell
        All differ. They are started in this order, and their rows have this order.
    work : callable
        Of a cell; can be pickled, as functions of a module and `functools.partial` of them can.
        The processes are fresh, have one thread for numerical libraries, and serve many cells.
    context : Context
        Names the journal, the number of workers and, if it is to be another than `budget_s`, the
        budget. Is told what happens.
    budget_s : float
        When so many seconds are gone no further cell is started. A run that goes on from a
        journal has the whole budget again.
    told : callable
        What is said of a row when its cell has ended.

    Returns
    -------
    rows : list of Row
        Of the cells that ended.
    notes : list of str
        The budget; which cells failed with a `FaultSightError` or were not started, and why; and
        how many are of an earlier start.

    Raises
    ------
    Exception
        What a cell raised that is no `FaultSightError`, when all others have ended: what they found
        is in the journal.
    InputError
        If the journal is of another run.
    SettingError
        If two cells are the same, or no worker is asked for.
    """
    earlier = None
    if context.beside is not None:  # before all work: it may be the wrong file
        earlier = read_beside(context.beside, scenario, context)
    if len({_name(cell) for cell in cells}) < len(cells):
        raise SettingError("two cells are the same")
    workers = context.workers
    if workers is None:
        workers = min(_MOST_WORKERS, os.cpu_count() or 1)
    if workers < 1:
        raise SettingError(f"at least one worker is needed, not {workers}")
    budget_s = budget_s if context.budget_s is None else context.budget_s
    # What a run may spend, and what is put beside it, do not change what its cells find.
    apart = ("budget_s", "beside")
    parameters = {k: v for k, v in run_parameters(context).items() if k not in apart}
    about = {
        "scenario": scenario,
        "parameters": parameters | {"workers": workers},
        "versions": package_versions(),
        "machine": machine_facts(),
    }
    with Journal(context.journal, about) as journal:
        waiting = [cell for cell in cells if journal.get(cell) is None]
        context.progress(
            f"{len(cells)} cells, {len(cells) - len(waiting)} of them in the journal; "
            f"{workers} at once; no cell is started after {budget_s:g} s"
        )
        tell = _teller(context, cells, told)
        lost = _run(waiting, work, journal, workers, budget_s, tell, context.progress)
        rows, notes = _gathered(cells, journal, lost, budget_s)
    # The parameters hold a budget that was asked for, not the scenario's own.
    notes.insert(0, f"no method is begun on a set after {budget_s:g} s")
    n_before = len(cells) - len(waiting)
    if n_before:
        notes.append(
            f"{n_before} of {len(cells)} cells are of earlier starts: the seconds of the whole run "
            "are those of the last start alone"
        )
    if context.beside is not None and earlier is not None:
        methods = {str(cell["method"]) for cell in cells}
        rows, said = with_rows_beside(rows, methods, earlier, context.beside)
        notes += said
    return rows, notes


def _teller(
    context: Context, cells: Sequence[Cell], told: Callable[[Row], str]
) -> Callable[[Cell, Ended, float, float], None]:
    def tell(cell: Cell, ended: Ended, gone_s: float, left_s: float) -> None:
        figures = ended.error or "; ".join(told(row) for row in ended.rows)
        context.progress(
            f"cell {cells.index(cell) + 1} of {len(cells)}, {_words(cell)}: {figures}; "
            f"{ended.seconds:.1f} s, {gone_s:.0f} s gone, {max(left_s, 0.0):.0f} s left"
        )

    return tell


def _run(
    waiting: list[Cell],
    work: Callable[[Cell], list[Row]],
    journal: Journal,
    workers: int,
    budget_s: float,
    tell: Callable[[Cell, Ended, float, float], None],
    say: Callable[[str], None],
) -> dict[str, str]:
    """Run what is not in the journal; return what is said of cells that were not journalled."""
    start = time.monotonic()
    lost: dict[str, str] = {}
    bug: Exception | None = None
    waiting = list(waiting)
    # One pool for each worker: should it be killed, it is known over which cell.
    idle = [_pool() for _ in range(min(workers, len(waiting)))]
    busy: dict[Future[Ended], tuple[ProcessPoolExecutor, Cell]] = {}
    try:
        while True:
            while waiting and idle and time.monotonic() - start < budget_s:
                pool, cell = idle.pop(0), waiting.pop(0)
                with _one_thread():
                    busy[pool.submit(_timed, work, cell)] = (pool, cell)
            if not busy:
                if bug is not None:
                    raise bug
                return lost
            ended_now = wait(busy, timeout=_SILENCE_S, return_when=FIRST_COMPLETED).done
            if not ended_now:
                running = "; ".join(_words(cell) for _, cell in busy.values())
                say(f"still running after {time.monotonic() - start:.0f} s: {running}")
            for future in ended_now:
                pool, cell = busy.pop(future)
                try:
                    ended = future.result()
                    journal.add(cell, ended)
                except BrokenProcessPool:
                    # Memory that ran short may be there next time: it is not journalled.
                    lost[_name(cell)] = "its process was killed; is there enough memory?"
                    ended = Ended([], 0.0, lost[_name(cell)])
                    pool.shutdown()
                    pool = _pool()
                except Exception as error:  # noqa: BLE001  raised when all others have ended
                    error.add_note(f"in the cell {_words(cell)}")
                    ended = Ended([], 0.0, repr(error))
                    bug = bug or error
                gone_s = time.monotonic() - start
                tell(cell, ended, gone_s, budget_s - gone_s)
                idle.append(pool)
    finally:
        for pool in [*idle, *(pool for pool, _ in busy.values())]:
            pool.shutdown(wait=False, cancel_futures=True)


def _gathered(
    cells: Sequence[Cell], journal: Journal, lost: Mapping[str, str], budget_s: float
) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    notes: list[str] = []
    missing: list[str] = []
    for cell in cells:
        ended = journal.get(cell)
        error = lost.get(_name(cell), "") if ended is None else ended.error
        if error:
            notes.append(f"no row for {_words(cell)}: {error}")
        elif ended is None:
            missing.append(_words(cell))
        else:
            rows += ended.rows
    if missing:
        notes.append(
            f"the budget of {budget_s:g} s was spent: {len(missing)} of {len(cells)} cells have no "
            f"row: {'; '.join(missing)}"
        )
    return rows, notes


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that start now have one thread: libraries ask when they are imported."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_with_parent() -> None:
    """End this process as soon as the one that started it is gone, in the midst of a cell."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _timed(work: Callable[[Cell], list[Row]], cell: Cell) -> Ended:
    start = time.perf_counter()
    try:
        rows, error = work(cell), ""
    except FaultSightError as failure:
        rows, error = [], str(failure) or type(failure).__name__
    return Ended(rows, time.perf_counter() - start, error)


def _line(known: Mapping[str, Any]) -> str:
    return json.dumps(known, ensure_ascii=False, allow_nan=False)


def _name(cell: Cell) -> str:
    return json.dumps(dict(cell), sort_keys=True)


def _words(cell: Cell) -> str:
    return ", ".join(f"{k} {v}" if isinstance(v, int) else v for k, v in cell.items())


def _differing(known: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Return in words the first thing that differs; empty if nothing does."""
    for key in dict.fromkeys([*known, *about]):
        old, new = known.get(key), about.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            return f"{key}, {_differing(old, new)}"
        return f"{key} was {json.dumps(old)} and is {json.dumps(new)}"
    return ""
