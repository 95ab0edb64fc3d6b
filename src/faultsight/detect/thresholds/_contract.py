"""What a threshold is: from the scores of history, one level for each entity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError
from faultsight.detect.contract import Score

__all__ = ["LEAST_SCORES", "Threshold"]

LEAST_SCORES = 20
"""With fewer scores than this an entity has the median of the other entities' levels."""


class Threshold(ABC):
    """The base of every threshold: a row alarms when its score is above its entity's level.

    A member keeps its settings in a frozen dataclass `config` and implements `_level`.
    """

    config: Any
    name: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__module__.rpartition(".")[2]

    def levels(self, scores: Sequence[Score]) -> dict[str, float]:
        """Return each entity's level from its scores of history.

        Raises
        ------
        InputError
            If no score is known.
        """
        known = {s.entity: s.total[np.isfinite(s.total)] for s in scores}
        everything = np.concatenate(list(known.values())) if known else np.empty(0)
        if not everything.size:
            raise InputError("no score is known; there is no level to set")
        interval_s = scores[0].interval_s
        levels = {
            entity: self._level(values, interval_s)
            for entity, values in known.items()
            if values.size >= LEAST_SCORES
        }
        usual = (
            float(np.median(list(levels.values())))
            if levels
            else self._level(everything, interval_s)
        )
        return {entity: levels.get(entity, usual) for entity in known}

    @abstractmethod
    def _level(self, values: NDArray[np.float64], interval_s: int) -> float:
        """Return the level from the finite scores of one entity, in order of time."""
