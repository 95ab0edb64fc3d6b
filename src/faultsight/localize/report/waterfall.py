"""Waterfall from the expected to the actual total: what each root took or added.

A leaf that lies in two roots counts for the one that ranks higher, and what no root holds is the
remainder, so that the shares add up to 100 per cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faultsight.core.svg import element, escaped, label, tooltip
from faultsight.localize.leaves import Leaves
from faultsight.localize.report.svg import axis_labels, ticks
from faultsight.localize.report.views import Ranked
from faultsight.localize.wording import MINUS, number, place

__all__ = ["Part", "parts_of_change", "waterfall"]

_LEFT, _RIGHT, _WIDTH, _ROW = 300, 190, 1000, 30


@dataclass(frozen=True)
class Part:
    """What one root, or the remainder, adds to the overall deviation.

    Attributes
    ----------
    name : str
        The root's place.
    change : float
        Actual minus expected over the leaves that no higher root holds.
    per_mille : int or None
        Its share of the overall deviation, in thousandths, rounded so that all add up to 1,000;
        None where the whole does not deviate.
    """

    name: str
    change: float
    per_mille: int | None


def parts_of_change(leaves: Leaves, roots: Sequence[Ranked]) -> list[Part]:
    """Return the overall deviation, root by root, then the remainder."""
    deviation = leaves.actual - leaves.forecast
    is_free = np.ones(len(deviation), dtype=bool)
    names, changes = [], []
    for rank, root in roots:
        inside = leaves.cube.leaves_of(root.combination)
        mine = inside[is_free[inside]]
        is_free[mine] = False
        names.append(f"{rank}  {place(root)}")
        changes.append(float(deviation[mine].sum()))
    names.append("everything else" if roots else "all leaves")
    changes.append(float(deviation[is_free].sum()))
    total = sum(changes)
    if abs(total) <= 1e-9 * float(np.abs(deviation).sum()):
        return [Part(n, c, None) for n, c in zip(names, changes, strict=True)]
    exact = np.array(changes) / total * 1000
    shares = np.floor(exact).astype(int)
    short = 1000 - int(shares.sum())
    # What rounding down lost goes to the largest fractions.
    for position in np.argsort(shares - exact, kind="stable")[:short]:
        shares[position] += 1
    return [Part(n, c, int(s)) for n, c, s in zip(names, changes, shares, strict=True)]


def waterfall(leaves: Leaves, roots: Sequence[Ranked]) -> str:
    """Return the waterfall as SVG."""
    parts = parts_of_change(leaves, roots)
    expected, actual = float(leaves.forecast.sum()), float(leaves.actual.sum())
    levels = [expected]
    for part in parts:
        levels.append(levels[-1] + part.change)
    low, high = min(levels), max(levels)
    pad = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    low, high = max(low - pad, 0.0) if low >= 0 else low - pad, high + pad
    span = _WIDTH - _LEFT - _RIGHT

    def at(value: float) -> float:
        return _LEFT + span * (value - low) / (high - low)

    height = _ROW * (len(parts) + 2) + 34
    drawn = []
    marks = ticks(low, high, 5)
    for tick, mark in zip(marks, axis_labels(marks), strict=True):
        drawn.append(element("line", x1=at(tick), x2=at(tick), y1=24, y2=height - 8, class_="grid"))
        drawn.append(element("text", mark, x=at(tick), y=14, class_="tick",
                             text_anchor="middle"))  # fmt: skip
    drawn.append(_total("expected", expected, at(expected), 24))
    for position, part in enumerate(parts):
        y = 24 + _ROW * (position + 1)
        x1, x2 = sorted((at(levels[position]), at(levels[position + 1])))
        side = "rise" if part.change > 0 else "drop"
        if position == len(parts) - 1:
            side = "rest"
        drawn.append(element("line", x1=at(levels[position]), x2=at(levels[position]),
                             y1=y - 7, y2=y + 5, class_="link"))  # fmt: skip
        drawn.append(
            element(
                "g",
                tooltip(f"{part.name}: {number(part.change)}")
                + element("rect", x=x1, y=y + 5, width=max(x2 - x1, 1.5), height=_ROW - 10, rx=2,
                          class_=side),
            )
        )  # fmt: skip
        drawn.append(label(8, y + 20, part.name, _LEFT - 20, class_="name"))
        sign = "+" if part.change > 0 else ""
        share = "" if part.per_mille is None else f"{part.per_mille / 10:.1f} %".replace("-", MINUS)
        drawn.append(element("text", f"{sign}{number(part.change)}", x=_WIDTH - 96, y=y + 20,
                             class_="figure", text_anchor="end"))  # fmt: skip
        drawn.append(element("text", share, x=_WIDTH - 8, y=y + 20, class_="figure strong",
                             text_anchor="end"))  # fmt: skip
    drawn.append(_total("actual", actual, at(actual), 24 + _ROW * (len(parts) + 1)))
    if parts[0].per_mille is not None:
        drawn.append(element("text", "100 %", x=_WIDTH - 8, y=44 + _ROW * (len(parts) + 1),
                             class_="figure", text_anchor="end"))  # fmt: skip
    return element(
        "svg",
        tooltip("Waterfall from the expected to the actual value") + "".join(drawn),
        viewBox=f"0 0 {_WIDTH} {height}",
        width=_WIDTH,
        height=height,
        role="img",
    )


def _total(name: str, value: float, x: float, y: float) -> str:
    return (
        element("line", x1=x, x2=x, y1=y + 3, y2=y + _ROW - 3, class_="total")
        + element("circle", cx=x, cy=y + _ROW / 2, r=5, class_="dot")
        + element("text", escaped(name), x=8, y=y + 20, class_="name strong")
        + element("text", number(value), x=_WIDTH - 96, y=y + 20, class_="figure strong",
                  text_anchor="end")
    )  # fmt: skip
