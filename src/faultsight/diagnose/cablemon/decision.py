"""From abnormal polls to events: so many of the last few (CableMon, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.polls import NodePolls

__all__ = ["Events", "decide", "events_of"]


def decide(
    polls: NodePolls, abnormal: NDArray[np.bool_], *, window_polls: int, least_abnormal: int
) -> NDArray[np.bool_]:
    """Return at which polls an event is seen: `least_abnormal` of the last `window_polls` abnormal.

    The window slides over the polls of one modem and ends with the poll itself.

    Examples
    --------
    >>> polls = NodePolls("F", ("a", "b"), (), np.array([0, 4, 6]), np.arange(6) * 14400.0)
    >>> abnormal = np.array([True, False, True, False, True, False])
    >>> decide(polls, abnormal, window_polls=3, least_abnormal=2).tolist()
    [False, False, True, False, False, False]
    """
    so_far = np.concatenate([[0], np.cumsum(abnormal, dtype=np.int64)])
    poll = np.arange(polls.n_polls)
    first = np.maximum(poll - window_polls + 1, polls.device_start[polls.device_of_poll])
    return np.asarray(so_far[poll + 1] - so_far[first] >= least_abnormal)


@dataclass(frozen=True, eq=False)
class Events:
    """Unbroken runs of polls of one modem at which an event is seen.

    Attributes
    ----------
    device : array of shape (event,)
        int64; whose.
    first_poll, last_poll : array of shape (event,)
        int64.
    start_s, end_s : array of shape (event,)
        float64; from the first poll to the end of the last one's collection period.
    """

    device: NDArray[np.int64]
    first_poll: NDArray[np.int64]
    last_poll: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.device)


def events_of(
    polls: NodePolls, is_event: NDArray[np.bool_], period_s: NDArray[np.float64]
) -> Events:
    """Return the events of a decision, by modem and time.

    Parameters
    ----------
    polls : NodePolls
        The polls.
    is_event : array of shape (poll,)
        At which polls an event is seen; see `decide`.
    period_s : array of shape (poll,)
        How long each poll speaks.

    Examples
    --------
    >>> polls = NodePolls("F", ("a", "b"), (), np.array([0, 3, 5]), np.arange(5) * 100.0)
    >>> events = events_of(polls, np.array([False, True, True, True, False]), np.full(5, 100.0))
    >>> events.device.tolist(), events.start_s.tolist(), events.end_s.tolist()
    ([0, 1], [100.0, 300.0], [300.0, 400.0])
    """
    device = polls.device_of_poll
    goes_on = np.zeros(polls.n_polls + 1, np.bool_)
    goes_on[1:-1] = is_event[1:] & is_event[:-1] & (device[1:] == device[:-1])
    first = np.flatnonzero(is_event & ~goes_on[:-1])
    last = np.flatnonzero(is_event & ~goes_on[1:])
    return Events(
        device[first], first, last, polls.time_s[first], polls.time_s[last] + period_s[last]
    )
