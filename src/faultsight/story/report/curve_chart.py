"""Curves of one entity around its alarm: score over level by two models, then the KPIs named."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.svg import drawing, element, escaped, tooltip
from faultsight.diagnose.report.axes import TimeAxes, extent, ticks
from faultsight.diagnose.report.wording import moment, number
from faultsight.story.incidents import Curve
from faultsight.story.provider import TrueFault

__all__ = ["curve_chart"]

_WIDTH, _LEFT, _RIGHT = 1000, 64, 14
_TOP, _SCORE, _KPI, _GAP, _FOOT = 22, 120, 66, 34, 30
_LEAST, _MOST = 2.0**-4, 2.0**6


def curve_chart(curve: Curve, faults: list[TrueFault]) -> str:
    """Return the picture; nothing where there is no row."""
    frame = curve.frame
    if not len(frame):
        return ""
    times = frame.times_s.astype(np.float64)
    span = float(times[0]), float(times[-1] + frame.interval_s)
    parts, top = [], float(_TOP)
    axes = _axes(top, _SCORE, span, _ratio_range(curve))
    parts += [
        _head(axes, "score over level"), _bands(curve, faults, axes), _powers(axes),
        axes.lines(times[None], _log(curve.before)[None], "model-before", longest_s=_gap(curve)),
        axes.lines(times[None], _log(curve.after)[None], "model-after", longest_s=_gap(curve)),
    ]  # fmt: skip
    for place, kpi in enumerate(frame.kpis):
        top += (_SCORE if place == 0 else _KPI) + _GAP
        values = frame.values[:, place].astype(np.float64)
        low, high = extent(values, least=max(float(np.nanmax(np.abs(values), initial=0)), 1) * 1e-6)
        axes = _axes(top, _KPI, span, (low, high))
        parts += [
            _head(axes, kpi), _bands(curve, faults, axes), _levels(axes),
            axes.lines(times[None], values[None], "kpi", longest_s=_gap(curve)),
        ]  # fmt: skip
    parts.append(axes.days())
    title = f"{curve.alarm.entity}: score over level, and the KPIs that the alarm names"
    return drawing(title, "".join(parts), _WIDTH, axes.bottom + _FOOT)


def _axes(
    top: float, height: float, span: tuple[float, float], values: tuple[float, float]
) -> TimeAxes:
    return TimeAxes(_LEFT, top, _WIDTH - _LEFT - _RIGHT, height, span, values)


def _gap(curve: Curve) -> float:
    return 1.6 * curve.frame.interval_s


def _log(ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log2(np.clip(ratios, _LEAST, _MOST)), np.float64)


def _ratio_range(curve: Curve) -> tuple[float, float]:
    both = np.concatenate([_log(curve.before), _log(curve.after)])
    known = both[np.isfinite(both)]
    high = max(float(known.max(initial=0.0)), 1.0)
    return max(float(known.min(initial=0.0)), -3.0), high + 0.3


def _head(axes: TimeAxes, name: str) -> str:
    return element("text", escaped(name), x=axes.left, y=axes.top - 7, class_="strong-name")


def _bands(curve: Curve, faults: list[TrueFault], axes: TimeAxes) -> str:
    """Return the alarm as a band, and what was really wrong as a bar below it."""
    alarm, (_, last_s) = curve.alarm, axes.time_range_s
    end_s = float(alarm.end_s) if alarm.end_s is not None else last_s
    told = f"alarm: {moment(alarm.start_s)} to {moment(end_s)} UTC"
    drawn = [axes.span(alarm.start_s, end_s, "span", told)]
    for fault in faults:
        x1, x2 = axes.x(fault.window.start_s), axes.x(fault.window.end_s)
        said = f"really: {fault.kind}, {moment(fault.window.start_s)} to " + moment(
            fault.window.end_s
        )
        drawn.append(
            element("rect", tooltip(said), x=x1, y=axes.bottom + 1, width=max(x2 - x1, 2),
                    height=4, class_="truth")
        )  # fmt: skip
    return "".join(drawn)


def _powers(axes: TimeAxes) -> str:
    low, high = axes.value_range
    drawn = []
    for power in range(int(np.ceil(low)), int(np.floor(high)) + 1):
        y = axes.y(power)
        name = f"{2**power}" if power >= 0 else f"1/{2**-power}"
        kind = "grid" if power else "level"
        drawn.append(element("line", x1=axes.left, x2=axes.right, y1=y, y2=y, class_=kind))
        if power % 2 == 0 or high - low < 5:
            drawn.append(
                element("text", name, x=axes.left - 6, y=y + 4, class_="tick", text_anchor="end")
            )
    return "".join(drawn)


def _levels(axes: TimeAxes) -> str:
    drawn = []
    for mark in ticks(*axes.value_range, 2):
        y = axes.y(mark)
        drawn.append(
            element("line", x1=axes.left, x2=axes.right, y1=y, y2=y, class_="grid")
            + element("text", number(mark), x=axes.left - 6, y=y + 4, class_="tick",
                      text_anchor="end")
        )  # fmt: skip
    return "".join(drawn)
