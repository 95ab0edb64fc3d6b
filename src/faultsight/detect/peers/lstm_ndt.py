"""LSTM-NDT: stacked LSTMs that predict each row, and errors smoothed over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.detect.contract import Progress
from faultsight.detect.peers._torch import Tensor, nn
from faultsight.detect.peers._training import (
    Batch,
    NetworkDetector,
    Player,
    RowForecaster,
    TrainingConfig,
    mean_of_known,
    smoothed_squares,
    train,
)
from faultsight.detect.peers._windows import WindowBank
from faultsight.detect.tuning.aggregation import remember

__all__ = ["LSTMNDT", "LSTMNDTConfig"]


@dataclass(frozen=True)
class LSTMNDTConfig(TrainingConfig):
    """Settings of `LSTMNDT`; see `TrainingConfig` for those of training.

    Parameters
    ----------
    window : int
        Rows that a prediction looks back; the paper's 250. A day here: a week of hourly rows has
        few longer ones.
    n_hidden, n_layers : int
        The paper's two layers of 80; two of 32 here.
    dropout : float
        As in the paper.
    smoothing_rows : int
        Span of the moving average of errors. The paper's 105 is 5 % of the 2,100 rows that its
        threshold looks at; 8 is 5 % of a week of hours.
    """

    window: int = 24
    epochs: int = 20
    learning_rate: float = 2e-3
    n_hidden: int = 32
    n_layers: int = 2
    dropout: float = 0.3
    smoothing_rows: int = 8

    may_be_zero = (*TrainingConfig.may_be_zero, "dropout")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dropout >= 1:
            raise SettingError(f"dropout is below 1, not {self.dropout}")

    @classmethod
    def paper(cls, **changes: Any) -> LSTMNDTConfig:
        """Return the paper's size and training."""
        said = {"window": 250, "epochs": 35, "batch": 64, "learning_rate": 1e-3, "n_hidden": 80,
                "smoothing_rows": 105}  # fmt: skip
        return cls(**(said | changes))


class LSTMNDT(NetworkDetector):
    """Hundman et al., KDD '18, sections 3.1 and 3.2: a forecast, and its smoothed errors.

    One step ahead, all KPIs of a row from all KPIs of the rows before; the paper has a model for
    each channel, which sees that channel and commands. Absolute errors are smoothed by an
    exponentially weighted average, and squared to be added up as the other peers' are. The paper's
    threshold is ``nonparametric_dynamic`` of `THRESHOLDS`. Early stopping is left out.

    Examples
    --------
    >>> import numpy as np
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.sin(np.arange(300.0) / 5)[:, None]
    >>> rows[250:255] = 0.9 - rows[250:255]
    >>> frame = KpiFrame("cell-1", ("load",), 0, 3600, rows)
    >>> 250 <= int(LSTMNDT().fit([frame[:200]]).score([frame])[0].total.argmax()) < 258
    True
    """

    rows_ahead: ClassVar[int] = 1
    config: LSTMNDTConfig

    def __init__(self, config: LSTMNDTConfig | None = None) -> None:
        self.config = config or LSTMNDTConfig()

    def _build(self, n_kpis: int) -> nn.Module:
        config = self.config
        return RowForecaster(n_kpis, config.n_hidden, config.n_layers, config.dropout)

    def _train(self, bank: WindowBank, progress: Progress) -> None:
        player = Player(self._loss, list(self.network.parameters()))
        train(self.network, bank, self.config, [player], progress=progress)

    def _loss(self, batch: Batch) -> Tensor:
        found = self.network(batch.rows[:, :-1])
        return mean_of_known((batch.rows[:, 1:] - found).square(), batch.known[:, 1:])

    def _read(self, batch: Batch) -> Tensor:
        found: Tensor = self.network(batch.rows[:, :-1])[:, -1]
        return batch.rows[:, -1] - found

    def _errors(self, bank: WindowBank) -> NDArray[Any]:
        memory = 1.0 - 2.0 / (self.config.smoothing_rows + 1)
        return smoothed_squares(
            super()._errors(bank), bank, lambda errors: remember(errors, memory)
        )
