"""Tickets and time under verdicts, over the fiber nodes of many plants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faultsight.diagnose.contract import Verdict
from faultsight.diagnose.metrics.bootstrap import percentile_interval, resampled_sums
from faultsight.diagnose.metrics.ticketing_rates import KINDS, Interval, TicketCounts

__all__ = ["difference_of_rates", "joined_counts"]

Array = NDArray[np.float64]


def joined_counts(counts: Sequence[TicketCounts], names: Sequence[str]) -> TicketCounts:
    """Return the fiber nodes of several plants as those of one, each named after its plant."""
    return TicketCounts(
        tuple(f"{name}/{f}" for name, one in zip(names, counts, strict=True) for f in one.fnodes),
        np.concatenate([one.tickets for one in counts]),
        np.concatenate([one.device_s for one in counts]),
    )


def difference_of_rates(
    mine: TicketCounts, other: TicketCounts, kind: str, verdict: Verdict, *, seed: int = 0
) -> Interval:
    """Return one method's normalized ticketing rate less another's, drawn on the same fiber nodes.

    Raises
    ------
    ValueError
        If the fiber nodes are not the same.

    Examples
    --------
    >>> tickets = np.zeros((2, 2, 4), np.int64)
    >>> tickets[:, 1, Verdict.SERVICE], tickets[:, 1, Verdict.HEALTHY] = 4, 2
    >>> device_s = np.array([[50.0, 0.0, 50.0, 0.0]] * 2)
    >>> counts = TicketCounts(("F1", "F2"), tickets, device_s)
    >>> difference_of_rates(counts, counts, "service", Verdict.SERVICE).value
    0.0
    """
    if mine.fnodes != other.fnodes:
        raise ValueError("the methods were run on different fiber nodes")
    columns = np.concatenate([_columns(one, kind, verdict) for one in (mine, other)], axis=1)
    value = _difference(columns.sum(axis=0, keepdims=True))
    low, high = percentile_interval(_difference(resampled_sums(columns, seed=seed)))
    return Interval(float(value[0, 0]), float(low[0]), float(high[0]))


def _columns(counts: TicketCounts, kind: str, verdict: Verdict) -> Array:
    """Return tickets and time of the verdict, and all of both, of each fiber node."""
    tickets = counts.tickets[:, KINDS.index(kind)]
    return np.stack(
        [tickets[:, verdict], counts.device_s[:, verdict], tickets.sum(axis=1),
         counts.device_s.sum(axis=1)],
        axis=1,
    )  # fmt: skip


def _difference(sums: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = [(sums[:, k] / sums[:, k + 1]) / (sums[:, k + 2] / sums[:, k + 3]) for k in (0, 4)]
    difference = np.where(np.isfinite(rates[0] - rates[1]), rates[0] - rates[1], np.nan)
    return np.asarray(difference[:, None])
