"""What was run: sets, machine, versions, and what was left out."""

from __future__ import annotations

import numpy as np

from faultsight.bench.detection_report.blocks import Block, Heading, Items, Table, Text
from faultsight.bench.detection_report.published import Published
from faultsight.bench.detection_report.wording import FIGURE_NAMES, code, figure
from faultsight.bench.engine import BenchResult

__all__ = ["section"]

_LEADERBOARD, _BASE = "detect-leaderboard", "detect-base"


def section(published: Published) -> list[Block]:
    """Return where the figures come from."""
    blocks: list[Block] = [
        Heading("What was run"),
        Text(
            "Every method has the same settings on all sets, learns from history without labels, "
            "and alarms above the 0.995 quantile of its own scores of history."
        ),
        *_sets(published),
        Items([_run(name, result) for name, result in published.results.items()]),
    ]
    if published.missing:
        blocks.append(Text(f"Not there yet: {', '.join(map(code, published.missing))}."))
    notes = [f"{code(name)}: {note}" for name, result in published.results.items()
             for note in result.notes if name in (_LEADERBOARD, "detect-table1")]  # fmt: skip
    if notes:
        blocks += [Text("What these runs noted:"), Items(notes)]
    return [*blocks, *_on_whole_sets(published)]


def _sets(published: Published) -> list[Block]:
    sets = published.summary(_LEADERBOARD, "dataset")
    if not sets:
        return []
    head = ["set", "entities", "KPIs", "seconds a row", "rows of history", "rows of test",
            "anomalous rows", "anomalies"]  # fmt: skip
    table = [
        [str(r["dataset"]), str(r["entities"]), str(r["kpis"]), str(r["interval_s"]),
         f"{r['train_points']:,}", f"{r['test_points']:,}",
         f"{float(r['anomaly_percent'] or 0):.1f} %", str(r["anomalies"])]
        for r in sets
    ]  # fmt: skip
    return [Table(head, table)]


def _run(name: str, result: BenchResult) -> str:
    versions = ", ".join(f"{package} {v}" for package, v in result.versions.items()
                         if package in ("faultsight", "python", "numpy", "torch"))  # fmt: skip
    machine = f"{result.machine.get('cores')} cores ({result.machine.get('cpu')})"
    asked = [f"{key} {value}" for key in ("preset", "seed", "cases")
             if (value := result.parameters.get(key)) is not None]  # fmt: skip
    return (
        f"{code(result.scenario)} ({name}.json): {result.seconds / 60:,.0f} minutes on {machine}; "
        f"{', '.join([*asked, versions])}"
    )


def _on_whole_sets(published: Published) -> list[Block]:
    """Return means of `detect/base`, which takes all entities, beside those of the leaderboard."""
    rows, whole = published.rows(_LEADERBOARD), published.rows(_BASE)
    sets = {r["dataset"] for r in rows} & {r["dataset"] for r in whole}
    table = []
    for method in dict.fromkeys(str(r["method"]) for r in whole):
        pairs = [[r for r in of if r["method"] == method and r["dataset"] in sets]
                 for of in (rows, whole)]  # fmt: skip
        if sets and all(len(own) == len(sets) for own in pairs):
            cells = [code(method)]
            for name in FIGURE_NAMES:
                cells += [figure(float(np.mean([r[name] or 0.0 for r in own]))) for own in pairs]
            table.append(cells)
    if not table:
        return []
    head = ["method"]
    for name in FIGURE_NAMES.values():
        head += [name, "whole"]
    return [
        Heading("On all entities", 3),
        Text(
            f"Means over {len(sets)} sets: of the leaderboard, and of `detect/base`, which takes "
            "every entity of every set and all default settings. What is ahead by little in one of "
            "them is not ahead."
        ),
        Table(head, table),
    ]
