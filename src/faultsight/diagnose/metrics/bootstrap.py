"""Bootstrap over fiber nodes: how much a number owes to which of them are in it.

Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3. Fiber nodes are drawn
whole and with replacement: a fault touches many modems of one at once, so drawing modems or days
would make intervals far too narrow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.core.seed import random_stream

__all__ = ["percentile_interval", "resampled_sums"]

Array = NDArray[np.float64]


def resampled_sums(per_node: NDArray[np.number], *, n: int = 1000, seed: int = 0) -> Array:
    """Return the sums over fiber nodes that are drawn anew.

    Parameters
    ----------
    per_node : array of shape (node, column)
        What adds up, such as tickets and device time.
    n : int
        Draws.
    seed : int
        The same seed gives the same sums.

    Returns
    -------
    array of shape (n, column)

    Raises
    ------
    InputError
        If there is no fiber node.
    SettingError
        If `n` is below 1.

    Examples
    --------
    >>> resampled_sums(np.array([[1, 10], [1, 10]]), n=3).tolist()
    [[2.0, 20.0], [2.0, 20.0], [2.0, 20.0]]
    """
    n_nodes = len(per_node)
    if not n_nodes:
        raise InputError("there is no fiber node to draw")
    if n < 1:
        raise SettingError(f"n must be at least 1, not {n}")
    # How often each is drawn, in place of which: a draw is then a row of one matrix product.
    times = random_stream(seed, "bootstrap").multinomial(n_nodes, np.full(n_nodes, 1 / n_nodes), n)
    sums: Array = times.astype(np.float64) @ per_node.astype(np.float64)
    return sums


def percentile_interval(draws: Array, *, level: float = 0.95) -> tuple[Array, Array]:
    """Return the percentile interval of each column of draws.

    Parameters
    ----------
    draws : array of shape (draw, ...)
        NaN is left out.
    level : float
        Share of the draws within the interval, between 0 and 1.

    Returns
    -------
    low, high : arrays of shape (...)
        NaN where every draw is.

    Raises
    ------
    SettingError
        If `level` is not between 0 and 1.

    Examples
    --------
    >>> low, high = percentile_interval(np.arange(101.0)[:, None], level=0.5)
    >>> low.tolist(), high.tolist()
    ([25.0], [75.0])
    """
    if not 0.0 < level < 1.0:
        raise SettingError(f"level lies between 0 and 1, not {level}")
    is_empty = np.isnan(draws).all(axis=0)
    bounds = np.nanquantile(
        np.where(is_empty, 0.0, draws), [(1 - level) / 2, (1 + level) / 2], axis=0
    )
    low, high = np.where(is_empty, np.nan, bounds)
    return low, high
