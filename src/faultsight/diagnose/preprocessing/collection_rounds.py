"""Appendix B: find the collection rounds of a fiber node, and from them the missing threshold.

Answers of one round come within its duration D, rounds follow each other every T. Pooled over all
modems, answer times are dense inside rounds and sparse between: one-dimensional DBSCAN finds the
rounds, rounds tell which polls are missing, and the threshold is the one under which Algorithm 1
says the same from a modem's own times alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from faultsight.core.polls import NodePolls
from faultsight.diagnose.preprocessing.missing_points import missing_count

__all__ = [
    "DEFAULT_THRESHOLD",
    "MissingThreshold",
    "collection_rounds",
    "round_of_poll",
    "tune_missing_threshold",
]

DEFAULT_THRESHOLD = 1.5
"""In poll intervals; where a node's polls do not tell."""

_EPS_H = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
_MIN_SAMPLES = (3, 5, 10, 20, 40)
_GRID = np.round(np.arange(1.0, 2.001, 0.01), 2)
_H_S = 3600.0


@dataclass(frozen=True)
class MissingThreshold:
    """The tuned threshold of one fiber node.

    Attributes
    ----------
    threshold_s : float
        Theta: a longer gap between two polls of a modem means that polls are missing.
    accuracy : float
        Share of judgements in which Algorithm 1 agrees with the rounds; NaN if none were found.
    n_rounds : int
        How many rounds were found.
    """

    threshold_s: float
    accuracy: float
    n_rounds: int


@njit(nogil=True, cache=True)
def _dense_runs(
    sorted_s: NDArray[np.float64], eps_s: float, min_samples: int
) -> tuple[NDArray[np.int64], int]:  # pragma: no cover - compiled
    """Label sorted times by DBSCAN; -1 is noise. Borders go to the nearer core."""
    n = len(sorted_s)
    labels = np.full(n, -1, np.int64)
    is_core = np.zeros(n, np.bool_)
    low, high = 0, 0
    for i in range(n):
        while sorted_s[i] - sorted_s[low] > eps_s:
            low += 1
        while high < n and sorted_s[high] - sorted_s[i] <= eps_s:
            high += 1
        is_core[i] = high - low >= min_samples
    n_runs, last_core = 0, -1
    for i in range(n):
        if is_core[i]:
            if last_core < 0 or sorted_s[i] - sorted_s[last_core] > eps_s:
                n_runs += 1
            labels[i] = n_runs - 1
            last_core = i
    before, nearest = np.full(n, -1, np.int64), -1
    for i in range(n):
        if is_core[i]:
            nearest = i
        before[i] = nearest
    nearest = -1
    for i in range(n - 1, -1, -1):
        if is_core[i]:
            nearest = i
        elif before[i] >= 0 or nearest >= 0:
            gap_before = sorted_s[i] - sorted_s[before[i]] if before[i] >= 0 else np.inf
            gap_after = sorted_s[nearest] - sorted_s[i] if nearest >= 0 else np.inf
            if min(gap_before, gap_after) <= eps_s:
                labels[i] = labels[before[i]] if gap_before <= gap_after else labels[nearest]
    return labels, n_runs


def collection_rounds(time_s: NDArray[np.float64], interval_s: float) -> NDArray[np.float64]:
    """Return the centres of a node's collection rounds, ascending; empty if fewer than three.

    The DBSCAN setting is the one whose centres lie most nearly an interval apart: the paper's
    estimated error, ``mean |(c[i+1] - c[i]) - T|``; on a tie, the one with less noise. Multiples of
    the interval are not forgiven, else joining two rounds would cost nothing.

    Parameters
    ----------
    time_s : array
        Answer times of all modems of the node, in any order.
    interval_s : float
        T.

    Examples
    --------
    >>> rounds = np.repeat(np.arange(5) * 14400.0, 30) + np.tile(np.arange(30) * 60.0, 5)
    >>> collection_rounds(rounds, 14400.0).tolist()
    [870.0, 15270.0, 29670.0, 44070.0, 58470.0]
    """
    sorted_s = np.sort(time_s)
    best, best_key = np.zeros(0), (np.inf, np.inf)
    scale = interval_s / (4 * _H_S)  # the grid is for T = 4 h
    for eps_h in _EPS_H:
        for min_samples in _MIN_SAMPLES:
            labels, n_runs = _dense_runs(sorted_s, eps_h * _H_S * scale, min_samples)
            if n_runs < 3:
                continue
            inside = labels >= 0
            sums = np.bincount(labels[inside], sorted_s[inside], minlength=n_runs)
            centres = sums / np.bincount(labels[inside], minlength=n_runs)
            error = float(np.mean(np.abs(np.diff(centres) - interval_s)))
            key = (round(error, 6), float(np.sum(~inside)))
            if key < best_key:
                best, best_key = centres, key
    return best


