"""faultsight simulate: cubes with faults whose roots are known."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from faultsight.cli._json_option import STDOUT, JsonTarget, write_json

if TYPE_CHECKING:
    from faultsight.sim.case import SimulatedCase

__all__ = ["Recipe", "simulate"]


class Recipe(StrEnum):
    """What can be simulated."""

    CDN = "cdn"
    SQUEEZE = "squeeze"
    RISKLOC = "riskloc"


def simulate(
    recipe: Annotated[Recipe, Argument(help="The recipe of the cubes.")],
    *,
    out: Annotated[Path, Option(help="Folder to write to.")],
    seed: Annotated[int, Option(min=0, help="Same seed, same bytes.")] = 0,
    cases: Annotated[int, Option(min=1, help="How many cases.")] = 10,
    noise: Annotated[
        float, Option(min=0.0, help="Relative noise on the forecast; squeeze only.")
    ] = 0.0,
    json_target: JsonTarget = None,
) -> None:
    """Write simulated cases in the format of the public datasets.

    One CSV a case with attribute columns, real and predict, and injection_info.csv with the roots:
    `faultsight localize` takes the folder.
    """
    import polars as pl
    from rich.console import Console

    from faultsight.core.files import write_atomic

    labels = []
    for index in range(cases):
        case = _case(recipe, index, seed, noise)
        name = f"{index:06d}"
        write_atomic(out / f"{name}.csv", case.table.write_csv())
        labels.append({"timestamp": name, "set": ";".join(sorted(map(str, case.truth)))})
    # The labels come last: where they are, the cases are complete.
    write_atomic(out / "injection_info.csv", pl.DataFrame(labels).write_csv())
    console = Console(quiet=json_target == STDOUT, highlight=False)
    console.print(f"{cases} cases of {recipe} in {out}", markup=False, soft_wrap=True)
    if json_target:
        document = {"recipe": str(recipe), "seed": seed, "out": str(out), "cases": labels}
        write_json(json.dumps(document, indent=1, ensure_ascii=False), json_target)


def _case(recipe: Recipe, index: int, seed: int, noise: float) -> SimulatedCase:
    from faultsight.core.errors import SettingError
    from faultsight.sim.cdn_cube import cdn_case
    from faultsight.sim.riskloc_cube import RISKLOC_S, riskloc_case
    from faultsight.sim.squeeze_cube import squeeze_case

    if noise and recipe is not Recipe.SQUEEZE:
        raise SettingError("--noise is for the squeeze recipe; the others draw theirs")
    if recipe is Recipe.CDN:
        return cdn_case(index, seed=seed)
    if recipe is Recipe.SQUEEZE:
        return squeeze_case(index, noise=noise, seed=seed)
    return riskloc_case(RISKLOC_S, index, seed=seed)
