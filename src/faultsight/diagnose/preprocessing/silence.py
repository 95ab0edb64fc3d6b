"""The silence between collection rounds: where a window may end without cutting a round in two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls

__all__ = ["moved_to_silence", "poll_interval_s", "silent_phase_s"]

_N_BINS = 240
_RHYTHM_SAMPLE = 4000
_BEYOND_CHANCE = 3.5
"""Polls without a rhythm turn by about 1 / sqrt(n); 3.5 times that is 5 in a million by chance."""


def poll_interval_s(polls: NodePolls) -> float:
    """Return the time from round to round: the most frequent gap of one modem, in whole minutes.

    Raises
    ------
    InputError
        If no modem has two polls.

    Notes
    -----
    Gaps scatter by the length of a round around multiples of the interval, so that those near the
    usual one tell it as long as rounds are short. Where they are long, gaps over one lost poll mix
    with them, and a minute too much adds up to hours over some days: of the minutes around, the one
    counts in whose rhythm all polls together come and go most, unless they have no rhythm.

    Examples
    --------
    >>> polls = NodePolls("F", ("a",), (), np.array([0, 3]), np.array([0.0, 14430.0, 28790.0]))
    >>> poll_interval_s(polls)
    14400.0
    """
    gaps = np.diff(polls.time_s)[np.diff(polls.device_of_poll) == 0]
    gaps = gaps[gaps > 0]
    if not gaps.size:
        raise InputError(
            "no modem has two polls; the poll interval is not known", source=polls.fnode
        )
    usual = np.median(gaps)
    near = gaps[np.abs(gaps - usual) < 0.5 * usual]
    minutes = max(1.0, float(np.rint(np.median(near) / 60.0)))
    time_s = np.sort(polls.time_s)
    time_s = time_s[:: 1 + len(time_s) // _RHYTHM_SAMPLE] - time_s[0]
    around = np.arange(np.ceil(0.875 * minutes), np.floor(1.125 * minutes) + 1.0)
    turns = time_s / (60.0 * around[:, None])
    # Single precision is enough within a turn, and much faster.
    angle = (2.0 * np.pi * (turns - np.floor(turns))).astype(np.float32)
    rhythm = np.hypot(np.cos(angle).mean(axis=1), np.sin(angle).mean(axis=1))
    best = int(rhythm.argmax())
    if rhythm[best] > _BEYOND_CHANCE / np.sqrt(len(time_s)):
        minutes = float(around[best])
    return 60.0 * minutes


def silent_phase_s(time_s: NDArray[np.float64], interval_s: float) -> float:
    """Return the moment in the poll interval at which the node is least polled.

    Parameters
    ----------
    time_s : array
        When polls of one fiber node were answered.
    interval_s : float
        The poll interval.

    Returns
    -------
    float
        In ``[0, interval_s)``: the middle of the longest run of the quietest bins of the interval.

    Examples
    --------
    >>> every_second = np.arange(0.0, 1e5)
    >>> silent_phase_s(every_second[every_second % 1000 < 500], 1000.0)
    750.0
    """
    if not len(time_s):
        return 0.0
    bins = (np.mod(time_s, interval_s) / interval_s * _N_BINS).astype(np.int64) % _N_BINS
    counts = np.bincount(bins, minlength=_N_BINS)
    # A few late answers fall into any silence.
    is_quiet = counts <= max(counts.min(), 0.02 * counts.mean())
    best_start, best_length, length = 0, 0, 0
    for position in range(2 * _N_BINS):
        length = length + 1 if is_quiet[position % _N_BINS] else 0
        if min(length, _N_BINS) > best_length:
            best_start, best_length = position - length + 1, length
    return float((best_start + best_length / 2) % _N_BINS * interval_s / _N_BINS)


def moved_to_silence(window: TimeWindow, phase_s: float, interval_s: float) -> TimeWindow:
    """Return the window moved back, by less than an interval, to end in the silence.

    A window that cuts a round changed similarities by up to 0.77 (spec, 1.4); one is never moved
    forward, for nothing later than its end may be looked at.

    Examples
    --------
    >>> moved_to_silence(TimeWindow(0, 86400), 9000.0, 14400.0)
    TimeWindow(start_s=-5400, end_s=81000)
    """
    back = int(np.mod(window.end_s - phase_s, interval_s))
    return TimeWindow(window.start_s - back, window.end_s - back)
