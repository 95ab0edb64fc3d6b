"""How many modems of each fiber node had which verdict in each window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.printable import printable
from faultsight.core.svg import drawing, element, figure, label, text_width, tooltip
from faultsight.diagnose.contract import Diagnosis, Verdict
from faultsight.diagnose.report.wording import day, plural

__all__ = ["section"]

_MOST_NODES, _MOST_WINDOWS = 40, 62
_CELL, _ROW = 26, 20
_LEVELS = (1, 3, 10, 30, 100)
_TOLD = "1 to 2", "3 to 9", "10 to 29", "30 to 99", "100 and more"


def section(diagnosis: Diagnosis) -> str:
    """Return the section; nothing for a diagnosis without windows."""
    if not diagnosis.nodes:
        return ""
    fnodes, starts, counts = _counts(diagnosis)
    order = np.lexsort((np.arange(len(fnodes)), -counts[0].sum(axis=1)))
    kept = order[:_MOST_NODES]
    starts, counts = starts[-_MOST_WINDOWS:], counts[:, :, -_MOST_WINDOWS:]
    parts = []
    for row, verdict in enumerate((Verdict.MAINTENANCE, Verdict.SERVICE)):
        word = verdict.name.lower()
        picture = _map([fnodes[i] for i in kept], starts, counts[row][kept], word)
        legend = "".join(
            f"<span><i class='heat {word} h{level}'></i>{told}</span>"
            for level, told in enumerate(_TOLD, start=1)
        )
        parts.append(
            f"<h3>Modems with a {word} verdict</h3><p class=legend>{legend}</p>{figure(picture)}"
        )
    left_out = len(fnodes) - len(kept)
    more = f" {plural(left_out, 'fiber node')} with fewer are left out." if left_out else ""
    return (
        "<section id=verdicts><h2>Verdicts by fiber node and day</h2>"
        "<p class=quiet>The fiber nodes with most modems under a maintenance verdict come first."
        f"{more}</p>{''.join(parts)}</section>"
    )


def _counts(diagnosis: Diagnosis) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Return fiber nodes, days (their starts), and counts: (verdict, fnode, day); -1 is none."""
    fnodes = sorted({node.fnode for node in diagnosis.nodes})
    place = {fnode: i for i, fnode in enumerate(fnodes)}
    # Windows are moved to each node's silence, by less than a round: the middle tells the day.
    middles = np.array([(n.window.start_s + n.window.end_s) // 2 for n in diagnosis.nodes])
    length_s = max(n.window.end_s - n.window.start_s for n in diagnosis.nodes)
    steps = np.diff([w.end_s for w in diagnosis.windows])
    step_s = int(steps.min()) if len(steps) else length_s
    first = diagnosis.windows[0] if diagnosis.windows else diagnosis.nodes[0].window
    base_s = (first.start_s + first.end_s) // 2
    columns = np.rint((middles - base_s) / step_s).astype(np.int64)
    columns -= columns.min()
    counts = np.full((2, len(fnodes), int(columns.max()) + 1), -1, np.int64)
    for node, column in zip(diagnosis.nodes, columns.tolist(), strict=True):
        for row, verdict in enumerate((Verdict.MAINTENANCE, Verdict.SERVICE)):
            counts[row, place[node.fnode], column] = node.count(verdict)
    starts = first.start_s + np.arange(counts.shape[2]) * step_s
    return fnodes, starts, counts


def _map(fnodes: list[str], starts: NDArray[np.int64], counts: NDArray[np.int64], word: str) -> str:
    left = min(max(text_width(printable(name)) for name in fnodes) + 14, 170)
    top = 20
    drawn = []
    for column, start_s in enumerate(starts.tolist()):
        x = left + _CELL * (column + 0.5)
        if column % 2 == 0 or len(starts) < 4:
            drawn.append(element("text", day(start_s, with_year=False), x=x, y=12, class_="tick",
                                 text_anchor="middle"))  # fmt: skip
    for row, fnode in enumerate(fnodes):
        y = top + _ROW * row
        drawn.append(label(left - 8, y + 14, fnode, left - 10, class_="tick", text_anchor="end"))
        for column, count in enumerate(counts[row].tolist()):
            x = left + _CELL * column
            level = sum(count >= limit for limit in _LEVELS)
            shade = f"heat {word} h{level}" if count >= 0 else "heat none"
            box = element("rect", x=x + 1, y=y + 1, width=_CELL - 2, height=_ROW - 2, rx=2,
                          class_=shade)  # fmt: skip
            figure_ = ""
            if count > 0:
                told = f"{fnode}, {day(starts[column])}: {plural(count, 'modem')}"
                figure_ = element("text", str(count), x=x + _CELL / 2, y=y + 14,
                                  class_=f"in h{level}t", text_anchor="middle")  # fmt: skip
                drawn.append(element("g", tooltip(told) + box + figure_))
            else:
                drawn.append(box)
    return drawing(
        f"Modems with a {word} verdict by fiber node and day", "".join(drawn),
        left + _CELL * len(starts) + 8, top + _ROW * len(fnodes) + 6, keeps_size=True,
    )  # fmt: skip