def round_of_poll(
    time_s: NDArray[np.float64], centres_s: NDArray[np.float64], interval_s: float
) -> NDArray[np.int64]:
    """Return the index of each poll's round, counting rounds lost for the whole node.

    A poll belongs to the round with the nearest centre.

    Examples
    --------
    >>> round_of_poll(np.array([10.0, 205.0]), np.array([0.0, 100.0, 200.0, 400.0]), 100.0).tolist()
    [0, 2]
    """
    steps = np.maximum(1, np.rint(np.diff(centres_s) / interval_s)).astype(np.int64)
    index = np.concatenate([[0], np.cumsum(steps)])
    borders = (centres_s[1:] + centres_s[:-1]) / 2
    return index[np.searchsorted(borders, time_s, side="right")]


def tune_missing_threshold(polls: NodePolls, interval_s: float) -> MissingThreshold:
    """Return the threshold under which Algorithm 1 agrees most with the node's rounds.

    Parameters
    ----------
    polls : NodePolls
        Without duplicates; a few weeks say enough.
    interval_s : float
        T.

    Notes
    -----
    Judged as in the paper: for g missing polls by the rounds and a by Algorithm 1, ``g = a > 0``
    adds g true positives, ``g = a = 0`` a true negative, ``g > a`` a true positives and ``g - a``
    false negatives, ``g < a`` g true positives and ``a - g`` false positives. Thresholds from one
    to two intervals in steps of a hundredth; of a plateau of equal accuracy its middle.

    Examples
    --------
    >>> times = np.delete(np.arange(40) * 14400.0, [7, 20, 21])
    >>> polls = NodePolls("F", ("a", "b", "c"), (), np.array([0, 37, 74, 111]), np.tile(times, 3))
    >>> tuned = tune_missing_threshold(polls, 14400.0)
    >>> tuned.threshold_s / 14400, tuned.accuracy
    (1.495, 1.0)
    """
    centres = collection_rounds(polls.time_s, interval_s)
    if len(centres) < 3:
        return MissingThreshold(DEFAULT_THRESHOLD * interval_s, float("nan"), 0)
    rounds = round_of_poll(polls.time_s, centres, interval_s)
    is_pair = np.diff(polls.device_of_poll) == 0
    steps = np.diff(rounds)[is_pair]
    gaps = np.diff(polls.time_s)[is_pair]
    is_kept = steps >= 1  # twice in one round is a duplicate
    truth, gaps = steps[is_kept] - 1, gaps[is_kept]
    if not len(gaps):
        return MissingThreshold(DEFAULT_THRESHOLD * interval_s, float("nan"), len(centres))
    accuracy = _accuracies(gaps, truth, _GRID * interval_s, interval_s)
    top = np.flatnonzero(accuracy >= accuracy.max() - 1e-12)
    # The longest plateau, its middle: the left edge would sit on the tail of usual gaps.
    runs = np.split(top, np.flatnonzero(np.diff(top) > 1) + 1)
    longest = max(runs, key=len)
    middle = (_GRID[longest[0]] + _GRID[longest[-1]]) / 2
    return MissingThreshold(float(middle * interval_s), float(accuracy.max()), len(centres))


@njit(nogil=True, cache=True)
def _accuracies(
    gaps: NDArray[np.float64],
    truth: NDArray[np.int64],
    thresholds_s: NDArray[np.float64],
    interval_s: float,
) -> NDArray[np.float64]:  # pragma: no cover - compiled
    out = np.empty(len(thresholds_s))
    for t, threshold_s in enumerate(thresholds_s):
        agreed, wrong = 0, 0
        for i in range(len(gaps)):
            gap, missing = gaps[i], truth[i]
            inferred = missing_count(gap, threshold_s, interval_s)
            agreed += min(missing, inferred) if max(missing, inferred) else 1
            wrong += abs(missing - inferred)
        out[t] = agreed / max(agreed + wrong, 1)
    return out
