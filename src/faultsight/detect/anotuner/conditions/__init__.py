"""Conditions of the decoder, one file each."""

from __future__ import annotations

from faultsight.core.family import Family
from faultsight.detect.anotuner.conditions._contract import Condition

__all__ = ["CONDITIONS", "Condition"]

CONDITIONS: Family[Condition] = Family(
    kind="condition", base=Condition, packages=("faultsight.detect.anotuner.conditions",)
)
"""Every condition by name: what the decoder may be told of a row."""
