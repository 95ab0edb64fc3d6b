"""USAD: two autoencoders with one encoder, one trained to fool the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from faultsight.core.errors import SettingError
from faultsight.detect.contract import Progress
from faultsight.detect.peers._torch import Tensor, nn, torch
from faultsight.detect.peers._training import (
    Batch,
    NetworkDetector,
    Player,
    TrainingConfig,
    mean_of_known,
    train,
)
from faultsight.detect.peers._windows import WindowBank

__all__ = ["USAD", "USADConfig"]


@dataclass(frozen=True)
class USADConfig(TrainingConfig):
    """Settings of `USAD`; see `TrainingConfig` for those of training.

    Parameters
    ----------
    window : int
        The authors' 12.
    epochs, batch : int
        The authors' code trains 100 epochs of 7,919 windows; 20 of 32 here.
    n_latent : int
        The authors' code has 100 for each row of a window, 1,200; 40 here.
    weight : float
        Of the first autoencoder's error in the score (the paper's alpha; beta is the rest).
    """

    window: int = 12
    epochs: int = 20
    batch: int = 32
    n_latent: int = 40
    weight: float = 0.5

    may_be_zero = (*TrainingConfig.may_be_zero, "weight")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight > 1:
            raise SettingError(f"weight lies between 0 and 1, not {self.weight}")

    @classmethod
    def paper(cls, **changes: Any) -> USADConfig:
        """Return the authors' size and training."""
        return cls(**({"epochs": 100, "batch": 7919, "n_latent": 1200} | changes))


class USADNetwork(nn.Module):
    """An encoder of flattened windows and two decoders, layers of 1/2 and 1/4 of its width."""

    def __init__(self, width: int, n_latent: int) -> None:
        super().__init__()
        half, quarter = max(width // 2, 1), max(width // 4, 1)
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(width, half), nn.ReLU(), nn.Linear(half, quarter), nn.ReLU(),
            nn.Linear(quarter, n_latent), nn.ReLU(),
        )  # fmt: skip
        self.decoders = nn.ModuleList(
            nn.Sequential(
                nn.Linear(n_latent, quarter), nn.ReLU(), nn.Linear(quarter, half), nn.ReLU(),
                nn.Linear(half, width), nn.Sigmoid(),
            )
            for _ in range(2)
        )  # fmt: skip

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return AE1(w), AE2(w) and AE2(AE1(w)), each shaped as the windows."""
        latent = self.encoder(rows)
        first, second = (decoder(latent).reshape(rows.shape) for decoder in self.decoders)
        again = self.decoders[1](self.encoder(first)).reshape(rows.shape)
        return first, second, again


class USAD(NetworkDetector):
    """Audibert et al., KDD '20, for the fleet; the error of a window's last row.

    Rows between 0 and 1, as its sigmoids give.

    Examples
    --------
    >>> import numpy as np
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.random.default_rng(0).normal(size=(300, 2))
    >>> rows[250] += 9.0
    >>> frame = KpiFrame("cell-1", ("load", "drops"), 0, 3600, rows)
    >>> int(USAD().fit([frame[:200]]).score([frame])[0].total.argmax())
    250
    """

    zero_to_one: ClassVar[bool] = True
    config: USADConfig
    network: USADNetwork

    def __init__(self, config: USADConfig | None = None) -> None:
        self.config = config or USADConfig()

    def _build(self, n_kpis: int) -> USADNetwork:
        return USADNetwork(self.config.window * n_kpis, self.config.n_latent)

    def _train(self, bank: WindowBank, progress: Progress) -> None:
        encoder = list(self.network.encoder.parameters())
        players = [
            Player(loss, [*encoder, *decoder.parameters()])
            for loss, decoder in zip(
                (self._first_loss, self._second_loss), self.network.decoders, strict=True
            )
        ]
        train(self.network, bank, self.config, players, progress=progress)

    def _first_loss(self, batch: Batch) -> Tensor:
        """Reconstruct, and fool the second autoencoder (eq. 8)."""
        first, _, again = self.network(batch.rows)
        own, fooled = (mean_of_known((batch.rows - x).square(), batch.known)
                       for x in (first, again))  # fmt: skip
        return own / batch.epoch + (1.0 - 1.0 / batch.epoch) * fooled

    def _second_loss(self, batch: Batch) -> Tensor:
        """Reconstruct, and tell the first's output from what is real (eq. 9)."""
        _, second, again = self.network(batch.rows)
        own, told = (mean_of_known((batch.rows - x).square(), batch.known)
                     for x in (second, again))  # fmt: skip
        return own / batch.epoch - (1.0 - 1.0 / batch.epoch) * told

    def _read(self, batch: Batch) -> Tensor:
        first, _, again = (x[:, -1] for x in self.network(batch.rows))
        last = batch.rows[:, -1]
        weight = self.config.weight
        error: Tensor = (last - first).square()
        other: Tensor = (last - again).square()
        return torch.copysign(weight * error + (1.0 - weight) * other, last - first)
