"""Peaks over threshold: a level that is passed once in so many rows, by extreme value theory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.detect.thresholds._contract import Threshold

__all__ = ["POT", "POTConfig", "fit_pareto"]

_LEAST_PEAKS = 10


@dataclass(frozen=True)
class POTConfig:
    """Where the tail starts and how rarely the level is passed.

    Parameters
    ----------
    initial_quantile : float
        Scores above this quantile are peaks.
    probability : float
        A usual row passes the level this often.
    """

    initial_quantile: float = 0.98
    probability: float = 1e-3

    def __post_init__(self) -> None:
        if not 0.0 < self.initial_quantile < 1.0:
            raise SettingError(f"initial_quantile lies in (0, 1), not {self.initial_quantile}")
        if not 0.0 < self.probability < 1.0 - self.initial_quantile:
            raise SettingError("probability must be below 1 - initial_quantile")


class POT(Threshold):
    """A generalized Pareto tail over a high quantile (Siffer et al., KDD '17, section 3).

    With fewer than ten peaks, or peaks that are all alike, it is the plain quantile.

    Examples
    --------
    >>> from faultsight.detect.contract import Score
    >>> tail = np.random.default_rng(0).exponential(size=100_000)
    >>> level = POT().levels([Score("a", 0, 60, (), tail)])["a"]
    >>> round(level)  # the exponential's own is -log(0.001) = 6.9
    7
    """

    def __init__(self, config: POTConfig | None = None) -> None:
        self.config = config or POTConfig()

    def _level(self, values: NDArray[np.float64], interval_s: int) -> float:
        values = values[~np.isnan(values)]
        start = float(np.quantile(values, self.config.initial_quantile))
        peaks = values[values > start] - start
        if peaks.size < _LEAST_PEAKS or np.ptp(peaks) == 0:
            return float(np.quantile(values, 1.0 - self.config.probability))
        shape, scale = fit_pareto(peaks)
        # Ties at the start can leave fewer peaks than may pass; below it all of them would alarm.
        rarer = min(self.config.probability * values.size / peaks.size, 1.0)
        if abs(shape) < 1e-9:
            return start - scale * float(np.log(rarer))
        return start + scale / shape * float(rarer**-shape - 1.0)


def fit_pareto(peaks: NDArray[np.float64]) -> tuple[float, float]:
    """Return shape and scale of a generalized Pareto, by probability-weighted moments.

    Hosking and Wallis, Technometrics 1987, section 3: closed, and stable where likelihood is not.
    Positive shapes are heavy tails.

    Examples
    --------
    >>> shape, scale = fit_pareto(np.random.default_rng(0).exponential(2.0, 100_000))
    >>> round(shape, 1) + 0.0, round(scale, 1)
    (0.0, 2.0)
    """
    ordered = np.sort(peaks)
    n = len(ordered)
    mean = float(ordered.mean())
    weighted = float((ordered * (n - np.arange(1, n + 1)) / (n - 1)).mean())
    gap = mean - 2.0 * weighted
    return 2.0 - mean / gap, 2.0 * mean * weighted / gap
