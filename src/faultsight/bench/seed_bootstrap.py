"""How much a figure owes to which seeds were drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from faultsight.core.seed import random_stream
from faultsight.diagnose.metrics.bootstrap import percentile_interval

__all__ = ["SeedInterval", "seed_intervals"]

T = TypeVar("T")


class SeedInterval(NamedTuple):
    """A figure of all seeds, and its 95 % bootstrap interval over seeds."""

    value: float
    low: float
    high: float


def seed_intervals(
    figures: Callable[[Sequence[T]], Sequence[float]],
    runs: Sequence[T],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> list[SeedInterval]:
    """Return figures of all seeds together, each with its interval.

    Parameters
    ----------
    figures : callable
        From the runs, in which some may come several times, to figures; NaN where one is not
        defined.
    runs : sequence
        One for each seed; at least one.
    draws : int
        So many times seeds are drawn, with replacement. Of a single seed there is no interval.
    seed : int
        The same seed gives the same intervals.

    Examples
    --------
    >>> seed_intervals(lambda runs: [sum(runs) / len(runs)], [2.0, 2.0])
    [SeedInterval(value=2.0, low=2.0, high=2.0)]
    """
    told = [float(value) for value in figures(runs)]
    if len(runs) < 2:
        return [SeedInterval(value, float("nan"), float("nan")) for value in told]
    drawn = random_stream(seed, "seeds").integers(len(runs), size=(draws, len(runs)))
    again = np.array([figures([runs[i] for i in draw]) for draw in drawn.tolist()], np.float64)
    low, high = percentile_interval(again)
    return [SeedInterval(*one) for one in zip(told, low.tolist(), high.tolist(), strict=True)]
