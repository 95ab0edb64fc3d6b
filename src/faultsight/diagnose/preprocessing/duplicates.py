"""Polls told twice: what comes shortly after its predecessor takes its place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.polls import NodePolls

__all__ = ["DUPLICATE_GAP_S", "is_told_again", "without_duplicates"]

DUPLICATE_GAP_S = 600.0
"""Far less than a poll interval minus a collection round, so no two rounds are ever joined."""


def without_duplicates(polls: NodePolls, gap_s: float = DUPLICATE_GAP_S) -> NodePolls:
    """Return the polls without those that another of the same modem follows within a gap.

    The paper only says that duplicates make the bump near zero in its Figure 4; of a run of polls,
    each less than `gap_s` after the one before, the last is kept. Where the poller tells rounds,
    the last answer of a round is kept instead, and gaps are not looked at.

    Examples
    --------
    >>> polls = NodePolls("F", ("a",), (), np.array([0, 3]), np.array([0.0, 14400.0, 14460.0]))
    >>> without_duplicates(polls).time_s.tolist()
    [0.0, 14460.0]
    """
    keep = ~is_told_again(polls, gap_s)
    return polls if keep.all() else polls.take(keep)


def is_told_again(polls: NodePolls, gap_s: float = DUPLICATE_GAP_S) -> NDArray[np.bool_]:
    """Return which polls the modem's next one takes the place of."""
    again = np.zeros(polls.n_polls, np.bool_)
    again[:-1] = np.diff(polls.device_of_poll) == 0
    if polls.round_id is None:
        again[:-1] &= np.diff(polls.time_s) < gap_s
    else:
        again[:-1] &= (polls.round_id[1:] >= 0) & (np.diff(polls.round_id) == 0)
    return again
