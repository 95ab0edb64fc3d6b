"""Levels set anew with what operators said was normal, and what they missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.feedback import MarkKind
from faultsight.detect.contract import Score
from faultsight.detect.thresholds import Threshold
from faultsight.detect.tuning.marked_rows import MarkedRows

__all__ = ["recalibrate"]

_JUST_BELOW = 0.98


def recalibrate(
    threshold: Threshold,
    scores: Sequence[Score],
    history_rows: Mapping[str, int],
    marked: MarkedRows,
    *,
    weight: int = 3,
    least_quantile: float = 1.0,
    unlearned: Sequence[Score] | None = None,
    aside: Mapping[str, NDArray[np.bool_]] | None = None,
) -> dict[str, float]:
    """Return each entity's level from its history and from rows that were false alarms.

    Parameters
    ----------
    threshold : Threshold
        The deployed rule.
    scores : sequence of Score
        Of history and of the rows that the marks speak of.
    history_rows : mapping of str to int
        How many of an entity's first rows are the history that the rule was set on.
    marked : MarkedRows
        Rows of false alarms count `weight` times among the history: they are few, recent and
        looked at by a person. Where an anomaly was missed, the level comes down to just below
        its highest score, unless that is under `least_quantile`.
    weight : int
        At least 0; 0 is the rule on history alone.
    least_quantile : float
        Share of history, with its false alarms, that stays below a lowered level; 1 never lowers
        a level.
    unlearned : sequence of Score, optional
        How the rows of false alarms score without what was learned from these very rows, which
        says nothing of the next false alarm; as in `scores` if not given.
    aside : mapping of str to array of bool, shape (history row,), optional
        Rows of history that do not count, beside those marked as anomalies.

    Raises
    ------
    SettingError
        If the weight is below 0 or the share is not between 0 and 1.

    Examples
    --------
    >>> from faultsight.core.feedback import Mark, MarkKind
    >>> from faultsight.core.kpi_frame import TimeWindow
    >>> from faultsight.detect.thresholds import THRESHOLDS
    >>> from faultsight.detect.tuning.marked_rows import rows_of_marks
    >>> score = Score("a", 0, 60, (), np.append(np.arange(200.0), 500.0))
    >>> marks = rows_of_marks([score], [Mark("a", TimeWindow(12000, 12060), MarkKind.FALSE_ALARM)])
    >>> rule = THRESHOLDS.load("quantile")()
    >>> [round(recalibrate(rule, [score], {"a": 200}, marks, weight=w)["a"]) for w in (0, 3)]
    [198, 500]
    """
    if weight < 0:
        raise SettingError(f"weight must be at least 0, not {weight}")
    if not 0 <= least_quantile <= 1:
        raise SettingError(f"least_quantile lies between 0 and 1, not {least_quantile}")
    told = {score.entity: score.total for score in unlearned or scores}
    extended, histories = [], []
    for score in scores:
        history = score.total[: history_rows[score.entity]].copy()
        history[marked.tells_nothing_usual(score.entity, len(history))] = np.nan
        if aside and score.entity in aside:
            history[aside[score.entity]] = np.nan
        histories.append(replace(score, total=history, residuals=None, is_below=None))
        parts = [history]
        for span in marked.spans:
            if span.mark.entity == score.entity and not span.is_anomaly:
                # A missing row before each copy: rules that count alarms see one for each.
                parts += [np.array([np.nan]), told[score.entity][span.rows]] * weight
        extended.append(replace(histories[-1], total=np.concatenate(parts)))
    # Marks are the fleet's loudest normal rows alone: they say nothing of how frequent such are.
    levels = threshold.levels(extended, fleet=histories)
    totals = {score.entity: score.total for score in scores}
    counted = {score.entity: score.total for score in extended}
    for span in marked.spans:
        entity = span.mark.entity
        if span.mark.kind is not MarkKind.MISSED or entity not in totals or least_quantile == 1:
            continue
        known = counted[entity][np.isfinite(counted[entity])]
        peak = np.nanmax(totals[entity][span.rows], initial=-np.inf)
        if known.size and np.isfinite(peak):
            lowered = max(_JUST_BELOW * float(peak), float(np.quantile(known, least_quantile)))
            levels[entity] = min(levels[entity], lowered)
    return levels
