"""Precision, recall and F1 of verdicts where the true state of each modem is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import InputError
from faultsight.diagnose.contract import Verdict

__all__ = ["ANSWERS", "PrecisionRecall", "VerdictScores", "verdict_scores"]

ANSWERS = (Verdict.HEALTHY, Verdict.MAINTENANCE, Verdict.SERVICE)
"""What a modem's true state can be."""


class PrecisionRecall(NamedTuple):
    """Precision, recall and F1; NaN where one is not defined."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class VerdictScores:
    """How often each true state got each verdict; scores of several runs add up.

    A modem without an answer counts as missed, so that silence never pays.

    Attributes
    ----------
    confusion : array of shape (4, 4)
        int64; by true state and verdict, in the order of `Verdict`.

    Examples
    --------
    >>> healthy, shared = Verdict.HEALTHY, Verdict.MAINTENANCE
    >>> scores = verdict_scores([healthy, shared, healthy], [healthy, shared, shared])
    >>> scores.of(shared)
    PrecisionRecall(precision=1.0, recall=0.5, f1=0.6666666666666666)
    """

    confusion: NDArray[np.int64]

    def __add__(self, other: VerdictScores) -> VerdictScores:
        return VerdictScores(self.confusion + other.confusion)

    @property
    def n_judged(self) -> int:
        """How many modem windows are judged."""
        return int(self.confusion.sum())

    @property
    def unanswered_share(self) -> float:
        """Share of them that got no answer; NaN if there is none."""
        if not self.n_judged:
            return math.nan
        return int(self.confusion[:, Verdict.INSUFFICIENT].sum()) / self.n_judged

    def of(self, verdict: Verdict) -> PrecisionRecall:
        """Return the scores of one verdict.

        Precision of a verdict never given is 0 if it was ever true, else NaN; recall and F1 of one
        that was never true are NaN.
        """
        hit = int(self.confusion[verdict, verdict])
        given, true = int(self.confusion[:, verdict].sum()), int(self.confusion[verdict].sum())
        if not true:
            return PrecisionRecall(0.0 if given else math.nan, math.nan, math.nan)
        return PrecisionRecall(hit / given if given else 0.0, hit / true, 2 * hit / (given + true))

    @property
    def macro_f1(self) -> float:
        """Mean F1 of healthy, maintenance and service, of those that were true; NaN if none was."""
        known = [f1 for f1 in (self.of(verdict).f1 for verdict in ANSWERS) if not math.isnan(f1)]
        return sum(known) / len(known) if known else math.nan


def verdict_scores(
    predicted: ArrayLike, truth: ArrayLike, *, is_judged: ArrayLike | None = None
) -> VerdictScores:
    """Return the scores of verdicts.

    Parameters
    ----------
    predicted, truth : array of any one shape
        Values of `Verdict`.
    is_judged : array of the same shape, optional
        False where neither counts, such as at the edges of a fault or in repeated rounds.

    Raises
    ------
    InputError
        If shapes differ, a value is no verdict, or a judged true state is ``INSUFFICIENT``.

    Examples
    --------
    >>> scores = verdict_scores([0, 3, 1, 2], [0, 3, 3, 0], is_judged=[True, True, True, False])
    >>> scores.n_judged, round(scores.unanswered_share, 3), round(scores.macro_f1, 3)
    (3, 0.333, 0.833)
    """
    given, true = np.asarray(predicted), np.asarray(truth)
    judged = np.ones(true.shape, np.bool_) if is_judged is None else np.asarray(is_judged, np.bool_)
    if given.shape != true.shape or judged.shape != true.shape:
        raise InputError(f"shapes differ: {given.shape}, {true.shape} and {judged.shape}")
    given, true = given[judged].astype(np.int64), true[judged].astype(np.int64)
    if not np.isin(given, list(Verdict)).all():
        raise InputError("a prediction is no verdict")
    if not np.isin(true, ANSWERS).all():
        raise InputError("a true state is neither healthy, maintenance nor service")
    n = len(Verdict)
    return VerdictScores(np.bincount(true * n + given, minlength=n * n).reshape(n, n))
