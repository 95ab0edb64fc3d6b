"""Runs a scenario and keeps what is needed to trust and repeat its figures."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from faultsight import __version__
from faultsight.core.errors import InputError, SettingError, UnknownMemberError
from faultsight.core.family import Family
from faultsight.core.files import write_atomic

__all__ = [
    "PRESETS",
    "SCENARIOS",
    "BenchResult",
    "Context",
    "Outcome",
    "Row",
    "Scenario",
    "finite_row",
    "load_scenario",
    "machine_facts",
    "package_versions",
    "print_rows",
    "read_result",
    "run_parameters",
    "run_scenario",
    "scenario_ids",
    "told_by",
    "write_result",
]

Row = dict[str, str | int | float | bool | None]
"""One flat row of a result."""

_PACKAGES = ("numpy", "scipy", "numba", "polars", "narwhals")
_EXTRA_PACKAGES = ("torch", "statsmodels", "gufo-snmp", "scikit-learn", "pandas")


PRESETS = ("small", "large")
"""The sizes of scenarios that come in two; see `Context`."""

# A table of more columns holds figures, and its names are short enough to stand unbroken.
_FEW_COLUMNS = 6
_WIDEST = 1000


def _silent(_message: str) -> None:
    return None


@dataclass(frozen=True)
class Context:
    """What a run was asked for.

    Attributes
    ----------
    data_dir : Path, optional
        The folder that holds ``detect/<set>`` and ``localize/<set>``; see
        `faultsight.core.datasets.data_folder`.
    methods, datasets : tuple of str
        Only these; all if empty.
    seed : int
        The one seed of the run: simulations, bootstrap, random methods.
    cases : int, optional
        At most so many cases of each dataset, and so many runs where runs are counted.
    seconds : float
        What one method may spend on one dataset: no further case is started after it, and the
        row says how many cases were reached.
    preset : str
        How much a scenario that comes in two sizes runs: ``small`` or ``large``.
    budget_s : float, optional
        What the whole run may take, of scenarios that run cells; see `faultsight.bench.journal`.
        The scenario's own if not given.
    workers : int, optional
        How many cells are run at once; one for each core, at most two, if not given.
    journal : Path, optional
        The file that keeps the cells that have ended, to go on from there.
    beside : Path, optional
        A result whose rows of other methods are put beside those of this run, of scenarios that
        run cells; see `faultsight.bench.beside`.
    progress : callable
        Told in a short line what happens.
    """

    data_dir: Path | None = None
    methods: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    seed: int = 0
    cases: int | None = None
    seconds: float = 600.0
    preset: str = "small"
    budget_s: float | None = None
    workers: int | None = None
    journal: Path | None = None
    beside: Path | None = None
    progress: Callable[[str], None] = field(default=_silent, repr=False)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise SettingError(f"preset is {' or '.join(PRESETS)}, not {self.preset!r}")

    def wants(self, method: str) -> bool:
        """Whether a method is to be run."""
        return not self.methods or method in self.methods


@dataclass(frozen=True)
class Outcome:
    """What a scenario found.

    Attributes
    ----------
    rows : sequence of Row
        One flat row for each method and dataset, or whatever the scenario compares.
    notes : sequence of str
        What was left out or cut, and why; a reader must know it.
    summary : sequence of Row
        What is said over all rows, such as a mean rank.
    """

    rows: Sequence[Row]
    notes: Sequence[str] = ()
    summary: Sequence[Row] = ()


class Scenario(ABC):
    """One benchmark with a permanent id.

    A scenario is one file in ``bench/scenarios``; its file name, with the first ``_`` as ``/``,
    is its id.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    shown: ClassVar[tuple[str, ...]] = ()
    """The figures that the printed table shows; all if empty. The JSON always holds all."""
    unprinted: ClassVar[tuple[str, ...]] = ()
    """Each ``part`` of the summary that is too long to print. The JSON always holds all."""
    keeps_journal: ClassVar[bool] = False
    """Whether it runs cells that a journal can keep; see `faultsight.bench.journal`."""

    @abstractmethod
    def run(self, context: Context) -> Outcome:
        """Run it.

        Raises
        ------
        MissingDataError
            If none of its datasets is on this machine.
        UnknownMemberError
            If a method or dataset asked for does not exist.
        """


SCENARIOS: Family[Scenario] = Family(
    kind="scenario", base=Scenario, packages=("faultsight.bench.scenarios",)
)
"""Every scenario by file name."""


@dataclass(frozen=True)
class BenchResult:
    """The result of a run, as it is written.

    Attributes
    ----------
    scenario : str
        Permanent id.
    parameters : mapping
        What the run was asked for.
    versions, machine : mapping
        What it ran with and on.
    rows, summary, notes : sequence
        See `Outcome`.
    seconds : float
        The whole run; of one that went on from a journal, the last start alone.
    """

    scenario: str
    parameters: Mapping[str, Any]
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    rows: Sequence[Row]
    summary: Sequence[Row] = ()
    notes: Sequence[str] = ()
    seconds: float = 0.0

    def to_json(self) -> str:
        """Return the JSON text; numbers that are not finite become null."""
        return json.dumps(
            {
                "scenario": self.scenario,
                "parameters": dict(self.parameters),
                "versions": dict(self.versions),
                "machine": dict(self.machine),
                "seconds": round(self.seconds, 3),
                "notes": list(self.notes),
                "summary": [finite_row(row) for row in self.summary],
                "rows": [finite_row(row) for row in self.rows],
            },
            indent=1,
            ensure_ascii=False,
            allow_nan=False,
        )


