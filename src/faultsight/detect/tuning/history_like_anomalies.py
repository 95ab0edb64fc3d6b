"""Rows of history that look like what operators marked as anomalies.

History is not clean: the faults that a detector misses are often those that it has learned as
usual. Where an operator says that something was missed, rows of any entity's history that deviate
in the same directions are taken to be the same kind of trouble and are put aside. This extends a
label to what is like it, as the second stage of the paper's active learning does (section 3.4),
here over the directions of deviation and to history itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.detect.tuning.marked_rows import MarkedRows

__all__ = ["Likeness", "history_like_anomalies"]

Deviations = NDArray[np.float32]


@dataclass(frozen=True)
class Likeness:
    """When a row of history is like a marked anomaly.

    Parameters
    ----------
    cosine : float
        Least cosine between the deviations of the two rows, over KPIs; and it must be higher than
        with any row of a false alarm.
    strength : float
        The row's squared deviation is at least so many times its entity's median.
    most : float
        An entity of which more than this share would be put aside keeps all: what is so frequent
        is its usual state.
    """

    cosine: float = 0.8
    strength: float = 2.0
    most: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.cosine <= 1 or self.strength < 0 or not 0 <= self.most <= 1:
            raise SettingError("cosine lies in (0, 1], strength is at least 0, most in [0, 1]")


def history_like_anomalies(
    deviations: Mapping[str, Deviations],
    history_rows: Mapping[str, int],
    marked: MarkedRows,
    config: Likeness | None = None,
) -> dict[str, NDArray[np.bool_]]:
    """Return which rows of each entity's history to put aside.

    Parameters
    ----------
    deviations : mapping of str to array of shape (time, kpi)
        What was seen less what was expected, in units of what is usual for entity and KPI; NaN
        is missing. Of history and of the rows that the marks speak of.
    history_rows : mapping of str to int
        How many of an entity's first rows are history.
    marked : MarkedRows
        Missed and confirmed anomalies are what is looked for; the weaker half of each span,
        where the trouble hardly shows, is not.
    config : Likeness, optional
        The settings.

    Returns
    -------
    dict of str to array of bool, shape (history row,)

    Examples
    --------
    >>> from faultsight.core.feedback import Mark, MarkKind
    >>> from faultsight.core.kpi_frame import KpiFrame, TimeWindow
    >>> from faultsight.detect.tuning.marked_rows import rows_of_marks
    >>> seen = np.tile(np.float32([[0.5, 0.5], [0.5, -0.5]]), (5, 1))
    >>> seen[[2, 9]] = [4.0, -8.0]
    >>> frame = KpiFrame("a", ("load", "drops"), 0, 60, seen)
    >>> marks = rows_of_marks([frame], [Mark("a", TimeWindow(540, 600), MarkKind.MISSED)])
    >>> history_like_anomalies({"a": seen}, {"a": 8}, marks)["a"].nonzero()[0].tolist()
    [2]
    """
    config = config or Likeness()
    known = {entity: np.nan_to_num(rows) for entity, rows in deviations.items()}
    wrong, normal = (
        [
            _strong(known[span.mark.entity][span.rows])
            for span in marked.spans
            if span.is_anomaly is is_anomaly
        ]
        for is_anomaly in (True, False)
    )
    aside = {e: np.zeros(history_rows[e], dtype=bool) for e in known}
    if not wrong:
        return aside
    patterns = _directions(np.concatenate(wrong))
    counter = _directions(np.concatenate([*normal, np.zeros((1, patterns.shape[1]))]))
    for entity, rows in known.items():
        history = rows[: history_rows[entity]]
        if not len(history):
            continue
        directions, size = _directions(history), (history**2).sum(axis=1)
        like, unlike = ((directions @ told.T).max(axis=1) for told in (patterns, counter))
        chosen = (like > config.cosine) & (like > unlike)
        chosen &= size > config.strength * np.median(size)
        if chosen.mean() <= config.most:
            aside[entity] = chosen
    return aside


def _strong(rows: Deviations) -> Deviations:
    size = (rows**2).sum(axis=1)
    return np.asarray(rows[size >= np.median(size)])


def _directions(rows: Deviations) -> Deviations:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(length, 1e-9))
