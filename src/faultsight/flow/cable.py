"""A tick of a polls feed: windows diagnosed, faults followed, one alarm and incident for each."""

from __future__ import annotations

from pathlib import Path

from faultsight.core.errors import SettingError
from faultsight.flow.config import FeedConfig
from faultsight.flow.tick import TickResult
from faultsight.stores.operations import Operations

__all__ = ["cable_tick"]


def cable_tick(
    ops: Operations, folder: Path, config: FeedConfig, now_s: int, *, base_url: str = ""
) -> TickResult:
    """Diagnose the windows of a feed that are complete by now."""
    raise SettingError(f"{config.name}: polls are not followed yet")
