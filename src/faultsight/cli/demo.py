"""faultsight demo: real and simulated faults localized, with a report to look at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from faultsight.cli._json_option import STDOUT, JsonTarget, write_json

if TYPE_CHECKING:
    from faultsight.core.combination import AttributeCombination
    from faultsight.core.cube import KpiCube
    from faultsight.localize.history import History

__all__ = ["demo"]

_STREAM_SEEDS = (0, 1)
_CUBE_CASES = (0, 1, 2)


def demo(
    out: Annotated[Path, Option(help="Folder of the report.")] = Path("faultsight-demo"),
    method: Annotated[str, Option(help="scan, rapminer, or a peer.")] = "scan",
    json_target: JsonTarget = None,
) -> None:
    """Localize real cases of a live-video service and a simulated CDN; write a report.

    Nothing is downloaded: the real cases come with FaultSight.
    """
    from rich.console import Console
    from rich.text import Text

    from faultsight.core.files import write_atomic
    from faultsight.localize import LOCALIZERS
    from faultsight.localize.report import ReportCase, write_report

    localizer = LOCALIZERS.load(method)()
    progress = Console(stderr=True, highlight=False)
    console = Console(quiet=json_target == STDOUT, highlight=False)
    progress.print("localizing real cases (RobustSpot, MIT) and a simulated CDN")
    shown, rows = [], []
    for title, cube, history, truth in _cases():
        started = perf_counter()
        answer = localizer.localize(cube)
        seconds = perf_counter() - started
        shown.append(ReportCase(title, cube, answer, history, truth))
        hits = sum(1 for root in truth if root in answer.combinations)
        ranks = [
            answer.combinations.index(root) + 1 for root in truth if root in answer.combinations
        ]
        rows.append(
            {
                "case": title,
                "leaves": cube.n_leaves,
                "seconds": seconds,
                "roots_known": len(truth),
                "roots_hit": hits,
                "ranks": sorted(ranks),
                **answer.to_dict(),
            }
        )
        progress.print(Text(f"  {title}: {seconds * 1000:.0f} ms"))
    console.print(_table(shown))
    known = sum(row["roots_known"] for row in rows)
    hit = sum(row["roots_hit"] for row in rows)
    console.print(f"{hit} of {known} known roots found exactly")
    page = write_report(out / "report.html", shown, title="FaultSight demo")
    text = json.dumps({"method": method, "cases": rows}, indent=1, ensure_ascii=False)
    write_atomic(out / "report.json", text + "\n")
    console.print(f"report: {page.resolve()}", markup=False, soft_wrap=True)
    if json_target:
        write_json(text, json_target)


def _table(shown: list[Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from faultsight.cli._answer import summary_line
    from faultsight.core.printable import printable

    table = Table(box=None, pad_edge=False, show_edge=False)
    for heading in ("case", "found", "known truth"):
        table.add_column(heading, overflow="fold")
    table.add_column("")
    for case in shown:
        found = case.answer.combinations
        truth = sorted(case.truth)
        verdicts = [
            f"hit, rank {found.index(root) + 1}" if root in found else "missed" for root in truth
        ]
        table.add_row(
            Text(printable(case.title)),
            Text(summary_line(case.answer, limit=1)),
            Text("\n".join(printable(str(root).replace("&", ", ")) for root in truth)),
            Text("\n".join(verdicts), style="green" if "missed" not in verdicts else "yellow"),
        )
    return table


def _cases() -> Iterator[tuple[str, KpiCube, History | None, frozenset[AttributeCombination]]]:
    """Yield the real cases, then simulated cubes, then moments of a simulated stream."""
    from faultsight.core.cube import KpiCube
    from faultsight.localize.data import open_dataset
    from faultsight.sim.cdn_cube import cdn_case

    shipped: Any = open_dataset("shipped")
    for case in shipped.cases():
        history = shipped.history(case.name)
        yield f"live video {case.name}", history.cube, history, case.truth
    for index in _CUBE_CASES:
        simulated = cdn_case(index)
        title = f"simulated CDN {index + 1}"
        yield title, KpiCube.from_frame(simulated.table, name=title), None, simulated.truth
    for seed in _STREAM_SEEDS:
        history, truth = _stream_moment(seed)
        yield f"simulated live CDN {seed + 1}", history.cube, history, truth


def _stream_moment(seed: int) -> tuple[History, frozenset[AttributeCombination]]:
    """Return the second tick of the first fault of a stream, forecast from before the fault."""
    import polars as pl

    from faultsight.localize.forecasts.moving_average import MovingAverage, MovingAverageConfig
    from faultsight.localize.history import cube_from_history
    from faultsight.sim.cdn_stream import CDN_KPIS, CDN_MEASURES, CdnStreamConfig, cdn_stream

    # Two hours hold a fault, so that a first look takes seconds.
    config = CdnStreamConfig(fault_every_s=7200, fault_lasts_s=(900, 3000))
    tables, faulty = [], 0
    for tick in cdn_stream(24, seed=seed, config=config):
        tables.append(tick.table.with_columns(time=pl.lit(tick.time)))
        faulty += bool(tick.faults)
        if faulty == 2:
            fault = tick.faults[0]
            break
    history = cube_from_history(
        pl.concat(tables),
        time="time",
        measures=CDN_MEASURES,
        baseline_before=fault.start,
        kpis=CDN_KPIS,
        forecaster=MovingAverage(config=MovingAverageConfig(window=6)),
        name=f"live CDN {seed}",
    )
    return history, frozenset({fault.root})
