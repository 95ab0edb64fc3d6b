"""Seasonal naive: what was there at the same time of earlier days (or weeks)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.localize.forecasts._contract import Forecaster

__all__ = ["SeasonalNaive", "SeasonalNaiveConfig"]


@dataclass(frozen=True)
class SeasonalNaiveConfig:
    """Settings of `SeasonalNaive`.

    Attributes
    ----------
    season_s : int
        Length of a season in seconds. A day, since what people do over an Internet provider's
        network repeats daily.
    seasons : int
        How many of the latest seasons are averaged. One is the plain method: what changed for
        good yesterday is believed at once.
    """

    season_s: int = 86_400
    seasons: int = 1

    def __post_init__(self) -> None:
        if self.season_s < 1 or self.seasons < 1:
            raise SettingError("season_s and seasons must be at least 1")


class SeasonalNaive(Forecaster):
    """The mean over the latest seasons of the value at the same point of the season.

    Seasons whose time is absent from the history are passed over for earlier ones.

    Parameters
    ----------
    config : SeasonalNaiveConfig, optional
        Settings.

    Raises
    ------
    InputError
        If the history holds no time a whole number of seasons before.

    Examples
    --------
    >>> times = np.arange(6) * 3600
    >>> history = np.array([[1.0, 2.0, 3.0, 5.0, 6.0, 7.0]])
    >>> config = SeasonalNaiveConfig(season_s=10_800)
    >>> SeasonalNaive(config=config).forecast(history, times, 6 * 3600).tolist()
    [5.0]
    >>> config = SeasonalNaiveConfig(season_s=10_800, seasons=2)
    >>> SeasonalNaive(config=config).forecast(history, times, 6 * 3600).tolist()
    [3.0]
    """

    def __init__(self, *, config: SeasonalNaiveConfig | None = None) -> None:
        self.config = config or SeasonalNaiveConfig()

    def _forecast(
        self, history: NDArray[np.float64], times: NDArray[np.int64], at: int
    ) -> NDArray[np.float64]:
        same_phase = np.flatnonzero((at - times) % self.config.season_s == 0)
        if not same_phase.size:
            raise InputError(
                f"the history holds no time a whole number of {self.config.season_s} s seasons "
                "earlier; give another season or another forecaster"
            )
        seen = history[:, same_phase[-self.config.seasons :]]
        known = np.isfinite(seen)
        counted = known.sum(axis=1)
        total = np.where(known, seen, 0.0).sum(axis=1)
        mean: NDArray[np.float64] = np.divide(
            total, counted, out=np.zeros(len(seen)), where=counted > 0
        )
        return mean
