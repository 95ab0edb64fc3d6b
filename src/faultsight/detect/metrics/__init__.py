"""How good a score and its alarms are, one metric a file.

Everywhere a higher score is more anomalous, a score above the level alarms, NaN is no score and
never alarms, and truth is 0 or 1 for each row. `summary` computes all of them for a fleet.

No single number tells the truth. Point-adjusted F1 flatters a random score, affiliation gives it
one half, average precision asks for every row of an anomaly; so each is read beside the same
metric of a random score, and the deployed numbers beside those that pick a level by the labels.
"""

from __future__ import annotations

from faultsight.detect.metrics._best_level import Best
from faultsight.detect.metrics.affiliation import Affiliation, affiliation
from faultsight.detect.metrics.average_precision import average_precision
from faultsight.detect.metrics.bootstrap import bootstrap_interval
from faultsight.detect.metrics.counts import Counts, PrecisionRecall, count_rows, f1_of, fleet_f1
from faultsight.detect.metrics.events import EventCounts, count_events, pool_events
from faultsight.detect.metrics.fleet_summary import summary
from faultsight.detect.metrics.point_adjusted_k import f1_pa_k, f1_pa_k_area
from faultsight.detect.metrics.point_adjustment import (
    adjusted_counts,
    best_f1,
    best_fleet_f1,
    point_adjusted,
)
from faultsight.detect.metrics.point_wise import best_pointwise_f1, pointwise_counts
from faultsight.detect.metrics.segments import n_segments, segment_lengths, segments
from faultsight.detect.metrics.vus import vus_pr

__all__ = [
    "Affiliation",
    "Best",
    "Counts",
    "EventCounts",
    "PrecisionRecall",
    "adjusted_counts",
    "affiliation",
    "average_precision",
    "best_f1",
    "best_fleet_f1",
    "best_pointwise_f1",
    "bootstrap_interval",
    "count_events",
    "count_rows",
    "f1_of",
    "f1_pa_k",
    "f1_pa_k_area",
    "fleet_f1",
    "n_segments",
    "point_adjusted",
    "pointwise_counts",
    "pool_events",
    "segment_lengths",
    "segments",
    "summary",
    "vus_pr",
]
