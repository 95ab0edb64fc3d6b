"""faultsight doctor: what is installed here, and what is missing."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from faultsight import __version__
from faultsight.cli._json_option import STDOUT, JsonTarget, write_json

__all__ = ["doctor"]

_NEEDED = ("numpy", "scipy", "polars", "narwhals", "numba", "pyyaml", "rich", "typer")
_EXTRAS = {
    "detect": ("torch", "safetensors"),
    "forecast": ("statsmodels",),
    "snmp": ("gufo-snmp",),
}


def doctor(json_target: JsonTarget = None) -> None:
    """Show versions, optional parts and the data folder; fails if something needed is missing."""
    from rich.console import Console
    from typer import Exit

    from faultsight.cli.data import every_dataset
    from faultsight.core.datasets import data_folder

    needed = {name: _version(name) for name in _NEEDED}
    extras = {extra: {name: _version(name) for name in names} for extra, names in _EXTRAS.items()}
    sets = every_dataset()
    document = {
        "faultsight": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": needed,
        "extras": extras,
        "data_folder": str(data_folder()),
        "datasets": {s.name: s.is_present for _, s in sets},
    }
    console = Console(quiet=json_target == STDOUT, highlight=False)

    def line(name: str, text: str) -> None:
        console.print(f"{name:<14}{text}", markup=False, soft_wrap=True)

    line("faultsight", __version__)
    line("python", f"{platform.python_version()}, {sys.executable}")
    line("platform", f"{platform.platform()}, {os.cpu_count()} CPUs")
    for name, found in needed.items():
        line(name, found or "MISSING")
    for extra, names in extras.items():
        for name, found in names.items():
            line(name, found or f"not installed; pip install 'faultsight[{extra}]'")
    line("data folder", str(data_folder()))
    for pillar in dict.fromkeys(pillar for pillar, _ in sets):
        here = [s.name for where, s in sets if where == pillar and s.is_present]
        absent = [s.name for where, s in sets if where == pillar and not s.is_present]
        line(f"{pillar} sets", ", ".join(here) or "none")
        line("  not here", ", ".join(absent) or "none")
    line("", "`faultsight data fetch SET` says how to get one")
    if json_target:
        write_json(json.dumps(document, indent=1), json_target)
    if not all(needed.values()):
        raise Exit(4)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
