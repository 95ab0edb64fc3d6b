"""What point adjustment hides: what a score that knows nothing reaches by it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from faultsight.bench.detect_runs import RANDOM
from faultsight.bench.detection_report.blocks import Block, Heading, Items, Picture, Table, Text
from faultsight.bench.detection_report.published import Published
from faultsight.bench.detection_report.scatter import COLOURS, Point, scatter
from faultsight.bench.detection_report.wording import FIGURE_NAMES, code, figure, joined, kind_of
from faultsight.bench.engine import Row

__all__ = ["rank_correlation", "section"]

_ADJUSTED, _PLAIN = "f1_point_adjusted", "average_precision"
_PAIRS = ((_ADJUSTED, _PLAIN), ("f1_deployed", _PLAIN), ("vus_pr", _PLAIN))


def section(published: Published) -> list[Block]:
    """Return the random score beside the others, and how both metrics order methods."""
    rows = published.rows("detect-leaderboard")
    if not any(row["method"] == RANDOM for row in rows):
        return []
    datasets = list(dict.fromkeys(str(row["dataset"]) for row in rows))
    table, told = [], []
    for dataset in datasets:
        inside = [row for row in rows if row["dataset"] == dataset]
        random = next((row for row in inside if row["method"] == RANDOM), None)
        if random is None:
            continue
        worse = [str(r["method"]) for r in inside if r is not random
                 and _value(r, _ADJUSTED) <= _value(random, _ADJUSTED)]  # fmt: skip
        share = 100 * float(random["anomalous_rows"] or 0) / float(random["rows"] or 1)
        table.append([
            dataset, f"{share:.1f} %", figure(random[_ADJUSTED]), _best(inside, _ADJUSTED),
            f"{len(worse)} of {len(inside) - 1}", figure(random[_PLAIN]), _best(inside, _PLAIN),
        ])  # fmt: skip
        if worse:
            told.append(f"On {dataset} the random score's best F1 is no lower than that of "
                        f"{joined(map(code, worse), 6)}.")  # fmt: skip
    head = ["set", "anomalous rows", "random: best F1", "highest", "methods no better",
            "random: average precision", "highest"]  # fmt: skip
    blocks: list[Block] = [
        Heading("What point adjustment hides"),
        Text(
            "Best F1 counts a whole anomaly as found when one of its rows is, at the level that "
            "the labels say is best. The random score knows nothing of the data."
        ),
        Table(head, table),
    ]
    if told:
        blocks.append(Items(told))
    correlations = []
    for first, second in _PAIRS:
        cells = [f"{FIGURE_NAMES[first]} and {FIGURE_NAMES[second]}"]
        for dataset in datasets:
            inside = [row for row in rows if row["dataset"] == dataset]
            cells.append(figure(rank_correlation(inside, first, second)))
        correlations.append(cells)
    blocks += [
        Text(
            "Spearman's rank correlation over methods, the random score among them, tells how far "
            "two metrics put the methods in the same order: 1 is the same order, 0 is none."
        ),
        Table(["metrics", *datasets], correlations),
    ]
    drawn = scatter(_points(rows), "Mean best F1 and mean average precision",
                    (FIGURE_NAMES[_PLAIN], FIGURE_NAMES[_ADJUSTED]))  # fmt: skip
    blocks.append(
        Picture(
            "detection-comparison-adjustment", "Mean best F1 and mean average precision", drawn,
            "Mean best F1 (upwards) and mean average precision (to the right) of each method that "
            "has a row on every set. What is far to the left is little better than chance, however "
            f"high it stands. {COLOURS}",
        )
    )  # fmt: skip
    return blocks


def rank_correlation(rows: Sequence[Row], first: str, second: str) -> float | None:
    """Return Spearman's over methods; None of fewer than three, or where all are equal.

    Examples
    --------
    >>> rank_correlation([{"a": n, "b": n * n} for n in range(4)], "a", "b")
    1.0
    """
    known = [row for row in rows if row[first] is not None and row[second] is not None]
    a, b = ([_value(row, name) for row in known] for name in (first, second))
    if len(known) < 3 or len(set(a)) < 2 or len(set(b)) < 2:
        return None
    return round(float(spearmanr(a, b).statistic), 12)


def _points(rows: Sequence[Row]) -> list[Point]:
    datasets = {row["dataset"] for row in rows}
    points = []
    for method in dict.fromkeys(str(row["method"]) for row in rows):
        own = [row for row in rows if row["method"] == method]
        if len(own) == len(datasets):
            x, y = (float(np.mean([_value(r, name) for r in own])) for name in (_PLAIN, _ADJUSTED))
            points.append(Point(method, x, y, kind_of(method, rows)))
    return points


def _best(rows: Sequence[Row], name: str) -> str:
    best = max(rows, key=lambda row: _value(row, name))
    return f"{figure(best[name])} {code(best['method'])}"


def _value(row: Row, name: str) -> float:
    return float(row[name] or 0)
