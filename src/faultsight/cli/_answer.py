"""An answer on the terminal; names from data are plain text, never markup or control codes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from faultsight.core.cube import KpiCube
from faultsight.core.printable import printable
from faultsight.localize.contract import Localization, RootPattern
from faultsight.localize.wording import headline, kpi_value, number, percent, place

__all__ = ["print_answer", "summary_line"]

_MAX_PATTERNS = 20

_ARROWS = {"rise": "▲ rise", "drop": "▼ drop", "none": "◆ both ways"}


def print_answer(console: Console, cube: KpiCube, answer: Localization) -> None:
    """Print the headline, the root patterns, the nearest dropped, and what was set aside."""
    console.print(Text(headline(cube, answer), style="bold"))
    for remark in answer.remarks:
        console.print(Text(f"  note: {printable(remark)}", style="yellow"))
    if answer.patterns:
        console.print(Text("\nroot patterns, most likely first", style="bold"))
    for rank, pattern in enumerate(answer.patterns[:_MAX_PATTERNS], start=1):
        _print_pattern(console, cube, rank, pattern)
    if len(answer.patterns) > _MAX_PATTERNS:
        console.print(f"    and {len(answer.patterns) - _MAX_PATTERNS:,} more; --json lists all")
    if answer.dropped:
        console.print(Text("\nthe nearest that were dropped", style="bold"))
    for lost in answer.dropped:
        names = printable(lost.combination.display(answer.attributes))
        console.print(Text(f"    {names}  score {number(lost.score)}: {printable(lost.reason)}"))
    _print_quarantine(console, cube)


def summary_line(answer: Localization, limit: int = 2) -> str:
    """Return an answer in one line.

    Examples
    --------
    >>> summary_line(Localization("scan", ("site",), (), abstained="nothing beats noise"))
    'none: nothing beats noise'
    """
    if not answer.patterns:
        return f"none: {printable(answer.abstained)}"
    shown = "; ".join(place(pattern) for pattern in answer.patterns[:limit])
    more = len(answer.patterns) - limit
    return f"{shown} (and {more} more)" if more > 0 else shown


def _print_pattern(console: Console, cube: KpiCube, rank: int, pattern: RootPattern) -> None:
    kpi = cube.kpi(pattern.kpis[0])
    line = Text(f"{rank:>3} ", style="bold")
    line.append(place(pattern), style="bold cyan")
    line.append(f"  {_ARROWS[pattern.direction]}", style="not bold")
    console.print(line)
    kpis = f"{', '.join(map(printable, pattern.kpis))}: " if len(cube.kpis) > 1 else ""
    figures = [
        f"{kpis}{kpi_value(kpi, pattern.actual)}, expected {kpi_value(kpi, pattern.forecast)}",
        f"impact {percent(pattern.impact)}",
        f"{pattern.leaves:,} leaves ({percent(pattern.leaf_share)})",
        f"layer {pattern.layer}",
    ]
    trust = [f"confidence {percent(pattern.confidence)}", f"score {number(pattern.score)}"]
    if pattern.p_value is not None:
        trust.append("p < 1e-12" if pattern.p_value < 1e-12 else f"p {number(pattern.p_value)}")
    if pattern.stability is not None:
        trust.append(f"stability {percent(pattern.stability)}")
    console.print(Text("    " + " | ".join(figures)))
    console.print(Text("    " + " | ".join(trust)))
    console.print(Text(f"    kept: {printable(pattern.reason)}", style="dim"))


def _print_quarantine(console: Console, cube: KpiCube) -> None:
    notes: Sequence[str] = [
        f"    {printable(q.column)}: {q.reason} ({q.rows:,} rows, first {q.first_row:,})"
        for q in cube.quarantined
    ]
    if notes:
        console.print(Text("\nnot all of the input was used", style="bold yellow"))
    for note in notes:
        console.print(Text(note))
