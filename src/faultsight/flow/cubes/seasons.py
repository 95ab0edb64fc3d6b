"""Which moments an incident's window is compared with: the same ones of earlier seasons."""

from __future__ import annotations

from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.config import CubeConfig

__all__ = ["earlier_windows"]


def earlier_windows(window: TimeWindow, cube: CubeConfig) -> list[TimeWindow]:
    """Return the window moved back by one season, two, and so on, the nearest first.

    All lie before the window: its own rows never enter what is expected of it.

    Examples
    --------
    >>> day = CubeConfig(seasons=2)
    >>> [w.start_s // 3600 for w in earlier_windows(TimeWindow(72 * 3600, 75 * 3600), day)]
    [48, 24]
    """
    moves = (season * cube.season_s for season in range(1, cube.seasons + 1))
    return [TimeWindow(window.start_s - move, window.end_s - move) for move in moves]
