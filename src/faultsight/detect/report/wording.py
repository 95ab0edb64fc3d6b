"""Names and figures as the page shows them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

__all__ = ["MINUS", "moment", "number", "percent", "plural"]

MINUS = "\N{MINUS SIGN}"


def number(value: float | None) -> str:
    r"""Return a figure that is read at a glance; a dash where there is none.

    Examples
    --------
    >>> [number(v) for v in (0.0, 0.12345, 12345.0, 2.5e9)], number(None) == "\N{EN DASH}"
    (['0', '0.123', '12,345', '2.50e9'], True)
    """
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    size = abs(value)
    if size == 0:
        return "0"
    if 1e-4 <= size < 999.5:
        text = f"{size:.3g}"
    elif 999.5 <= size < 1e7:
        text = f"{size:,.0f}"
    else:
        mantissa, _, power = f"{size:.2e}".partition("e")
        text = f"{mantissa}e{int(power)}"
    return (f"{MINUS}{text}" if value < 0 else text).replace("e-", f"e{MINUS}")


def percent(share: float) -> str:
    """Return a share as a percentage; a dash for NaN.

    Examples
    --------
    >>> [percent(v) for v in (0.0, 0.0004, 0.0511, 1.0)]
    ['0 %', '<0.1 %', '5.1 %', '100 %']
    """
    if not math.isfinite(share):
        return "\N{EN DASH}"
    size = abs(share) * 100
    if size == 0:
        return "0 %"
    if size < 0.1:
        return "<0.1 %"
    text = f"{size:,.0f}" if size >= 99.95 else f"{size:.1f}".removesuffix(".0")
    return f"{MINUS if share < 0 else ''}{text} %"


def plural(count: int, noun: str) -> str:
    """Return a count of things.

    Examples
    --------
    >>> plural(1, "row"), plural(2400, "row")
    ('1 row', '2,400 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def moment(seconds: int, *, with_year: bool = True) -> str:
    """Return a moment in UTC.

    Examples
    --------
    >>> moment(86_400), moment(86_400, with_year=False)
    ('1970-01-02 00:00', '01-02 00:00')
    """
    form = "%Y-%m-%d %H:%M" if with_year else "%m-%d %H:%M"
    return datetime.fromtimestamp(seconds, UTC).strftime(form)
