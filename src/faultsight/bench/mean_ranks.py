"""Mean ranks of methods over datasets, and whether they differ by more than chance.

The test is Friedman's, and two methods are told apart where their mean ranks differ by more than
Nemenyi's critical difference, as in J. Demšar, "Statistical Comparisons of Classifiers over
Multiple Data Sets", JMLR 7, 2006.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from faultsight.core.errors import InputError

__all__ = ["Ranking", "critical_difference", "rank_methods"]

_LEVEL = 0.05


@dataclass(frozen=True)
class Ranking:
    """Methods by their mean rank over datasets.

    Attributes
    ----------
    methods : tuple of str
        The best mean rank first; equal ones by name.
    ranks : tuple of float
        Their mean ranks; 1 is the best there can be.
    datasets : int
        Over how many sets.
    statistic, p_value : float or None
        Friedman's: how likely such ranks are if no method is better than another. None of fewer
        than three methods or two sets.
    difference : float or None
        Nemenyi's critical difference at 5 %: mean ranks nearer than it are not told apart.
    """

    methods: tuple[str, ...]
    ranks: tuple[float, ...]
    datasets: int
    statistic: float | None
    p_value: float | None
    difference: float | None

    @property
    def rank_of(self) -> dict[str, float]:
        """Each method's mean rank."""
        return dict(zip(self.methods, self.ranks, strict=True))

    @property
    def like_first(self) -> tuple[str, ...]:
        """The methods that are not told apart from the first, itself among them."""
        limit = self.difference or 0.0
        return tuple(m for m, rank in self.rank_of.items() if rank - self.ranks[0] <= limit)

    @property
    def groups(self) -> list[tuple[int, int]]:
        """Runs of at least two methods that are not told apart, as (first, last) places.

        No run lies within another.
        """
        limit = self.difference or 0.0
        found: list[tuple[int, int]] = []
        for first, rank in enumerate(self.ranks):
            last = max(n for n, other in enumerate(self.ranks) if other - rank <= limit)
            if last > first and (not found or last > found[-1][1]):
                found.append((first, last))
        return found


def rank_methods(figures: Mapping[str, Mapping[str, float | None]]) -> Ranking:
    """Rank methods on each dataset by a figure of which more is better, and average the ranks.

    Equal figures share their mean rank. A method without a figure ranks last, together with all
    others that have none.

    Parameters
    ----------
    figures : mapping of str to mapping of str to float or None
        Dataset to method to figure, at least one. A method that any set names takes part in all.

    Raises
    ------
    InputError
        If there is no figure.

    Examples
    --------
    >>> found = rank_methods({
    ...     "ASD": {"knn": 0.3, "pca": 0.2, "random": 0.1},
    ...     "SMD": {"knn": 0.4, "pca": 0.4, "random": None},
    ... })
    >>> found.methods, found.ranks, found.datasets
    (('knn', 'pca', 'random'), (1.25, 1.75, 3.0), 2)
    >>> round(found.difference, 3), found.like_first
    (2.344, ('knn', 'pca', 'random'))
    """
    names = sorted({method for of_set in figures.values() for method in of_set})
    if not names:
        raise InputError("there is no figure to rank methods by")
    lowered = np.array([[_lowest(of_set.get(m)) for m in names] for of_set in figures.values()])
    # Differences far below what is printed are rounding, not merit.
    ranks = rankdata(-np.round(lowered, 9), axis=1)
    means = ranks.mean(axis=0).tolist()
    order = sorted(range(len(names)), key=lambda n: (means[n], names[n]))
    statistic = p_value = difference = None
    if len(names) > 2 and len(figures) > 1:
        if len(np.unique(ranks)) > 1:
            found = friedmanchisquare(*ranks.T)
            statistic, p_value = float(found.statistic), float(found.pvalue)
        difference = critical_difference(len(names), len(figures))
    return Ranking(
        tuple(names[n] for n in order), tuple(means[n] for n in order), len(figures),
        statistic, p_value, difference,
    )  # fmt: skip


def critical_difference(methods: int, datasets: int) -> float:
    """Return Nemenyi's critical difference of mean ranks at 5 %.

    Examples
    --------
    >>> round(critical_difference(5, 30), 3)  # 2.728 sqrt(30 / 180), Demšar's Table 5
    1.114
    """
    quantile = studentized_range.ppf(1 - _LEVEL, methods, np.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(methods * (methods + 1) / (6 * datasets)))


def _lowest(figure: float | None) -> float:
    return -math.inf if figure is None or math.isnan(figure) else float(figure)
