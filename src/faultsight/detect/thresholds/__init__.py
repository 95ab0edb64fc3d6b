"""Levels above which a score is an alarm, one way a file."""

from __future__ import annotations

from faultsight.core.family import Family
from faultsight.detect.thresholds._contract import Threshold

__all__ = ["THRESHOLDS", "Threshold"]

THRESHOLDS: Family[Threshold] = Family(
    kind="threshold", base=Threshold, packages=("faultsight.detect.thresholds",)
)
"""Every threshold by name."""
