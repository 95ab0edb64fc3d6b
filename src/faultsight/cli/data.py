"""faultsight data: which datasets there are, where they lie, and how to get them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from typer import Argument, Option, Typer

from faultsight.cli._json_option import STDOUT, JsonCommand, JsonTarget, write_json

if TYPE_CHECKING:
    from faultsight.detect.data import FleetDataset
    from faultsight.localize.data import Dataset

__all__ = ["app", "every_dataset", "find_dataset"]

app = Typer(help="Datasets: list them, find them, learn how to get them.", no_args_is_help=True)

DataDir = Annotated[
    Path | None,
    Option(
        "--data",
        metavar="FOLDER",
        help="Holds detect/<set> and localize/<set>; default: FAULTSIGHT_DATA or the cache.",
    ),
]
Name = Annotated[str, Argument(metavar="SET", help="Such as squeeze_B0 or ASD.")]

_WIDE = 110
"""Columns of a terminal from which on a licence fits beside a description."""


@app.command("list", cls=JsonCommand)
def list_datasets(data: DataDir = None, json_target: JsonTarget = None) -> None:
    """List every dataset: what it is, its licence, and whether it is on this machine.

    On a narrow screen without licences: `faultsight data fetch SET` tells one.
    """
    from faultsight.bench.engine import print_rows

    rows: list[dict[str, Any]] = [
        {
            "name": dataset.name,
            "pillar": pillar,
            "kind": dataset.kind,
            "present": dataset.is_present,
            "description": dataset.description,
            "licence": dataset.source.licence,
        }
        for pillar, dataset in every_dataset(data)
    ]
    if json_target != STDOUT:
        console = Console()
        shown = [{**row, "here": "yes" if row["present"] else "no"} for row in rows]
        columns = ["name", "pillar", "here", "description"]
        columns += ["licence"] if console.width >= _WIDE else []
        print_rows(shown, console, columns=columns)
    if json_target:
        write_json(json.dumps(rows, indent=1, ensure_ascii=False), json_target)


@app.command(cls=JsonCommand)
def path(name: Name, data: DataDir = None, json_target: JsonTarget = None) -> None:
    """Print where a dataset lies; fails, saying how to get it, if it is not there."""
    _, dataset = find_dataset(name, data)
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
    pillar, dataset = find_dataset(name, data)
    told = {
        "name": dataset.name,
        "pillar": pillar,
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


def every_dataset(data_dir: Path | None = None) -> list[tuple[str, FleetDataset | Dataset]]:
    """Return the datasets of every pillar, each with the pillar's name.

    Examples
    --------
    >>> sorted({pillar for pillar, _ in every_dataset()})
    ['detect', 'localize']
    """
    from faultsight.detect.data import FLEET_DATASETS, open_fleets
    from faultsight.localize.data import DATASETS, open_dataset

    fleets = [("detect", open_fleets(name, data_dir)) for name in FLEET_DATASETS.names()]
    cubes = [("localize", open_dataset(name, data_dir)) for name in DATASETS.names()]
    return [*fleets, *cubes]


def find_dataset(name: str, data_dir: Path | None = None) -> tuple[str, FleetDataset | Dataset]:
    """Return the dataset of a name, in upper or lower case, and its pillar.

    Raises
    ------
    UnknownMemberError
        If there is none in any pillar; names all.

    Examples
    --------
    >>> find_dataset("asd")[0]
    'detect'
    """
    from faultsight.core.errors import UnknownMemberError
    from faultsight.detect.data import FLEET_DATASETS, open_fleets
    from faultsight.localize.data import DATASETS, open_dataset

    fleets, cubes = FLEET_DATASETS.names(), DATASETS.names()
    if name.lower() in fleets:
        return "detect", open_fleets(name, data_dir)
    if name.lower() in cubes:
        return "localize", open_dataset(name, data_dir)
    raise UnknownMemberError("dataset", name, sorted(fleets + cubes))
