"""Temperature and wetness, hour by hour: what all fiber nodes of a plant share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from faultsight.core.seed import random_stream
from faultsight.sim.cable_plant.config import CablePlantConfig

__all__ = ["HOUR_S", "Weather", "wandering", "weather"]

HOUR_S = 3600
_YEAR_S = 365.25 * 86_400
_WARMEST_S = 200 * 86_400
"""Of the year: the end of July."""
_WARMEST_H = 15
_MEMORY_H = 48.0
_MARGIN_H = 48
"""Rounds of polling may end after the last day."""


@dataclass(frozen=True, eq=False)
class Weather:
    """Weather at full hours.

    Attributes
    ----------
    time_s : array of shape (hour,)
        Seconds since 1970 UTC.
    temperature_c : array of shape (hour,)
        In degrees Celsius.
    wetness : array of shape (hour,)
        From 0 (dry) to 1 (soaked); rises in rain, decays after it.
    """

    time_s: NDArray[np.float64]
    temperature_c: NDArray[np.float64]
    wetness: NDArray[np.float64]

    def coldness(self) -> NDArray[np.float64]:
        """Return how cold it is for these days, from 0 to 1: a day's night against its noon."""
        n_hours = 72
        padded = np.pad(self.temperature_c, (n_hours // 2, n_hours // 2 - 1), mode="edge")
        usual = np.convolve(padded, np.full(n_hours, 1 / n_hours), mode="valid")
        return np.clip(0.5 - (self.temperature_c - usual) / 15.0, 0.0, 1.0)


def weather(config: CablePlantConfig, *, seed: int = 0) -> Weather:
    """Return the weather of a plant.

    Examples
    --------
    >>> sky = weather(CablePlantConfig(days=7))
    >>> bool(((sky.wetness >= 0) & (sky.wetness <= 1)).all()), len(sky.time_s)
    (True, 216)
    """
    n_hours = config.days * 24 + _MARGIN_H
    time_s = config.start_s + np.arange(n_hours, dtype=np.float64) * HOUR_S
    stream = random_stream(seed, "cable", "weather")
    season = np.cos(2 * np.pi * (time_s - _WARMEST_S) / _YEAR_S)
    day = np.cos(2 * np.pi * (time_s / HOUR_S - _WARMEST_H) / 24)
    temperature_c = (
        config.mean_temperature_c
        + config.season_c * season
        + config.day_c * day
        + config.weather_c * wandering(stream, n_hours, _MEMORY_H)
    )
    rains = np.zeros(n_hours)
    for start in np.flatnonzero(stream.random(n_hours) < 1 / config.rain_every_h):
        rains[start : start + max(round(stream.exponential(config.rain_h)), 1)] = 1.0
    # Four hours of rain soak what can be soaked.
    decay = float(np.exp(-1 / config.drying_h))
    wetness = np.minimum(lfilter([0.25], [1.0, -decay], rains), 1.0)
    return Weather(time_s, temperature_c, wetness)


def wandering(stream: np.random.Generator, n_hours: int, memory_h: float) -> NDArray[np.float64]:
    """Return an AR(1) series, hour by hour, of mean 0 and standard deviation 1."""
    kept = float(np.exp(-1 / memory_h))
    noise = stream.standard_normal(n_hours)
    noise[1:] *= np.sqrt(1 - kept**2)
    return np.asarray(lfilter([1.0], [1.0, -kept], noise))
