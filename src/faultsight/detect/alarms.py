"""Alarms: runs of rows whose score is above the deployed level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from faultsight.core.kpi_frame import TimeWindow
from faultsight.detect.contract import Score

__all__ = ["Alarm", "raise_alarms"]

_KPIS_NAMED = 3


@dataclass(frozen=True)
class Alarm:
    """One entity misbehaves for a while.

    Attributes
    ----------
    entity : str
        Whose KPIs.
    window : TimeWindow
        From the first row above the level to one interval after the last.
    peak : float
        The highest score over the level; above 1.
    shares : tuple of (str, float)
        The KPIs that contribute most at the peak, and their shares of the residuals there;
        empty for detectors without residuals per KPI.
    """

    entity: str
    window: TimeWindow
    peak: float
    shares: tuple[tuple[str, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; times in seconds since 1970 UTC."""
        return {
            "entity": self.entity,
            "start_s": self.window.start_s,
            "end_s": self.window.end_s,
            "peak": self.peak,
            "kpis": [{"kpi": kpi, "share": share} for kpi, share in self.shares],
        }


def raise_alarms(score: Score, level: float) -> list[Alarm]:
    """Return the alarms of one entity, in order of time.

    Examples
    --------
    >>> score = Score("cell-1", 0, 60, ("drops",), np.array([0.0, 5.0, 4.0, 1.0, 3.0]))
    >>> [(a.window.start_s, a.window.end_s, a.peak) for a in raise_alarms(score, 2.0)]
    [(60, 180, 2.5), (240, 300, 1.5)]
    """
    above = np.concatenate([[False], score.total > level, [False]])  # NaN is never above
    edges = np.flatnonzero(above[1:] != above[:-1])
    return [_alarm(score, level, int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _alarm(score: Score, level: float, start: int, stop: int) -> Alarm:
    peak = start + int(np.argmax(score.total[start:stop]))
    shares: tuple[tuple[str, float], ...] = ()
    if score.residuals is not None:
        residuals = np.nan_to_num(score.residuals[peak].astype(np.float64))
        total = float(residuals.sum()) or 1.0
        most = np.argsort(-residuals, kind="stable")[:_KPIS_NAMED]
        shares = tuple((score.kpis[k], float(residuals[k]) / total) for k in most)
    first_s = score.start_s + start * score.interval_s
    window = TimeWindow(first_s, first_s + (stop - start) * score.interval_s)
    at_peak = float(score.total[peak])
    return Alarm(score.entity, window, at_peak / level if level > 0 else at_peak, shares)
