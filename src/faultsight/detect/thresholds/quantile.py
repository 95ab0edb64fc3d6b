"""The deployed rule: a quantile of each entity's scores of history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.detect.thresholds._contract import Threshold

__all__ = ["Quantile", "QuantileConfig"]


@dataclass(frozen=True)
class QuantileConfig:
    """The one setting.

    Parameters
    ----------
    quantile : float
        Share of history that lies below the level.
    """

    quantile: float = 0.995

    def __post_init__(self) -> None:
        if not 0.0 < self.quantile < 1.0:
            raise SettingError(f"quantile lies between 0 and 1, not {self.quantile}")


class Quantile(Threshold):
    """A quantile of the scores, interpolated linearly.

    Examples
    --------
    >>> from faultsight.detect.contract import Score
    >>> score = Score("a", 0, 60, (), np.arange(201.0))
    >>> Quantile().levels([score])
    {'a': 199.0}
    """

    def __init__(self, config: QuantileConfig | None = None) -> None:
        self.config = config or QuantileConfig()

    def _level(self, values: NDArray[np.float64], interval_s: int) -> float:
        return float(np.nanquantile(values, self.config.quantile))
