"""AnoTuner's sliding network as it is plainly written: copied windows, one loop after the other.

What `detect/speed` compares with. The weights are those of a fitted model; the condition is
statsmodels' STL of each series, and windows are copied into a torch data set and scored one by
one by the reconstruction of their last row, as in the paper.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.anotuner import AnoTuner

__all__ = ["PlainScores", "plain_scores"]

_BATCH = 256
_DAY_S = 86_400
_Window = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True, eq=False)
class PlainScores:
    """What came out, and where the time went.

    Attributes
    ----------
    totals : dict of str to array of shape (window,)
        The score of each entity's windows, by their last row; rows before the end of the first
        window have none.
    condition_seconds, network_seconds : float
        The decompositions, and all the rest.
    """

    totals: dict[str, NDArray[np.float64]]
    condition_seconds: float
    network_seconds: float


def plain_scores(model: AnoTuner, frames: Sequence[KpiFrame]) -> PlainScores:
    """Score every window of every frame.

    Parameters
    ----------
    model : AnoTuner
        Fitted, in the sliding form, with a condition of two values a row and KPI. The first is
        taken from the seasonal part, the second from that and the trend.
    frames : sequence of KpiFrame
        At least two days each, with the KPIs of the model.

    Raises
    ------
    SettingError
        If statsmodels is not installed, or the model is of the other form.
    """
    try:
        from statsmodels.tsa.seasonal import STL
    except ImportError as error:
        raise SettingError(
            "the plain way needs statsmodels: install faultsight[forecast]"
        ) from error
    if model.config.form != "sliding" or model.condition.n_channels != 2:
        raise SettingError("the plain way is of the sliding form with a condition of two values")
    start = time.perf_counter()
    series = []
    for frame in frames:
        values = model.scaling.apply(frame).values
        filled = np.where(np.isnan(values), 0.5, values)
        condition = np.empty((*filled.shape, 2), dtype=np.float32)
        for kpi in range(filled.shape[1]):
            parts = STL(filled[:, kpi], period=_DAY_S // frame.interval_s).fit()
            condition[:, kpi, 0] = parts.seasonal + parts.trend.mean()
            condition[:, kpi, 1] = parts.seasonal + parts.trend
        series.append((values, filled, condition.reshape(len(filled), -1)))
    decomposed = time.perf_counter()
    totals = {}
    for frame, (values, filled, condition) in zip(frames, series, strict=True):
        usual = torch.from_numpy(model._usual_of(frame.entity)[0])
        windows = _CopiedWindows(values, filled, condition, model.config.window)
        scores: list[float] = []
        with torch.no_grad():
            for rows, last, told in DataLoader(windows, batch_size=_BATCH):
                found = model.network(rows, told).values[:, -1]
                for reconstructed, row in zip(found, last, strict=True):
                    scores.append(float(((reconstructed - row).square() / usual).nansum()))
        totals[frame.entity] = np.array(scores)
    return PlainScores(totals, decomposed - start, time.perf_counter() - decomposed)


class _CopiedWindows(Dataset[_Window]):
    def __init__(
        self,
        values: NDArray[np.float32],
        filled: NDArray[np.float32],
        condition: NDArray[np.float32],
        window: int,
    ) -> None:
        self.rows, self.last, self.told = [], [], []
        for start in range(len(values) - window + 1):
            self.rows.append(filled[start : start + window].copy())
            self.last.append(values[start + window - 1].copy())
            self.told.append(condition[start : start + window].copy())

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> _Window:
        return (
            torch.from_numpy(self.rows[place]),
            torch.from_numpy(self.last[place]),
            torch.from_numpy(self.told[place]),
        )
