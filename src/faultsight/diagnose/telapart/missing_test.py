"""Whether a modem misses more polls than chance explains.

With 5 % of polls lost at random, a quarter of all healthy modems miss one of six in a day, and
about ten of 250 miss the same one: by chance more than a "cluster" needs. So misses are judged
against the node's own loss rate, and a round that was lost for the whole node says nothing of any
modem.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from faultsight.diagnose.preprocessing.missing_points import Slots

__all__ = ["lost_rounds", "miss_score", "usual_loss_share"]

_LOST = 0.9
"""Share of a node's modems that miss a round which the poller lost."""
_CALM = 0.5
_LEAST_LOSS, _MOST_LOSS = 0.005, 0.5


def lost_rounds(
    slots: Slots, start_s: float, interval_s: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the round of each slot, the share that misses each round, and which rounds were lost.

    A round is lost if nearly all modems miss it while most answered in the rounds beside it: two
    such rounds in a row are an outage of the whole node, not an accident of the poller.

    Parameters
    ----------
    slots : Slots
        Of one window that starts in the silence between rounds.
    start_s, interval_s : float
        The window's start and T.
    """
    rounds = np.floor((slots.time_s - start_s) / interval_s).astype(np.int64)
    rounds = np.maximum(rounds, 0)
    n_rounds = int(rounds.max()) + 1 if len(rounds) else 0
    polled = np.bincount(rounds, minlength=n_rounds)
    missed = np.bincount(rounds, slots.poll < 0, minlength=n_rounds)
    share = missed / np.maximum(polled, 1)
    before = np.concatenate([[0.0], share[:-1]])
    after = np.concatenate([share[1:], [0.0]])
    return rounds, share, (share >= _LOST) & (before < _CALM) & (after < _CALM)


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
