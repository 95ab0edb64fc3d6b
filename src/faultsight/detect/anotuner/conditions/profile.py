"""The causal profile: what is usual at this time of day, and how far the level is from it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Self

import numba
import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.anotuner.conditions._contract import Condition

__all__ = ["LEVEL_WEIGHT", "Profile"]

_DAY_S = 86_400
_MOST_SLOTS = 288
_LEAST_DAYS = 2
_SLOTS_UNSMOOTHED = 48
_SPAN = 12
"""Rows over which the level forgets: half a day of hours, an hour of five-minute rows."""
LEVEL_WEIGHT = 2.0 / (_SPAN + 1.0)
"""What a row's deviation counts for in the level after it."""


class Profile(Condition):
    """Median by time of day, and the same plus a moving mean of what deviated from it.

    The first channel is the entity's median at the row's time of day (at most 288 slots a day,
    smoothed over neighbours where there are more than 48). The second adds the exponentially
    weighted mean (span of 12 rows) of the deviations up to the row before; missing rows leave it
    as it is. Where nobody has two days of history there is one median for all times. An entity
    that was not seen has the fleet's medians; a KPI that was never seen has 0.5, the middle of
    the scale.

    Examples
    --------
    >>> days = np.tile(np.arange(24.0), 3)[:, None]
    >>> frame = KpiFrame("cell-1", ("load",), 0, 3600, days)
    >>> Profile().fit([frame]).compute(frame)[30, 0].tolist()
    [6.0, 6.0]
    """

    n_channels: ClassVar[int] = 2

    entities: list[str]
    medians: NDArray[np.float64]
    """Of shape (entity, slot, kpi); the last entity is the fleet."""

    def fit(self, frames: Sequence[KpiFrame]) -> Self:
        """Learn the medians by entity and time of day."""
        interval_s = frames[0].interval_s
        longest_s = max(len(frame) for frame in frames) * interval_s
        daily = longest_s >= _LEAST_DAYS * _DAY_S and interval_s <= _DAY_S // 2
        n_slots = min(_DAY_S // interval_s, _MOST_SLOTS) if daily else 1
        tables = []
        for frame in frames:
            table = _medians_by_slot(frame, n_slots)
            whole = _known_median(frame.values.astype(np.float64))
            tables.append(_smoothed(np.where(np.isnan(table), whole, table)))
        own = np.stack(tables)
        fleet = _known_median(own)
        fleet = np.where(np.isnan(fleet), 0.5, fleet)
        self.entities = [frame.entity for frame in frames]
        self.__dict__.pop("_places", None)
        self.medians = np.concatenate([np.where(np.isnan(own), fleet, own), fleet[None]])
        return self

    def compute(self, frame: KpiFrame) -> NDArray[np.float32]:
        """Return median, and median plus recent deviation, of shape (time, kpi, 2)."""
        usual = self._medians_of(frame)
        level = _level_before(frame.values.astype(np.float64) - usual, LEVEL_WEIGHT)
        return np.stack([usual, usual + level], axis=2).astype(np.float32)

    def baseline(self, frame: KpiFrame) -> NDArray[np.float32]:
        """Return the medians, of shape (time, kpi)."""
        return self._medians_of(frame).astype(np.float32)

    def _medians_of(self, frame: KpiFrame) -> NDArray[np.float64]:
        medians: NDArray[np.float64] = self.medians[self.place(frame.entity)]
        return medians[self.slots(frame.times_s)]

    def place(self, entity: str) -> int:
        """Return where `medians` holds an entity; the fleet's place if it was not seen."""
        return self._places.get(entity, len(self.entities))

    def slots(self, times_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where `medians` holds the time of day of each stamp."""
        return _slots(times_s, self.medians.shape[1])

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Return the medians; entities are named by a prefix of their place in the order."""
        return {
            f"{place:08d} {entity}": table
            for place, (entity, table) in enumerate(
                zip([*self.entities, ""], self.medians, strict=True)
            )
        }

    def with_others(self, earlier: Self) -> Self:
        """Return this profile, with the entities that only the earlier one has learned."""
        if self.medians.shape[1:] != earlier.medians.shape[1:]:
            return earlier
        others = [place for place, e in enumerate(earlier.entities) if e not in self.entities]
        both = type(self)()
        both.entities = self.entities + [earlier.entities[place] for place in others]
        both.medians = np.concatenate(
            [self.medians[:-1], earlier.medians[others], self.medians[-1:]]
        )
        return both

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.float64]]) -> Self:
        """Return the profile that told this state."""
        profile = cls()
        names = sorted(state)
        profile.entities = [name.split(" ", 1)[1] for name in names[:-1]]
        profile.medians = np.stack([state[name] for name in names])
        return profile

    @cached_property
    def _places(self) -> dict[str, int]:
        return {entity: place for place, entity in enumerate(self.entities)}


def _slots(times_s: NDArray[np.int64], n_slots: int) -> NDArray[np.int64]:
    """Return the slot of the day of each stamp."""
    return np.asarray(times_s % _DAY_S * n_slots // _DAY_S)


def _medians_by_slot(frame: KpiFrame, n_slots: int) -> NDArray[np.float64]:
    slots = _slots(frame.times_s, n_slots)
    order = np.argsort(slots, kind="stable")
    counts = np.bincount(slots, minlength=n_slots)
    rank = np.arange(len(slots)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((max(int(counts.max(initial=0)), 1), n_slots, len(frame.kpis)), np.nan)
    table[rank, slots[order]] = frame.values[order]
    return _known_median(table)


def _known_median(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median over the first axis of what is known; NaN where nothing is."""
    ordered = np.sort(table, axis=0)  # NaN goes last
    n_known = np.isfinite(ordered).sum(axis=0)
    if not len(table):
        return np.full(table.shape[1:], np.nan)
    lower = np.maximum(n_known - 1, 0) // 2
    upper = np.maximum(n_known, 1) // 2
    upper = np.minimum(upper, np.maximum(n_known - 1, 0))
    picked = [np.take_along_axis(ordered, place[None], axis=0)[0] for place in (lower, upper)]
    return np.asarray(0.5 * (picked[0] + picked[1]))


def _smoothed(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over neighbouring slots, around the clock, where slots are many."""
    n_slots = len(table)
    if n_slots <= _SLOTS_UNSMOOTHED:
        return table
    reach = n_slots // _SLOTS_UNSMOOTHED
    around = np.concatenate([table[-reach:], table, table[:reach]])
    sums = np.cumsum(np.concatenate([np.zeros_like(around[:1]), around]), axis=0)
    return np.asarray((sums[2 * reach + 1 :] - sums[: -(2 * reach + 1)]) / (2 * reach + 1))


@numba.njit(cache=True)
def _level_before(deviation: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Return the exponentially weighted mean of the known deviations before each row."""
    levels = np.zeros_like(deviation)
    for kpi in range(deviation.shape[1]):
        level = 0.0
        for row in range(len(deviation)):
            levels[row, kpi] = level
            if not np.isnan(deviation[row, kpi]):
                level += weight * (deviation[row, kpi] - level)
    return levels
