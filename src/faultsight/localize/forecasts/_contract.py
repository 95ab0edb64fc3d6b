"""What a forecaster is: the values that leaves should have had, from their past only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError

__all__ = ["Forecaster"]

Array = NDArray[np.float64]
Times = NDArray[np.int64]


class Forecaster(ABC):
    """The base of every forecaster: keyword settings in `__init__`, one verb.

    A member keeps its settings in a frozen dataclass `config` and implements `_forecast`.

    Examples
    --------
    >>> from faultsight.localize.forecasts import FORECASTERS
    >>> issubclass(FORECASTERS.load("moving_average"), Forecaster)
    True
    """

    config: Any

    def forecast(self, history: Array, times: Times, at: int) -> Array:
        """Return what each leaf should be at a later time.

        Parameters
        ----------
        history : ndarray of float64, shape (n_leaves, n_times)
            Past values. NaN where a value is unknown; a leaf that is absent because nothing was
            counted is 0, not NaN.
        times : ndarray of int64, shape (n_times,)
            Seconds since 1970 UTC, rising.
        at : int
            The time to forecast; later than all of `times`.

        Returns
        -------
        ndarray of float64, shape (n_leaves,)
            At least 0: counts and volumes cannot be negative. 0 for a leaf that was never seen.

        Raises
        ------
        InputError
            If there is no history, if its times do not rise, or if `at` is not later than all.
        """
        history = np.asarray(history, dtype=np.float64)
        times = np.asarray(times, dtype=np.int64)
        if history.ndim != 2 or history.shape[1] != len(times):
            raise InputError(f"history of shape {history.shape} does not match {len(times)} times")
        if not len(times):
            raise InputError("there is no earlier time to forecast from")
        if (np.diff(times) <= 0).any():
            raise InputError("the times of the history do not rise")
        if at <= times[-1]:
            raise InputError("the time to forecast is not later than the history")
        # A value from nowhere would be invented: what was never seen is expected to be 0.
        return np.maximum(np.nan_to_num(self._forecast(history, times, int(at)), nan=0.0), 0.0)

    @abstractmethod
    def _forecast(self, history: Array, times: Times, at: int) -> Array:
        """Forecast; the input is valid and holds at least one time."""
