"""How strongly a fault acts over time: it comes and goes, follows a clock, rain, or cold.

A course is a step function: from each bound to the next, one level between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from faultsight.sim.cable_plant.config import CablePlantConfig
from faultsight.sim.cable_plant.weather import HOUR_S, Weather

__all__ = ["Course", "cold", "daily", "steady", "telegraph", "wet"]

_DAY_S = 86_400


@dataclass(frozen=True, eq=False)
class Course:
    """Levels over time.

    Attributes
    ----------
    bounds_s : array of shape (step + 1,)
        Whole seconds since 1970 UTC, rising.
    level : array of shape (step,)
        How strongly the fault acts, relative to its greatest effect.
    """

    bounds_s: NDArray[np.float64]
    level: NDArray[np.float32]

    def at(self, time_s: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the level at moments; 0 before and after the course.

        Examples
        --------
        >>> course = Course(np.array([0.0, 10.0, 20.0]), np.array([1.0, 0.5], np.float32))
        >>> course.at(np.array([-1.0, 0.0, 10.0, 20.0])).tolist()
        [0.0, 1.0, 0.5, 0.0]
        """
        padded = np.concatenate([[0.0], self.level, [0.0]]).astype(np.float32)
        return padded[np.searchsorted(self.bounds_s, time_s, side="right")]

    def active(self, least: float) -> list[tuple[int, int]]:
        """Return the spans in which the level is at least so high; touching ones are one.

        Examples
        --------
        >>> bounds_s = np.array([0.0, 10.0, 20.0, 30.0])
        >>> Course(bounds_s, np.array([1.0, 0.6, 0.1], np.float32)).active(0.25)
        [(0, 20)]
        """
        is_on = np.concatenate([[False], self.level >= least, [False]])
        first, last = np.flatnonzero(is_on[1:] & ~is_on[:-1]), np.flatnonzero(
            ~is_on[1:] & is_on[:-1]
        )  # fmt: skip
        return [
            (int(self.bounds_s[a]), int(self.bounds_s[b])) for a, b in zip(first, last, strict=True)
        ]


def steady(start_s: int, end_s: int, amplitude: float = 1.0) -> Course:
    """Return what acts all the time with one amplitude."""
    return Course(np.array([start_s, end_s], np.float64), np.full(1, amplitude, np.float32))


def telegraph(
    config: CablePlantConfig,
    start_s: int,
    end_s: int,
    stream: np.random.Generator,
    *,
    starts_on: bool = True,
) -> Course:
    """Return what comes and goes: exponential dwells, each on dwell of one amplitude."""
    mean_s = config.mean_dwell_h * HOUR_S
    dwells_s = np.zeros(0)
    while dwells_s.sum() < end_s - start_s:
        drawn_s = np.rint(stream.exponential(mean_s, 16 + int((end_s - start_s) / mean_s)))
        dwells_s = np.append(dwells_s, np.maximum(drawn_s, 60.0))
    ends_s = start_s + np.cumsum(dwells_s)
    bounds_s = np.concatenate([[start_s], ends_s[ends_s < end_s], [end_s]])
    level = stream.uniform(*config.dwell_amplitude, len(bounds_s) - 1)
    level[int(starts_on) :: 2] = 0.0
    return Course(bounds_s, level.astype(np.float32))


def daily(
    config: CablePlantConfig, start_s: int, end_s: int, stream: np.random.Generator
) -> Course:
    """Return what acts at the same hours every day, such as an old television set."""
    first_s = start_s // _DAY_S * _DAY_S + int(stream.integers(24)) * HOUR_S
    length_s = round(float(stream.uniform(*config.television_h)) * HOUR_S)
    bounds_s, level = [start_s], []
    for on_s in range(first_s - _DAY_S, end_s, _DAY_S):
        amplitude = float(stream.uniform(*config.dwell_amplitude))
        on, off = (min(max(moment, start_s), end_s) for moment in (on_s, on_s + length_s))
        bounds_s += [on, off]
        level += [0.0, amplitude]
    bounds_s.append(end_s)
    level.append(0.0)
    return _without_empty_steps(bounds_s, level)


def wet(config: CablePlantConfig, start_s: int, end_s: int, sky: Weather) -> Course:
    """Return what water does that gets in slowly and acts most while all is wet."""
    bounds_s, hour = _hours(start_s, end_s, sky)
    middle_s = (bounds_s[1:] + bounds_s[:-1]) / 2
    ramp = np.minimum((middle_s - start_s) / (config.water_ramp_h * HOUR_S), 1.0)
    level = ramp * (config.dry_share + (1 - config.dry_share) * sky.wetness[hour])
    return Course(bounds_s, level.astype(np.float32))


def cold(start_s: int, end_s: int, sky: Weather) -> Course:
    """Return what a joint does that opens as its metal shrinks."""
    bounds_s, hour = _hours(start_s, end_s, sky)
    return Course(bounds_s, sky.coldness()[hour].astype(np.float32))


def _hours(start_s: int, end_s: int, sky: Weather) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the bounds of the hours of the weather that a span meets, and which they are."""
    inner_s = sky.time_s[(sky.time_s > start_s) & (sky.time_s < end_s)]
    bounds_s = np.concatenate([[start_s], inner_s, [end_s]])
    hour = np.searchsorted(sky.time_s, bounds_s[:-1], side="right") - 1
    return bounds_s, np.clip(hour, 0, len(sky.time_s) - 1)


def _without_empty_steps(bounds_s: list[int], level: list[float]) -> Course:
    kept = [(a, b, x) for (a, b), x in zip(pairwise(bounds_s), level, strict=True) if b > a]
    bounds = np.array([kept[0][0], *(b for _, b, _ in kept)], np.float64)
    return Course(bounds, np.array([x for _, _, x in kept], np.float32))
