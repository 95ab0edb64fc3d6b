"""Affiliation precision and recall: how near alarms are to anomalies, against a random row."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.detect.metrics._rows import as_alarm
from faultsight.detect.metrics.segments import segments

__all__ = ["Affiliation", "affiliation"]

Span = tuple[float, float]


class Affiliation(NamedTuple):
    """Precision and recall in [0, 1]; NaN where one is not defined."""

    precision: float
    recall: float


def affiliation(alarm: ArrayLike, truth: ArrayLike) -> Affiliation:
    """Return affiliation precision and recall of one entity.

    Huet et al., KDD '22, sections 3 and 4. Time is cut into zones, one for each true segment: the
    moments that are nearer to it than to any other. In each zone

    - precision is the mean over alarmed moments of the chance that a random moment of the zone is
      at least as far from the segment (1 within the segment);
    - recall is the mean over the segment's moments of the chance that a random moment of the zone
      is at least as far from it as the nearest alarm is (0 if the zone has no alarm).

    Precision is averaged over the zones with an alarm, recall over all. Row i is the span from i
    to i + 1, and the integrals are exact. A random alarm gets about 0.5 on both: read the numbers
    beside those of a random score.

    Parameters
    ----------
    alarm, truth : array of shape (time,)
        0 or 1.

    Returns
    -------
    Affiliation
        Both NaN without a true row; precision NaN without an alarm.

    Raises
    ------
    InputError
        If the lengths differ, or a value is neither 0 nor 1.

    Examples
    --------
    >>> affiliation([0, 0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 0, 0])
    Affiliation(precision=1.0, recall=1.0)
    >>> near = affiliation([0, 0, 0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 1, 1, 0, 0])
    >>> near.precision, near.recall
    (0.625, 0.75)
    """
    raised, rows = as_alarm(alarm, truth)
    events = segments(rows).astype(np.float64)
    alarms = segments(raised).astype(np.float64)
    if not len(events):
        return Affiliation(math.nan, math.nan)
    middles = (events[:-1, 1] + events[1:, 0]) / 2.0
    borders = np.concatenate([[0.0], middles, [float(rows.size)]])
    precisions, recalls = [], []
    for j, (start, stop) in enumerate(events):
        zone = (float(borders[j]), float(borders[j + 1]))
        inside = _cut(alarms, zone)
        if len(inside):
            precisions.append(_precision(inside, (float(start), float(stop)), zone))
            recalls.append(_recall(inside, (float(start), float(stop)), zone))
        else:
            recalls.append(0.0)
    precision = float(np.mean(precisions)) if precisions else math.nan
    return Affiliation(precision, float(np.mean(recalls)))


def _cut(spans: NDArray[np.float64], zone: Span) -> NDArray[np.float64]:
    """Return what of ordered spans lies in a zone."""
    first = int(np.searchsorted(spans[:, 1], zone[0], side="right"))
    last = int(np.searchsorted(spans[:, 0], zone[1], side="left"))
    return np.clip(spans[first:last], *zone)


def _precision(alarms: NDArray[np.float64], event: Span, zone: Span) -> float:
    start, stop = event
    left, right = start - zone[0], zone[1] - stop

    def up_to(distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Integrate the chance to be farther from the event, from its border to a distance."""
        nearer = (stop - start) * distance + _area(distance, left) + _area(distance, right)
        return distance - nearer / (zone[1] - zone[0])

    before = np.clip(start - alarms, 0.0, None)
    after = np.clip(alarms - stop, 0.0, None)
    outside = up_to(before[:, 0]) - up_to(before[:, 1]) + up_to(after[:, 1]) - up_to(after[:, 0])
    within = np.clip(alarms, start, stop)
    total = float(np.sum(outside) + np.sum(within[:, 1] - within[:, 0]))
    return total / float(np.sum(alarms[:, 1] - alarms[:, 0]))


def _area(distance: NDArray[np.float64], room: float) -> NDArray[np.float64]:
    """Integrate min(u, room) over u from 0 to a distance."""
    near = np.minimum(distance, room)
    return near * near / 2.0 + room * (distance - near)


def _recall(alarms: NDArray[np.float64], event: Span, zone: Span) -> float:
    start, stop = event
    # The last alarm before each gap and the first after it; none is infinitely far.
    befores = np.concatenate([[-np.inf], alarms[:, 1]])
    afters = np.concatenate([alarms[:, 0], [np.inf]])
    lows, highs = np.maximum(befores, start), np.minimum(afters, stop)
    gap = lows < highs
    lows, highs, befores, afters = lows[gap], highs[gap], befores[gap], afters[gap]
    # In a gap the chance bends only halfway between two of: alarms, and the zone's borders.
    bends = np.stack(
        [lows, (befores + afters) / 2, (afters + zone[0]) / 2, (befores + zone[1]) / 2, highs]
    )
    bends = np.sort(np.clip(np.nan_to_num(bends, nan=start), lows, highs), axis=0)
    distance = np.minimum(bends - befores, afters - bends)
    nearer = np.minimum(distance, bends - zone[0]) + np.minimum(distance, zone[1] - bends)
    chance = 1.0 - nearer / (zone[1] - zone[0])
    in_gaps = float(np.sum((chance[1:] + chance[:-1]) / 2.0 * np.diff(bends, axis=0)))
    alarmed = (stop - start) - float(np.sum(highs - lows))
    return (in_gaps + alarmed) / (stop - start)
