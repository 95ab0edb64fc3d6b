"""Heat map of two attributes: each cell's deviation from the forecast, roots outlined."""

from __future__ import annotations

from typing import Any

from faultsight.core.printable import printable
from faultsight.core.svg import element, escaped, label, text_width, tooltip
from faultsight.localize.report.svg import colour
from faultsight.localize.report.views import Ranked, View, relative_deviation
from faultsight.localize.wording import MINUS, number, percent, place

__all__ = ["heat_map"]

_CELL_HEIGHT = 24


def heat_map(view: View) -> str:
    """Return the map as SVG."""
    rows, columns = view.shown(0), view.shown(1)
    row_names = [printable(view.short(view.rows, code)) for code in rows]
    column_names = [printable(view.short(view.columns, code)) for code in columns]
    left = min(max([text_width(name) for name in row_names] + [40]) + 22, 190)
    cell = min(max((1000 - left) / len(columns), 30), 76)
    widest = max(text_width(name) for name in column_names)
    slanted = widest > cell - 6
    top = min(widest * 0.72 + 26, 122) if slanted else 32
    width = left + cell * len(columns) + (60 if slanted else 14)
    height = top + _CELL_HEIGHT * len(rows) + 10
    drawn = [_column_name(left + cell * (i + 0.5), top - 11, name, slanted)
             for i, name in enumerate(column_names)]  # fmt: skip
    cells = view.cells
    for i, row in enumerate(rows):
        y = top + _CELL_HEIGHT * i
        drawn.append(
            label(left - 12, y + 16, row_names[i], left - 18, class_="tick", text_anchor="end")
        )
        for j, column in enumerate(columns):
            x = left + cell * j
            box: dict[str, Any] = {
                "x": x + 1,
                "y": y + 1,
                "width": cell - 2,
                "height": _CELL_HEIGHT - 2,
                "rx": 3,
            }
            where = ", ".join(
                f"{view.name(attribute)} = {view.element(attribute, code)}"
                for attribute, code in ((view.rows, row), (view.columns, column))
                if attribute >= 0
            )
            n_leaves = int(cells["leaves"][row, column])
            if not n_leaves:
                drawn.append(element("rect", tooltip(f"{where}: no leaf"), class_="none", **box))
                continue
            actual = float(cells["actual"][row, column])
            forecast = float(cells["forecast"][row, column])
            deviation = relative_deviation(actual, forecast)
            shade = colour(deviation)
            told = tooltip(
                f"{where}: {percent(deviation)} (actual {number(actual)}, "
                f"expected {number(forecast)}, {n_leaves:,} leaves)"
            )
            figure = ""
            if cell >= 46 and abs(deviation) >= 0.05:
                sign = "+" if deviation > 0 else MINUS
                figure = element("text", f"{sign}{abs(deviation) * 100:.0f} %",
                                 x=x + cell / 2, y=y + 16, class_=f"in {shade}t")  # fmt: skip
            drawn.append(element("g", told + element("rect", class_=shade, **box) + figure))
    drawn.extend(_outlines(view, rows, columns, (left, top, cell)))
    return element(
        "svg",
        tooltip(f"Heat map of {view.name(view.rows)} and {view.name(view.columns)}")
        + "".join(drawn),
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=width,
        height=height,
        role="img",
    )


def _column_name(x: float, y: float, name: str, slanted: bool) -> str:
    if not slanted:
        return element("text", escaped(name), x=x, y=y, class_="tick", text_anchor="middle")
    turned = f"rotate(-42 {x:.1f} {y:.1f})"
    return label(x, y, name, 130, class_="tick", transform=turned)


def _outlines(
    view: View, rows: list[int], columns: list[int], frame: tuple[float, float, float]
) -> list[str]:
    """Return a rectangle for each place of roots, their ranks last so that none is hidden.

    Dashed where a root fills its cells in part.
    """
    left, top, cell = frame
    ranks: dict[tuple[int | None, int | None, bool], list[Ranked]] = {}
    for rank, root in view.roots:
        seen = view.place_of(root)
        if seen is not None:
            ranks.setdefault(seen, []).append((rank, root))
    boxes, badges = [], []
    for (row, column, fills), here in ranks.items():
        if (row is not None and row not in rows) or (column is not None and column not in columns):
            continue
        i, height = (0, len(rows)) if row is None else (rows.index(row), 1)
        j, width = (0, len(columns)) if column is None else (columns.index(column), 1)
        x, y = left + cell * j, top + _CELL_HEIGHT * i
        told = tooltip("; ".join(f"root {rank}: {place(root)}" for rank, root in here))
        boxes.append(
            element("rect", told, x=x, y=y, width=cell * width, height=_CELL_HEIGHT * height,
                    rx=4, class_="root" if fills else "root part")
        )  # fmt: skip
        text = ",".join(str(rank) for rank, _ in here[:3]) + ("…" if len(here) > 3 else "")
        wide = max(16.0, text_width(text, 10.5) + 9)
        # On the row's left edge, or on the column's top edge: no two roots share these.
        bx, by = (x - 4, y + _CELL_HEIGHT / 2) if row is not None else (x + cell * width / 2, y)
        badges.append(
            element(
                "g",
                told
                + element("rect", x=bx - wide / 2, y=by - 8, width=wide, height=16, rx=8,
                          class_="badge")
                + element("text", text, x=bx, y=by + 4, class_="rank"),
            )
        )  # fmt: skip
    return boxes + badges
