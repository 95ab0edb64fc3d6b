"""A quantile of each entity's scores and, as far as these are few, of the whole fleet's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.detect.contract import Score
from faultsight.detect.thresholds._contract import Threshold

__all__ = ["PooledQuantile", "PooledQuantileConfig"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PooledQuantileConfig:
    """The settings.

    Parameters
    ----------
    quantile : float
        Share of an entity's own scores of history that lies below the level; that of `Quantile`.
    fleet_quantile : float
        The same of the fleet's. A little more, which served development fleets best: see the
        explanation of tuning.
    fleet_rows : float
        The scores of all entities together count as so many rows of each entity. At 2,000 eight of
        them lie above the 0.996 quantile: what an entity's own history needs to tell that
        quantile to about a third.
    """

    quantile: float = 0.995
    fleet_quantile: float = 0.996
    fleet_rows: float = 2_000.0

    def __post_init__(self) -> None:
        for name in ("quantile", "fleet_quantile"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise SettingError(f"{name} lies between 0 and 1, not {getattr(self, name)}")
        if not self.fleet_rows >= 0.0:
            raise SettingError(f"fleet_rows must be at least 0, not {self.fleet_rows}")


class PooledQuantile(Threshold):
    """The quantile of a mixture: an entity's own scores, and the fleet's as rows seen before.

    A week of hourly rows says next to nothing of an entity's 0.995 quantile: it lies between its
    two highest scores. Scores are in units of what is usual for each entity, so that the others'
    say what is missing. It is the posterior mean of the distribution of scores under a Dirichlet
    process around the fleet's (Ferguson 1973); the more rows an entity has, the more they decide.

    Examples
    --------
    >>> own = Score("a", 0, 60, (), np.arange(100.0))
    >>> fleet = [Score(str(i), 0, 60, (), np.arange(400.0)) for i in range(9)]
    >>> levels = PooledQuantile().levels([own, *fleet])
    >>> levels["a"]  # its own highest score is 99
    398.0
    """

    def __init__(self, config: PooledQuantileConfig | None = None) -> None:
        self.config = config or PooledQuantileConfig()

    def levels(
        self, scores: Sequence[Score], *, fleet: Sequence[Score] | None = None
    ) -> dict[str, float]:
        """Return each entity's level from its and the fleet's scores of history.

        Parameters
        ----------
        scores : sequence of Score
            One for each entity.
        fleet : sequence of Score, optional
            The fleet's; `scores` if not given.

        Raises
        ------
        InputError
            If no score is known.
        """
        own = {s.entity: np.sort(s.total[np.isfinite(s.total)]) for s in scores}
        everyone = own.values() if fleet is None else [s.total[np.isfinite(s.total)] for s in fleet]
        pooled = np.sort(np.concatenate([*everyone, np.empty(0)]))
        if not len(pooled):
            raise InputError("no score is known; there is no level to set")
        return {entity: self._mixed(values, pooled) for entity, values in own.items()}

    def _level(self, values: Array, interval_s: int) -> float:
        known = np.sort(values[np.isfinite(values)])
        return self._mixed(known, known)

    def _mixed(self, own: Array, fleet: Array) -> float:
        """Return the smallest score up to which the mixture holds its share; both are sorted."""
        weight = self.config.fleet_rows
        wanted = self.config.quantile * len(own) + self.config.fleet_quantile * weight - 1e-9

        def first(values: Array) -> float:
            low, high = 0, len(values)
            while low < high:
                middle = (low + high) // 2
                n_own = np.searchsorted(own, values[middle], side="right")
                n_fleet = np.searchsorted(fleet, values[middle], side="right")
                if n_own + weight * n_fleet / len(fleet) >= wanted:
                    high = middle
                else:
                    low = middle + 1
            return float(values[low]) if low < len(values) else np.inf

        return min(first(own), first(fleet))
