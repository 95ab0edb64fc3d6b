"""The polls around one fault, as its section draws them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError
from faultsight.core.polls import NodePolls
from faultsight.diagnose.contract import DAY_S
from faultsight.diagnose.faults import Fault
from faultsight.diagnose.faults.level_shifts import LevelShift, level_shift, padded, polls_of
from faultsight.diagnose.preprocessing.duplicates import without_duplicates
from faultsight.diagnose.preprocessing.silence import poll_interval_s, silent_phase_s

__all__ = ["FaultPolls"]

_BEFORE_S, _AFTER_S, _MOST_S = 2 * DAY_S, DAY_S, 16 * DAY_S
_HISTORY_S = 7 * DAY_S
_LOST = 0.9


@dataclass(frozen=True, eq=False)
class FaultPolls:
    """One fault and the polls of its fiber node.

    Attributes
    ----------
    fault : Fault
        The fault.
    polls : NodePolls
        Without duplicates.
    is_member : array of shape (device,)
        Which modems last as members.
    interval_s, phase_s : float
        From round to round, and the silence between two rounds.
    start_s, end_s : float
        What is drawn: two days before the fault to a day after it; the latest part of a long one.
    """

    fault: Fault
    polls: NodePolls
    is_member: NDArray[np.bool_]
    interval_s: float
    phase_s: float
    start_s: float
    end_s: float

    @classmethod
    def of(cls, fault: Fault, polls: NodePolls) -> FaultPolls:
        """Return a fault's view of its node."""
        polls = without_duplicates(polls)
        answered = polls.answered
        if answered is not None and not answered.all():
            polls = polls.take(answered)  # what had no answer is drawn like what never came
        members = fault.lasting_members
        try:
            interval_s = poll_interval_s(polls)
        except InputError:
            interval_s = 14_400.0
        last_s = float(polls.time_s.max()) + 1.0 if polls.n_polls else float(fault.end_s)
        end_s = min(fault.end_s + _AFTER_S, max(last_s, fault.end_s))
        start_s = max(fault.start_s - _BEFORE_S, end_s - _MOST_S)
        return cls(
            fault, polls, np.array([d in members for d in polls.device_ids], np.bool_),
            interval_s, silent_phase_s(polls.time_s, interval_s), start_s, end_s,
        )  # fmt: skip

    @property
    def members(self) -> NDArray[np.int64]:
        """Positions of the members."""
        return np.flatnonzero(self.is_member)

    @property
    def n_rounds(self) -> int:
        """Rounds in what is drawn."""
        return max(self._round(self.end_s - 1.0) - self._round(self.start_s) + 1, 1)

    def round_start_s(self, place: int) -> float:
        """Return when a round's part of the picture begins."""
        return (self._round(self.start_s) + place) * self.interval_s + self.phase_s

    def shift(self, metric: str) -> LevelShift | None:
        """Return how far a metric moved, for members and others."""
        return level_shift(self.polls, self.is_member, metric, self.fault.start_s, self.fault.end_s)

    def channel(self, metric: str) -> int:
        """Return the channel to draw: the fault's, else the one that moved most."""
        shift = self.shift(metric)
        if shift is not None and not np.isnan(shift.member_db).all():
            return int(np.nanargmax(np.abs(shift.member_db)))
        named = (*self.fault.channels, self.fault.channel)
        return next((self.polls.channels.index(c) for c in named if c in self.polls.channels), 0)

    def changes(
        self, metric: str, channel: int, devices: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return times and changes from each modem's usual level: (device, poll), NaN is none.

        The usual level is the median of the week before the fault; of what is drawn, where there
        is none.
        """
        at = polls_of(self.polls, devices, self.start_s, self.end_s)
        times = np.where(at >= 0, self.polls.time_s[np.maximum(at, 0)], np.nan)
        drawn = padded(self.polls, devices, metric, self.start_s, self.end_s)[:, :, channel]
        start_s = self.fault.start_s
        before = padded(self.polls, devices, metric, start_s - _HISTORY_S, start_s)[:, :, channel]
        usual = _median(before)
        usual = np.where(np.isnan(usual), _median(drawn), usual)
        return times, np.asarray(drawn - usual[:, None])

    def by_round(
        self, times_s: NDArray[np.float64], values: NDArray[np.float64], *, least_share: float = 0.3
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return time and median of each round; NaN where too few of the modems answered."""
        known = np.isfinite(times_s) & np.isfinite(values)
        place = self._places(times_s[known])
        found = np.full((2, self.n_rounds), np.nan)
        order = np.argsort(place, kind="stable")
        rounds, first = np.unique(place[order], return_index=True)
        for row, told in enumerate((times_s[known], values[known])):
            parts = np.split(told[order], first)[1:]  # cut before each round: none, no part
            for at, part in zip(rounds.tolist(), parts, strict=True):
                if len(part) >= max(1.0, least_share * len(values)):
                    found[row, at] = float(np.median(part))
        return found[0], found[1]

    def missed(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which members missed which round, and which rounds the poller lost for all.

        Returns
        -------
        missed : array of shape (member, round)
        is_lost : array of shape (round,)
            Nearly every modem of the node missed it, members or not.
        """
        everyone = np.arange(self.polls.n_devices)
        at = polls_of(self.polls, everyone, self.round_start_s(0), self.end_s)
        times = np.where(at >= 0, self.polls.time_s[np.maximum(at, 0)], np.nan)
        heard = np.zeros((self.polls.n_devices, self.n_rounds), np.bool_)
        rows = np.broadcast_to(everyone[:, None], times.shape)
        told = np.isfinite(times)
        heard[rows[told], self._places(times[told])] = True
        others = heard[~self.is_member]
        is_lost = (
            1.0 - others.mean(axis=0) >= _LOST if len(others) else np.zeros(self.n_rounds, np.bool_)
        )
        return ~heard[self.is_member], is_lost

    def _round(self, time_s: float) -> int:
        return int((time_s - self.phase_s) // self.interval_s)

    def _places(self, times_s: NDArray[np.float64]) -> NDArray[np.int64]:
        place = np.floor((times_s - self.phase_s) / self.interval_s) - self._round(self.start_s)
        return np.asarray(np.clip(place, 0, self.n_rounds - 1), np.int64)


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each row's known values; NaN where there is none."""
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    ranked = np.sort(values, axis=1)
    known = (~np.isnan(values)).sum(axis=1)
    taken = np.take_along_axis(ranked, (np.maximum(known - 1, 0) // 2)[:, None], axis=1)[:, 0]
    return np.where(known > 0, taken, np.nan)
