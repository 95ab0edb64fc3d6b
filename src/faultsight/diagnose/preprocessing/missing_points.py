"""Algorithm 1: where a modem's polls are too far apart, the points between them are missing.

What comes out are slots: one for each poll that was answered or should have been. A slot without an
answer takes part in the alignment (that is what keeps the poll after a gap from being paired with
one before it) and has no value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls

__all__ = ["Slots", "infer_missing", "missing_count"]

_NO_ROUND = -1


@dataclass(frozen=True, eq=False)
class Slots:
    """The slots of each modem of a node in one window.

    Attributes
    ----------
    device_start : array of shape (device + 1,)
        int64; the slots of device ``i`` are ``device_start[i]:device_start[i + 1]``.
    time_s : array of shape (slot,)
        float64, ascending within a device.
    poll : array of shape (slot,)
        int64; the poll of the node that was answered, or -1: missing.
    """

    device_start: NDArray[np.int64]
    time_s: NDArray[np.float64]
    poll: NDArray[np.int64]

    @property
    def n_slots(self) -> NDArray[np.int64]:
        """How many slots each device has."""
        return np.diff(self.device_start)


@njit(nogil=True, cache=True)
def missing_count(
    gap_s: float, threshold_s: float, interval_s: float
) -> int:  # pragma: no cover - compiled
    """Return how many points are missing in a gap: ``while gap > theta: one more; gap -= T``.

    Examples
    --------
    >>> [missing_count(gap, 1.5, 1.0) for gap in (1.4, 1.6, 2.6, 4.0)]
    [0, 1, 2, 3]
    """
    return 0 if gap_s <= threshold_s else int(np.ceil((gap_s - threshold_s) / interval_s))


def infer_missing(
    polls: NodePolls,
    window: TimeWindow,
    *,
    threshold_s: float,
    interval_s: float,
    gone_after_s: float = np.inf,
) -> Slots:
    """Return the slots of a window, from what is known at its end.

    Parameters
    ----------
    polls : NodePolls
        Without duplicates; those before the window serve as left anchors, later ones are not
        looked at. Polls known to have had no answer are missing slots.
    window : TimeWindow
        Half-open; ``end_s`` is now: a modem silent for longer than the threshold before it has
        missing slots there, or an outage that goes on would not be seen.
    threshold_s, interval_s : float
        Theta and T.
    gone_after_s : float
        A modem silent for longer has no slots: it was taken away.

    Notes
    -----
    Where the poller tells rounds, they say how many points are missing between two polls, and the
    threshold is used at the right edge only; numbers that go back, or ahead by more rounds than the
    time between holds, are not believed. O(K) for a modem of K polls.

    Examples
    --------
    >>> polls = NodePolls("F", ("a",), (), np.array([0, 3]), np.array([0.0, 4.0, 12.0]) * 3600)
    >>> slots = infer_missing(polls, TimeWindow(0, 86400), threshold_s=6 * 3600.0,
    ...                       interval_s=4 * 3600.0)
    >>> (slots.time_s / 3600).tolist(), slots.poll.tolist()
    ([0.0, 4.0, 8.0, 12.0, 16.0, 20.0], [0, 1, -1, 2, -1, -1])
    """
    rounds = polls.round_id if polls.round_id is not None else np.zeros(0, np.int64)
    answered = polls.answered if polls.answered is not None else np.zeros(0, np.bool_)
    start, time_s, poll = _slots(
        polls.device_start, polls.time_s, rounds, answered, float(window.start_s),
        float(window.end_s), threshold_s, interval_s, gone_after_s,
    )  # fmt: skip
    return Slots(start, time_s, poll)


@njit(nogil=True, cache=True)
def _slots(
    device_start: NDArray[np.int64],
    time_s: NDArray[np.float64],
    rounds: NDArray[np.int64],
    answered: NDArray[np.bool_],
    start_s: float,
    end_s: float,
    threshold_s: float,
    interval_s: float,
    gone_after_s: float,
) -> tuple[
    NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]
]:  # pragma: no cover - compiled
    n_devices = len(device_start) - 1
    most = int((end_s - start_s) / interval_s) + 4
    room = 0
    for device in range(n_devices):
        first = np.searchsorted(time_s[device_start[device] : device_start[device + 1]], start_s)
        # A gap may hold one missing point more than intervals.
        room += 2 * (device_start[device + 1] - device_start[device] - first) + most
    out_start = np.zeros(n_devices + 1, np.int64)
    out_time, out_poll = np.empty(room), np.empty(room, np.int64)
    n = 0
    for device in range(n_devices):
        low, high = device_start[device], device_start[device + 1]
        last = low + np.searchsorted(time_s[low:high], end_s) - 1
        if last >= low and end_s - time_s[last] <= gone_after_s:
            first = low + np.searchsorted(time_s[low:high], start_s)
            for at in range(first, last + 1):
                if at > low:
                    before = time_s[at - 1]
                    gap = time_s[at] - before
                    n_missing = missing_count(gap, threshold_s, interval_s)
                    if len(rounds) and rounds[at] >= 0 and rounds[at - 1] >= 0:
                        n_between = rounds[at] - rounds[at - 1] - 1
                        # A poller that counts anew tells numbers that the time cannot hold.
                        if 0 <= n_between <= gap / interval_s + 1.0:
                            n_missing = n_between
                    for k in range(1, n_missing + 1):
                        moment = before + gap * k / (n_missing + 1)
                        if moment >= start_s:
                            n = _put(out_time, out_poll, n, moment, -1)
                is_missing = len(answered) > 0 and not answered[at]
                n = _put(out_time, out_poll, n, time_s[at], -1 if is_missing else at)
            gap = end_s - time_s[last]
            n_missing = missing_count(gap, threshold_s, interval_s)
            for k in range(1, n_missing + 1):
                moment = time_s[last] + gap * k / (n_missing + 1)
                if moment >= start_s:
                    n = _put(out_time, out_poll, n, moment, -1)
        out_start[device + 1] = n
    return out_start, out_time[:n], out_poll[:n]


@njit(nogil=True, cache=True, inline="always")
def _put(
    out_time: NDArray[np.float64], out_poll: NDArray[np.int64], n: int, moment: float, poll: int
) -> int:  # pragma: no cover - compiled
    out_time[n] = moment
    out_poll[n] = poll
    return n + 1
