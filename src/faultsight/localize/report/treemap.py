"""Treemap of a cube: area is volume, colour is deviation, nested by two attributes.

References
----------
Bruls, Huizing, van Wijk, Squarified treemaps, VisSym 2000.
"""

from __future__ import annotations

from collections.abc import Sequence

from faultsight.core.printable import printable
from faultsight.core.svg import element, label, shorten, text_width, tooltip
from faultsight.localize.report.svg import colour
from faultsight.localize.report.views import View, relative_deviation
from faultsight.localize.wording import MINUS, number, percent

__all__ = ["squarify", "treemap"]

Box = tuple[float, float, float, float]
"""x, y, width, height."""

_WIDTH, _HEIGHT, _BAND = 1000.0, 430.0, 17.0
# Below this share of the whole a rectangle cannot be seen; it is drawn as one with its like.
_SMALLEST = 0.0008


def squarify(sizes: Sequence[float], box: Box) -> list[Box]:
    """Return boxes of the given areas that fill a box, as square as can be.

    Parameters
    ----------
    sizes : sequence of float
        Positive and falling.

    Examples
    --------
    >>> squarify([2, 1, 1], (0.0, 0.0, 2.0, 2.0))
    [(0.0, 0.0, 1.0, 2.0), (1.0, 0.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0)]
    """
    x, y, width, height = box
    scale = width * height / sum(sizes) if sizes else 0.0
    areas = [size * scale for size in sizes]
    boxes: list[Box] = []
    start = 0
    while start < len(areas):
        side = min(width, height)
        end, worst = start, float("inf")
        while end < len(areas):
            row = areas[start : end + 1]
            total = sum(row)
            shape = max(side**2 * row[0] / total**2, total**2 / (side**2 * row[-1]))
            if shape > worst:
                break
            worst, end = shape, end + 1
        row = areas[start:end]
        depth = sum(row) / side if side else 0.0
        along = 0.0
        for area in row:
            length = area / depth if depth else 0.0
            boxes.append((x, y + along, depth, length) if width >= height
                         else (x + along, y, length, depth))  # fmt: skip
            along += length
        if width >= height:
            x, width = x + depth, width - depth
        else:
            y, height = y + depth, height - depth
        start = end
    return boxes


def treemap(view: View) -> str:
    """Return the map as SVG."""
    volume = view.cells["volume"]
    whole = float(volume.sum())
    if whole <= 0:
        return ""
    parts = [(float(volume[row].sum()), [row]) for row in range(len(volume))]
    groups = _gathered(parts, whole)
    outer = squarify([size for size, _ in groups], (0.0, 0.0, _WIDTH, _HEIGHT))
    drawn: list[str] = []
    outlines: list[str] = []
    for (_, rows), box in zip(groups, outer, strict=True):
        x, y, width, height = box
        name = view.short(view.rows, rows[0]) if len(rows) == 1 else f"{len(rows)} small ones"
        has_band = height > 44 and width > 34 and view.columns >= 0
        if has_band:
            drawn.append(label(x + 5, y + 13, name, width - 8, class_="group"))
        inner = (x + 1.5, y + (_BAND if has_band else 1.5), width - 3,
                 height - (_BAND + 1.5 if has_band else 3))  # fmt: skip
        if min(inner[2:]) <= 0:
            continue
        cells = [(float(volume[rows, c].sum()), [c]) for c in range(volume.shape[1])]
        columns = _gathered(cells, whole)
        for (_, codes), cell in zip(
            columns, squarify([size for size, _ in columns], inner), strict=True
        ):
            markup, is_root = _cell(view, (rows, codes, name), cell)
            (outlines if is_root else drawn).append(markup)
    return element(
        "svg",
        tooltip(f"Treemap by {view.name(view.rows)} and {view.name(view.columns)}")
        + "".join(drawn)
        + "".join(outlines),
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        width=_WIDTH,
        height=_HEIGHT,
        role="img",
    )


def _gathered(
    parts: Sequence[tuple[float, list[int]]], whole: float
) -> list[tuple[float, list[int]]]:
    """Return the parts by falling size, those too small to see as one."""
    seen = [part for part in parts if part[0] >= _SMALLEST * whole]
    small = [part for part in parts if 0 < part[0] < _SMALLEST * whole]
    if small:
        seen.append(
            (sum(size for size, _ in small), [code for _, codes in small for code in codes])
        )
    return sorted(seen, key=lambda part: (-part[0], part[1]))


def _cell(view: View, what: tuple[list[int], list[int], str], box: Box) -> tuple[str, bool]:
    rows, columns, group = what
    x, y, width, height = box
    cells = view.cells
    picked = [(row, column) for row in rows for column in columns]
    actual = sum(float(cells["actual"][p]) for p in picked)
    forecast = sum(float(cells["forecast"][p]) for p in picked)
    size = sum(float(cells["volume"][p]) for p in picked)
    deviation = relative_deviation(actual, forecast)
    shade = colour(deviation)
    name = (
        view.element(view.columns, columns[0]) if len(columns) == 1
        else f"{len(columns)} small ones"
    )  # fmt: skip
    ranks = [
        rank
        for rank, root in view.roots
        if (seen := view.place_of(root)) is not None
        and seen[2]
        and (seen[0] is None or [seen[0]] == rows)
        and (seen[1] is None or [seen[1]] == columns)
    ]
    told = tooltip(
        f"{printable(group)} / {printable(name)}: {percent(deviation)} "
        f"(actual {number(actual)}, expected {number(forecast)}, volume {number(size)})"
        + (f", root {', '.join(map(str, ranks))}" if ranks else "")
    )
    inset = 1.5 if ranks else 0.5
    drawn = element(
        "rect", x=x + inset, y=y + inset, width=max(width - 2 * inset, 0.5),
        height=max(height - 2 * inset, 0.5), rx=2,
        class_=f"{shade} root" if ranks else shade,
    )  # fmt: skip
    shown = printable(group)
    if view.columns >= 0:
        shown = f"+{len(columns)}"
        if len(columns) == 1:
            shown = printable(view.short(view.columns, columns[0]))
    if height > 16 and width > 26:
        short = shorten(shown, width - 8, 11)
        if text_width(short, 11) <= width - 6 and (len(short) > 2 or short == shown):
            drawn += label(x + 5, y + 13, short, width, class_=f"cell {shade}t")
        if height > 31 and width > 48 and abs(deviation) >= 0.05:
            sign = "+" if deviation > 0 else MINUS
            drawn += element(
                "text", f"{sign}{abs(deviation) * 100:.0f} %",
                x=x + 5, y=y + 27, class_=f"cell {shade}t",
            )  # fmt: skip
    return element("g", told + drawn), bool(ranks)
