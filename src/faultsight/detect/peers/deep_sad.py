"""Deep SAD: a network that draws what is usual to one point, and pushes marked anomalies away."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

from faultsight.core.errors import SettingError
from faultsight.core.feedback import Mark
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.contract import Progress, silent
from faultsight.detect.peers._marks import LabelledWindows, tuned_by_marks
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

__all__ = ["DeepSAD", "DeepSADConfig"]

_LEAST_DISTANCE = 1e-6
_OFF_CENTRE = 0.1


@dataclass(frozen=True)
class DeepSADConfig(TrainingConfig):
    """Settings of `DeepSAD`; see `TrainingConfig` for those of training.

    Parameters
    ----------
    window : int
        Rows of a window; the paper has none.
    epochs, pretrain_epochs : int
        Of the network, and before of an autoencoder with its weights; the authors train for longer,
        on images.
    n_hidden : sequence of int
        Units of each layer, the last of them the representation. The paper's for tables, 32, 16, 8,
        is doubled for the columns of a window.
    eta : float
        Weight of a marked window over one that is not; the paper's 1.
    l2 : float
        Weight decay; the paper's.
    most_history : int
        Windows of history that are learned from again, beside the marked ones.
    """

    window: int = 12
    epochs: int = 20
    pretrain_epochs: int = 10
    n_hidden: Sequence[int] = (64, 32, 16)
    eta: float = 1.0
    l2: float = 1e-6
    most_history: int = 2_000

    may_be_zero = (*TrainingConfig.may_be_zero, "pretrain_epochs", "l2")

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.n_hidden, default=0) < 1:
            raise SettingError("n_hidden are at least one, each of at least 1 unit")


class DeepSADNetwork(nn.Module):
    """An encoder without biases (with them it could map all to one point), and its mirror."""

    centre: Tensor

    def __init__(self, width: int, n_hidden: Sequence[int]) -> None:
        super().__init__()
        sizes = [width, *n_hidden]
        self.encoder = nn.Sequential(nn.Flatten(), *_layers(sizes))
        self.decoder = nn.Sequential(*_layers(sizes[::-1]))
        self.register_buffer("centre", torch.zeros(sizes[-1]))

    def forward(self, rows: Tensor) -> Tensor:
        """Return each window's squared distance from the centre."""
        found: Tensor = (self.encoder(rows) - self.centre).square().sum(1)
        return found


def _layers(sizes: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out, bias=False), nn.LeakyReLU(0.1)]
    return layers[:-1]


class DeepSAD(NetworkDetector):
    """Ruff et al., ICLR '20, on flattened windows of the fleet.

    Without marks it is Deep SVDD (ICML '18). `tune` learns from them: windows whose last row is
    marked. A missing value stands at its entity's mean.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(300, 2))
    >>> rows[250] += 9.0
    >>> frame = KpiFrame("cell-1", ("load", "drops"), 0, 3600, rows)
    >>> 250 <= int(DeepSAD().fit([frame[:200]]).score([frame])[0].total.argmax()) < 262
    True
    """

    names_kpis: ClassVar[bool] = False
    # A network without biases maps zeros to zero: they must not be what is usual.
    zero_to_one: ClassVar[bool] = True
    learns_missed: ClassVar[bool] = True
    excused: ClassVar[Mapping[str, str]] = {
        "check_a_gross_deviation_stands_out": "one along what its few dimensions leave out is lost",
    }
    config: DeepSADConfig
    network: DeepSADNetwork

    def __init__(self, config: DeepSADConfig | None = None) -> None:
        self.config = config or DeepSADConfig()

    def tune(
        self, frames: Sequence[KpiFrame], marks: Sequence[Mark], *, progress: Progress = silent
    ) -> tuple[Self, Mapping[str, int]]:
        """Return a copy that has learned from marks, and how many windows and marks that were."""

        def learn(tuned: Self, told: LabelledWindows) -> None:
            tuned.network = copy.deepcopy(self.network)
            labels = torch.from_numpy(
                -told.labels.astype("float32")
            )  # the paper's: -1 is anomalous
            tuned._draw(told.bank, labels, progress, told.sampled(self.config.most_history))

        return tuned_by_marks(self, frames, marks, learn)

    def _build(self, n_kpis: int) -> DeepSADNetwork:
        return DeepSADNetwork(self.config.window * n_kpis, self.config.n_hidden)

    def _train(self, bank: WindowBank, progress: Progress) -> None:
        config, network = self.config, self.network
        player = Player(self._autoencoder_loss, list(network.parameters()), config.l2)
        train(network, bank, config, [player], epochs=config.pretrain_epochs, progress=progress)
        network.centre.copy_(self._centre(bank))
        self._draw(bank, torch.zeros(len(bank)), progress)

    def _draw(
        self, bank: WindowBank, labels: Tensor, progress: Progress, windows: Any = None
    ) -> None:
        """Draw windows to the centre, and those of label -1 away from it."""

        def loss(batch: Batch) -> Tensor:
            return semi_supervised_loss(
                self.network(batch.rows), labels[batch.windows], self.config.eta
            )

        player = Player(loss, list(self.network.encoder.parameters()), self.config.l2)
        train(self.network, bank, self.config, [player], windows=windows, progress=progress)

    def _autoencoder_loss(self, batch: Batch) -> Tensor:
        found = self.network.decoder(self.network.encoder(batch.rows)).reshape(batch.rows.shape)
        return mean_of_known((batch.rows - found).square(), batch.known)

    def _centre(self, bank: WindowBank) -> Tensor:
        """Return the mean representation, moved off zero, which no encoder without biases needs."""
        windows = torch.from_numpy(bank.thinned(self.config.most_windows))
        with torch.inference_mode():
            mean = self.network.encoder(Batch.of(bank, windows).rows).mean(0)
        pushed = torch.where(mean < 0, -_OFF_CENTRE, _OFF_CENTRE)
        return torch.where(mean.abs() < _OFF_CENTRE, pushed, mean)

    def _read(self, batch: Batch) -> Tensor:
        found: Tensor = self.network(batch.rows).unsqueeze(1)
        return found


def semi_supervised_loss(distances: Tensor, labels: Tensor, eta: float) -> Tensor:
    """Return the paper's equation 7: mean of ``d``, of ``eta * d ** label`` where there is one.

    Examples
    --------
    >>> labels = torch.tensor([0.0, 1.0, -1.0])
    >>> round(semi_supervised_loss(torch.tensor([3.0, 2.0, 4.0]), labels, 2.0).item(), 4)
    2.5
    """
    drawn = torch.where(labels < 0, 1.0 / (distances + _LEAST_DISTANCE), distances)
    return torch.where(labels == 0, drawn, eta * drawn).mean()
