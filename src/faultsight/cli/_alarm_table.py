"""The table of alarms, as wide as the terminal: an alarm a line, names never cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from faultsight.cli._moments import moment_text

if TYPE_CHECKING:
    from rich.table import Table

    from faultsight.detect.alarms import Alarm

__all__ = ["alarm_table"]

_GAP = 2
_LEAST_FOR_KPIS = 16
_NARROW = 100
"""Columns of a terminal on which a year that all alarms share stands in the heading alone."""


def alarm_table(alarms: Sequence[Alarm], width: int) -> Table:
    """Return alarms as a table.

    Parameters
    ----------
    alarms : sequence of Alarm
        In the order to be shown.
    width : int
        Columns of the terminal. Of an alarm's KPIs as many are named as fit into its line, at
        least the first; a name that is too long goes on in the next line.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    from faultsight.core.printable import printable

    years = {moment_text(alarm.window.start_s)[:4] for alarm in alarms}
    cut = 5 if width < _NARROW and len(years) == 1 else 0
    zone = f"{min(years)}, UTC" if cut else "UTC"
    rows = [
        (
            printable(alarm.entity),
            moment_text(alarm.window.start_s)[cut:],
            moment_text(alarm.window.end_s, after=alarm.window.start_s),
            f"{alarm.peak:,.1f}",
        )
        for alarm in alarms
    ]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    widths[0] = max(min(widths[0], width // 4), len("entity"))
    widths[1:] = map(max, widths[1:], map(len, (zone, "to", "level")))
    for_kpis = max(width - sum(widths) - _GAP * len(widths), _LEAST_FOR_KPIS)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("entity", overflow="fold", width=widths[0])
    table.add_column(f"from\n{zone}", no_wrap=True)
    table.add_column("to", no_wrap=True)
    table.add_column("times\nlevel", justify="right", no_wrap=True)
    table.add_column("KPIs and their share", overflow="fold")
    for alarm, row in zip(alarms, rows, strict=True):
        table.add_row(*map(Text, row), Text(_kpis(alarm.shares, for_kpis)))
    return table


def _kpis(shares: Sequence[tuple[str, float]], width: int) -> str:
    from rich.cells import cell_len

    from faultsight.core.printable import printable

    parts = [f"{printable(kpi)} {share:.0%}" for kpi, share in shares]
    if not parts:
        return ""
    told = parts[0]
    if cell_len(told) > width:
        return "\n".join(_lines(told, width))
    for part in parts[1:]:
        if cell_len(f"{told}, {part}") > width:
            break
        told = f"{told}, {part}"
    return told


def _lines(name: str, width: int) -> Iterator[str]:
    """Yield a long name in lines that end where one of its words does."""
    from rich.cells import cell_len

    line = ""
    for word in re.findall(r"[^\s_./:-]*[\s_./:-]|[^\s_./:-]+", name):
        if line and cell_len((line + word).rstrip()) > width:
            yield line.rstrip()
            line = ""
        line += word
    yield line.rstrip()
