"""A new baseline where an operator says that what looks wrong is the new normal.

Upgrades and reconfigurations move KPIs for good: their rows alarm day after day until the model is
trained again. A false alarm says that such a change is normal. From the first marked row on, the
entity's KPIs are scaled so that they follow the pattern they had in history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.anotuner.conditions.profile import Profile
from faultsight.detect.scaling import Scaling
from faultsight.detect.tuning.marked_rows import MarkedRows

__all__ = ["affine_change", "rebaseline"]

_LEAST_ROWS = 12
_PRIOR_ROWS = 3.0
"""No change counts as so many rows of evidence."""
_FACTORS = 0.25, 4.0


def affine_change(
    usual: NDArray[np.float64], now: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return offset and factor of each KPI, 0 and 1 where nothing but noise changed.

    Parameters
    ----------
    usual, now : array of shape (time, kpi)
        What history says of each row, and what was seen; NaN is missing.

    Returns
    -------
    offset, factor : arrays of shape (kpi,)
        ``now`` is about ``offset + factor * usual``. A change is believed if it lowers the
        Bayesian information criterion.

    Examples
    --------
    >>> usual = np.tile([[0.1, 0.5], [0.9, 0.5]], (50, 1))
    >>> offset, factor = affine_change(usual, 0.2 + usual * [1.5, 1.0])
    >>> offset.round(2).tolist(), factor.round(2).tolist()
    ([0.19, 0.19], [1.49, 1.0])
    """
    n_kpis = usual.shape[1]
    offsets, factors = np.zeros(n_kpis), np.ones(n_kpis)
    for kpi in range(n_kpis):
        known = np.isfinite(now[:, kpi]) & np.isfinite(usual[:, kpi])
        n = int(known.sum())
        if n < _LEAST_ROWS:
            continue
        x, y = usual[known, kpi], now[known, kpi] - usual[known, kpi]
        design = np.stack([np.ones(n), x - x.mean()], axis=1)
        moments = design.T @ design + _PRIOR_ROWS * np.diag([1.0, max(float(x.var()), 1e-3)])
        level, slope = np.linalg.solve(moments, design.T @ y)
        left = y - design @ np.array([level, slope])
        before, after = float((y**2).mean()) + 1e-9, float((left**2).mean()) + 1e-9
        if n * np.log(before / after) <= 2.0 * np.log(n):
            continue
        factors[kpi] = np.clip(1.0 + slope, *_FACTORS)
        offsets[kpi] = level - (factors[kpi] - 1.0) * x.mean()
    return offsets, factors


def rebaseline(
    scaling: Scaling,
    frames: Sequence[KpiFrame],
    history_rows: Mapping[str, int],
    marked: MarkedRows,
) -> Scaling:
    """Return the scaling with a new baseline for entities where false alarms were marked.

    Parameters
    ----------
    scaling : Scaling
        As learned from history.
    frames : sequence of KpiFrame
        History and the rows that the marks speak of; not scaled.
    history_rows : mapping of str to int
        How many of an entity's first rows are history.
    marked : MarkedRows
        Rows between an entity's first false alarm and the last mark of the fleet are learned
        from, without those marked as anomalies or ignored.
    """
    by_entity = {frame.entity: frame for frame in frames}
    firsts: dict[str, int] = {}
    until_s = 0
    for span in marked.spans:
        until_s = max(until_s, span.mark.window.end_s)
        if not span.is_anomaly:
            entity = span.mark.entity
            firsts[entity] = min(firsts.get(entity, int(span.rows[0])), int(span.rows[0]))
    changed = scaling
    for entity, first in sorted(firsts.items()):
        frame = by_entity[entity]
        last = min(-((frame.start_s - until_s) // frame.interval_s), len(frame))
        usable = np.ones(len(frame), dtype=bool)
        if entity in marked.ignored:
            usable &= ~marked.ignored[entity]
        for span in marked.spans:
            if span.is_anomaly and span.mark.entity == entity:
                usable[span.rows] = False
        rows = first + np.flatnonzero(usable[first:last])
        if len(rows) < _LEAST_ROWS or history_rows[entity] < _LEAST_ROWS:
            continue
        scaled = scaling.apply(frame)
        usual = Profile().fit([scaled[: history_rows[entity]]]).compute(scaled)[rows, :, 0]
        offset, factor = affine_change(
            usual.astype(np.float64), scaled.values[rows].astype(np.float64)
        )
        if offset.any() or (factor != 1.0).any():
            since_s = frame.start_s + first * frame.interval_s
            changed = changed.changed(entity, since_s, offset, factor)
    return changed
