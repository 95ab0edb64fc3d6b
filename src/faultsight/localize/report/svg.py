"""Pieces of SVG and HTML; every text from data passes through `escaped`."""

from __future__ import annotations

import html
import itertools
import math
import unicodedata

from faultsight.localize.wording import MINUS, printable

__all__ = [
    "axis_labels",
    "colour",
    "element",
    "escaped",
    "label",
    "shorten",
    "text_width",
    "ticks",
    "tooltip",
]

_LEVELS = (0.05, 0.2, 0.45, 0.7)


def escaped(name: str) -> str:
    """Return a text from data, visible and harmless in HTML and SVG."""
    return html.escape(printable(name))


def element(tag: str, content: str = "", **attributes: str | float) -> str:
    """Return one SVG or HTML element; ``content`` is markup, attributes are plain text.

    A trailing underscore and inner underscores of attribute names are for Python's sake:
    ``class_`` and ``text_anchor``.
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


def text_width(text: str, size: float = 12.0) -> float:
    """Return about how many pixels wide a text is; ideographs are twice as wide."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return size * (wide + 0.56 * (len(text) - wide))


def shorten(text: str, width: float, size: float = 12.0) -> str:
    """Return the text, its middle left out where it is wider than `width` pixels.

    Names of places begin alike and often differ at their ends only.

    Examples
    --------
    >>> shorten("a long attribute name", 60), shorten("short", 60)
    ('a lo…ame', 'short')
    """
    if text_width(text, size) <= width:
        return text
    # A name may be as long as a book; twice what fits leaves room for spaces at the cut.
    kept = min(len(text) - 1, 2 + int(2 * width / text_width("x", size)))
    while kept > 1:
        cut = text[: (kept + 1) // 2].rstrip() + "…" + text[len(text) - kept // 2 :].lstrip()
        if text_width(cut, size) <= width:
            return cut
        kept -= 1
    return text[:1] + "…"


def colour(deviation: float) -> str:
    """Return the class of a relative deviation in [-1, 1]: d4 ... d1, z0, r1 ... r4.

    Examples
    --------
    >>> [colour(v) for v in (-0.9, -0.1, 0.0, 0.3, 1.0)]
    ['d4', 'd1', 'z0', 'r2', 'r4']
    """
    level = sum(abs(deviation) >= limit for limit in _LEVELS)
    return f"{'z' if not level else 'd' if deviation < 0 else 'r'}{level}"


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Return round numbers from low to high.

    Examples
    --------
    >>> ticks(0, 97), ticks(3, 3)
    ([0.0, 20.0, 40.0, 60.0, 80.0], [3])
    """
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.8)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def axis_labels(values: list[float]) -> list[str]:
    """Return the marks of an axis in one unit, with as many decimals as tell them apart.

    Examples
    --------
    >>> axis_labels([989_500, 990_000, 990_500]), axis_labels([0, 0.5, 1])
    (['989.5 k', '990.0 k', '990.5 k'], ['0.0', '0.5', '1.0'])
    """
    largest = max((abs(value) for value in values), default=0.0)
    power = min(int(math.log10(largest) // 3), 6) if largest >= 100_000 else 0
    scaled = [value / 1000.0**power for value in values]
    step = min((abs(b - a) for a, b in itertools.pairwise(scaled)), default=1.0) or 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    unit = " " + "kMGTPE"[power - 1] if power else ""
    return [f"{value:,.{decimals}f}{unit}".replace("-", MINUS) for value in scaled]


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return html.escape(value)
    return f"{value:.1f}".removesuffix(".0")
