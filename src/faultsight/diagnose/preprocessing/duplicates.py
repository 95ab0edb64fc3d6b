"""Polls told twice: what comes shortly after its predecessor takes its place."""

from __future__ import annotations

import numpy as np

from faultsight.core.polls import NodePolls

__all__ = ["DUPLICATE_GAP_S", "without_duplicates"]

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
    device = polls.device_of_poll
    is_same = device[1:] == device[:-1]
    if polls.round_id is None:
        is_told_again = is_same & (np.diff(polls.time_s) < gap_s)
    else:
        known = polls.round_id[1:] >= 0
        is_told_again = is_same & known & (polls.round_id[1:] == polls.round_id[:-1])
    keep = np.ones(polls.n_polls, np.bool_)
    keep[:-1] = ~is_told_again
    return polls if keep.all() else polls.take(keep)
