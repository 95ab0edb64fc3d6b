"""Best F1: the level that would have been best, found with the labels. Not deployable.

The protocol of the AnoTuner paper (and of most papers before it) reports the F1 at the best level
of each entity under point adjustment: every point of a true anomaly counts as found if one of
its points is above the level. It says what a score could reach, not what an operator gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import InputError
from faultsight.detect.contract import Score
from faultsight.detect.thresholds._contract import Threshold

__all__ = ["BestF1", "BestF1Config"]


@dataclass(frozen=True)
class BestF1Config:
    """Settings of `BestF1`: none."""


class BestF1(Threshold):
    """The level with the highest point-adjusted F1 of each entity, found with its labels.

    Parameters
    ----------
    config : BestF1Config, optional
        No settings.

    Examples
    --------
    >>> score = Score("cell-1", 0, 60, ("drops",), np.array([0.0, 3.0, 1.0, 9.0, 2.0]))
    >>> BestF1().levels_from_labels([score], {"cell-1": [0, 0, 1, 1, 0]})
    {'cell-1': 3.0}
    """

    def __init__(self, config: BestF1Config | None = None) -> None:
        self.config = config or BestF1Config()

    def levels_from_labels(
        self, scores: Sequence[Score], labels: Mapping[str, ArrayLike]
    ) -> dict[str, float]:
        """Return each entity's best level; of several equal ones the highest.

        Parameters
        ----------
        scores : sequence of Score
            Of the labelled span. NaN raises no alarm.
        labels : mapping of str to array of shape (time,)
            Entity to truth: not 0 where something was wrong.

        Returns
        -------
        dict of str to float
            Entity to level. Without any anomaly it is the highest score: no alarm.

        Raises
        ------
        InputError
            If an entity has no labels, or not one for each row, or not one known score.
        """
        found = {}
        for score in scores:
            if score.entity not in labels:
                raise InputError("the best F1 needs labels", source=score.entity)
            truth = np.asarray(labels[score.entity]) != 0
            if truth.shape != score.total.shape:
                raise InputError(f"{len(score)} rows, {truth.shape} labels", source=score.entity)
            if not np.isfinite(score.total).any():
                raise InputError("not one score is known", source=score.entity)
            found[score.entity] = _best(score, truth)
        return found

    def _level(self, values: NDArray[np.float64], interval_s: int) -> float:
        raise InputError("the best F1 needs labels; see levels_from_labels")


def _best(score: Score, truth: NDArray[np.bool_]) -> float:
    total = np.where(np.isnan(score.total), -np.inf, score.total)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], truth, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    peaks = [total[a:b].max() for a, b in zip(starts, ends, strict=True)]
    heights = np.concatenate([peaks, total[~truth]])
    true_points = np.concatenate([ends - starts, np.zeros(int((~truth).sum()), dtype=int)])
    order = np.argsort(-heights, kind="stable")
    heights, true_points = heights[order], true_points[order]
    n_alarmed = np.cumsum(np.where(true_points > 0, true_points, 1))
    f1 = 2 * np.cumsum(true_points) / (n_alarmed + max(int(truth.sum()), 1))
    # Only after the last of equal heights is there a level that parts them from the rest.
    parts = np.append(heights[1:] < heights[:-1], True) & np.isfinite(heights)
    best = int(np.flatnonzero(parts)[np.argmax(f1[parts])])
    known = np.unique(total[np.isfinite(total)])
    if f1[best] == 0:
        return float(known[-1])
    below = int(np.searchsorted(known, heights[best])) - 1
    return float(known[below] if below >= 0 else np.nextafter(known[0], -np.inf))
