"""Moving average: the mean of the last times, or of all there are.

The baseline of RobustSpot's cases (all minutes before the alarm) and of AIOps-2019 (the last six
points).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.localize.forecasts._contract import Forecaster

__all__ = ["MovingAverage", "MovingAverageConfig"]


@dataclass(frozen=True)
class MovingAverageConfig:
    """Settings of `MovingAverage`.

    Attributes
    ----------
    window : int
        How many of the last times are averaged; 0 means all. All is the default because files
        cut around an alarm hold few times, and each further one makes the mean steadier.
    """

    window: int = 0

    def __post_init__(self) -> None:
        if self.window < 0:
            raise SettingError(f"window must be at least 0, not {self.window}")


class MovingAverage(Forecaster):
    """The mean of the last times of each leaf; unknown values are left out.

    Parameters
    ----------
    config : MovingAverageConfig, optional
        Settings.

    Examples
    --------
    >>> history = np.array([[1.0, 2.0, 6.0], [np.nan, 4.0, 8.0]])
    >>> MovingAverage().forecast(history, np.array([0, 60, 120]), 180).tolist()
    [3.0, 6.0]
    >>> last_two = MovingAverage(config=MovingAverageConfig(window=2))
    >>> last_two.forecast(history, np.array([0, 60, 120]), 180).tolist()
    [4.0, 6.0]
    """

    def __init__(self, *, config: MovingAverageConfig | None = None) -> None:
        self.config = config or MovingAverageConfig()

    def _forecast(
        self,
        history: NDArray[np.float64],
        times: NDArray[np.int64],
        at: int,
    ) -> NDArray[np.float64]:
        recent = history[:, -self.config.window :]
        known = np.isfinite(recent)
        counted = known.sum(axis=1)
        total = np.where(known, recent, 0.0).sum(axis=1)
        mean: NDArray[np.float64] = np.divide(
            total, counted, out=np.zeros(len(recent)), where=counted > 0
        )
        return mean
