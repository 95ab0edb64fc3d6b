"""faultsight data: which datasets there are, where they lie, and how to get them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from typer import Argument, Option, Typer

from faultsight.cli._json_option import STDOUT, JsonCommand, JsonTarget, write_json

app = Typer(help="Datasets: list them, find them, learn how to get them.", no_args_is_help=True)

DataDir = Annotated[
    Path | None,
    Option("--data", help="Folder that holds localize/<set>; default: FAULTSIGHT_DATA or cache."),
]
Name = Annotated[str, Argument(metavar="SET", help="Such as squeeze_B0.")]


@app.command("list", cls=JsonCommand)
def list_datasets(data: DataDir = None, json_target: JsonTarget = None) -> None:
    """List every dataset: what it is, its licence, and whether it is on this machine."""
    from faultsight.bench.engine import print_rows
    from faultsight.localize.data import DATASETS, open_dataset

    rows: list[dict[str, Any]] = []
    for name in DATASETS.names():
        dataset = open_dataset(name, data)
        rows.append(
            {
                "name": dataset.name,
                "kind": dataset.kind,
                "present": dataset.is_present,
                "description": dataset.description,
                "licence": dataset.source.licence,
            }
        )
    if json_target != STDOUT:
        print_rows(rows, Console())
    if json_target:
        write_json(json.dumps(rows, indent=1, ensure_ascii=False), json_target)


@app.command(cls=JsonCommand)
def path(name: Name, data: DataDir = None, json_target: JsonTarget = None) -> None:
    """Print where a dataset lies; fails, saying how to get it, if it is not there."""
    from faultsight.localize.data import open_dataset

    dataset = open_dataset(name, data)
    if not dataset.is_present:
        raise dataset.missing()
    place = "" if dataset.kind == "simulated" else str(dataset.path)
    if json_target != STDOUT:
        Console().print(
            place or "simulated: needs no files", markup=False, highlight=False, soft_wrap=True
        )
    if json_target:
        write_json(
            json.dumps({"name": dataset.name, "path": place}, ensure_ascii=False), json_target
        )


@app.command(cls=JsonCommand)
def fetch(name: Name, data: DataDir = None, json_target: JsonTarget = None) -> None:
    """Say where a dataset comes from and where to put it; nothing is downloaded."""
    from faultsight.localize.data import open_dataset

    dataset = open_dataset(name, data)
    told = {
        "name": dataset.name,
        "present": dataset.is_present,
        "origin": dataset.source.url,
        "licence": dataset.source.licence,
        "obtain": dataset.source.obtain,
        "put_into": str(dataset.path) if dataset.kind == "folder" else "",
    }
    if json_target != STDOUT:
        console = Console()
        for key, value in told.items():
            if value != "":
                console.print(f"{key.replace('_', ' ')}: {value}", markup=False, highlight=False,
                              soft_wrap=True)  # fmt: skip
    if json_target:
        write_json(json.dumps(told, indent=1, ensure_ascii=False), json_target)
