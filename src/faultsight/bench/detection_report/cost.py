"""What accuracy costs: seconds and memory of fitting and scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faultsight.bench.detection_report.blocks import Block, Heading, Picture, Table, Text
from faultsight.bench.detection_report.published import Published
from faultsight.bench.detection_report.scatter import COLOURS, Point, scatter
from faultsight.bench.detection_report.wording import FIGURE_NAMES, code, figure, joined, kind_of
from faultsight.bench.engine import Row

__all__ = ["section"]

_FIGURE = "average_precision"


@dataclass(frozen=True)
class _Cost:
    method: str
    kind: str
    figure: float
    fit_s: float
    score_s: float
    memory_mb: float | None

    @property
    def total_s(self) -> float:
        return self.fit_s + self.score_s


def section(published: Published) -> list[Block]:
    """Return cost beside accuracy, of methods with a row on every set."""
    rows = published.rows("detect-leaderboard")
    costs = sorted(_costs(rows), key=lambda cost: (cost.total_s, cost.method))
    if not costs:
        return []
    title = "Cost and mean average precision"
    # Cheapest first: each that is more accurate than all cheaper ones.
    front = [c for n, c in enumerate(costs) if all(c.figure > d.figure for d in costs[:n])]
    head = ["method", "kind", "fit, s", "score, s", "memory, MB", FIGURE_NAMES[_FIGURE]]
    table = [
        [code(c.method), c.kind, f"{c.fit_s:,.1f}", f"{c.score_s:,.1f}",
         "\N{EN DASH}" if c.memory_mb is None else f"{c.memory_mb:,.0f}", figure(c.figure)]
        for c in costs
    ]  # fmt: skip
    points = [Point(c.method, c.total_s, c.figure, c.kind) for c in costs]
    return [
        Heading("What it costs"),
        Text(
            "Seconds of all sets together, each method in a process with one thread while another "
            "ran beside it, and the most memory that any set added. Scoring is of history and test."
        ),
        Picture(
            "detection-comparison-cost", title,
            scatter(points, title, ("seconds to fit and score all sets", FIGURE_NAMES[_FIGURE]),
                    is_log=True),
            "Mean average precision (upwards) and seconds to fit and score all sets (to the right, "
            f"by powers of ten). {COLOURS}",
        ),
        Text(f"More accurate than every cheaper one: {joined(code(c.method) for c in front)}."),
        Table(head, table, texts=2),
    ]  # fmt: skip


def _costs(rows: Sequence[Row]) -> list[_Cost]:
    datasets = {row["dataset"] for row in rows}
    found = []
    for method in dict.fromkeys(str(row["method"]) for row in rows):
        own = [row for row in rows if row["method"] == method]
        if len(own) < len(datasets):
            continue
        memory = [float(r["memory_mb"]) for r in own if r["memory_mb"] is not None]
        found.append(
            _Cost(
                method, kind_of(method, rows), float(np.mean([r[_FIGURE] or 0.0 for r in own])),
                sum(float(r["seconds_fit"] or 0) for r in own),
                sum(float(r["seconds_score"] or 0) for r in own),
                max(memory) if memory else None,
            )
        )  # fmt: skip
    return found
