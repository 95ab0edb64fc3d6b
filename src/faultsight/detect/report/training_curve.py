"""Training: the mean loss of each epoch."""

from __future__ import annotations

import numpy as np

from faultsight.core.svg import drawing, element, escaped, figure
from faultsight.detect.evaluation import Evaluation
from faultsight.detect.report.axes import Axes, extent, ticks
from faultsight.detect.report.wording import number, plural

__all__ = ["section"]

_WIDTH, _HEIGHT = 490, 190


def section(found: Evaluation) -> str:
    """Return a curve for each training; versions that were tuned share that of their origin."""
    trainings: dict[tuple[float, ...], list[str]] = {}
    for verdict in found.versions:
        if verdict.model is not None and verdict.model.losses:
            trainings.setdefault(tuple(verdict.model.losses), []).append(verdict.name)
    figures = "".join(
        figure(_curve(np.array(losses)), _caption(losses, names))
        for losses, names in trainings.items()
    )
    told = f"<div class=pair>{figures}</div>" if figures else "<p>No epoch was trained.</p>"
    return f"<section id=training><h2>Training</h2>{told}</section>\n"


def _caption(losses: tuple[float, ...], names: list[str]) -> str:
    return (
        f"{escaped(', '.join(names))}: mean loss of each epoch, from {number(losses[0])} to "
        f"{number(losses[-1])} after {plural(len(losses), 'epoch')}. Tuning changes a copy and "
        "has no part in it."
    )


def _curve(losses: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    last = max(len(losses), 2)
    axes = Axes(64, 10, _WIDTH - 64 - 14, _HEIGHT - 52, (1.0, float(last)), extent(losses))
    drawn = [axes.grid(), axes.curve(losses, "after", first=1.0)]
    whole = [epoch for epoch in ticks(1, last, 6) if epoch == round(epoch)]
    drawn.extend(
        element("text", str(round(epoch)), x=axes.x(epoch), y=axes.bottom + 17, class_="tick",
                text_anchor="middle")
        for epoch in whole
    )  # fmt: skip
    drawn.append(element("text", "epoch", x=axes.right, y=_HEIGHT - 6, class_="tick",
                         text_anchor="end"))  # fmt: skip
    return drawing("Training loss of each epoch", "".join(drawn), _WIDTH, _HEIGHT)
