"""Holt-Winters: level, trend and season, each smoothed; fitted by statsmodels on the whole.

The smoothing parameters are fitted once, on the sum of all leaves: single leaves are too sparse to
fit, and one set of parameters keeps the leaves' forecasts adding up to the forecast of the whole.
The recursion then runs over all leaves at once.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError, MissingExtraError, SettingError
from faultsight.localize.forecasts._contract import Forecaster

__all__ = ["HoltWinters", "HoltWintersConfig"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class HoltWintersConfig:
    """Settings of `HoltWinters`.

    Attributes
    ----------
    season_s : int
        Length of a season in seconds; a day.
    """

    season_s: int = 86_400

    def __post_init__(self) -> None:
        if self.season_s < 1:
            raise SettingError("season_s must be at least 1")


class HoltWinters(Forecaster):
    """Additive Holt-Winters smoothing of every leaf with the parameters of the whole.

    Parameters
    ----------
    config : HoltWintersConfig, optional
        Settings.

    Raises
    ------
    MissingExtraError
        If statsmodels is not installed.
    InputError
        If the times are not evenly spaced, do not divide the season, or span less than two
        seasons.

    References
    ----------
    Winters, Forecasting sales by exponentially weighted moving averages, Management Science 6
    (1960). Initial state: mean and deviations of the first season, trend between the first two.

    Examples
    --------
    >>> times = np.arange(12) * 3600
    >>> history = np.tile([[10.0, 20.0, 60.0]], 4)
    >>> three_hours = HoltWinters(config=HoltWintersConfig(season_s=10_800))
    >>> three_hours.forecast(history, times, 12 * 3600).round(6).tolist()
    [10.0]
    """

    def __init__(self, *, config: HoltWintersConfig | None = None) -> None:
        self.config = config or HoltWintersConfig()

    def _forecast(self, history: Array, times: NDArray[np.int64], at: int) -> Array:
        step = int(times[1] - times[0]) if len(times) > 1 else 0
        if step == 0 or (np.diff(times) != step).any() or (at - int(times[-1])) % step:
            raise InputError("Holt-Winters needs evenly spaced times")
        if self.config.season_s % step or self.config.season_s < 2 * step:
            raise InputError(
                f"a season of {self.config.season_s} s is not made of several {step} s steps"
            )
        period = self.config.season_s // step
        if len(times) < 2 * period:
            raise InputError("Holt-Winters needs a history of at least two seasons")
        known = np.nan_to_num(history, nan=0.0)
        smoothing = _fit(known.sum(axis=0), period)
        return _extrapolate(known, period, smoothing, (at - int(times[-1])) // step)


def _initial_state(history: Array, period: int) -> tuple[Array, Array, Array]:
    level = history[:, :period].mean(axis=1)
    trend = (history[:, period : 2 * period].mean(axis=1) - level) / period
    return level, trend, history[:, :period] - level[:, None]


def _fit(total: Array, period: int) -> tuple[float, float, float]:
    """Return the smoothing of level, trend and season that fits the whole best."""
    try:
        from statsmodels.tsa.holtwinters import ExponentialSmoothing
    except ImportError as error:
        raise MissingExtraError("Holt-Winters", "forecast") from error
    level, trend, season = _initial_state(total[None, :], period)
    if not np.ptp(total):
        return 0.0, 0.0, 0.0
    with warnings.catch_warnings():
        # A fit that stops short of its optimum still smooths; it is not the operator's business.
        warnings.simplefilter("ignore")
        fitted = ExponentialSmoothing(
            total,
            trend="add",
            seasonal="add",
            seasonal_periods=period,
            initialization_method="known",
            initial_level=float(level[0]),
            initial_trend=float(trend[0]),
            initial_seasonal=season[0],
        ).fit()
    found = [
        float(np.nan_to_num(fitted.params[f"smoothing_{part}"]))
        for part in ("level", "trend", "seasonal")
    ]
    return found[0], found[1], found[2]


def _extrapolate(
    history: Array, period: int, smoothing: tuple[float, float, float], steps: int
) -> Array:
    alpha, beta, gamma = smoothing
    level, trend, season = _initial_state(history, period)
    season = season.copy()
    for position in range(history.shape[1]):
        value = history[:, position]
        phase = position % period
        expected = level + trend
        level_before = level
        level = alpha * (value - season[:, phase]) + (1 - alpha) * expected
        trend = beta * (level - level_before) + (1 - beta) * trend
        season[:, phase] = gamma * (value - expected) + (1 - gamma) * season[:, phase]
    result: Array = level + steps * trend + season[:, (history.shape[1] + steps - 1) % period]
    return result
