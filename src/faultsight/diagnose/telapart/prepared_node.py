"""A fiber node made ready once: what every window of it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls
from faultsight.core.tickets import Tickets
from faultsight.diagnose.preprocessing.collection_periods import (
    collection_periods_s,
    poll_of_ticket,
)
from faultsight.diagnose.preprocessing.collection_rounds import (
    DEFAULT_THRESHOLD,
    tune_missing_threshold,
)
from faultsight.diagnose.preprocessing.duplicates import without_duplicates
from faultsight.diagnose.preprocessing.missing_points import Slots, infer_missing
from faultsight.diagnose.preprocessing.silence import (
    moved_to_silence,
    poll_interval_s,
    silent_phase_s,
)

__all__ = ["NodeRhythm", "PreparedNode", "WindowTotals", "prepare", "rhythm_of"]

_RHYTHM_POLLS = 15_000
"""As many polls of a node tell its rhythm: about ten days of 250 modems."""


@dataclass(frozen=True)
class NodeRhythm:
    """When a fiber node is polled.

    Attributes
    ----------
    interval_s : float
        T, from round to round.
    threshold_s : float
        Theta: a longer gap means that polls are missing.
    phase_s : float
        The moment of the interval at which it is silent.
    accuracy : float
        Of the threshold against the rounds that were found; NaN if none were.
    """

    interval_s: float
    threshold_s: float
    phase_s: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class WindowTotals:
    """What is summed over the collection periods of each window and modem.

    Attributes
    ----------
    covered_s, maintenance_tickets, service_tickets : array of shape (window, device)
        float64.
    """

    covered_s: NDArray[np.float64]
    maintenance_tickets: NDArray[np.float64]
    service_tickets: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PreparedNode:
    """Polls without duplicates, and the node's rhythm.

    Attributes
    ----------
    polls : NodePolls
        Without duplicates.
    rhythm : NodeRhythm
        When it is polled.
    """

    polls: NodePolls
    rhythm: NodeRhythm

    def quiet_window(self, window: TimeWindow) -> TimeWindow:
        """Return a window moved back to the silence before its end."""
        return moved_to_silence(window, self.rhythm.phase_s, self.rhythm.interval_s)

    def slots(self, window: TimeWindow, gone_after_s: float) -> Slots:
        """Return the slots of a window (as given); see `infer_missing`."""
        return infer_missing(
            self.polls,
            window,
            threshold_s=self.rhythm.threshold_s,
            interval_s=self.rhythm.interval_s,
            gone_after_s=gone_after_s,
        )

    def totals(self, windows: Sequence[TimeWindow], tickets: Tickets | None = None) -> WindowTotals:
        """Return covered time and tickets of each window (as given) and modem."""
        polls, longest_s = self.polls, self.rhythm.threshold_s
        weights = np.zeros((polls.n_polls, 3))
        weights[:, 0] = collection_periods_s(polls, longest_s)
        if tickets is not None:
            poll, is_maintenance = poll_of_ticket(polls, tickets, longest_s)
            np.add.at(weights, (poll, np.where(is_maintenance, 1, 2)), 1.0)
        sums = _sums(polls.device_start, polls.time_s, weights, _edges(windows))
        return WindowTotals(sums[0], sums[1], sums[2])

    def covered_s(self, windows: Sequence[TimeWindow]) -> NDArray[np.float64]:
        """Return how much of each window (as given) each modem's collection periods cover."""
        periods = collection_periods_s(self.polls, self.rhythm.threshold_s)
        return _covered(self.polls.device_start, self.polls.time_s, periods, _edges(windows))


def _edges(windows: Sequence[TimeWindow]) -> NDArray[np.float64]:
    return np.array([[w.start_s, w.end_s] for w in windows], np.float64).reshape(-1, 2)


def rhythm_of(polls: NodePolls, interval_s: float | None = None) -> NodeRhythm:
    """Return the rhythm of a node from its latest polls.

    Parameters
    ----------
    polls : NodePolls
        Without duplicates.
    interval_s : float, optional
        T, where it is known; else the most frequent gap.
    """
    if polls.n_polls > _RHYTHM_POLLS:
        since = np.sort(polls.time_s)[-_RHYTHM_POLLS]
        polls = polls.take(polls.time_s >= since)
    if interval_s is None:
        try:
            interval_s = poll_interval_s(polls)
        except InputError:
            interval_s = 14_400.0  # not one modem has two polls: nothing will depend on it
    interval_s = float(interval_s)
    phase_s = silent_phase_s(polls.time_s, interval_s)
    if polls.round_id is not None and (polls.round_id >= 0).all():
        return NodeRhythm(interval_s, DEFAULT_THRESHOLD * interval_s, phase_s, float("nan"))
    tuned = tune_missing_threshold(polls, interval_s)
    return NodeRhythm(interval_s, tuned.threshold_s, phase_s, tuned.accuracy)


def prepare(
    polls: NodePolls, *, interval_s: float | None = None, rhythm: NodeRhythm | None = None
) -> PreparedNode:
    """Return a node ready for windows; its rhythm is found unless it is known."""
    polls = without_duplicates(polls)
    return PreparedNode(polls, rhythm or rhythm_of(polls, interval_s))


@njit(nogil=True, cache=True)
def _sums(
    device_start: NDArray[np.int64],
    time_s: NDArray[np.float64],
    weights: NDArray[np.float64],
    edges: NDArray[np.float64],
) -> NDArray[np.float64]:  # pragma: no cover - compiled
    n_devices, n_windows = len(device_start) - 1, len(edges)
    out = np.zeros((weights.shape[1], n_windows, n_devices))
    for device in range(n_devices):
        low, high = device_start[device], device_start[device + 1]
        for w in range(n_windows):
            first = low + np.searchsorted(time_s[low:high], edges[w, 0])
            last = low + np.searchsorted(time_s[low:high], edges[w, 1])
            for at in range(first, last):
                for k in range(weights.shape[1]):
                    out[k, w, device] += weights[at, k]
    return out


@njit(nogil=True, cache=True)
def _covered(
    device_start: NDArray[np.int64],
    time_s: NDArray[np.float64],
    periods_s: NDArray[np.float64],
    edges: NDArray[np.float64],
) -> NDArray[np.float64]:  # pragma: no cover - compiled
    n_devices, n_windows = len(device_start) - 1, len(edges)
    out = np.zeros((n_windows, n_devices))
    for device in range(n_devices):
        low, high = device_start[device], device_start[device + 1]
        for w in range(n_windows):
            first = low + np.searchsorted(time_s[low:high], edges[w, 0])
            last = low + np.searchsorted(time_s[low:high], edges[w, 1])
            # The poll before the window may speak into it; what it says beyond is not the window's.
            for at in range(max(first - 1, low), last):
                end_s = min(time_s[at] + periods_s[at], edges[w, 1])
                out[w, device] += max(end_s - max(time_s[at], edges[w, 0]), 0.0)
    return out
