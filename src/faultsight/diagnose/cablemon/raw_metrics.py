"""The raw metrics: what a poll measured or counted, and the shares of codewords in error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.polls import COUNTERS, LEVELS, NodePolls

__all__ = ["METRICS", "RATIOS", "collected_for", "is_level", "raw_values"]

_CODEWORDS = ("codewords_unerrored", "codewords_corrected", "codewords_uncorrectable")

RATIOS = ("codewords_corrected_ratio", "codewords_uncorrectable_ratio")
"""Of all codewords of a collection period; unlike a count it does not grow with use."""

METRICS = (*LEVELS, *COUNTERS, *RATIOS)
"""What thresholds are sought on."""


def is_level(metric: str) -> bool:
    """Whether a metric is measured in dB or dBmV; the others count, over many octaves."""
    if metric not in METRICS:
        raise SettingError(f"no metric is called {metric!r}; there are {', '.join(METRICS)}")
    return metric in LEVELS


def collected_for(metrics: Sequence[str]) -> tuple[str, ...]:
    """Return what must be read of the telemetry for some metrics.

    Examples
    --------
    >>> collected_for(["snr_db", "codewords_corrected_ratio"])
    ('snr_db', 'codewords_unerrored', 'codewords_corrected', 'codewords_uncorrectable')
    """
    wanted = {
        part for metric in metrics for part in (_CODEWORDS if metric in RATIOS else (metric,))
    }
    return tuple(metric for metric in (*LEVELS, *COUNTERS) if metric in wanted)


def raw_values(polls: NodePolls, metric: str) -> NDArray[np.float32] | None:
    """Return a metric of each poll and channel, NaN where unknown; None if not collected.

    A ratio is unknown where there was no codeword at all.
    """
    is_level(metric)
    if metric not in RATIOS:
        return polls.values.get(metric)
    if not all(part in polls.values for part in _CODEWORDS):
        return None
    counts = np.stack([polls.values[part] for part in _CODEWORDS])
    total = counts.sum(axis=0)
    bad = counts[_CODEWORDS.index(metric.removesuffix("_ratio"))]
    known = total > 0
    ratio = np.full(total.shape, np.nan, np.float32)
    ratio[known] = bad[known] / total[known]
    return ratio
