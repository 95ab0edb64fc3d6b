"""Pieces of SVG and HTML; every text from data passes through `escaped`, `label` or `tooltip`."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Sequence

from faultsight.diagnose.report.wording import printable

__all__ = [
    "boxes",
    "dots",
    "drawing",
    "element",
    "escaped",
    "figure",
    "label",
    "shorten",
    "table",
    "text_width",
    "tooltip",
]


def escaped(name: str) -> str:
    """Return a text from data, visible and harmless in HTML and SVG.

    Examples
    --------
    >>> escaped("<b>&")
    '&lt;b&gt;&amp;'
    """
    return html.escape(printable(name))


def element(tag: str, content: str = "", **attributes: str | float) -> str:
    """Return one element; ``content`` is markup, attributes are plain text or numbers.

    Underscores of attribute names are for Python's sake: ``class_`` and ``text_anchor``.

    Examples
    --------
    >>> element("text", "a", x=1.25, text_anchor="end")
    '<text x="1.2" text-anchor="end">a</text>'
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
    )
    return f"<{tag}{written}>{content}</{tag}>"


def label(x: float, y: float, content: str, width: float, **attributes: str | float) -> str:
    """Return a text from data, cut to a width in pixels, with all of it in the tooltip."""
    shown = shorten(printable(content), width)
    full = "" if shown == printable(content) else tooltip(content)
    return element("text", html.escape(shown) + full, x=x, y=y, **attributes)


def tooltip(content: str) -> str:
    """Return what is shown under the pointer and read aloud."""
    return f"<title>{escaped(content)}</title>"


def drawing(
    title: str, content: str, width: float, height: float, *, keeps_size: bool = False
) -> str:
    """Return an SVG picture; it shrinks with the page unless it keeps its size, never grows."""
    kind = {"class_": "fixed"} if keeps_size else {}
    return element(
        "svg", tooltip(title) + content, viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}", height=f"{height:.0f}", role="img", **kind,
    )  # fmt: skip


def figure(picture: str, caption: str = "", *, kind: str = "") -> str:
    """Return a picture with a caption, both markup; nothing for an empty picture."""
    if not picture:
        return ""
    told = f"<figcaption>{caption}</figcaption>" if caption else ""
    is_a = f' class="{html.escape(kind)}"' if kind else ""
    return f"<figure{is_a}><div class=scroll tabindex=0>{picture}</div>{told}</figure>"


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


def text_width(text: str, size: float = 12.0) -> float:
    """Return about how many pixels wide a text is; ideographs are twice as wide."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return size * (wide + 0.56 * (len(text) - wide))


def shorten(text: str, width: float, size: float = 12.0) -> str:
    """Return the text, its middle left out where it is wider than `width` pixels.

    Names begin alike and often differ at their ends only.

    Examples
    --------
    >>> shorten("amplifier-north-street-17", 100), shorten("A12", 100)
    ('amplifi…eet-17', 'A12')
    """
    if text_width(text, size) <= width:
        return text
    # A name may be as long as a book; twice what fits is enough to start from.
    kept = min(len(text) - 1, 2 + int(2 * width / text_width("x", size)))
    while kept > 1:
        cut = text[: (kept + 1) // 2].rstrip() + "…" + text[len(text) - kept // 2 :].lstrip()
        if text_width(cut, size) <= width:
            return cut
        kept -= 1
    return text[:1] + "…"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _value(value: str | float) -> str:
    return html.escape(value) if isinstance(value, str) else _short(value)
