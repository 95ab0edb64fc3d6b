"""Rows found, falsely alarmed and missed; precision, recall and F1 of an entity and of a fleet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from faultsight.core.errors import InputError
from faultsight.detect.metrics._rows import as_alarm, mean_of_known

__all__ = ["Counts", "PrecisionRecall", "count_rows", "f1_of", "fleet_f1"]


class PrecisionRecall(NamedTuple):
    """Precision, recall and F1; NaN where one is not defined."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Counts:
    """Rows of one entity by outcome.

    Parameters
    ----------
    tp, fp, fn : int
        True rows that alarmed, other rows that alarmed, true rows that did not.

    Examples
    --------
    >>> Counts(tp=3, fp=1, fn=0).precision
    0.75
    """

    tp: int
    fp: int
    fn: int

    def __post_init__(self) -> None:
        if min(self.tp, self.fp, self.fn) < 0:
            raise InputError(f"counts are at least 0, not {self.tp}, {self.fp}, {self.fn}")

    @property
    def precision(self) -> float:
        """Share of alarmed rows that are true.

        Without any alarm it is 0 if there was something to find, so that silence never pays;
        NaN if there was nothing to find either.
        """
        if self.tp + self.fp:
            return self.tp / (self.tp + self.fp)
        return 0.0 if self.fn else math.nan

    @property
    def recall(self) -> float:
        """Share of true rows that alarmed; NaN if no row is true."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN if no row is true."""
        return f1_of(self.precision, self.recall)


def count_rows(alarm: ArrayLike, truth: ArrayLike) -> Counts:
    """Return the counts of an alarm, row by row.

    Parameters
    ----------
    alarm, truth : array of shape (time,)
        0 or 1.

    Raises
    ------
    InputError
        If the lengths differ, or a value is neither 0 nor 1.

    Examples
    --------
    >>> count_rows([1, 1, 0, 0], [0, 1, 1, 0])
    Counts(tp=1, fp=1, fn=1)
    """
    raised, rows = as_alarm(alarm, truth)
    tp = int(np.count_nonzero(raised & rows))
    return Counts(tp, int(raised.sum()) - tp, int(rows.sum()) - tp)


def f1_of(precision: float, recall: float) -> float:
    """Return the harmonic mean; 0 if both are 0, NaN if one is not defined.

    Examples
    --------
    >>> f1_of(1.0, 0.5), f1_of(0.0, 0.0)
    (0.6666666666666666, 0.0)
    """
    if precision == recall == 0.0:
        return 0.0
    return 2.0 * precision * recall / (precision + recall)


def fleet_f1(counts: Mapping[str, Counts] | Iterable[Counts]) -> PrecisionRecall:
    """Return precision and recall averaged over entities, and the F1 of the two averages.

    The AnoTuner paper, appendix C. An entity stays out of an average where it has no say:

    ==============  ==============================  ===================
    entity          precision                       recall
    ==============  ==============================  ===================
    true rows       0 if it never alarms            as defined
    no true rows    0 if it alarms, else left out   left out
    ==============  ==============================  ===================

    So a false alarm on a healthy entity costs precision, and silence about a faulty one does too.

    Parameters
    ----------
    counts : mapping of str to Counts, or iterable of Counts
        One for each entity; point-adjusted, as in the paper, or not.

    Returns
    -------
    PrecisionRecall
        NaN where no entity is left to average over.

    Raises
    ------
    InputError
        If there is no entity.

    Examples
    --------
    >>> fleet_f1([Counts(tp=4, fp=0, fn=0), Counts(tp=1, fp=1, fn=1), Counts(tp=0, fp=0, fn=0)])
    PrecisionRecall(precision=0.75, recall=0.75, f1=0.75)
    """
    every = list(counts.values() if isinstance(counts, Mapping) else counts)
    if not every:
        raise InputError("there is no entity to judge")
    precision = mean_of_known(entity.precision for entity in every)
    recall = mean_of_known(entity.recall for entity in every)
    return PrecisionRecall(precision, recall, f1_of(precision, recall))
