"""How good an answer is: found attribute combinations against the true ones.

A root counts as found when the combination is exactly equal. Beside that strict count stands a
partial credit, since an operator who is sent to the parent of the right place is nearly there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.seed import random_stream

__all__ = [
    "Counts",
    "bootstrap_interval",
    "count",
    "f1_interval",
    "leaf_jaccard",
    "partial_credit",
    "rc_at_k",
    "recall_at_k",
]

Array = NDArray[np.float64]
Combinations = Collection[AttributeCombination]


@dataclass(frozen=True)
class Counts:
    """True positives, false positives and false negatives; they add up over cases.

    Attributes
    ----------
    tp, fp, fn : int
        Roots found, combinations reported that are no roots, roots missed.

    Examples
    --------
    >>> total = Counts(2, 1, 0) + Counts(0, 0, 1)
    >>> total.precision, total.recall, total.f1
    (0.6666666666666666, 0.6666666666666666, 0.6666666666666666)
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        """Share of what was reported that is true; 1 if nothing was to be found or reported."""
        return _share(self.tp, self.tp + self.fp, otherwise=float(self.fn == 0))

    @property
    def recall(self) -> float:
        """Share of the roots that was found; 1 if there was none."""
        return _share(self.tp, self.tp + self.fn, otherwise=1.0)

    @property
    def f1(self) -> float:
        """2 tp / (2 tp + fp + fn): summed over cases first, this is the micro F1."""
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn, otherwise=1.0)


def count(found: Iterable[AttributeCombination], truth: Combinations) -> Counts:
    """Compare the combinations found in one case with the true ones, as sets.

    Examples
    --------
    >>> a, b, c = map(AttributeCombination.parse, ["x=1", "y=2", "x=1&y=2"])
    >>> count([a, c], {a, b})
    Counts(tp=1, fp=1, fn=1)
    """
    reported, true = set(found), set(truth)
    tp = len(reported & true)
    return Counts(tp, len(reported) - tp, len(true) - tp)


def recall_at_k(ranking: Sequence[AttributeCombination], truth: Combinations, k: int) -> float:
    """Return the share of the roots of one case that are among the first k of a ranking.

    With more roots than k it cannot reach 1. A case without roots counts 1.
    """
    true = set(truth)
    return _share(len(set(ranking[:k]) & true), len(true), otherwise=1.0)


def rc_at_k(cases: Iterable[tuple[Sequence[AttributeCombination], Combinations]], k: int) -> float:
    """Return RC@k: the mean over cases of `recall_at_k`.

    Parameters
    ----------
    cases : iterable of (ranking, truth)
        At least one.
    k : int
        How many of the ranking are looked at.

    References
    ----------
    RAPMiner (DSN 2022), section I, names RC@k; its exact denominator is not in the text we know,
    the usual recall form is taken.

    Examples
    --------
    >>> a, b, c = map(AttributeCombination.parse, ["x=1", "y=2", "z=3"])
    >>> rc_at_k([([a, b], {a}), ([c, a], {a, b})], k=1)
    0.5
    """
    return float(np.mean([recall_at_k(ranking, truth, k) for ranking, truth in cases]))


def partial_credit(found: Iterable[AttributeCombination], truth: Combinations) -> float:
    """Return a soft F1 of one case that gives credit to ancestors and descendants of a root.

    Two combinations on one line of descent share (lower layer) / (higher layer), so equal ones
    share 1 and a root in layer 2 shares 1/2 with its parent in layer 1; all others share 0.
    Found and true combinations are matched one to one for the largest sum, and the credit is
    2 sum / (found + true); 1 if both are empty.

    Examples
    --------
    >>> root, parent = map(AttributeCombination.parse, ["x=1&y=2", "x=1"])
    >>> partial_credit([root], {root}), partial_credit([parent], {root})
    (1.0, 0.5)
    """
    reported, true = sorted(set(found)), sorted(set(truth))
    shares = np.array([[_line_share(f, t) for t in true] for f in reported])
    if not shares.size:
        return float(len(reported) == len(true))
    rows, columns = linear_sum_assignment(shares, maximize=True)
    return float(2 * shares[rows, columns].sum() / (len(reported) + len(true)))


def leaf_jaccard(
    cube: KpiCube, found: Iterable[AttributeCombination], truth: Combinations
) -> float:
    """Return how many leaves are found and true over how many are either; 1 if both are empty.

    Raises
    ------
    SettingError
        If a combination fixes an attribute that the cube does not have.
    """
    reported, true = _covered(cube, found), _covered(cube, truth)
    return _share(int((reported & true).sum()), int((reported | true).sum()), otherwise=1.0)


def bootstrap_interval(
    values: Array,
    statistic: Callable[[Array], Array],
    *,
    seed: int = 0,
    samples: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile interval of a statistic over cases drawn with replacement.

    Parameters
    ----------
    values : ndarray, shape (n_cases, n_columns)
        What is measured in each case.
    statistic : callable
        Maps the column means of the samples, shape (samples, n_columns), to one value each.
    seed : int
        Of the draws.
    samples : int
        How many samples are drawn.
    level : float
        Share of the samples inside the interval.

    Examples
    --------
    >>> hits = np.array([[1.0], [1.0], [0.0], [1.0]])
    >>> bootstrap_interval(hits, lambda means: means[:, 0])
    (0.25, 1.0)
    """
    stream = random_stream(seed, "bootstrap")
    draws = stream.integers(len(values), size=(samples, len(values)))
    found = statistic(values[draws].mean(axis=1))
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def f1_interval(counts: Sequence[Counts], *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval over cases of the micro F1.

    Examples
    --------
    >>> f1_interval([Counts(1, 0, 0)] * 5)
    (1.0, 1.0)
    """

    def micro_f1(means: Array) -> Array:
        tp, fp, fn = means.T
        whole = 2 * tp + fp + fn
        f1: Array = np.divide(2 * tp, whole, out=np.ones(len(tp)), where=whole > 0)
        return f1

    table = np.array([[c.tp, c.fp, c.fn] for c in counts], dtype=np.float64)
    return bootstrap_interval(table, micro_f1, seed=seed)


def _share(part: int, whole: int, *, otherwise: float) -> float:
    return part / whole if whole else otherwise


def _line_share(first: AttributeCombination, second: AttributeCombination) -> float:
    if first == second or first.is_ancestor_of(second) or second.is_ancestor_of(first):
        low, high = sorted((first.layer, second.layer))
        return low / high
    return 0.0


def _covered(cube: KpiCube, combinations: Iterable[AttributeCombination]) -> NDArray[np.bool_]:
    covered = np.zeros(cube.n_leaves, dtype=bool)
    for combination in combinations:
        covered[cube.leaves_of(combination)] = True
    return covered
