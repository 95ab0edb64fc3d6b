"""Levels above which a score is an alarm, one way a file."""

from __future__ import annotations

from faultsight.core.family import Family
from faultsight.detect.thresholds._contract import LEAST_SCORES, Threshold

__all__ = ["LEAST_SCORES", "THRESHOLDS", "Threshold"]

THRESHOLDS: Family[Threshold] = Family(
    kind="threshold", base=Threshold, packages=("faultsight.detect.thresholds",)
)
"""Every threshold by name."""
