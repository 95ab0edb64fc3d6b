"""How far a modem is from its own usual level, in the direction that hurts.

The paper compares vectors by correlation alone: a fault that began before the window and holds
steady is constant in it, and invisible. Here each channel of each modem is measured against its own
usual level of the days before: a low quantile where faults raise the metric, a high one where they
lower it, so that a fault of some days does not become usual while it lasts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from faultsight.core.polls import NodePolls

__all__ = ["Deviations", "level_deviations"]


@dataclass(frozen=True, eq=False)
class Deviations:
    """Of one metric, for each window and modem.

    Attributes
    ----------
    score_db : array of shape (window, device)
        float64; root mean square of the harmful deviations of the worst channel, NaN where no
        usual level or no value is known.
    channel : array of shape (window, device)
        int64; the worst channel, -1 where there is none.
    usual : array of shape (window, device, channel)
        float64; the usual level, NaN where history is too short.
    """

    score_db: NDArray[np.float64]
    channel: NDArray[np.int64]
    usual: NDArray[np.float64]


def level_deviations(
    polls: NodePolls,
    metric: str,
    edges_s: NDArray[np.float64],
    *,
    history_s: float,
    is_harm_upward: bool,
    quantile: float,
    least_history: int,
) -> Deviations:
    """Return the deviations of every window of a node.

    Parameters
    ----------
    polls : NodePolls
        Without duplicates.
    metric : str
        Such as ``snr_db``.
    edges_s : array of shape (window, 2)
        Half-open windows.
    history_s : float
        The usual level is taken from so much before each window.
    is_harm_upward : bool
        Whether faults raise the metric.
    quantile : float
        Of the history, counted from the harmless side.
    least_history : int
        Values of history that a usual level needs.

    Examples
    --------
    >>> snr_db = np.float32([[36.0]] * 12 + [[33.0]] * 6)
    >>> polls = NodePolls("F", ("a",), ("1",), np.array([0, 18]), np.arange(18) * 14400.0,
    ...                   {"snr_db": snr_db})
    >>> found = level_deviations(polls, "snr_db", np.array([[172800.0, 259200.0]]),
    ...     history_s=172800.0, is_harm_upward=False, quantile=0.25, least_history=6)
    >>> found.score_db.tolist(), found.usual.tolist()
    ([[3.0]], [[[36.0]]])
    """
    sign = 1.0 if is_harm_upward else -1.0
    return Deviations(
        *_deviations(
            polls.device_start, polls.time_s, polls.values[metric], edges_s, history_s, sign,
            quantile, least_history,
        )
    )  # fmt: skip


@njit(nogil=True, cache=True)
def _deviations(
    device_start: NDArray[np.int64],
    time_s: NDArray[np.float64],
    values: NDArray[np.float32],
    edges_s: NDArray[np.float64],
    history_s: float,
    sign: float,
    quantile: float,
    least_history: int,
) -> tuple[
    NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]
]:  # pragma: no cover - compiled
    n_devices, n_windows, n_channels = len(device_start) - 1, len(edges_s), values.shape[1]
    scores = np.full((n_windows, n_devices), np.nan)
    channels = np.full((n_windows, n_devices), -1, np.int64)
    usual = np.full((n_windows, n_devices, n_channels), np.nan)
    bounds = np.empty((n_windows, 3), np.int64)
    for device in range(n_devices):
        low, high = device_start[device], device_start[device + 1]
        for w in range(n_windows):
            start_s, end_s = edges_s[w]
            for k, moment in enumerate((start_s - history_s, start_s, end_s)):
                bounds[w, k] = np.searchsorted(time_s[low:high], moment)
        series = np.empty(high - low, values.dtype)
        for c in range(n_channels):
            for at in range(high - low):
                series[at] = sign * values[low + at, c]
            level = np.float32(-np.inf)
            for w in range(n_windows):
                since, first, last = bounds[w]
                level, n_past = _at_quantile(series[since:first], quantile, level)
                if n_past < least_history:
                    continue
                usual[w, device, c] = sign * level
                n_values, squares = 0, 0.0
                for at in range(first, last):
                    if not np.isnan(series[at]):
                        n_values += 1
                        squares += max(series[at] - level, 0.0) ** 2
                if n_values == 0:
                    continue
                score = np.sqrt(squares / n_values)
                if channels[w, device] < 0 or score > scores[w, device]:
                    scores[w, device], channels[w, device] = score, c
    return scores, channels, usual


@njit(nogil=True, cache=True)
def _at_quantile(
    values: NDArray[np.float32], quantile: float, near: np.float32
) -> tuple[np.float32, int]:  # pragma: no cover - compiled
    """Return the value at a quantile, and of how many; NaN is none.

    The search goes value by value from one that is near. From window to window few values leave and
    few come, so it ends after a step or two, sooner than values could be put in order.
    """
    n, below, equal = 0, 0, 0
    for i in range(len(values)):
        n += values[i] == values[i]
        below += values[i] < near
        equal += values[i] == near
    if n == 0:
        return near, n
    level, rank = near, int(quantile * (n - 1) + 0.5)
    while rank < below:
        level, equal = _next_below(values, level)
        below -= equal
    while rank >= below + equal:
        below += equal
        level, equal = _next_above(values, level)
    return level, n


@njit(nogil=True, cache=True)
def _next_below(
    values: NDArray[np.float32], level: np.float32
) -> tuple[np.float32, int]:  # pragma: no cover - compiled
    """Return the largest value below a level, and how often it occurs."""
    best, n = np.float32(-np.inf), 0
    for i in range(len(values)):
        best = values[i] if (values[i] < level) & (values[i] > best) else best
    for i in range(len(values)):
        n += values[i] == best
    return best, n


@njit(nogil=True, cache=True)
def _next_above(
    values: NDArray[np.float32], level: np.float32
) -> tuple[np.float32, int]:  # pragma: no cover - compiled
    """Return the smallest value above a level, and how often it occurs."""
    best, n = np.float32(np.inf), 0
    for i in range(len(values)):
        best = values[i] if (values[i] > level) & (values[i] < best) else best
    for i in range(len(values)):
        n += values[i] == best
    return best, n
