"""GDN: each KPI predicted from those that are like it, by attention over a learned graph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.detect.contract import Progress
from faultsight.detect.peers._torch import Tensor, functional, nn, torch
from faultsight.detect.peers._training import (
    Batch,
    NetworkDetector,
    Player,
    TrainingConfig,
    mean_of_known,
    smoothed_squares,
    train,
)
from faultsight.detect.peers._windows import WindowBank

__all__ = ["GDN", "GDNConfig"]


@dataclass(frozen=True)
class GDNConfig(TrainingConfig):
    """Settings of `GDN`; see `TrainingConfig` for those of training.

    Parameters
    ----------
    window : int
        Rows that a prediction looks back; the paper's 5.
    epochs, batch : int
        The authors train 30 to 100 epochs of 32 to 128 windows, and stop early; 20 of 128 here.
    n_embedding : int
        Of each KPI's vector; the paper's 64 (128 for its larger set).
    n_neighbors : int
        KPIs that each one attends to besides itself; the paper's 15 (30 for its larger set).
    n_hidden : int
        Units of the output's hidden layer; the paper's 64 or 128.
    dropout : float
        Before the output's layers; as in the authors' code.
    smoothing_rows : int
        Each KPI's errors are averaged over so many rows; as in the authors' code.
    """

    window: int = 5
    epochs: int = 20
    n_embedding: int = 64
    n_neighbors: int = 15
    n_hidden: int = 64
    dropout: float = 0.2
    smoothing_rows: int = 4

    may_be_zero = (*TrainingConfig.may_be_zero, "dropout")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dropout >= 1:
            raise SettingError(f"dropout is below 1, not {self.dropout}")

    @classmethod
    def paper(cls, **changes: Any) -> GDNConfig:
        """Return the authors' longer training."""
        return cls(**({"epochs": 50, "batch": 32} | changes))


class GDNNetwork(nn.Module):
    """Sensor embedding, graph structure learning, graph attention, output (sections 3.2 to 3.5)."""

    def __init__(self, n_kpis: int, config: GDNConfig) -> None:
        super().__init__()
        width = config.n_embedding
        self.n_neighbors = min(config.n_neighbors, n_kpis - 1)
        self.embedding = nn.Parameter(torch.empty(n_kpis, width))
        nn.init.kaiming_uniform_(self.embedding, a=5**0.5)
        self.inward = nn.Linear(config.window, width, bias=False)
        self.attention = nn.Linear(2 * width, 2, bias=False)
        self.normal, self.normal_out = nn.BatchNorm1d(width), nn.BatchNorm1d(width)
        self.output = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(width, config.n_hidden), nn.ReLU(), nn.Linear(config.n_hidden, 1),
        )  # fmt: skip

    def graph(self) -> Tensor:
        """Return which KPIs (columns) each KPI (row) listens to: the most alike, and itself."""
        with torch.no_grad():
            unit = functional.normalize(self.embedding, dim=1)
            alike = unit @ unit.T
            alike.fill_diagonal_(2.0)
            nearest = alike.topk(self.n_neighbors + 1, dim=1).indices
            return torch.zeros_like(alike).scatter_(1, nearest, 1.0) > 0

    def weights(self, features: Tensor) -> Tensor:
        """Return attention, (window, kpi, neighbour): rows sum to 1, 0 off the graph."""
        told = torch.cat([self.embedding.expand(len(features), -1, -1), features], dim=2)
        listens, speaks = self.attention(told).unbind(dim=2)
        scores = functional.leaky_relu(listens.unsqueeze(2) + speaks.unsqueeze(1), 0.2)
        return torch.softmax(scores.masked_fill(~self.graph(), -torch.inf), dim=2)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the row after each window, (window, kpi)."""
        features = self.inward(rows.transpose(1, 2))
        mixed = self.weights(features) @ features
        mixed = torch.relu(self.normal(mixed.transpose(1, 2))).transpose(1, 2) * self.embedding
        mixed = torch.relu(self.normal_out(mixed.transpose(1, 2))).transpose(1, 2)
        found: Tensor = self.output(mixed).squeeze(2)
        return found


class GDN(NetworkDetector):
    """Deng and Hooi, AAAI '21, for the fleet; a row's score is its KPI with the largest error.

    Absolute errors are averaged over a few rows, and squared as the other peers' are. The paper
    measures them by median and interquartile range of the test, which an online detector cannot
    know: here by what is usual on history. Left out: early stopping, and the batch normalization
    that the authors' code has within the output, where that has a hidden layer as here.

    Examples
    --------
    >>> import numpy as np
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.sin(np.arange(300.0) / 5)[:, None] * [1.0, -2.0]
    >>> rows[250:253] = 0.9 - rows[250:253]
    >>> frame = KpiFrame("cell-1", ("load", "drops"), 0, 3600, rows)
    >>> detector = GDN(GDNConfig(batch=32)).fit([frame[:200]])
    >>> 250 <= int(detector.score([frame])[0].total.argmax()) < 256
    True
    """

    zero_to_one: ClassVar[bool] = True
    rows_ahead: ClassVar[int] = 1
    largest: ClassVar[int | None] = 1
    config: GDNConfig
    network: GDNNetwork

    def __init__(self, config: GDNConfig | None = None) -> None:
        self.config = config or GDNConfig()

    def _build(self, n_kpis: int) -> GDNNetwork:
        return GDNNetwork(n_kpis, self.config)

    def _train(self, bank: WindowBank, progress: Progress) -> None:
        player = Player(self._loss, list(self.network.parameters()))
        train(self.network, bank, self.config, [player], progress=progress)

    def _loss(self, batch: Batch) -> Tensor:
        found = self.network(batch.rows[:, :-1])
        return mean_of_known((batch.rows[:, -1] - found).square(), batch.known[:, -1])

    def _read(self, batch: Batch) -> Tensor:
        found: Tensor = self.network(batch.rows[:, :-1])
        return batch.rows[:, -1] - found

    def _errors(self, bank: WindowBank) -> NDArray[Any]:
        smooth = partial(_mean_with_before, n_rows=self.config.smoothing_rows)
        return smoothed_squares(super()._errors(bank), bank, smooth)


def _mean_with_before(table: NDArray[np.float32], n_rows: int) -> NDArray[np.float32]:
    """Return the mean of each row's known values and those of the rows before it."""
    before = np.full((n_rows - 1, table.shape[1]), np.nan, table.dtype)
    padded = np.concatenate([before, table])
    lagged = [padded[lag : lag + len(table)] for lag in range(n_rows)]
    known = sum(np.isfinite(part).astype(np.float32) for part in lagged)
    total = sum(np.nan_to_num(part) for part in lagged)
    return np.where(np.isfinite(table), total / np.maximum(known, 1), np.nan).astype(np.float32)
