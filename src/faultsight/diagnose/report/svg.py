"""Tables, and many marks in one path."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from faultsight.core.svg import element

__all__ = ["boxes", "dots", "table"]


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numeric: Sequence[int] = (),
    is_small: bool = False,
) -> str:
    """Return an HTML table; cells are markup.

    On a narrow screen its rows become cards, unless it is small enough to stay a table.
    """
    head = "".join(
        f"<th scope=col{' class=n' if i in numeric else ''}>{html.escape(name)}</th>"
        for i, name in enumerate(columns)
    )
    labels = ["" if is_small else f" data-label='{html.escape(name)}'" for name in columns]
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=n' if i in numeric else ''}{labels[i]}>"
            + (cell if is_small else f"<div>{cell}</div>")
            + "</td>"
            for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    kind = "" if is_small else " class=cards"
    listing = f"<table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class=scroll tabindex=0>{listing}</div>" if is_small else listing


def dots(places: Iterable[tuple[float, float]], kind: str) -> str:
    """Return round dots as one path, which is an eighth the size of circles."""
    drawn = "".join(f"M{_short(x)} {_short(y)}h0" for x, y in places)
    return element("path", d=drawn, class_=kind) if drawn else ""


def boxes(places: Iterable[tuple[float, float, float, float]], kind: str) -> str:
    """Return rectangles (x, y, width, height) as one path."""
    drawn = "".join(
        f"M{_short(x)} {_short(y)}h{_short(w)}v{_short(h)}h{_short(-w)}z" for x, y, w, h in places
    )
    return element("path", d=drawn, class_=kind) if drawn else ""


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
