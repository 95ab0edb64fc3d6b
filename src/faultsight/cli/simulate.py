"""faultsight simulate: cubes, base stations and cable plants with faults that are known."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from faultsight.cli._json_option import STDOUT, JsonTarget, write_json
from faultsight.core.errors import SettingError

if TYPE_CHECKING:
    from faultsight.sim.case import SimulatedCase

__all__ = ["Rate", "Recipe", "simulate"]


class Recipe(StrEnum):
    """What can be simulated."""

    CDN = "cdn"
    SQUEEZE = "squeeze"
    RISKLOC = "riskloc"
    STATIONS = "stations"
    CABLE = "cable"


class Rate(StrEnum):
    """How often something goes wrong in a cable plant."""

    STRESS = "stress"
    REALISTIC = "realistic"
    QUIET = "quiet"


def simulate(
    recipe: Annotated[Recipe, Argument(help="What to simulate.")],
    *,
    out: Annotated[Path, Option(help="Folder to write to.")],
    seed: Annotated[int, Option(min=0, help="Same seed, same bytes.")] = 0,
    cases: Annotated[
        int | None, Option(min=1, help="cdn, squeeze, riskloc: how many cases; default: 10.")
    ] = None,
    noise: Annotated[
        float | None,
        Option(min=0.0, help="squeeze: relative noise on the forecast; default: 0."),
    ] = None,
    stations: Annotated[int | None, Option(min=1, help="stations: how many; default: 200.")] = None,
    days: Annotated[
        int | None,
        Option(
            min=1,
            help="stations: days of history, and as many of test; default: 7. cable: default: 28.",
        ),
    ] = None,
    interval_s: Annotated[
        int | None,
        Option(min=1, metavar="SECONDS", help="stations: from row to row; default: 3600."),
    ] = None,
    fnodes: Annotated[
        int | None, Option(min=1, help="cable: how many fiber nodes; default: 12.")
    ] = None,
    rate: Annotated[
        Rate | None,
        Option(help="cable: many faults, about a tenth of that, or none; default: stress."),
    ] = None,
    pre_equalization: Annotated[
        bool, Option("--pre-equalization", help="cable: equalizer coefficients, once a day.")
    ] = False,
    counters: Annotated[
        bool, Option("--counters", help="cable: codewords and timeouts since the poll before.")
    ] = False,
    round_ids: Annotated[
        bool, Option("--round-ids", help="cable: the number of each poll's round.")
    ] = False,
    json_target: JsonTarget = None,
) -> None:
    """Write simulated cases as the public datasets have them, base stations, or a cable plant.

    cdn, squeeze, riskloc: one CSV a case with attribute columns, real and
    predict, and injection_info.csv with the roots. `faultsight localize`
    takes the folder.

    stations: KPIs in train.parquet and test.parquet, hourly by default, what
    happened in truth/faults.csv. `faultsight detect` takes the two tables.

    cable: polls of cable modems in telemetry, tickets.csv, topology.csv,
    what really happened in truth. `faultsight diagnose` takes the first three.
    """
    import polars as pl
    from rich.console import Console

    from faultsight.core.files import write_atomic

    _refuse_others(
        recipe, cases=cases, noise=noise, stations=stations, days=days, interval_s=interval_s,
        fnodes=fnodes, rate=rate, pre_equalization=pre_equalization or None,
        counters=counters or None, round_ids=round_ids or None,
    )  # fmt: skip
    if recipe is Recipe.STATIONS:
        _write_stations(out, seed, stations or 200, days or 7, interval_s or 3600, json_target)
        return
    if recipe is Recipe.CABLE:
        settings = {"with_pre_equalization": pre_equalization, "with_counters": counters,
                    "with_round_ids": round_ids}  # fmt: skip
        _write_cable(
            out, seed, rate or Rate.STRESS, {"n_fnodes": fnodes, "days": days}, settings,
            json_target,
        )  # fmt: skip
        return
    cases = cases or 10
    labels = []
    for index in range(cases):
        case = _case(recipe, index, seed, noise or 0.0)
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


_CUBES = (Recipe.CDN, Recipe.SQUEEZE, Recipe.RISKLOC)
_RECIPES_OF = {
    "cases": _CUBES,
    "noise": (Recipe.SQUEEZE,),
    "stations": (Recipe.STATIONS,),
    "days": (Recipe.STATIONS, Recipe.CABLE),
    "interval_s": (Recipe.STATIONS,),
    "fnodes": (Recipe.CABLE,),
    "rate": (Recipe.CABLE,),
    "pre_equalization": (Recipe.CABLE,),
    "counters": (Recipe.CABLE,),
    "round_ids": (Recipe.CABLE,),
}


def _refuse_others(recipe: Recipe, **options: float | str | None) -> None:
    """Refuse an option that the recipe would pass over.

    Raises
    ------
    SettingError
        If one is given; names the recipes that it is for.
    """
    for name, value in options.items():
        recipes = _RECIPES_OF[name]
        if value is not None and recipe not in recipes:
            option = f"--{name.replace('_', '-')}"
            raise SettingError(f"{option} is for {', '.join(recipes)}; {recipe} takes none")


def _case(recipe: Recipe, index: int, seed: int, noise: float) -> SimulatedCase:
    from faultsight.sim.cdn_cube import cdn_case
    from faultsight.sim.riskloc_cube import RISKLOC_S, riskloc_case
    from faultsight.sim.squeeze_cube import squeeze_case

    if recipe is Recipe.CDN:
        return cdn_case(index, seed=seed)
    if recipe is Recipe.SQUEEZE:
        return squeeze_case(index, noise=noise, seed=seed)
    return riskloc_case(RISKLOC_S, index, seed=seed)


def _write_stations(
    out: Path, seed: int, n_stations: int, days: int, interval_s: int, json_target: str | None
) -> None:
    from rich.console import Console

    from faultsight.core.files import write_atomic
    from faultsight.detect.reading import frames_to_table, parquet_bytes
    from faultsight.sim.base_stations import StationsConfig, faults_table, simulate_stations

    seconds = days * 86_400
    config = StationsConfig(
        n_stations=n_stations, interval_s=interval_s, train_s=seconds, test_s=seconds
    )
    fleet = simulate_stations(config, seed=seed)
    faults = faults_table(fleet)
    for part, frames in (("train", fleet.train), ("test", fleet.test)):
        write_atomic(out / f"{part}.parquet", parquet_bytes(frames_to_table(frames)))
    write_atomic(out / "truth" / "sites.csv", fleet.sites.write_csv())
    write_atomic(out / "truth" / "faults.csv", faults.write_csv())
    console = Console(quiet=json_target == STDOUT, highlight=False)
    first = fleet.test[0].times_s[0]
    since = datetime.fromtimestamp(int(first), UTC).strftime("%Y-%m-%dT%H:%M")
    wrong = int(faults["is_anomaly"].sum() or 0)  # None where there is not one row
    for line in (
        f"{n_stations} stations in {out}: train.parquet, and from {since} UTC on test.parquet "
        "with labels",
        f"{wrong} faults and {faults.height - wrong} changes that are normal in truth/faults.csv",
        f"next: faultsight detect fit {out / 'train.parquet'} --model MODEL",
    ):
        console.print(line, markup=False, soft_wrap=True)
    if json_target:
        told = {"recipe": "stations", "seed": seed, "out": str(out), "interval_s": interval_s,
                "test_since": since, "faults": wrong}  # fmt: skip
        write_json(json.dumps(told, indent=1), json_target)


def _write_cable(
    out: Path, seed: int, rate: Rate, sizes: dict[str, int | None], parts: dict[str, bool],
    json_target: str | None,
) -> None:  # fmt: skip
    from rich.console import Console

    from faultsight.cli._progress import progress
    from faultsight.sim.cable_plant import CablePlantConfig, write_plant

    settings = {**{name: size for name, size in sizes.items() if size is not None}, **parts}
    recipes = {Rate.STRESS: CablePlantConfig.stress, Rate.REALISTIC: CablePlantConfig.realistic,
               Rate.QUIET: CablePlantConfig.quiet}  # fmt: skip
    config = recipes[rate](**settings)
    with progress("fiber nodes are simulated") as tell:
        told = write_plant(config, out, seed=seed, progress=tell)
    console = Console(quiet=json_target == STDOUT, highlight=False)
    for line in (
        f"{told['fnodes']} fiber nodes with {told['modems']:,} modems in {out}: {config.days} days "
        f"of telemetry ({told['polls']:,} polls), {told['tickets']} tickets, topology",
        f"{told['faults']} faults and benign changes in truth",
        f"next: faultsight diagnose {out / 'telemetry'} --tickets {out / 'tickets.csv'} "
        f"--topology {out / 'topology.csv'} --model MODEL",
    ):
        console.print(line, markup=False, soft_wrap=True)
    if json_target:
        document = {"recipe": "cable", "seed": seed, "rate": str(rate), "out": str(out),
                    "days": config.days, **told}  # fmt: skip
        write_json(json.dumps(document, indent=1), json_target)
