"""Wrong rows of each model: false alarms and missed anomalies (paper, Figure 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from faultsight.core.svg import drawing, element, figure, label, tooltip
from faultsight.detect.evaluation import Evaluation
from faultsight.detect.report.wording import number, percent

__all__ = ["section"]

_LEFT, _WIDTH, _BAR, _RIGHT = 132, 490, 15, 70


def section(found: Evaluation) -> str:
    """Return the bars as HTML."""
    counts = [(name, found.counts(name)) for name in found.verdicts]
    wrong = _bars(
        "Missed rows and false-alarm rows of each model",
        [(name, (c.fn, c.fp)) for name, c in counts],
        ("missed", "false"),
        largest=max([1, *(max(c.fn, c.fp) for _, c in counts)]),
        is_share=False,
    )
    right = _bars(
        "Recall and precision of each model",
        [(name, (c.recall, c.precision)) for name, c in counts],
        ("recall", "precision"),
        largest=1.0,
        is_share=True,
    )
    return (
        "<section id=errors><h2>What goes wrong</h2><div class=pair>"
        "<div><p class=legend><span><i class=sw-missed></i>anomalous rows that did not alarm</span>"
        "<span><i class=sw-false></i>rows that alarmed for nothing</span></p>"
        + figure(wrong)
        + "</div><div><p class=legend><span><i class=sw-recall></i>recall</span>"
        "<span><i class=sw-precision></i>precision</span></p>"
        + figure(right)
        + "</div></div><p class=quiet>All judged rows, each counted for itself, at the deployed "
        "levels. Recall is the share of anomalous rows that alarm, precision the share of alarming "
        "rows that are anomalous.</p></section>\n"
    )


def _bars(
    title: str,
    groups: Sequence[tuple[str, tuple[float, float]]],
    kinds: tuple[str, str],
    *,
    largest: float,
    is_share: bool,
) -> str:
    drawn = []
    step = 2 * _BAR + 16
    for position, (name, values) in enumerate(groups):
        top = 6 + step * position
        drawn.append(label(_LEFT - 10, top + _BAR + 4, name, _LEFT - 14, class_="name",
                           text_anchor="end"))  # fmt: skip
        for place, (value, kind) in enumerate(zip(values, kinds, strict=True)):
            y = top + place * _BAR
            text = percent(value) if is_share else number(value)
            known = value if math.isfinite(value) else 0.0
            wide = (_WIDTH - _LEFT - _RIGHT) * known / largest
            drawn.append(
                element(
                    "g",
                    tooltip(f"{name}, {kind}: {text}")
                    + element("rect", x=_LEFT, y=y, width=max(wide, 1.0), height=_BAR - 2, rx=2,
                              class_=kind)
                    + element("text", text, x=_LEFT + wide + 6, y=y + _BAR - 4, class_="figure"),
                )
            )  # fmt: skip
    height = step * len(groups) + 4
    drawn.append(element("line", x1=_LEFT, x2=_LEFT, y1=2, y2=height - 6, class_="axis"))
    return drawing(title, "".join(drawn), _WIDTH, height)
