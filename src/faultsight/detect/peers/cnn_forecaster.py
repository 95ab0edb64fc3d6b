"""A convolutional network that predicts each row from the rows before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faultsight.core.errors import SettingError
from faultsight.detect.contract import Progress
from faultsight.detect.peers._torch import Tensor, nn
from faultsight.detect.peers._training import (
    Batch,
    NetworkDetector,
    Player,
    TrainingConfig,
    mean_of_known,
    signed_square,
    train,
)
from faultsight.detect.peers._windows import WindowBank

__all__ = ["CNNForecaster", "CNNForecasterConfig"]


@dataclass(frozen=True)
class CNNForecasterConfig(TrainingConfig):
    """Settings of `CNNForecaster`; see `TrainingConfig` for those of training.

    Parameters
    ----------
    window : int
        Rows that a prediction looks back; the TSB-AD benchmark takes 50.
    filters : sequence of int
        Channels of each convolution of width 3, with max-pooling by 2 after it: the paper's two
        of 32.
    n_hidden : int
        Units of the layer before the last; the paper's 40.
    """

    window: int = 24
    epochs: int = 20
    filters: Sequence[int] = (32, 32)
    n_hidden: int = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.filters, default=0) < 1:
            raise SettingError("filters are at least one, each of at least 1 channel")
        if self.window < 2 ** len(self.filters):
            raise SettingError(f"{len(self.filters)} poolings leave nothing of {self.window} rows")


class CNNForecaster(NetworkDetector):
    """DeepAnT: two convolutions, max-pooling, a dense layer (Munir et al., IEEE Access 2019).

    Trained on the mean absolute error, as there. One network for the fleet.

    Examples
    --------
    >>> import numpy as np
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.sin(np.arange(300.0) / 5)[:, None]
    >>> rows[250] = 0.9 - rows[250]
    >>> frame = KpiFrame("cell-1", ("load",), 0, 3600, rows)
    >>> int(CNNForecaster().fit([frame[:200]]).score([frame])[0].total.argmax())
    250
    """

    rows_ahead = 1
    config: CNNForecasterConfig

    def __init__(self, config: CNNForecasterConfig | None = None) -> None:
        self.config = config or CNNForecasterConfig()

    def _build(self, n_kpis: int) -> nn.Module:
        layers: list[nn.Module] = []
        n_before, length = n_kpis, self.config.window
        for n_filters in self.config.filters:
            layers += [nn.Conv1d(n_before, n_filters, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2)]
            n_before, length = n_filters, length // 2
        dense = [nn.Flatten(), nn.Linear(n_before * length, self.config.n_hidden), nn.ReLU()]
        return nn.Sequential(*layers, *dense, nn.Linear(self.config.n_hidden, n_kpis))

    def _train(self, bank: WindowBank, progress: Progress) -> None:
        player = Player(self._loss, list(self.network.parameters()))
        train(self.network, bank, self.config, [player], progress=progress)

    def _loss(self, batch: Batch) -> Tensor:
        return mean_of_known((batch.rows[:, -1] - self._expect(batch)).abs(), batch.known[:, -1])

    def _read(self, batch: Batch) -> Tensor:
        return signed_square(batch.rows[:, -1] - self._expect(batch))

    def _expect(self, batch: Batch) -> Tensor:
        found: Tensor = self.network(batch.rows[:, :-1].transpose(1, 2))
        return found
