"""Whether a modem misses more polls than chance explains.

With 5 % of polls lost at random, a quarter of all healthy modems miss one of six in a day, and
about ten of 250 miss the same one: by chance more than a "cluster" needs. So misses are judged
against the node's own loss rate, and a round that was lost for the whole node says nothing of any
modem.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from faultsight.diagnose.preprocessing.missing_points import Slots

__all__ = ["MissedRounds", "miss_score", "missed_rounds", "usual_loss_share"]

_LOST = 0.9
"""Share of a node's modems that miss a round which the poller lost."""
_CALM = 0.5
_LEAST_LOSS, _MOST_LOSS = 0.005, 0.5
_STRUCK = 4.0
"""Powers of ten of chance from which on a round has more misses than loss explains."""


@dataclass(frozen=True, eq=False)
class MissedRounds:
    """The misses of one window, round by round.

    Attributes
    ----------
    loss_share : float
        What the node usually loses.
    is_told : array of shape (slot,)
        Whether the slot's round was polled at all: nearly all modems miss a round that the poller
        lost, while most answered in the rounds beside it. Two such rounds in a row are an outage
        of the whole node, not an accident of the poller.
    is_struck : array of shape (slot,)
        Whether many more modems than usual miss the slot's round, though it was polled.
    """

    loss_share: float
    is_told: NDArray[np.bool_]
    is_struck: NDArray[np.bool_]


def missed_rounds(slots: Slots, start_s: float, interval_s: float) -> MissedRounds:
    """Return which rounds were lost by the poller, and which struck a part of the node.

    Parameters
    ----------
    slots : Slots
        Of one window that starts in the silence between rounds.
    start_s, interval_s : float
        The window's start and T.
    """
    rounds = np.maximum(np.floor((slots.time_s - start_s) / interval_s).astype(np.int64), 0)
    polled = np.bincount(rounds)
    missed = np.bincount(rounds, slots.poll < 0).astype(np.int64)
    share = missed / np.maximum(polled, 1)
    before = np.concatenate([[0.0], share[:-1]])
    after = np.concatenate([share[1:], [0.0]])
    is_lost = (share >= _LOST) & (before < _CALM) & (after < _CALM)
    loss_share = usual_loss_share(share[~is_lost])
    is_struck = ~is_lost & (miss_score(missed, polled, loss_share) >= _STRUCK)
    return MissedRounds(loss_share, ~is_lost[rounds], is_struck[rounds])


def usual_loss_share(shares: NDArray[np.float64]) -> float:
    """Return the share of polls that a node usually loses: the median over its rounds.

    Examples
    --------
    >>> usual_loss_share(np.array([0.04, 0.06, 0.05, 1.0]))
    0.055
    """
    if not len(shares):
        return _LEAST_LOSS
    return float(np.clip(np.median(shares), _LEAST_LOSS, _MOST_LOSS))


def miss_score(
    n_missed: NDArray[np.int64], n_slots: NDArray[np.int64], loss_share: float
) -> NDArray[np.float64]:
    """Return minus the logarithm (base 10) of the chance of missing so many or more of so many.

    Examples
    --------
    >>> miss_score(np.array([0, 1, 2, 6]), np.array([6, 6, 6, 6]), 0.05).round(2).tolist()
    [0.0, 0.58, 1.48, 7.81]
    """
    k = np.maximum(n_missed, 1)
    # The binomial tail as an incomplete beta function.
    tail = np.where(n_missed > 0, betainc(k, np.maximum(n_slots - k + 1, 1), loss_share), 1.0)
    return np.asarray(np.abs(np.log10(np.maximum(tail, 1e-300))))
