"""The row of one detector on one labelled set, deployed before any operator has said a word."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from faultsight.bench.detect_runs import (
    HEADLINES,
    Deployment,
    Method,
    deploy,
    f1_at,
    judge,
    most_memory_mb,
)
from faultsight.bench.engine import Row
from faultsight.core.errors import FaultSightError
from faultsight.detect.data import Fleet

__all__ = ["OTHER_RULES", "row_in_words", "untuned_row", "warm_up"]

OTHER_RULES = ("pot", "nonparametric_dynamic")
"""Thresholds beside the deployed one: those that OmniAnomaly's and LSTM-NDT's papers have."""

_FEW_ROWS = 100


def warm_up(method: Method, fleet: Fleet) -> None:
    """Fit and score a few rows of one entity: what is loaded or compiled on demand is then there.

    Neither time nor memory of the first set that is measured holds it.
    """
    few = Fleet(fleet.name, (fleet.train[0][-_FEW_ROWS:],), (fleet.test[0][:_FEW_ROWS],))
    with suppress(FaultSightError):
        deploy(method, few, seed=0)


def untuned_row(
    dataset: str, method: Method, fleets: Sequence[Fleet], *, seed: int, seconds: float
) -> Row:
    """Return the figures of a method on the whole test part of a set.

    ``network`` is whether it trains a neural network, ``f1_pot`` and ``f1_nonparametric_dynamic``
    are ``f1_deployed`` with these rules on the same scores of history.
    Fleets are fitted one by one and judged together. When the seconds are spent no further fleet
    is fitted, and ``fleets`` is less than ``fleets_asked``.

    Raises
    ------
    FaultSightError
        If the method cannot be fitted on a fleet, or cannot score it.
    """
    start = time.perf_counter()
    found: list[Deployment] = []
    for fleet in fleets:
        if found and time.perf_counter() - start >= seconds:
            break
        found.append(deploy(method, fleet, seed=seed))
    row: Row = {
        "dataset": dataset,
        "method": method.name,
        "network": hasattr(method.config, "epochs"),
        "tuning": "none",
        "seed": str(seed),
        "fleets": len(found),
        "fleets_asked": len(fleets),
    }
    row |= judge(found, share=0.0, seed=seed)
    return row | {
        **{f"f1_{rule}": f1_at(rule, found, share=0.0) for rule in OTHER_RULES},
        "seconds_fit": sum(d.seconds_fit for d in found),
        "seconds_score": sum(d.seconds_score for d in found),
        "memory_mb": most_memory_mb(found),
    }


def row_in_words(row: Row) -> str:
    """Return the headlines of a row.

    Examples
    --------
    >>> row_in_words({"average_precision": 0.25, "vus_pr": None, "seconds_fit": 2.0})
    'average_precision 0.250; fitted in 2.0 s'
    """
    figures = (f"{name} {row[name]:.3f}" for name in HEADLINES if row.get(name) is not None)
    return f"{', '.join(figures)}; fitted in {row['seconds_fit']:.1f} s"
