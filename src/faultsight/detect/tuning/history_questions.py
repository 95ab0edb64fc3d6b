"""What to ask operators about history, for detectors that leave residuals per KPI.

Two-stage active learning (AnoTuner, WWW '24, section 3.4) for detectors without a network. Stage
one clusters the rows of history that score near their level or above it, by which KPIs deviate;
clusters that marks belong to are known already. Stage two asks of each other cluster whether its
most typical row is an anomaly, those nearest to their level first, and extends the answer to the
rows like it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import TimeWindow
from faultsight.detect.contract import Score
from faultsight.detect.tuning.active_learning import (
    ActiveLearning,
    Query,
    assign,
    cluster_history,
)
from faultsight.detect.tuning.marked_rows import MarkedRows

__all__ = ["HistoryQuestions", "marks_of_answers"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class HistoryQuestions:
    """Which rows of history are clustered, and how finely.

    Parameters
    ----------
    near : float
        Rows from this share of their level on.
    distance : float
        Ward's linkage of the rows' directions (of length 1) is cut at this height.
    most_rows : int
        So many rows at most, those highest over their level.
    least_reach : float
        Marked rows this near to a cluster's centre belong to it, however tight it is; 0.4 is a
        cosine of 0.92.
    reach : float
        An answer holds for this share of a cluster's rows, those nearest to its centre.
    """

    near: float = 0.3
    distance: float = 1.0
    most_rows: int = 2_000
    least_reach: float = 0.4
    reach: float = 0.95

    def __post_init__(self) -> None:
        if not self.near > 0 or not self.distance > 0 or not 0 < self.reach <= 1:
            raise SettingError("near and distance are above 0, reach is in (0, 1]")
        if self.most_rows < 2:
            raise SettingError(f"most_rows is at least 2, not {self.most_rows}")


def marks_of_answers(
    scores: Sequence[Score],
    levels: Mapping[str, float],
    history_rows: Mapping[str, int],
    marked: MarkedRows,
    ask: Callable[[Query], bool | None],
    config: HistoryQuestions | None = None,
) -> list[Mark]:
    """Ask about history, and return what the answers say as marks.

    Parameters
    ----------
    scores : sequence of Score
        Of history and of the rows that marks speak of, in order of entity.
    levels : mapping of str to float
        The deployed levels.
    history_rows : mapping of str to int
        How many of an entity's first rows are history.
    marked : MarkedRows
        What operators have said. Rows of history among it are not asked about.
    ask : callable
        Answers whether the row ``query.at`` of ``query.entity`` is an anomaly; None if it cannot
        be told (yet), and then nothing is said of the cluster.
    config : HistoryQuestions, optional
        The settings.

    Returns
    -------
    list of Mark
        Sorted. Where the answer is yes, the cluster's rows are confirmed anomalies, which lowers
        no level; where it is no, those of its rows above their level are false alarms.

    Examples
    --------
    >>> residuals = np.full((60, 2), 0.5, np.float32)
    >>> residuals[[10, 30, 50]] = [9.0, 0.1]
    >>> score = Score("cell-1", 0, 60, ("drops", "load"), residuals.sum(axis=1, dtype=float),
    ...               residuals)
    >>> nothing = MarkedRows((), {}, {})
    >>> found = marks_of_answers([score], {"cell-1": 8.0}, {"cell-1": 60}, nothing, lambda _: True)
    >>> [(mark.window.start_s, mark.kind.value) for mark in found]
    [(600, 'confirmed'), (1800, 'confirmed'), (3000, 'confirmed')]
    """
    config = config or HistoryQuestions()
    if any(score.residuals is None for score in scores):
        return []
    rows = _near_rows(scores, levels, history_rows, marked, config)
    if not rows:
        return []
    features = np.stack([_direction(scores[place], row) for place, row, _ in rows])
    clusters = cluster_history(
        features,
        ActiveLearning(distance=config.distance, most_clustered=len(rows) + 1, reach=config.reach),
    )
    known = set()
    by_entity = {score.entity: score for score in scores}
    told = [_direction(by_entity[s.mark.entity], row) for s in marked.spans for row in s.rows]
    if told:
        wide = replace(clusters, radii=np.maximum(clusters.radii, config.least_reach))
        known = set(assign(np.stack(told), wide).tolist())
    doubt = [abs(np.log(rows[medoid][2])) for medoid in clusters.medoids]
    gaps = np.linalg.norm(features - clusters.centres[clusters.labels], axis=1)
    marks: list[Mark] = []
    for cluster in np.argsort(doubt, kind="stable").tolist():
        if cluster in known:
            continue
        place, row, _ = rows[clusters.medoids[cluster]]
        size = int(clusters.sizes[cluster])
        score = scores[place]
        time_s = score.start_s + row * score.interval_s
        answer = ask(Query(int(clusters.medoids[cluster]), size, score.entity, row, time_s))
        if answer is None:
            continue
        near = (clusters.labels == cluster) & (gaps <= clusters.radii[cluster])
        members = [rows[at] for at in np.flatnonzero(near)]
        kind = MarkKind.CONFIRMED if answer else MarkKind.FALSE_ALARM
        marks += [
            _mark(scores[place], row, kind) for place, row, over in members if answer or over > 1
        ]
    return sorted(marks)


def _near_rows(
    scores: Sequence[Score],
    levels: Mapping[str, float],
    history_rows: Mapping[str, int],
    marked: MarkedRows,
    config: HistoryQuestions,
) -> list[tuple[int, int, float]]:
    """Return place, row and score over level of rows of history near their level."""
    found = []
    for place, score in enumerate(scores):
        level = levels.get(score.entity, 0.0)
        if not level > 0:
            continue
        over = score.total[: history_rows.get(score.entity, 0)] / level
        is_known = marked.is_marked(score.entity, len(score))[: len(over)]
        chosen = np.flatnonzero((np.nan_to_num(over) >= config.near) & ~is_known)
        found += [(place, int(row), float(over[row])) for row in chosen]
    highest = sorted(found, key=lambda each: (-each[2], each[:2]))[: config.most_rows]
    return sorted(highest)


def _direction(score: Score, row: int) -> Array:
    """Return which KPIs deviate in a row, as a vector of length 1."""
    size = np.sqrt(np.nan_to_num(np.asarray(score.residuals)[row].astype(np.float64)))
    return np.asarray(size / max(float(np.linalg.norm(size)), 1e-12))


def _mark(score: Score, row: int, kind: MarkKind) -> Mark:
    start_s = score.start_s + row * score.interval_s
    return Mark(score.entity, TimeWindow(start_s, start_s + score.interval_s), kind)
