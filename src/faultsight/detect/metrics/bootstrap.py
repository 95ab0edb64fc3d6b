"""Bootstrap intervals over entities: how much a fleet's number owes to which entities are in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from faultsight.core.errors import InputError, SettingError
from faultsight.core.seed import random_stream

__all__ = ["bootstrap_interval"]

T = TypeVar("T")


def bootstrap_interval(
    values_per_entity: Sequence[T],
    statistic: Callable[[list[T]], float],
    *,
    n: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of a statistic when entities are drawn anew.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3. Entities are drawn
    whole and with replacement: the rows of one entity hang together, and drawing rows would make
    the interval far too narrow.

    Parameters
    ----------
    values_per_entity : sequence
        One value for each entity; anything that the statistic takes, such as `Counts`.
    statistic : callable
        From a list of as many values to one number. NaN is left out.
    n : int
        Draws.
    level : float
        Share of the draws within the interval, between 0 and 1.
    seed : int
        The same seed gives the same interval.

    Returns
    -------
    low, high : float
        NaN if every draw gives NaN.

    Raises
    ------
    InputError
        If there is no entity.
    SettingError
        If `n` is below 1 or `level` not between 0 and 1.

    Examples
    --------
    >>> low, high = bootstrap_interval(list(range(100)), lambda values: sum(values) / len(values))
    >>> 40 < low < 49.5 < high < 60
    True
    """
    if len(values_per_entity) == 0:
        raise InputError("there is no entity to draw")
    if n < 1:
        raise SettingError(f"n must be at least 1, not {n}")
    if not 0.0 < level < 1.0:
        raise SettingError(f"level lies between 0 and 1, not {level}")
    size = len(values_per_entity)
    draws = random_stream(seed, "bootstrap").integers(size, size=(n, size)).tolist()
    found = np.array([statistic([values_per_entity[i] for i in drawn]) for drawn in draws])
    found = found[~np.isnan(found)]
    if not found.size:
        return math.nan, math.nan
    low, high = np.quantile(found, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
