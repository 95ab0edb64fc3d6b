"""The level that leaves the most ordinary scores below it for the fewest rows above it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.detect.thresholds._contract import Threshold

__all__ = ["NonparametricDynamic", "NonparametricDynamicConfig"]

_FALLBACK = 12.0
"""Deviations above the mean where no candidate will do; as in the authors' code."""


@dataclass(frozen=True)
class NonparametricDynamicConfig:
    """Settings of `NonparametricDynamic`; these numbers are the authors', who have more of them.

    Parameters
    ----------
    lowest, highest, step : float
        Candidates are the mean plus so many deviations.
    most_runs : int
        A candidate may have at most so many runs of rows above it.
    most_share : float
        And less than this share of rows.
    least_drop : float
        The highest scores of the runs, and the highest below them, in falling order: what follows
        the last drop by more than this share is no anomaly (pruning). 0 prunes nothing.
    window : int
        Only the last so many known scores count.
    """

    lowest: float = 2.5
    highest: float = 11.5
    step: float = 0.5
    most_runs: int = 5
    most_share: float = 0.5
    least_drop: float = 0.13
    window: int = 2100

    def __post_init__(self) -> None:
        if not 0 < self.lowest <= self.highest or not self.step > 0:
            raise SettingError("lowest is above 0 and not above highest, step is above 0")
        if not 0 < self.most_share <= 1 or not 0 <= self.least_drop < 1:
            raise SettingError("most_share lies in (0, 1], least_drop in [0, 1)")
        if min(self.most_runs, self.window) < 1:
            raise SettingError("most_runs and window are at least 1")


class NonparametricDynamic(Threshold):
    """The dynamic threshold of Hundman et al., KDD '18, section 3.2, with pruning (3.3).

    Of the candidates it takes the one that, by what it leaves out, lowers mean and deviation most,
    over the number of rows above it plus the square of their runs. The paper sets it anew over the
    last scores at every step; here it follows from history, as every threshold does.

    Of the authors' code (telemanom) are missing: ``error_buffer``, by which 99 rows to either side
    of one above a candidate count as above it and runs grow together; that a run of one row is no
    anomaly; and that errors below 5 % of the range of values (between its 5th and 95th percentile)
    raise no alarm.

    Examples
    --------
    >>> from faultsight.detect.contract import Score
    >>> values = np.tile([1.0, 2.0, 1.5], 40)
    >>> values[50:53] = [40.0, 45.0, 30.0]
    >>> level = NonparametricDynamic().levels([Score("a", 0, 60, (), values)])["a"]
    >>> (values > level).nonzero()[0].tolist()
    [50, 51, 52]
    """

    def __init__(self, config: NonparametricDynamicConfig | None = None) -> None:
        self.config = config or NonparametricDynamicConfig()

    def _level(self, values: NDArray[np.float64], interval_s: int) -> float:
        config = self.config
        known = values[~np.isnan(values)][-config.window :]
        mean, deviation = float(known.mean()), float(known.std())
        if deviation <= 1e-12 * abs(mean):
            return float(known.max())
        best, level = 0.0, None
        n_candidates = round((config.highest - config.lowest) / config.step) + 1
        for z in config.lowest + config.step * np.arange(n_candidates):
            candidate = mean + z * deviation
            above = known > candidate
            n_above, n_runs = int(above.sum()), len(_runs(above))
            if not 0 < n_above < config.most_share * len(known) or n_runs > config.most_runs:
                continue
            below = known[~above]
            gain = (mean - below.mean()) / abs(mean) if mean else 0.0
            gain += (deviation - below.std()) / deviation
            if gain / (n_above + n_runs**2) >= best:
                best, level = gain / (n_above + n_runs**2), candidate
        if level is None:
            return float(mean + _FALLBACK * deviation)
        return max(float(level), self._pruned(known, level))

    def _pruned(self, known: NDArray[np.float64], level: float) -> float:
        """Return the highest score that pruning counts as normal."""
        above = known > level
        peaks = sorted((float(known[run].max()) for run in _runs(above)), reverse=True)
        heights = np.array([*peaks, float(known[~above].max())])
        drops = (heights[:-1] - heights[1:]) / np.maximum(np.abs(heights[:-1]), 1e-300)
        kept = np.flatnonzero(drops > self.config.least_drop)
        return float(heights[kept[-1] + 1] if kept.size else heights[0])


def _runs(above: NDArray[np.bool_]) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
