"""Levels by other rules: what two of the papers' own thresholds make of the same scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from faultsight.bench.detection_report.blocks import Block, Heading, Table, Text
from faultsight.bench.detection_report.published import Published
from faultsight.bench.detection_report.wording import code, figure, kind_of
from faultsight.bench.engine import Row
from faultsight.bench.untuned_rows import OTHER_RULES

__all__ = ["section"]

_RULES = {"f1_deployed": "`quantile`"} | {f"f1_{rule}": f"`{rule}`" for rule in OTHER_RULES}
_OF_PAPER = {"lstm_ndt": "f1_nonparametric_dynamic", "omni_anomaly": "f1_pot"}
"""The rule of a method's own paper."""


def section(published: Published) -> list[Block]:
    """Return point-adjusted F1 by each rule; nothing of results that have one rule alone."""
    rows = [
        row for row in published.rows("detect-leaderboard")
        if all(row.get(rule) is not None for rule in _RULES)
    ]  # fmt: skip
    methods = list(dict.fromkeys(str(row["method"]) for row in rows))
    if not methods:
        return []
    means = {method: [_mean(rows, method, rule) for rule in _RULES] for method in methods}
    order = sorted(methods, key=lambda method: (-max(means[method]), method))
    table = []
    for method in order:
        told = [code(method), kind_of(method, rows)]
        for rule, mean in zip(_RULES, means[method], strict=True):
            told.append(f"**{figure(mean)}**" if _OF_PAPER.get(method) == rule else figure(mean))
        table.append(told)
    return [
        Heading("Levels by other rules"),
        Text(
            "Point-adjusted F1, on average over the sets, where each entity's level follows from "
            "the same scores of history by another rule: the 0.995 quantile, as everywhere else; "
            "peaks over threshold, which OmniAnomaly's paper takes; and LSTM-NDT's nonparametric "
            "dynamic threshold. **Bold** is the rule of a method's own paper. What has the highest "
            "F1 by any of the three stands first."
        ),
        Table(["method", "kind", *_RULES.values()], table, texts=2),
    ]


def _mean(rows: Sequence[Row], method: str, rule: str) -> float:
    return float(np.mean([float(row[rule] or 0) for row in rows if row["method"] == method]))
