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

    def levels(
        self, scores: Sequence[Score], *, fleet: Sequence[Score] | None = None
    ) -> dict[str, float]:
        """Return each entity's level from its scores of history.

        Parameters
        ----------
        scores : sequence of Score
            One for each entity.
        fleet : sequence of Score, optional
            What rules that compare an entity with the fleet shall take for the fleet's scores;
            `scores` if not given. Rules that look at each entity alone do not care.

        Raises
        ------
        InputError
            If no score is known.
        """
        totals = {s.entity: np.where(np.isfinite(s.total), s.total, np.nan) for s in scores}
        if np.isnan(np.concatenate([*totals.values(), [np.nan]])).all():
            raise InputError("no score is known; there is no level to set")
        interval_s = scores[0].interval_s
        levels = {
            entity: self._level(values, interval_s)
            for entity, values in totals.items()
            if np.count_nonzero(~np.isnan(values)) >= LEAST_SCORES
        }
        if levels:
            usual = float(np.median(list(levels.values())))
        else:
            # A missing row parts the entities: an alarm never spans two of them.
            parted = [part for values in totals.values() for part in (values, [np.nan])]
            usual = self._level(np.concatenate(parted), interval_s)
        return {entity: levels.get(entity, usual) for entity in totals}

    @abstractmethod
    def _level(self, values: NDArray[np.float64], interval_s: int) -> float:
        """Return the level from the scores of one entity in order of time; NaN is not known."""
