"""faultsight bench: run benchmark scenarios and compare their results."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from typer import Argument, Option, Typer

from faultsight.cli._json_option import STDOUT, JsonCommand, JsonTarget, write_json

app = Typer(help="Run benchmark scenarios and compare their results.", no_args_is_help=True)


@app.command("list", cls=JsonCommand)
def list_scenarios(json_target: JsonTarget = None) -> None:
    """List the scenarios and their permanent ids."""
    from faultsight.bench.engine import load_scenario, print_rows, scenario_ids

    rows: list[dict[str, Any]] = [
        {"id": i, "title": load_scenario(i).title} for i in scenario_ids()
    ]
    if json_target != STDOUT:
        print_rows(rows, Console())
    if json_target:
        write_json(json.dumps(rows, indent=1), json_target)


@app.command(cls=JsonCommand)
def run(
    scenario: Annotated[str, Argument(metavar="ID", help="Such as localize/accuracy.")],
    *,
    data: Annotated[
        Path | None,
        Option(
            help="Folder of detect/<set> and localize/<set>; default: FAULTSIGHT_DATA or cache."
        ),
    ] = None,
    methods: Annotated[str, Option(help="Only these methods, joined by commas.")] = "",
    datasets: Annotated[str, Option(help="Only these datasets, joined by commas.")] = "",
    seed: Annotated[int, Option(min=0, help="Seed of simulations and of the bootstrap.")] = 0,
    cases: Annotated[
        int | None, Option(min=1, help="At most so many cases, entities or runs of each dataset.")
    ] = None,
    seconds: Annotated[
        float, Option(min=0.0, help="What one method may spend on one dataset.")
    ] = 600.0,
    preset: Annotated[
        str, Option(help="small or large, where a scenario comes in two sizes.")
    ] = "small",
    budget: Annotated[
        float | None,
        Option(min=0.0, help="Seconds after which no method is begun on a set; of tables of all."),
    ] = None,
    workers: Annotated[
        int | None, Option(min=1, help="Methods run at once; default: one a core, at most two.")
    ] = None,
    journal: Annotated[
        Path | None,
        Option(
            help="Keep each method on each set in this file as it ends; go on from what is in it.",
            dir_okay=False,
        ),
    ] = None,
    beside: Annotated[
        Path | None,
        Option(
            help="A result of the same scenario: the rows of all methods that are not run now.",
            dir_okay=False,
        ),
    ] = None,
    json_target: JsonTarget = None,
) -> None:
    """Run one scenario, print its table, and write its result as JSON if asked."""
    from faultsight.bench.engine import Context, load_scenario, print_rows, run_scenario

    progress = Console(stderr=True)
    result = run_scenario(
        scenario,
        Context(
            data_dir=data,
            methods=_names(methods),
            datasets=_names(datasets),
            seed=seed,
            cases=cases,
            seconds=seconds,
            preset=preset,
            budget_s=budget,
            workers=workers,
            journal=journal,
            beside=beside,
            progress=lambda line: progress.print(line, markup=False, highlight=False),
        ),
    )
    if json_target != STDOUT:
        console = Console()
        told = load_scenario(scenario)
        print_rows(result.rows, console, title=result.scenario, columns=told.shown)
        summary = [row for row in result.summary if row.get("part") not in told.unprinted]
        if summary:
            print_rows(summary, console, title="over all rows")
        for note in result.notes:
            console.print(f"note: {note}", markup=False, highlight=False)
    if json_target:
        write_json(result.to_json(), json_target)


@app.command(cls=JsonCommand)
def compare(
    before: Annotated[Path, Argument(help="A result written with --json FILE.")],
    after: Annotated[Path, Argument(help="Another result of the same scenario.")],
    *,
    tolerance: Annotated[
        float, Option(min=0.0, help="Figures that changed by no more are not shown.")
    ] = 0.0,
    figures: Annotated[str, Option(help="Only these figures, joined by commas.")] = "",
    json_target: JsonTarget = None,
) -> None:
    """Show what changed between two results of one scenario: rows, what is said over them, notes.

    It is no error if something did.
    """
    from faultsight.bench.compare import compare as compare_results
    from faultsight.bench.engine import print_rows, read_result

    found = compare_results(
        read_result(before), read_result(after), tolerance=tolerance, figures=_names(figures)
    )
    if json_target != STDOUT:
        console = Console()
        if found.about:
            print_rows(found.about, console, title="how the runs differ")
        if found.rows:
            print_rows(found.rows, console, title="what changed")
        if found.summary:
            print_rows(found.summary, console, title="what changed over all rows")
        for row in found.notes:
            console.print(
                f"note only in {row['only_in']}: {row['note']}", markup=False, highlight=False
            )
        console.print(
            f"{found.unchanged} of {found.compared} figures changed by no more than {tolerance:g}",
            highlight=False,
        )
    if json_target:
        write_json(json.dumps(asdict(found), indent=1, ensure_ascii=False), json_target)


@app.command(cls=JsonCommand)
def report(
    pillar: Annotated[str, Argument(help="What is compared: detect.")],
    out: Annotated[Path, Option(help="Folder that the page is written to.")],
    *,
    reports: Annotated[Path, Option(help="Folder of results written with --json.")] = Path(
        "benchmarks/reports"
    ),
    docs: Annotated[
        Path | None, Option(help="Folder of the page in Markdown and its drawings; default: --out.")
    ] = None,
    json_target: JsonTarget = None,
) -> None:
    """Write one page that compares all detectors, from whichever results are there."""
    from faultsight.bench.detection_report import write_detection_report
    from faultsight.core.errors import UnknownMemberError

    if pillar != "detect":
        raise UnknownMemberError("report", pillar, ["detect"])
    written = [str(path) for path in write_detection_report(reports, out, docs=docs)]
    if json_target != STDOUT:
        console = Console()
        for path in written:
            console.print(path, markup=False, highlight=False, soft_wrap=True)
    if json_target:
        write_json(json.dumps({"written": written}, indent=1, ensure_ascii=False), json_target)


def _names(joined: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in joined.split(",") if name.strip())
