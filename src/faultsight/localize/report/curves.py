"""Curves over time: actual against forecast, the moment that was localized marked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi import Kpi
from faultsight.core.svg import element, tooltip
from faultsight.localize.history import Curve
from faultsight.localize.report.svg import axis_labels, ticks
from faultsight.localize.wording import percent

__all__ = ["curve_chart"]

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 490, 170, 56, 10, 26


def curve_chart(curve: Curve, kpi: Kpi, at: int, name: str) -> str:
    """Return one chart as SVG."""
    known = np.concatenate([curve.actual, curve.forecast])
    known = known[np.isfinite(known)]
    if not known.size:
        return ""
    high = float(known.max()) * 1.06 or 1.0
    low = min(float(known.min()), 0.0)
    if low == 0 and float(known.min()) > 0.5 * high:
        low = float(known.min()) - 0.5 * (high - float(known.min()))
    first, last = int(curve.times[0]), int(curve.times[-1])
    span = max(last - first, 1)

    def x(time: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 14) * (time - first) / span

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)

    drawn = []
    marks = ticks(low, high, 3)
    names = [percent(m) for m in marks] if kpi.is_ratio else axis_labels(marks)
    for tick, mark in zip(marks, names, strict=True):
        drawn.append(element("line", x1=_LEFT, x2=_WIDTH - 14, y1=y(tick), y2=y(tick),
                             class_="grid"))  # fmt: skip
        drawn.append(element("text", mark, x=_LEFT - 6, y=y(tick) + 4,
                             class_="tick", text_anchor="end"))  # fmt: skip
    drawn.append(element("line", x1=x(at), x2=x(at), y1=_TOP, y2=_HEIGHT - _BOTTOM, class_="now"))
    moments = (first, (first + last) // 2, last) if len(curve.times) > 2 else (first, last)
    for moment in dict.fromkeys(moments):
        anchor = "end" if moment == last else "start" if moment == first else "middle"
        drawn.append(element("text", _clock(moment, span), x=x(moment), y=_HEIGHT - 8,
                             class_="tick", text_anchor=anchor))  # fmt: skip
    for values, kind in ((curve.forecast, "expected"), (curve.actual, "actual")):
        path = _path(curve.times, values, x, y)
        if path:
            drawn.append(element("path", d=path, class_=kind))
    if np.isfinite(curve.actual[-1]):
        drawn.append(element("circle", cx=x(last), cy=y(curve.actual[-1]), r=3.5, class_="dot"))
    return element(
        "svg",
        tooltip(f"{kpi.name} of {name}: actual and expected over time") + "".join(drawn),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        width=_WIDTH,
        height=_HEIGHT,
        role="img",
    )


def _path(
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    x: Callable[[float], float],
    y: Callable[[float], float],
) -> str:
    """Return the drawing commands of a line with gaps where a value is unknown."""
    commands, pen_down = [], False
    for time, value in zip(times.tolist(), values.tolist(), strict=True):
        if np.isfinite(value):
            commands.append(f"{'L' if pen_down else 'M'}{x(time):.1f} {y(value):.1f}")
        pen_down = bool(np.isfinite(value))
    return "".join(commands)


def _clock(seconds: int, span: int) -> str:
    form = "%H:%M" if span < 36 * 3600 else "%m-%d %H:%M"
    return datetime.fromtimestamp(seconds, UTC).strftime(form)
