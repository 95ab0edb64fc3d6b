"""Event by event: anomalies found, alarms that are right, rows until the first, false alarms a day.

An event is an unbroken run of rows. It is what an operator sees: one alarm is opened for a run,
however long.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.detect.metrics._rows import as_alarm
from faultsight.detect.metrics.segments import segments

__all__ = ["EventCounts", "count_events", "pool_events"]

_DAY_S = 86_400


@dataclass(frozen=True)
class EventCounts:
    """Events of one entity, or of a fleet, by outcome.

    Parameters
    ----------
    n_true, n_found : int
        True events, and those that any alarmed row overlaps.
    n_alarms, n_right : int
        Alarm events, and those that overlap a true event.
    delay_rows : int
        Over all events found: rows from the event's start to its first alarmed row, in sum.
    n_rows : int
        Rows judged.
    """

    n_true: int
    n_found: int
    n_alarms: int
    n_right: int
    delay_rows: int
    n_rows: int

    @property
    def precision(self) -> float:
        """Share of alarm events that are right; NaN without an alarm."""
        return self.n_right / self.n_alarms if self.n_alarms else math.nan

    @property
    def recall(self) -> float:
        """Share of true events that are found; NaN without a true event."""
        return self.n_found / self.n_true if self.n_true else math.nan

    @property
    def mean_delay_rows(self) -> float:
        """Mean rows from start to first alarm of the events found; NaN if none is.

        0 where the first row alarms. Events that are missed have no delay and do not count: read
        it beside the recall.
        """
        return self.delay_rows / self.n_found if self.n_found else math.nan

    def false_alarms_per_entity_day(self, interval_s: int) -> float:
        """Return alarm events that are not right, per entity and day; NaN without a row.

        Parameters
        ----------
        interval_s : int
            Seconds from row to row.

        Raises
        ------
        SettingError
            If `interval_s` is not above 0.
        """
        if interval_s <= 0:
            raise SettingError(f"interval_s must be above 0, not {interval_s}")
        if not self.n_rows:
            return math.nan
        return (self.n_alarms - self.n_right) * _DAY_S / (self.n_rows * interval_s)


def count_events(alarm: ArrayLike, truth: ArrayLike) -> EventCounts:
    """Return the events of one entity by outcome.

    Parameters
    ----------
    alarm, truth : array of shape (time,)
        0 or 1.

    Raises
    ------
    InputError
        If the lengths differ, or a value is neither 0 nor 1.

    Examples
    --------
    >>> found = count_events([1, 0, 0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 1, 0, 0, 1])
    >>> found.precision, found.recall, found.mean_delay_rows
    (0.5, 0.5, 2.0)
    >>> found.false_alarms_per_entity_day(3600)
    3.0
    """
    raised, rows = as_alarm(alarm, truth)
    events, alarms = segments(rows), segments(raised)
    alarmed = np.flatnonzero(raised)
    # The first alarmed row from each start on; past the end if there is none.
    at = np.searchsorted(alarmed, events[:, 0])
    first = np.append(alarmed, raised.size)[at]
    found = first < events[:, 1]
    return EventCounts(
        n_true=len(events),
        n_found=int(found.sum()),
        n_alarms=len(alarms),
        n_right=_overlapping(alarms, rows),
        delay_rows=int((first - events[:, 0])[found].sum()),
        n_rows=rows.size,
    )


def pool_events(counts: Iterable[EventCounts]) -> EventCounts:
    """Return the events of a fleet: every event counts alike, whichever entity has it.

    Raises
    ------
    InputError
        If there is no entity.

    Examples
    --------
    >>> one, two = count_events([1, 0, 0], [1, 1, 0]), count_events([0, 0, 1], [1, 0, 0])
    >>> pool_events([one, two]).recall
    0.5
    """
    every = list(counts)
    if not every:
        raise InputError("there is no entity to judge")
    return EventCounts(
        n_true=sum(entity.n_true for entity in every),
        n_found=sum(entity.n_found for entity in every),
        n_alarms=sum(entity.n_alarms for entity in every),
        n_right=sum(entity.n_right for entity in every),
        delay_rows=sum(entity.delay_rows for entity in every),
        n_rows=sum(entity.n_rows for entity in every),
    )


def _overlapping(runs: NDArray[np.int64], rows: NDArray[np.bool_]) -> int:
    so_far = np.concatenate([[0], np.cumsum(rows)])
    return int(np.count_nonzero(so_far[runs[:, 1]] > so_far[runs[:, 0]]))
