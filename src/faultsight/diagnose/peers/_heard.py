"""Which modems there are in a window, and how much of it their polls cover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls
from faultsight.diagnose.preprocessing.collection_periods import collection_periods_s

__all__ = ["LONGEST_PERIOD_S", "HeardModems", "Hearing"]

LONGEST_PERIOD_S = 21_600.0
"""One poll speaks for six hours at most: one and a half of the usual four between two."""


@dataclass(frozen=True, eq=False)
class HeardModems:
    """The modems polled before a window's end.

    Attributes
    ----------
    place : array of shape (device,)
        int64, ascending: positions among the modems of the polls.
    device_ids : tuple of str
        Their names.
    covered_s : array of shape (device,)
        float64; how much of the window their collection periods cover.
    """

    place: NDArray[np.int64]
    device_ids: tuple[str, ...]
    covered_s: NDArray[np.float64]


class Hearing:
    """The polls of a fiber node as far as it matters when they were answered.

    Later polls change nothing: neither which modems there are in a window, nor what is covered.

    Parameters
    ----------
    polls : NodePolls
        Of the fiber node.

    Examples
    --------
    >>> polls = NodePolls("F", ("a", "b"), (), np.array([0, 2, 3]), np.array([0.0, 9e3, 9e4]))
    >>> heard = Hearing(polls).until_end_of(TimeWindow(3600, 86_400))
    >>> heard.device_ids, heard.covered_s.tolist()
    (('a',), [27000.0])
    """

    def __init__(self, polls: NodePolls) -> None:
        self._device_ids = polls.device_ids
        has_poll = np.diff(polls.device_start) > 0
        self._first_s = np.full(polls.n_devices, np.inf)
        self._first_s[has_poll] = polls.time_s[polls.device_start[:-1][has_poll]]
        if polls.answered is not None:
            polls = polls.take(polls.answered)
        self._device = polls.device_of_poll
        self._start_s = polls.time_s
        self._end_s = polls.time_s + collection_periods_s(polls, LONGEST_PERIOD_S)

    def until_end_of(self, window: TimeWindow) -> HeardModems:
        """Return the modems polled before a window's end."""
        place = np.flatnonzero(self._first_s < window.end_s)
        inside_s = np.minimum(self._end_s, window.end_s) - np.maximum(self._start_s, window.start_s)
        covered_s = np.bincount(
            self._device, weights=np.maximum(inside_s, 0.0), minlength=len(self._device_ids)
        )
        whole = len(place) == len(self._device_ids)
        names = self._device_ids if whole else tuple(self._device_ids[i] for i in place)
        return HeardModems(place, names, covered_s[place].astype(np.float64))
