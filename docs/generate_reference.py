"""Write the reference pages that follow from the code: commands, localizers, datasets.

They are made when the documentation is built, so they cannot grow old.
"""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from inspect import cleandoc
from pathlib import Path

import click
import typer.main
from benchmark_tables import results_page

from faultsight.bench.engine import load_scenario, scenario_ids
from faultsight.cli import EXIT_CODES, app
from faultsight.localize import LOCALIZERS
from faultsight.localize.data import DATASETS

FOLDER = Path(__file__).parent / "reference"


def write_all() -> None:
    """Write every generated page."""
    pages = {
        "cli": _commands(),
        "localizers": _localizers(),
        "datasets": _datasets(),
        "scenarios": _scenarios(),
        "results": results_page(),
    }
    for name, lines in pages.items():
        text = "\n".join(lines) + "\n"
        path = FOLDER / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _commands() -> list[str]:
    lines = ["# Command line", "", "Exit codes:", ""]
    lines += [f"- `{code}`: {meaning}" for code, meaning in EXIT_CODES.items()]
    root = typer.main.get_command(app)
    return lines + _command(root, ["faultsight"])


def _command(command: click.Command, path: list[str]) -> list[str]:
    context = click.Context(command, info_name=" ".join(path))
    lines = ["", f"## `{' '.join(path)}`", "", *_plain(command.help or "")]
    commands = getattr(command, "commands", None)
    if commands is not None:
        for name, child in commands.items():
            lines += _command(child, [*path, name])
        return lines
    rows = []
    for parameter in command.get_params(context):
        if "--help" in parameter.opts:
            continue
        names = ", ".join(f"`{name}`" for name in parameter.opts)
        rows.append(f"| {names} | {_cell(getattr(parameter, 'help', '') or '')} |")
    return [*lines, "", "| option | what it does |", "|---|---|", *rows]


def _localizers() -> list[str]:
    lines = [
        "# Localizers and their settings",
        "",
        "Any of these names goes to `faultsight localize --method`; any setting to `--set`.",
    ]
    ours = ["scan", "rapminer"]
    for name in [*ours, *(n for n in LOCALIZERS.names() if n not in ours)]:
        member = LOCALIZERS.load(name)
        lines += ["", f"## `{name}`", "", f"{{class}}`{member.__module__}.{member.__name__}`", ""]
        lines += _plain((member.__doc__ or "").split("\n\n")[0])
        config = getattr(member(), "config", None)
        if is_dataclass(config):
            lines += ["", "| setting | default |", "|---|---|"]
            for item in fields(config):
                default = item.default if item.default is not MISSING else "(made)"
                lines.append(f"| `{item.name}` | `{default!r}` |")
        for check, reason in member.excused.items():
            lines += ["", f"Excused from `{check}`: {reason}."]
    return lines


def _datasets() -> list[str]:
    lines = [
        "# Datasets",
        "",
        "`faultsight data list` shows which are on your machine. The folder is named by `--data`",
        "or the environment variable `FAULTSIGHT_DATA`.",
        "",
        "| name | what it is | origin | licence | how to get it |",
        "|---|---|---|---|---|",
    ]
    for name in DATASETS.names():
        member = DATASETS.load(name)()
        source = member.source
        cells = [f"`{member.name}`", member.description, source.url, source.licence, source.obtain]
        lines.append("| " + " | ".join(_cell(c) for c in cells) + " |")
    return lines


def _scenarios() -> list[str]:
    lines = ["# Benchmark scenarios", "", "Their ids are permanent."]
    for name in scenario_ids():
        scenario = load_scenario(name)
        lines += ["", f"## `{name}`", "", scenario.title + ".", "", *_plain(scenario.__doc__ or "")]
    return lines


def _plain(text: str) -> list[str]:
    return cleandoc(text).replace("``", "`").splitlines()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
