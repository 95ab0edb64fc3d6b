"""An LSTM that predicts each row from the rows before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from faultsight.detect.contract import Progress
from faultsight.detect.peers._torch import Tensor, nn
from faultsight.detect.peers._training import (
    Batch,
    NetworkDetector,
    Player,
    RowForecaster,
    TrainingConfig,
    mean_of_known,
    signed_square,
    train,
)
from faultsight.detect.peers._windows import WindowBank

__all__ = ["LSTMForecaster", "LSTMForecasterConfig"]


@dataclass(frozen=True)
class LSTMForecasterConfig(TrainingConfig):
    """Settings of `LSTMForecaster`; see `TrainingConfig` for those of training.

    Parameters
    ----------
    window : int
        Rows that a prediction looks back.
    n_hidden, n_layers : int
        Units of each layer, and layers. The paper stacks two, of a few dozen units each; one of 64
        here.
    """

    window: int = 24
    epochs: int = 20
    learning_rate: float = 2e-3
    n_hidden: int = 64
    n_layers: int = 1

    @classmethod
    def paper(cls, **changes: Any) -> LSTMForecasterConfig:
        """Return the paper's two layers, of 35 as for one of its sets."""
        return cls(**({"n_hidden": 35, "n_layers": 2} | changes))


class LSTMForecaster(NetworkDetector):
    """A forecaster with LSTM cells (Malhotra et al., ESANN '15), one step ahead, for the fleet.

    It learns to predict every row of a window from those before it, and is scored on the last.
    The paper predicts several steps and fits a Gaussian to their errors together; here the error of
    each KPI is measured by what is usual for it, as all peers' are.

    Examples
    --------
    >>> import numpy as np
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.sin(np.arange(300.0) / 5)[:, None]
    >>> rows[250] = 0.9 - rows[250]
    >>> frame = KpiFrame("cell-1", ("load",), 0, 3600, rows)
    >>> int(LSTMForecaster().fit([frame[:200]]).score([frame])[0].total.argmax())
    250
    """

    rows_ahead = 1
    config: LSTMForecasterConfig

    def __init__(self, config: LSTMForecasterConfig | None = None) -> None:
        self.config = config or LSTMForecasterConfig()

    def _build(self, n_kpis: int) -> nn.Module:
        return RowForecaster(n_kpis, self.config.n_hidden, self.config.n_layers)

    def _train(self, bank: WindowBank, progress: Progress) -> None:
        player = Player(self._loss, list(self.network.parameters()))
        train(self.network, bank, self.config, [player], progress=progress)

    def _loss(self, batch: Batch) -> Tensor:
        found = self.network(batch.rows[:, :-1])
        return mean_of_known((batch.rows[:, 1:] - found).square(), batch.known[:, 1:])

    def _read(self, batch: Batch) -> Tensor:
        found: Tensor = self.network(batch.rows[:, :-1])[:, -1]
        return signed_square(batch.rows[:, -1] - found)
