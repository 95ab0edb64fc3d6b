"""Two-stage active learning of AnoTuner: see `faultsight.detect.tuning.active_learning`."""

from __future__ import annotations

from faultsight.detect.tuning.active_learning import (
    ActiveLearning,
    Clusters,
    Query,
    assign,
    bias_eliminating_sizes,
    choose_history,
    cluster_history,
)

__all__ = [
    "ActiveLearning",
    "Clusters",
    "Query",
    "assign",
    "bias_eliminating_sizes",
    "choose_history",
    "cluster_history",
]
