"""STL: the trend and seasonal part of each row, as the paper tells them to the decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.anotuner.conditions._contract import Condition
from faultsight.detect.anotuner.conditions._loess_stl import last_row_weights
from faultsight.detect.anotuner.conditions.profile import Profile

__all__ = ["STL"]

_DAY_S = 86_400
_N_PERIODS = 7
_MOST_ROWS_A_DAY = 1_440
"""The smoothers' weights take memory by the square of it."""


class STL(Condition):
    """Trend and seasonal part of the row, and what was expected of it before it was seen.

    The first two channels are the last row of a seasonal-trend decomposition (Cleveland et al.,
    1990; without robustness weights) of the seven days that end with the row. The paper's
    condition (section 3.3) decomposes whole series, later rows included; that cannot be done as
    rows arrive. The third channel is the `Profile` forecast of the row, which also replaces
    missing values before they are decomposed.

    Until a frame has seven days of rows the first two channels come from the profile too: as
    seasonal part what is usual at this time of day less its mean over the day, and as trend that
    mean and the recent deviation. So it is for every row where a day is not a whole number of
    rows, or more than 1,440 of them.

    Examples
    --------
    >>> days = np.tile([0.0, 1.0, 0.0, -1.0], 10)[:, None] + 5.0
    >>> frame = KpiFrame("cell-1", ("load",), 0, 21_600, days)
    >>> np.round(STL().fit([frame]).compute(frame)[37, 0], 3).tolist()
    [5.0, 1.0, 6.0]
    """

    n_channels: ClassVar[int] = 3

    profile: Profile
    """Stands in where STL cannot speak."""

    def fit(self, frames: Sequence[KpiFrame]) -> Self:
        """Learn the profile; the decomposition itself has nothing to learn."""
        return self._with(Profile().fit(frames))

    def compute(self, frame: KpiFrame) -> NDArray[np.float32]:
        """Return trend, seasonal part and forecast, of shape (time, kpi, 3)."""
        usual, forecast = np.moveaxis(self.profile.compute(frame), 2, 0)
        day = self._day_means.get(frame.entity, self._fleet_day_mean).astype(np.float32)
        told = np.stack([forecast - usual + day, usual - day, forecast], axis=2)
        rows_a_day, rest = divmod(_DAY_S, frame.interval_s)
        n_history = rows_a_day * _N_PERIODS
        if rest or not 2 <= rows_a_day <= _MOST_ROWS_A_DAY or len(frame) < n_history:
            return told
        filled = np.where(np.isnan(frame.values), forecast, frame.values)
        columns = np.ascontiguousarray(filled.T, dtype=np.float64)
        for channel, weights in enumerate(last_row_weights(rows_a_day, _N_PERIODS)):
            for kpi, column in enumerate(columns):
                # Summed row by row: a Fourier transform would let later rows touch earlier ones.
                told[n_history - 1 :, kpi, channel] = np.correlate(column, weights, "valid")
        return told

    def baseline(self, frame: KpiFrame) -> NDArray[np.float32]:
        """Return the profile's medians: a trend would follow a fault."""
        return self.profile.baseline(frame)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Return the profile's medians."""
        return self.profile.state()

    def with_others(self, earlier: Self) -> Self:
        """Return this condition, with the entities that only the earlier one has learned."""
        return type(self)()._with(self.profile.with_others(earlier.profile))

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.float64]]) -> Self:
        """Return the condition that told this state."""
        return cls()._with(Profile.from_state(state))

    def _with(self, profile: Profile) -> Self:
        self.profile = profile
        means = profile.medians.mean(axis=1)
        self._day_means = dict(zip(profile.entities, means[:-1], strict=True))
        self._fleet_day_mean = means[-1]
        return self
