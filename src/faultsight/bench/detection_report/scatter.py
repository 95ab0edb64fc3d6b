"""Methods as points of two figures, named where there is room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faultsight.core.svg import drawing, element, escaped, text_width, tooltip
from faultsight.detect.report.axes import Axes, extent, ticks

__all__ = ["COLOURS", "Point", "scatter"]

COLOURS = "Red: AnoTuner; blue: other networks; orange: simple methods; grey: the random score."
"""What the colours of points mean."""

_WIDTH, _HEIGHT = 780.0, 400.0
_SIZE = 11.5
_RADIUS = 4.5


@dataclass(frozen=True)
class Point:
    """A method: where it lies, and of which kind it is (a class of the style sheet)."""

    name: str
    x: float
    y: float
    kind: str


def scatter(
    points: Sequence[Point], title: str, names: tuple[str, str], *, is_log: bool = False
) -> str:
    """Return points as SVG, with the names of both axes; x by its logarithm if so asked.

    Examples
    --------
    >>> scatter([Point("knn", 2.0, 0.5, "simple")], "cost", ("seconds", "F1")).count("<circle")
    1
    """
    if not points:
        return ""
    ys = np.array([point.y for point in points])
    xs = np.array([_scaled(point.x, is_log) for point in points])
    axes = Axes(58, 14, _WIDTH - 58 - 24, _HEIGHT - 14 - 52, extent(xs, room=0.05), extent(ys))
    drawn = [axes.grid(), _below(axes, names[0], is_log=is_log)]
    drawn.append(element("text", escaped(names[1]), x=axes.left + 4, y=11, class_="tick"))
    places = [(axes.x(x), axes.y(y)) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]
    taken = [(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for x, y in places]
    for point, (x, y) in zip(points, places, strict=True):
        told = tooltip(f"{point.name}: {names[0]} {point.x:.3g}, {names[1]} {point.y:.3f}")
        drawn.append(element("circle", told, cx=x, cy=y, r=_RADIUS, class_=point.kind))
    for point, (x, y) in zip(points, places, strict=True):
        drawn.append(_name(point.name, x, y, taken, axes))
    return drawing(title, "".join(drawn), _WIDTH, _HEIGHT)


def _name(
    name: str, x: float, y: float, taken: list[tuple[float, float, float, float]], axes: Axes
) -> str:
    """Return a name beside its point where it covers nothing; without such a place, none."""
    wide = text_width(name, _SIZE)
    for anchor, dx, dy in (
        ("start", 8, 4), ("end", -8, 4), ("middle", 0, -9), ("middle", 0, 17), ("start", 7, -7),
        ("end", -7, -7), ("start", 7, 14), ("end", -7, 14),
    ):  # fmt: skip
        left = x + dx - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
        box = (left, y + dy - 9, left + wide, y + dy + 2)
        is_inside = box[0] >= axes.left and box[2] <= _WIDTH and box[1] >= 0
        if is_inside and box[3] <= axes.bottom and not any(_overlap(box, other) for other in taken):
            taken.append(box)
            return element("text", escaped(name), x=x + dx, y=y + dy, class_="point",
                           text_anchor=anchor)  # fmt: skip
    return ""


def _below(axes: Axes, name: str, *, is_log: bool) -> str:
    low, high = axes.x_range
    marks = _decades(low, high) if is_log else [(mark, f"{mark:g}") for mark in ticks(low, high, 6)]
    drawn = [
        element("line", x1=axes.x(mark), x2=axes.x(mark), y1=axes.bottom, y2=axes.bottom + 4,
                class_="axis")
        + element("text", told, x=axes.x(mark), y=axes.bottom + 18, class_="tick",
                  text_anchor="middle")
        for mark, told in marks
    ]  # fmt: skip
    drawn.append(element("line", x1=axes.left, x2=axes.right, y1=axes.bottom, y2=axes.bottom,
                         class_="axis"))  # fmt: skip
    drawn.append(element("text", escaped(name), x=axes.right, y=axes.bottom + 38, class_="tick",
                         text_anchor="end"))  # fmt: skip
    return "".join(drawn)


def _decades(low: float, high: float) -> list[tuple[float, str]]:
    powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    return [(float(power), f"{10.0**power:,g}") for power in powers]


def _scaled(value: float, is_log: bool) -> float:
    return math.log10(max(value, 1e-3)) if is_log else value


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
