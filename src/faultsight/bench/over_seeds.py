"""One figure over several seeds: its mean and its spread."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from faultsight.bench.engine import Row

__all__ = ["mean_and_spread"]


def mean_and_spread(name: str, values: Iterable[float]) -> Row:
    """Return the mean, and the standard deviation over seeds; None where it does not exist.

    Examples
    --------
    >>> mean_and_spread("ari", [0.5, 0.7])
    {'ari': 0.6, 'ari_sd': 0.14142135623730948}
    >>> mean_and_spread("ari", [0.5])
    {'ari': 0.5, 'ari_sd': None}
    """
    known = np.array([value for value in values if not np.isnan(value)], np.float64)
    return {
        name: float(known.mean()) if len(known) else None,
        f"{name}_sd": float(known.std(ddof=1)) if len(known) > 1 else None,
    }
