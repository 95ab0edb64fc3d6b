"""TranAD: a transformer that reconstructs a row twice, the second time told where it failed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from faultsight.core.errors import SettingError
from faultsight.detect.contract import Progress
from faultsight.detect.peers._torch import Tensor, nn, torch
from faultsight.detect.peers._training import (
    Batch,
    NetworkDetector,
    Player,
    TrainingConfig,
    mean_of_known,
    positions,
    signed_square,
    train,
)
from faultsight.detect.peers._windows import WindowBank

__all__ = ["TranAD", "TranADConfig"]


@dataclass(frozen=True)
class TranADConfig(TrainingConfig):
    """Settings of `TranAD`; see `TrainingConfig` for those of training.

    Parameters
    ----------
    window : int
        The paper's 10.
    epochs : int
        The paper's 5.
    learning_rate : float
        The authors' code takes 1e-4, 1e-3 or 2e-3, by dataset.
    n_feedforward, dropout : int, float
        The paper's.
    l2, decay : float
        Weight decay, and what the learning rate is multiplied by every five epochs; the paper's.
    """

    window: int = 10
    epochs: int = 5
    learning_rate: float = 2e-3
    n_feedforward: int = 16
    dropout: float = 0.1
    l2: float = 1e-5
    decay: float = 0.9

    may_be_zero = (*TrainingConfig.may_be_zero, "dropout", "l2")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dropout >= 1:
            raise SettingError(f"dropout is below 1, not {self.dropout}")


class TranADNetwork(nn.Module):
    """One encoder, two decoders that share the last layer; as many heads as KPIs."""

    place: Tensor

    def __init__(self, n_kpis: int, window: int, n_feedforward: int, dropout: float) -> None:
        super().__init__()
        sizes = (2 * n_kpis, n_kpis, n_feedforward, dropout)
        self.encoder = nn.TransformerEncoderLayer(*sizes, batch_first=True)
        self.decoders = nn.ModuleList(
            nn.TransformerDecoderLayer(*sizes, batch_first=True) for _ in range(2)
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Sequential(nn.Linear(2 * n_kpis, n_kpis), nn.Sigmoid())
        self.register_buffer("place", positions(window, 2 * n_kpis), persistent=False)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return both reconstructions of each window's last row, (window, kpi)."""
        first = self._phase(0, rows, torch.zeros_like(rows))
        # The focus: where the first phase failed.
        second = self._phase(1, rows, (first.unsqueeze(1) - rows).square())
        return first, second

    def _phase(self, which: int, rows: Tensor, focus: Tensor) -> Tensor:
        told = torch.cat([rows, focus], dim=2) * math.sqrt(rows.shape[2])
        memory = self.encoder(self.dropout(told + self.place))
        target = rows[:, -1:].repeat(1, 1, 2)
        found: Tensor = self.output(self.decoders[which](target, memory))[:, 0]
        return found


class TranAD(NetworkDetector):
    """Tuli et al., VLDB '22, for the fleet, with the loss of the authors' code.

    ``1/n`` of the first phase's error and the rest of the second's in epoch n; the adversarial part
    that the paper writes is not in their code and not here, nor is meta-learning. Its decoders are
    given the row that they reconstruct, as there: they can copy it.

    Examples
    --------
    >>> import numpy as np
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.random.default_rng(0).normal(size=(300, 2))
    >>> rows[250] += 9.0
    >>> frame = KpiFrame("cell-1", ("load", "drops"), 0, 3600, rows)
    >>> int(TranAD().fit([frame[:200]]).score([frame])[0].total.argmax())
    250
    """

    zero_to_one: ClassVar[bool] = True
    config: TranADConfig

    def __init__(self, config: TranADConfig | None = None) -> None:
        self.config = config or TranADConfig()

    def _build(self, n_kpis: int) -> nn.Module:
        config = self.config
        return TranADNetwork(n_kpis, config.window, config.n_feedforward, config.dropout)

    def _train(self, bank: WindowBank, progress: Progress) -> None:
        player = Player(self._loss, list(self.network.parameters()), self.config.l2)
        decay = self.config.decay ** (1 / 5)
        train(self.network, bank, self.config, [player], decay=decay, progress=progress)

    def _loss(self, batch: Batch) -> Tensor:
        first, second = (
            mean_of_known((found - batch.rows[:, -1]).square(), batch.known[:, -1])
            for found in self.network(batch.rows)
        )
        return first / batch.epoch + (1.0 - 1.0 / batch.epoch) * second

    def _read(self, batch: Batch) -> Tensor:
        _, second = self.network(batch.rows)
        return signed_square(batch.rows[:, -1] - second)