def scenario_ids() -> list[str]:
    """Return all ids, sorted.

    Examples
    --------
    >>> "localize/accuracy" in scenario_ids()
    True
    """
    return [name.replace("_", "/", 1) for name in SCENARIOS.names()]


def load_scenario(scenario_id: str) -> Scenario:
    """Return the scenario of an id.

    Raises
    ------
    UnknownMemberError
        If there is none.
    """
    if scenario_id not in scenario_ids():
        raise UnknownMemberError("scenario", scenario_id, scenario_ids())
    return SCENARIOS.load(scenario_id.replace("/", "_", 1))()


def run_scenario(scenario_id: str, context: Context) -> BenchResult:
    """Run one scenario and add what is needed to repeat it.

    Raises
    ------
    UnknownMemberError
        If there is no such scenario, method or dataset.
    MissingDataError
        If none of the scenario's datasets is on this machine.
    SettingError
        If a journal is named and the scenario keeps none, or a result beside and it can have none.
    """
    scenario = load_scenario(scenario_id)
    if context.journal is not None and not scenario.keeps_journal:
        raise SettingError(f"{scenario_id} is short and keeps no journal")
    if context.beside is not None and not scenario.keeps_journal:
        raise SettingError(f"{scenario_id} cannot be run beside another result")
    start = time.perf_counter()
    outcome = scenario.run(context)
    notes = outcome.notes
    if context.beside is not None:
        notes = _said_once(notes, told_by(context.beside))
    return BenchResult(
        scenario=scenario_id,
        parameters=run_parameters(context),
        versions=package_versions(),
        machine=machine_facts(),
        rows=outcome.rows,
        summary=outcome.summary,
        notes=notes,
        seconds=time.perf_counter() - start,
    )


def told_by(path: Path) -> str:
    """Return what a note begins with that is of an earlier result."""
    return f"of {path.name}: "


def _said_once(notes: Sequence[str], before: str) -> list[str]:
    """Leave out what an earlier result said and this run says, too."""
    now = {note for note in notes if not note.startswith(before)}
    return [note for note in notes if note in now or note.removeprefix(before) not in now]


def run_parameters(context: Context) -> dict[str, Any]:
    """Return what a run was asked for, as results keep it."""
    return {
        "methods": list(context.methods),
        "datasets": list(context.datasets),
        # Only its name: where a folder lies on some machine is nobody else's business.
        "data_dir": None if context.data_dir is None else context.data_dir.name,
        "seed": context.seed,
        "cases": context.cases,
        "seconds_per_method_and_dataset": context.seconds,
        "preset": context.preset,
        "budget_s": context.budget_s,
        "workers": context.workers,
        "beside": None if context.beside is None else context.beside.name,
    }


def write_result(result: BenchResult, path: Path | str) -> Path:
    """Write a result as JSON, complete or not at all."""
    return write_atomic(path, result.to_json() + "\n")


def read_result(path: Path | str) -> BenchResult:
    """Read a result.

    Raises
    ------
    InputError
        If the file is missing or is not a result; names the file.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot be read", source=str(path)) from error
    try:
        known = json.loads(text)
        return BenchResult(
            **{key: known[key] for key in ("scenario", "parameters", "versions", "machine")},
            rows=[dict(row) for row in known["rows"]],
            summary=[dict(row) for row in known.get("summary", [])],
            notes=list(known.get("notes", [])),
            seconds=float(known.get("seconds", 0.0)),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise InputError("is not the result of a benchmark", source=str(path)) from error


def print_rows(
    rows: Sequence[Row], console: Console, *, title: str = "", columns: Sequence[str] = ()
) -> None:
    """Print flat rows as a table: the columns named, or all in the order they first appear."""
    columns = columns or list(dict.fromkeys(key for row in rows for key in row))
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        texts = all(isinstance(row.get(column), str | None) for row in rows)
        unbroken = texts and (position == 0 or len(columns) > _FEW_COLUMNS)
        table.add_column(
            Text(column.replace("_", " ")),
            justify="left" if texts else "right",
            no_wrap=unbroken,
            # The end of a long name may be all that tells it from the next row's.
            overflow="ellipsis" if unbroken else "fold",
        )
    for row in rows:
        table.add_row(*(Text(_shown(row.get(column))) for column in columns))
    # Figures that do not fit a narrow screen had better run over its edge than be left out.
    width = console.width
    if len(columns) > _FEW_COLUMNS:
        wide = console.options.update(max_width=_WIDEST)
        width = max(width, Measurement.get(console, wide, table).maximum)
    Console(file=console.file, width=width, force_terminal=console.is_terminal).print(table)


def _shown(value: str | float | bool | None) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}" if 0.1 <= abs(value) < 1000 or value == 0 else f"{value:.3g}"
    return str(value)


def finite_row(row: Row) -> Row:
    """Return a row with None for numbers that are not finite, which JSON does not have."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }


def package_versions() -> dict[str, str]:
    """Return the versions of what a run rests on."""
    installed = {package: version(package) for package in _PACKAGES}
    for package in _EXTRA_PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"faultsight": __version__, "python": platform.python_version(), **installed}


def machine_facts() -> dict[str, Any]:
    """Return what is known of this machine; no name of it."""
    info: dict[str, Any] = {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        info["memory_gb"] = round(size / 1e9, 1)
    return info


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if sys.platform == "linux" and info.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(errors="replace"), re.M)
        if found:
            return found.group(1)
    return platform.processor() or platform.machine()
