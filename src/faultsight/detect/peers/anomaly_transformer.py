"""Anomaly Transformer: an anomaly's attention stays near it, so it is like a Gaussian's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

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

__all__ = ["AnomalyTransformer", "AnomalyTransformerConfig"]


@dataclass(frozen=True)
class AnomalyTransformerConfig(TrainingConfig):
    """Settings of `AnomalyTransformer`; see `TrainingConfig` for those of training.

    Parameters
    ----------
    window : int
        The paper's 100. A day here.
    epochs, batch, learning_rate, decay : int, int, float, float
        The authors' 10 of 256 windows at 1e-4, halved each epoch; a smaller network on a week of
        hours takes 10 of 128 at 1e-3, not halved.
    n_channels, n_heads, n_layers : int
        The paper's 512, 8, 3; 32, 4, 2 here.
    weight : float
        Of the association discrepancy in training; the paper's 3.
    temperature : float
        What the discrepancy is multiplied by before the softmax of the score. The paper has 1; the
        authors' code 50.
    """

    window: int = 24
    n_channels: int = 32
    n_heads: int = 4
    n_layers: int = 2
    weight: float = 3.0
    temperature: float = 1.0
    decay: float = 1.0

    may_be_zero = (*TrainingConfig.may_be_zero, "weight", "temperature")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_channels % self.n_heads or self.n_channels % 2:
            raise SettingError("n_channels is even and a multiple of n_heads")

    @classmethod
    def paper(cls, **changes: Any) -> AnomalyTransformerConfig:
        """Return the paper's size and the authors' training."""
        said = {"window": 100, "epochs": 10, "batch": 256, "learning_rate": 1e-4, "decay": 0.5,
                "n_channels": 512, "n_heads": 8, "n_layers": 3}  # fmt: skip
        return cls(**(said | changes))


class Association(NamedTuple):
    """Prior and series association of one layer, (window, head, row, row); rows sum to 1."""

    prior: Tensor
    series: Tensor


class AnomalyAttention(nn.Module):
    """Self-attention that also tells which Gaussian of distance each row would have (eq. 2)."""

    def __init__(self, n_channels: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.told = nn.Linear(n_channels, 3 * n_channels)
        self.width = nn.Linear(n_channels, n_heads)
        self.output = nn.Linear(n_channels, n_channels)

    def forward(self, rows: Tensor) -> tuple[Tensor, Association]:
        """Return what each row attends to, and the associations; rows (window, row, channel)."""
        n, length, channels = rows.shape
        parts = self.told(rows).reshape(n, length, 3, self.n_heads, channels // self.n_heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        series = torch.softmax(query @ key.mT / math.sqrt(query.shape[-1]), dim=-1)
        width = torch.sigmoid(5.0 * self.width(rows)).mT + 1e-5
        prior = gaussian_of_distance(3.0**width - 1.0)
        found = (series @ value).transpose(1, 2).reshape(n, length, channels)
        return self.output(found), Association(prior, series)


class AnomalyNetwork(nn.Module):
    """Layers of anomaly attention between an embedding and a linear output."""

    place: Tensor

    def __init__(self, n_kpis: int, config: AnomalyTransformerConfig) -> None:
        super().__init__()
        channels = config.n_channels
        self.embedding = nn.Conv1d(n_kpis, channels, 3, padding=1)
        self.attentions = nn.ModuleList(
            AnomalyAttention(channels, config.n_heads) for _ in range(config.n_layers)
        )
        self.dense = nn.ModuleList(
            nn.Sequential(
                nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, channels)
            )
            for _ in range(config.n_layers)
        )  # fmt: skip
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2 * config.n_layers))
        self.output = nn.Linear(channels, n_kpis)
        self.register_buffer("place", positions(config.window, channels), persistent=False)

    def forward(self, rows: Tensor) -> tuple[Tensor, list[Association]]:
        """Return reconstructed windows, and the associations of each layer."""
        now = self.embedding(rows.transpose(1, 2)).transpose(1, 2) + self.place
        associations = []
        for i, (attention, dense) in enumerate(zip(self.attentions, self.dense, strict=True)):
            attended, association = attention(now)
            now = self.norms[2 * i](now + attended)
            now = self.norms[2 * i + 1](now + dense(now))
            associations.append(association)
        return self.output(now), associations


def gaussian_of_distance(width: Tensor) -> Tensor:
    """Return, for each row's width (..., row), Gaussian weights of all rows that sum to 1.

    Examples
    --------
    >>> narrow, wide = gaussian_of_distance(torch.tensor([[0.1, 100.0]]))[0]
    >>> narrow.round(decimals=2).tolist(), wide.round(decimals=2).tolist()
    ([1.0, 0.0], [0.5, 0.5])
    """
    place = torch.arange(width.shape[-1], dtype=width.dtype)
    squares = (place[:, None] - place).square()
    return torch.softmax(-squares / (2.0 * width.unsqueeze(-1).square()), dim=-1)


def discrepancy(associations: list[Association]) -> Tensor:
    """Return both divergences of prior and series, (window, row): mean of heads and layers (eq. 3).

    Examples
    --------
    >>> even = torch.full((1, 1, 2, 2), 0.5)
    >>> discrepancy([Association(even, even)]).tolist()
    [[0.0, 0.0]]
    """
    layers = [_divergence(p, s) + _divergence(s, p) for p, s in associations]
    return torch.stack(layers).mean(0).mean(1)


def _divergence(left: Tensor, right: Tensor) -> Tensor:
    return (left * ((left + 1e-4).log() - (right + 1e-4).log())).sum(-1)


class AnomalyTransformer(NetworkDetector):
    """Xu et al., ICLR '22, for the fleet, without what made its published figures.

    One window ends at each row, and the last row is scored by windows of the past alone. Scaling,
    stopping and levels never see the test; the authors' code sets its level on train and test
    together, stops early on the test, and scores after point adjustment.

    Examples
    --------
    >>> import numpy as np
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.random.default_rng(0).normal(size=(300, 2))
    >>> rows[250] += 9.0
    >>> frame = KpiFrame("cell-1", ("load", "drops"), 0, 3600, rows)
    >>> int(AnomalyTransformer().fit([frame[:200]]).score([frame])[0].total.argmax())
    250
    """

    config: AnomalyTransformerConfig
    network: AnomalyNetwork

    def __init__(self, config: AnomalyTransformerConfig | None = None) -> None:
        self.config = config or AnomalyTransformerConfig()

    def _build(self, n_kpis: int) -> AnomalyNetwork:
        return AnomalyNetwork(n_kpis, self.config)

    def _train(self, bank: WindowBank, progress: Progress) -> None:
        player = Player(self._loss, list(self.network.parameters()))
        train(self.network, bank, self.config, [player], decay=self.config.decay, progress=progress)

    def _loss(self, batch: Batch) -> Tensor:
        """Return the sum of both phases of the minimax (eq. 5); each holds one side still."""
        found, associations = self.network(batch.rows)
        error = mean_of_known((batch.rows - found).square(), batch.known)
        drawn = discrepancy([Association(p, s.detach()) for p, s in associations]).mean()
        pushed = discrepancy([Association(p.detach(), s) for p, s in associations]).mean()
        return 2.0 * error + self.config.weight * (drawn - pushed)

    def _read(self, batch: Batch) -> Tensor:
        found, associations = self.network(batch.rows)
        far = -self.config.temperature * discrepancy(associations)
        # Times the rows of a window, so that even attention leaves errors as they are.
        weight = torch.softmax(far, dim=1)[:, -1:] * batch.rows.shape[1]
        return weight * signed_square(batch.rows[:, -1] - found[:, -1])
