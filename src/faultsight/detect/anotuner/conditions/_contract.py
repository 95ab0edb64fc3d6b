"""What a condition is: what the decoder is told of a row without being shown it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import KpiFrame

__all__ = ["Condition"]


class Condition(ABC):
    """The base of every condition.

    A row's condition follows from the history fitted on, from its stamp and from the rows before
    it (for `stl` also from the row itself, as in the paper), never from later ones. Its last
    channel is the best guess of the row, and stands in for values that are missing.
    """

    n_channels: ClassVar[int]
    """Values a row and KPI."""

    @abstractmethod
    def fit(self, frames: Sequence[KpiFrame]) -> Self:
        """Learn from scaled history."""

    @abstractmethod
    def compute(self, frame: KpiFrame) -> NDArray[np.float32]:
        """Return the condition of every row of a scaled frame, (time, kpi, channel); no NaN."""

    @abstractmethod
    def baseline(self, frame: KpiFrame) -> NDArray[np.float32]:
        """Return what is usual at each row's time of day, whatever came before; (time, kpi)."""

    @abstractmethod
    def state(self) -> dict[str, NDArray[np.float64]]:
        """Return what was learned, as named arrays."""

    @abstractmethod
    def with_others(self, earlier: Self) -> Self:
        """Return this condition, with the entities that only the earlier one has learned."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: Mapping[str, NDArray[np.float64]]) -> Self:
        """Return a condition that has learned what `state` told."""
