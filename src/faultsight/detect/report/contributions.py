"""Which KPIs raise an alarm: their shares of the score, before and after tuning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.svg import drawing, element, escaped, label, tooltip
from faultsight.detect.evaluation import Evaluation, Verdict
from faultsight.detect.metrics import segments
from faultsight.detect.report.wording import moment, number, percent

__all__ = ["StrongAlarm", "contribution_bars", "strongest_alarms"]

_ALARMS, _KPIS = 2, 6
_WIDTH, _LEFT, _RIGHT, _ROW = 490, 216, 56, 36


@dataclass(frozen=True, eq=False)
class StrongAlarm:
    """An alarm at its highest row.

    Attributes
    ----------
    number : int
        1 is the strongest.
    verdict : Verdict
        The version that raised it.
    row : int
        The row of the entity's frame at which its score is highest.
    peak : float
        Score over level there.
    is_right : bool
        Whether any of its rows lies in a labelled anomaly.
    kpis : tuple of str
        The KPIs that contribute most, largest first.
    """

    number: int
    verdict: Verdict
    row: int
    peak: float
    is_right: bool
    kpis: tuple[str, ...]


def strongest_alarms(found: Evaluation, entity: str, most: int = _ALARMS) -> list[StrongAlarm]:
    """Return the strongest alarms of the last version; of the first if the last has none."""
    rows, truth = found.judged(entity), found.truth(entity)
    for verdict in (found.versions[-1], found.versions[0]):
        score, level = verdict.scores[entity], verdict.levels[entity]
        peaks = []
        for start, stop in segments(verdict.is_alarm(entity)[rows]).tolist():
            here = slice(rows.start + start, rows.start + stop)
            row = here.start + int(np.argmax(score.total[here]))
            height = float(score.total[row]) / (level if level > 0 else 1.0)
            peaks.append((-height, row, bool(truth[here].any())))
        if peaks:
            return [
                StrongAlarm(place, verdict, row, -height, is_right, _largest(verdict, entity, row))
                for place, (height, row, is_right) in enumerate(sorted(peaks)[:most], start=1)
            ]
    return []


def contribution_bars(found: Evaluation, entity: str, alarm: StrongAlarm) -> str:
    """Return a figure: the KPIs of an alarm, a pair of bars each where there are two versions."""
    verdicts = found.versions[:1] + found.versions[1:][-1:]
    kinds = ("before", "after") if len(verdicts) > 1 else ("after",)
    shares = [_shares(verdict, entity, alarm.row) for verdict in verdicts]
    largest = max([share.get(kpi, 0.0) for share in shares for kpi in alarm.kpis] + [1e-9])
    drawn = []
    thick = (_ROW - 10) / len(kinds)
    for position, kpi in enumerate(alarm.kpis):
        top = 4 + _ROW * position
        drawn.append(label(_LEFT - 10, top + _ROW / 2 - 1, kpi, _LEFT - 36, class_="name",
                           text_anchor="end"))  # fmt: skip
        for place, (share, kind) in enumerate(zip(shares, kinds, strict=True)):
            wide = (_WIDTH - _LEFT - _RIGHT) * share.get(kpi, 0.0) / largest
            y = top + place * thick
            end = _LEFT + wide
            text = percent(share.get(kpi, 0.0))
            drawn.append(
                element(
                    "g",
                    tooltip(f"{kpi}, {verdicts[place].name}: {text}")
                    + element("rect", x=_LEFT, y=y, width=max(wide, 1.0), height=thick - 1, rx=1,
                              class_=f"bar-{kind}")
                    + element("text", text, x=end + 5, y=y + thick / 2 + 3.5,
                              class_="small"),
                )
            )  # fmt: skip
    height = 4 + _ROW * len(alarm.kpis)
    drawn.append(element("line", x1=_LEFT, x2=_LEFT, y1=2, y2=height - 6, class_="axis"))
    frame = found.frames[entity]
    when = moment(frame.start_s + alarm.row * frame.interval_s)
    colours = (
        f"; above {escaped(verdicts[0].name)}, below {escaped(verdicts[1].name)}"
        if len(verdicts) > 1
        else ""
    )
    verdict = "in a labelled anomaly" if alarm.is_right else "for nothing"
    caption = (
        f"<span class=rank>{alarm.number}</span> {when}, {verdict}: {number(alarm.peak)} times the "
        f"level of {escaped(alarm.verdict.name)}. Shares of the score{colours}."
    )
    picture = drawing(f"Contributions to alarm {alarm.number}", "".join(drawn), _WIDTH, height)
    return f"<figure><figcaption>{caption}</figcaption>{picture}</figure>"


def _shares(verdict: Verdict, entity: str, row: int) -> dict[str, float]:
    score = verdict.scores[entity]
    residuals = _residuals(verdict, entity, row)
    total = float(residuals.sum())
    return dict(zip(score.kpis, (residuals / (total or 1.0)).tolist(), strict=True))


def _largest(verdict: Verdict, entity: str, row: int) -> tuple[str, ...]:
    kpis = verdict.scores[entity].kpis
    order = np.argsort(-_residuals(verdict, entity, row), kind="stable")
    return tuple(kpis[place] for place in order[:_KPIS])


def _residuals(verdict: Verdict, entity: str, row: int) -> NDArray[np.float64]:
    score = verdict.scores[entity]
    if score.residuals is None:
        return np.zeros(len(score.kpis))
    known: NDArray[np.float64] = np.nan_to_num(score.residuals[row].astype(np.float64), posinf=0.0)
    return known
