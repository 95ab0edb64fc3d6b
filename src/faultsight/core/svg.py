"""Pieces of SVG and HTML; every text from data passes through `escaped`, `label` or `tooltip`."""

from __future__ import annotations

import html
import unicodedata

from faultsight.core.printable import printable

__all__ = [
    "drawing", "element", "escaped", "figure", "label", "shorten", "text_width", "tooltip",
]  # fmt: skip


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
        "svg",
        tooltip(title) + content,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        role="img",
        **kind,
    )


def figure(picture: str, caption: str = "", *, kind: str = "") -> str:
    """Return a picture with a caption, both markup; nothing for an empty picture."""
    if not picture:
        return ""
    told = f"<figcaption>{caption}</figcaption>" if caption else ""
    is_a = f' class="{html.escape(kind)}"' if kind else ""
    return f"<figure{is_a}><div class=scroll tabindex=0>{picture}</div>{told}</figure>"


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


def _value(value: str | float) -> str:
    return html.escape(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
