"""What each piece of tuning is worth, from a benchmark (paper, Figures 4, 6 and 7)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from faultsight.core.svg import drawing, element, escaped, figure, label, tooltip
from faultsight.detect.report.wording import number

__all__ = ["NOTE", "section"]

NOTE = (
    "<p class=quiet>What each piece of tuning is worth, and how many missed windows to a false "
    "alarm fine-tuning is best given, is told by <code>faultsight bench run detect/ablation "
    "--json FILE</code>; <code>--ablation FILE</code> draws it here.</p>\n"
)

_LEFT, _WIDTH, _BAR, _RIGHT, _TOP = 190, 490, 15, 56, 20
_FIGURE = "average_precision"
_UNTUNED, _RANDOM = "anotuner", "random_score"
_CHARTS = (
    ("Layers, all or without one or one alone", ("layers",)),
    ("Ways to multiply missed anomalies (Figure 4)", ("hinge", "laelbo")),
    ("Missed windows to a false alarm (Figure 6)", ("ratio",)),
    ("How history is sampled (Figure 7)", ("history",)),
)

Row = Mapping[str, Any]


def section(rows: Sequence[Row]) -> str:
    """Return the bars as HTML.

    Parameters
    ----------
    rows : sequence of mapping
        Each with ``dataset``, ``setting``, ``value`` and ``average_precision``: what
        ``faultsight bench run detect/ablation --json`` writes. Rows that differ in their seed
        alone become their mean.
    """
    parts = []
    for dataset in dict.fromkeys(str(row.get("dataset")) for row in rows):
        means = _means([row for row in rows if str(row.get("dataset")) == dataset])
        references = [
            (name, means[key])
            for name, key in (
                ("random", ("detector", _RANDOM)),
                ("untuned", ("detector", _UNTUNED)),
            )
            if key in means
        ]
        charts = []
        for title, settings in _CHARTS:
            bars = [
                (f"{setting}, {value}" if len(settings) > 1 else value, mean)
                for (setting, value), mean in means.items()
                if setting in settings
            ]
            if bars:
                charts.append(
                    f"<div><h4>{title}</h4>{figure(_bars(title, bars, references))}</div>"
                )
        if charts:
            parts.append(
                f"<article><h3>{escaped(dataset)}</h3>"
                f"<div class=pair>{''.join(charts)}</div></article>"
            )
    if not parts:
        return ""
    return (
        f"<section id=ablations><h2>What each piece is worth</h2>{''.join(parts)}"
        "<p class=quiet>Average precision on labelled sets of a benchmark, not on the data above. "
        "The lines are the random score and the same model untuned. Figures are those of the "
        "paper that ask the same.</p></section>\n"
    )


def _means(rows: Sequence[Row]) -> dict[tuple[str, str], float]:
    """Return the mean figure of each value of a setting, in order; of rows that have one."""
    told: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        value = row.get(_FIGURE)
        if isinstance(value, int | float) and math.isfinite(value):
            told.setdefault((str(row.get("setting")), str(row.get("value"))), []).append(value)
    return {key: fmean(values) for key, values in told.items()}


def _bars(
    title: str, bars: Sequence[tuple[str, float]], references: Sequence[tuple[str, float]]
) -> str:
    largest = max([1e-9, *(value for _, value in (*bars, *references))])
    scale = (_WIDTH - _LEFT - _RIGHT) / largest
    height = _TOP + (_BAR + 6) * len(bars) + 4
    drawn = []
    for position, (name, value) in enumerate(bars):
        y, wide = _TOP + (_BAR + 6) * position, max(value * scale, 1.0)
        drawn.append(label(_LEFT - 10, y + _BAR - 3, name, _LEFT - 14, class_="name",
                           text_anchor="end"))  # fmt: skip
        drawn.append(
            element(
                "g",
                tooltip(f"{name}: {number(value)}")
                + element("rect", x=_LEFT, y=y, width=wide, height=_BAR, rx=2, class_="bar-before")
                + element("text", number(value), x=_LEFT + wide + 6, y=y + _BAR - 3,
                          class_="figure"),
            )
        )  # fmt: skip
    for place, (name, value) in enumerate(references):
        x = _LEFT + value * scale
        # Names on two lines would collide with bars: one reads to the left, one to the right.
        anchor = "end" if place == 0 and len(references) > 1 else "start"
        drawn.append(
            element(
                "g",
                tooltip(f"{name}: {number(value)}")
                + element("line", x1=x, x2=x, y1=_TOP - 6, y2=height - 4, class_="level")
                + element("text", name, x=x, y=_TOP - 9, class_="small", text_anchor=anchor),
            )
        )
    drawn.append(element("line", x1=_LEFT, x2=_LEFT, y1=_TOP - 4, y2=height - 4, class_="axis"))
    return drawing(title, "".join(drawn), _WIDTH, height)
