"""Write the reference pages that follow from the code: commands, members, datasets.

They are made when the documentation is built, so they cannot grow old.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click
import typer.main
from benchmark_tables import results_page
from service_pages import rest_api_page, settings_page

from faultsight.bench.engine import load_scenario, scenario_ids
from faultsight.cli import EXIT_CODES, app
from faultsight.collectors import COLLECTORS
from faultsight.core.family import Family
from faultsight.detect import DETECTORS, TuningConfig
from faultsight.detect.anotuner.conditions import CONDITIONS
from faultsight.detect.data import FLEET_DATASETS
from faultsight.detect.thresholds import THRESHOLDS
from faultsight.diagnose import DIAGNOSERS
from faultsight.localize import LOCALIZERS
from faultsight.localize.data import DATASETS

FOLDER = Path(__file__).parent / "reference"


def write_all() -> None:
    """Write every generated page."""
    pages = {
        "cli": _commands(),
        "detectors": _detectors(),
        "localizers": _localizers(),
        "diagnosers": _diagnosers(),
        "datasets": _datasets(),
        "scenarios": _scenarios(),
        "results": results_page(),
        "rest-api": rest_api_page(),
        "settings": settings_page(),
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


def _detectors() -> list[str]:
    return [
        "# Detectors, tuning, thresholds, conditions",
        "",
        "The settings of `anotuner` go to `faultsight detect fit --set`, those of tuning to",
        "`faultsight detect tune --set`. The other detectors are what it is compared with, by",
        "`faultsight bench run detect/base` and in Python by `DETECTORS.load(name)`.",
        "",
        "## Detectors",
        *_members(DETECTORS, first=("anotuner",), level=3),
        "",
        "## Tuning",
        "",
        *_summary(TuningConfig),
        *_settings(TuningConfig()),
        "",
        "## Thresholds",
        "",
        "`anotuner` takes one of these names as its setting `threshold`.",
        *_members(THRESHOLDS, level=3),
        "",
        "## Conditions",
        "",
        "`anotuner` takes one of these names as its setting `condition`.",
        *_members(CONDITIONS, level=3),
    ]


def _localizers() -> list[str]:
    return [
        "# Localizers and their settings",
        "",
        "Any of these names goes to `faultsight localize --method`; any setting to `--set`.",
        *_members(LOCALIZERS, first=("scan", "rapminer"), level=2),
    ]


def _diagnosers() -> list[str]:
    return [
        "# Diagnosers and their settings",
        "",
        "Any of these names goes to `faultsight diagnose --method`; any setting to `--set`.",
        *_members(DIAGNOSERS, first=("telapart",), level=2),
        "",
        "## Collectors",
        "",
        "What stands behind `faultsight collect`.",
        *(
            f"\n### `{name}`\n\n" + "\n".join(_summary(COLLECTORS.load(name)))
            for name in COLLECTORS.names()
        ),
    ]


def _members(family: Family[Any], *, first: tuple[str, ...] = (), level: int) -> list[str]:
    lines = []
    for name in [*first, *(n for n in family.names() if n not in first)]:
        member = family.load(name)
        lines += ["", f"{'#' * level} `{name}`", ""]
        lines += [f"{{class}}`{member.__module__}.{member.__name__}`", "", *_summary(member)]
        config = getattr(member(), "config", None)
        if is_dataclass(config):
            lines += _settings(config)
        for check, reason in getattr(member, "excused", {}).items():
            lines += ["", f"Excused from `{check}`: {reason}."]
    return lines


def _summary(member: type) -> list[str]:
    """Return what a docstring says before its sections."""
    text = cleandoc(member.__doc__ or "")
    return _plain(re.split(r"\n\n(?=\S+\n-+\n)", text)[0])


def _settings(config: Any) -> list[str]:
    if not fields(config):
        return []
    told: dict[str, str] = {}
    for kind in reversed(type(config).__mro__):  # settings may be inherited
        told |= _meanings(kind.__doc__ or "")
    lines = ["", "| setting | default | what it is |", "|---|---|---|"]
    for item in fields(config):
        default = item.default if item.default is not MISSING else "(made)"
        lines.append(f"| `{item.name}` | `{default!r}` | {_cell(told.get(item.name, ''))} |")
    return lines


def _meanings(doc: str) -> Iterator[tuple[str, str]]:
    """Yield each parameter of a numpydoc docstring and what is said of it."""
    for block in re.split(r"\n(?=[\w, ]+ : )", cleandoc(doc)):
        head, _, rest = block.partition("\n")
        names, colon, _ = head.partition(" : ")
        indented = re.match(r"(?:[ ]{4}.*\n?|\n(?=[ ]{4}))*", rest)
        if colon and indented:
            text = indented.group().replace("``", "`")
            for name in names.split(","):
                yield name.strip(), text


def _datasets() -> list[str]:
    lines = [
        "# Datasets",
        "",
        "`faultsight data list` shows those of both pillars, and which are on your machine. The",
        "folder that holds `detect/<set>` and `localize/<set>` is named by `--data` or the",
        "environment variable `FAULTSIGHT_DATA`. Nothing is ever downloaded.",
    ]
    for title, family in (("Localization", DATASETS), ("Detection", FLEET_DATASETS)):
        lines += ["", f"## {title}", ""]
        lines += [
            "| name | what it is | origin | licence | how to get it |",
            "|---|---|---|---|---|",
        ]
        for name in family.names():
            member = family.load(name)()
            source = member.source
            cells = [
                f"`{member.name}`", _described(member), source.url, source.licence, source.obtain,
            ]  # fmt: skip
            lines.append("| " + " | ".join(_cell(c) for c in cells) + " |")
    return lines


def _described(member: Any) -> str:
    """Return what a set is, and what it is not used for."""
    said = [member.description]
    if getattr(member, "not_benchmarked", ""):
        said.append(f"in no table: {member.not_benchmarked}")
    elif getattr(member, "no_feedback", ""):
        said.append(f"no feedback: {member.no_feedback}")
    return "; ".join(said)


def _scenarios() -> list[str]:
    lines = ["# Benchmark scenarios", "", "Their ids are permanent."]
    for name in scenario_ids():
        scenario = load_scenario(name)
        lines += ["", f"## `{name}`", "", scenario.title + ".", "", *_plain(scenario.__doc__ or "")]
    return lines


def _plain(text: str) -> list[str]:
    return _with_tables(cleandoc(text).replace("``", "`").splitlines())


def _with_tables(lines: list[str]) -> list[str]:
    """Return lines with simple tables of two columns as Markdown knows them."""
    written: list[str] = []
    width, n_rules = 0, 0
    for line in lines:
        rule = re.fullmatch(r"(=+ +)=+", line)
        if rule:
            width, n_rules = len(rule.group(1)), (n_rules + 1) % 3
            if n_rules == 2:
                written.append("|---|---|")
        elif not n_rules:
            written.append(line)
        elif line[:width].strip():
            written.append(f"| {_cell(line[:width])} | {_cell(line[width:])} |")
        else:
            written[-1] = f"{written[-1].removesuffix(' |')} {_cell(line)} |"
    return written


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
