"""One entity's score over time, before tuning above and after it below (paper, Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faultsight.core.svg import drawing, element, label
from faultsight.detect.evaluation import Evaluation, Verdict
from faultsight.detect.report.axes import Axes
from faultsight.detect.report.contributions import StrongAlarm

__all__ = ["score_curves"]

_WIDTH, _LEFT, _PANEL = 1020, 64, 132
_LOWEST, _HIGHEST = 0.02, 3.0
"""Of the deployed level: less is of no interest, and less than that is not all that is shown."""


def score_curves(found: Evaluation, entity: str, alarms: Sequence[StrongAlarm]) -> str:
    """Return the panels of the first and the last version as SVG, the strong alarms numbered."""
    verdicts = found.versions[:1] + found.versions[1:][-1:]
    rows = found.judged(entity)
    scores = [_relative(verdict, entity)[rows] for verdict in verdicts]
    known = np.concatenate(scores)
    known = known[np.isfinite(known) & (known > 0)]
    high = max(float(known.max()) * 1.4, _HIGHEST) if known.size else _HIGHEST
    low = min(max(float(known.min()), _LOWEST), 0.5) if known.size else 0.5
    truth = found.truth(entity)[rows]
    frame = found.frames[entity][rows]
    drawn = []
    for place, (verdict, score) in enumerate(zip(verdicts, scores, strict=True)):
        axes = Axes(_LEFT, 30 + place * (_PANEL + 46), _WIDTH - _LEFT - 14, _PANEL,
                    (0.0, float(max(len(score), 1))), (low, high), is_log=True)  # fmt: skip
        alarm = verdict.is_alarm(entity)[rows]
        drawn += [
            label(_LEFT, axes.top - 14, verdict.name, _WIDTH / 2, class_="name strong"),
            axes.spans(truth, "truth", "labelled anomaly"),
            axes.grid(),
            axes.rule(1.0, "level"),
            axes.curve(np.maximum(score, low), "score", first=0.5),
            axes.marks(alarm & truth, "hit", "alarm in a labelled anomaly"),
            axes.marks(alarm & ~truth, "wrong", "alarm for nothing"),
        ]
        for number, strong in enumerate(alarms, start=1):
            if strong.verdict is verdict:
                x = axes.x(strong.row - rows.start + 0.5)
                y = axes.y(float(score[strong.row - rows.start])) - 12
                drawn.append(_badge(x, max(y, axes.top + 8), number))
    drawn.append(axes.time_axis(frame.start_s, frame.interval_s))
    return drawing(f"Score of {entity} over time", "".join(drawn), _WIDTH, axes.bottom + 26)


def _relative(verdict: Verdict, entity: str) -> NDArray[np.float64]:
    level = verdict.levels[entity]
    return verdict.scores[entity].total / (level if level > 0 else 1.0)


def _badge(x: float, y: float, number: int) -> str:
    return element("circle", cx=x, cy=y, r=8, class_="badge") + element(
        "text", str(number), x=x, y=y + 4, class_="rank"
    )
