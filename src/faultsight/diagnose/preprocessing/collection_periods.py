"""Collection periods: the time that one poll speaks for, and the tickets opened in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.polls import NodePolls
from faultsight.core.tickets import Tickets

__all__ = ["collection_periods_s", "poll_of_ticket"]


def collection_periods_s(polls: NodePolls, longest_s: float) -> NDArray[np.float64]:
    """Return how long each poll speaks: until the modem's next one, at most `longest_s`.

    This is ``t_k`` in the paper's equations 1 and 2. The last poll of a modem speaks for
    `longest_s`, for nothing is known of the next.

    Examples
    --------
    >>> polls = NodePolls("F", ("a",), (), np.array([0, 3]), np.array([0.0, 14400.0, 60000.0]))
    >>> collection_periods_s(polls, 21600.0).tolist()
    [14400.0, 21600.0, 21600.0]
    """
    periods = np.full(polls.n_polls, longest_s)
    periods[:-1] = np.minimum(np.diff(polls.time_s), longest_s)
    last = polls.device_start[1:][np.diff(polls.device_start) > 0] - 1
    periods[last] = longest_s
    return periods


def poll_of_ticket(
    polls: NodePolls, tickets: Tickets, longest_s: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the poll in whose collection period each ticket of the node was opened.

    Tickets of other modems, and those opened in no period, are left out.

    Returns
    -------
    poll : array of shape (ticket,)
        Positions in `polls`.
    is_maintenance : array of shape (ticket,)
        Each one's label.
    """
    mine, device = tickets.of_devices(polls.device_ids)
    poll = np.full(len(mine), -1, np.int64)
    for i in range(len(mine)):
        start, end = polls.device_start[device[i] : device[i] + 2]
        at = start + np.searchsorted(polls.time_s[start:end], mine.opened_s[i], side="right") - 1
        if at >= start and mine.opened_s[i] - polls.time_s[at] < longest_s:
            poll[i] = at
    found = poll >= 0
    return poll[found], mine.is_maintenance[found]
