"""A budget of alarms: the lowest level that raises no more of them in a week."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.detect.thresholds._contract import Threshold

__all__ = ["AlarmBudget", "AlarmBudgetConfig"]

_WEEK_S = 7 * 86_400


@dataclass(frozen=True)
class AlarmBudgetConfig:
    """The one setting.

    Parameters
    ----------
    alarms_per_week : float
        Runs of rows above the level, for one entity, on history.
    """

    alarms_per_week: float = 1.0

    def __post_init__(self) -> None:
        if not self.alarms_per_week >= 0:
            raise SettingError(f"alarms_per_week is at least 0, not {self.alarms_per_week}")


class AlarmBudget(Threshold):
    """The lowest level for which history would have raised no more alarms than the budget.

    Rows that follow each other above the level are one alarm. Lowering the level can join two
    alarms into one; the level is the lowest of those above which the budget holds throughout.

    Examples
    --------
    >>> from faultsight.detect.contract import Score
    >>> week = np.zeros(168)
    >>> week[[10, 50, 51, 100]] = [3.0, 9.0, 8.0, 5.0]
    >>> AlarmBudget(AlarmBudgetConfig(2)).levels([Score("a", 0, 3600, (), week)])
    {'a': 3.0}
    """

    def __init__(self, config: AlarmBudgetConfig | None = None) -> None:
        self.config = config or AlarmBudgetConfig()

    def _level(self, values: NDArray[np.float64], interval_s: int) -> float:
        n_known = int(np.count_nonzero(~np.isnan(values)))
        # What rounding takes from a whole number of alarms is given back.
        allowed = int(self.config.alarms_per_week * n_known * interval_s / _WEEK_S + 1e-9)
        # From the highest score down: a row opens an alarm, lengthens one, or joins two.
        above = np.zeros(len(values) + 2, dtype=bool)
        alarms = 0
        order = np.argsort(-values, kind="stable")[:n_known]  # NaN goes last
        ends = np.flatnonzero(np.append(np.diff(values[order]) != 0, True)) + 1
        start = 0
        for end in ends:
            for row in order[start:end]:
                alarms += 1 - int(above[row]) - int(above[row + 2])
                above[row + 1] = True
            if alarms > allowed:
                return float(values[order[start]])
            start = int(end)
        return float(np.nanmin(values))
