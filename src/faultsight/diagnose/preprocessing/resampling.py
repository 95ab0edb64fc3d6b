"""Resampling: the common way to handle irregular polls, which TelApart is compared with (V-C)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls
from faultsight.diagnose.preprocessing.missing_points import Slots

__all__ = ["resampled"]


def resampled(
    polls: NodePolls, window: TimeWindow, *, metrics: tuple[str, ...], interval_s: float
) -> tuple[Slots, NDArray[np.float64]]:
    """Return every modem on one grid, linearly interpolated; nothing is missing any more.

    Parameters
    ----------
    polls : NodePolls
        Without duplicates; only those in the window are used.
    window : TimeWindow
        Its grid points are the middles of its intervals.
    metrics : tuple of str
        What is resampled.
    interval_s : float
        T.

    Returns
    -------
    slots : Slots
        On the grid; a modem without a poll in the window has none.
    values : array of shape (metric, slot, channel)
        float64; NaN on a channel that has no value in the window. Before the first and after the
        last value the nearest one holds.

    Examples
    --------
    >>> polls = NodePolls("F", ("a",), ("1",), np.array([0, 2]), np.array([0.0, 20.0]),
    ...                   {"snr_db": np.float32([[30], [40]])})
    >>> resampled(polls, TimeWindow(0, 30), metrics=("snr_db",), interval_s=10.0)[1].tolist()
    [[[32.5], [37.5], [40.0]]]
    """
    n_points = max(int((window.end_s - window.start_s) // interval_s), 1)
    grid = window.start_s + (np.arange(n_points) + 0.5) * interval_s
    inside = polls.in_window(window)
    has_polls = np.diff(inside.device_start) > 0
    start = np.concatenate([[0], np.cumsum(np.where(has_polls, n_points, 0))])
    values = np.full((len(metrics), int(start[-1]), len(polls.channels)), np.nan)
    for device in np.flatnonzero(has_polls):
        low, high = inside.device_start[device : device + 2]
        for m, metric in enumerate(metrics):
            for c in range(len(polls.channels)):
                told = inside.values[metric][low:high, c].astype(np.float64)
                known = ~np.isnan(told)
                if known.any():
                    values[m, start[device] : start[device + 1], c] = np.interp(
                        grid, inside.time_s[low:high][known], told[known]
                    )
    slots = Slots(start, np.tile(grid, int(has_polls.sum())), np.zeros(int(start[-1]), np.int64))
    return slots, values
