"""An answer in words: names, figures and sentences as a terminal and a report show them."""

from __future__ import annotations

import math

from faultsight.core.cube import KpiCube
from faultsight.core.kpi import Kpi
from faultsight.core.printable import printable
from faultsight.localize.contract import Localization, RootPattern
from faultsight.localize.leaves import Leaves

__all__ = ["MINUS", "headline", "kpi_value", "number", "percent", "place"]

MINUS = "\N{MINUS SIGN}"


def place(pattern: RootPattern) -> str:
    """Return the elements that a pattern fixes, such as ``location = L1, site = Site1``."""
    return ", ".join(f"{printable(a)} = {printable(e)}" for a, e in pattern.combination.items())


def number(value: float) -> str:
    """Return a figure that is read at a glance.

    Examples
    --------
    >>> [number(v) for v in (0, 0.123456, 7.25, 1234.5, 123456, 1_234_567, 2.5e9)]
    ['0', '0.123', '7.25', '1,234', '123 k', '1.23 M', '2.50 G']
    """
    size = abs(value)
    if size < 1e-12:
        return "0"
    if size < 1e-4:
        text = f"{size:.2g}".replace("-", MINUS)
    elif size < 1000:
        text = f"{size:.3g}" if size < 999.5 else "1,000"
    elif size < 99_999.5:
        text = f"{size:,.0f}"
    else:
        step = min(int(math.log10(size * 1.000001) // 3), 6)
        text = f"{size / 1000**step:.3g}" if step == 1 else f"{size / 1000**step:.2f}"
        text += " " + "kMGTPE"[step - 1]
    return f"{MINUS}{text}" if value < 0 else text


def percent(share: float) -> str:
    """Return a share as a percentage.

    Examples
    --------
    >>> [percent(v) for v in (0, 0.0004, 0.051, 0.937, 1.0, 12.5)]
    ['0 %', '<0.1 %', '5.1 %', '93.7 %', '100 %', '1,250 %']
    """
    size = abs(share) * 100
    if size == 0:
        return "0 %"
    if size < 0.1:
        return "<0.1 %"
    text = f"{size:,.0f}" if size >= 100 else f"{size:.1f}".removesuffix(".0")
    return f"{MINUS if share < 0 else ''}{text} %"


def kpi_value(kpi: Kpi, value: float) -> str:
    """Return a value of a KPI: ratios in per cent."""
    return percent(value) if kpi.is_ratio else number(value)


def headline(cube: KpiCube, answer: Localization) -> str:
    """Return the answer in a sentence or two, about the KPI that shows it best.

    Examples
    --------
    >>> import polars as pl
    >>> cube = KpiCube.from_frame(pl.DataFrame({
    ...     "site": ["S1", "S2"], "real": [60.0, 40.0], "predict": [100.0, 40.0]}))
    >>> headline(cube, Localization("scan", ("site",), (), abstained="nothing beats noise"))
    'real is 28.6 % below expectation (100, expected 140). No root pattern: nothing beats noise.'
    """
    kpi = cube.kpi(answer.patterns[0].kpis[0]) if answer.patterns else cube.kpis[0]
    actual, forecast = Leaves(cube, kpi).value(slice(None))
    name, values = printable(kpi.name), (kpi_value(kpi, actual), kpi_value(kpi, forecast))
    if forecast == 0:
        first = f"{name} is {values[0]} where nothing was expected."
    elif values[0] == values[1]:
        first = f"{name} is as expected ({values[0]})."
    else:
        side = "below" if actual < forecast else "above"
        size = percent(abs(actual - forecast) / abs(forecast))
        first = f"{name} is {size} {side} expectation ({values[0]}, expected {values[1]})."
    if not answer.patterns:
        return f"{first} No root pattern: {answer.abstained.rstrip('.')}."
    top = answer.patterns[0]
    more = len(answer.patterns) - 1
    others = f" (and {more} more)" if more else ""
    verb = {"rise": "rose", "drop": "dropped", "none": "moved both ways"}[top.direction]
    share = ""
    if top.impact > 1:
        share = ", by more than the whole deviates"
    elif top.impact > 0:
        share = f", {percent(top.impact)} of the overall deviation"
    elif top.impact < 0:
        share = ", against the deviation of the whole"
    return f"{first} Most likely root{others}: {place(top)}, which {verb}{share}."
