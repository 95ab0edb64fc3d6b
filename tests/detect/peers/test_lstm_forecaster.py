"""The LSTM forecaster: each prediction comes from the rows before; it learns a course."""

from __future__ import annotations

import numpy as np
import torch

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers._training import Batch, RowForecaster
from faultsight.detect.peers.lstm_forecaster import LSTMForecaster, LSTMForecasterConfig


def course(n_rows: int = 300) -> KpiFrame:
    values = np.sin(np.arange(n_rows) / 4)[:, None] * [1.0, -2.0]
    return KpiFrame("a", ("x", "y"), 0, 3600, values)


def test_a_prediction_does_not_see_its_row_or_later_ones() -> None:
    network = RowForecaster(2, 8, 2).eval()
    rows = torch.randn(1, 10, 2)
    changed = rows.clone()
    changed[:, 6:] += 5.0
    with torch.inference_mode():
        before, after = network(rows), network(changed)
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.equal(before[:, 6:], after[:, 6:])


def test_the_loss_is_the_squared_error_of_every_known_next_row() -> None:
    detector = LSTMForecaster(LSTMForecasterConfig(window=2))
    detector.network = RowForecaster(1, 3, 1)
    for parameter in detector.network.parameters():
        torch.nn.init.zeros_(parameter)
    rows = torch.tensor([[[5.0], [2.0], [4.0]]])
    known = torch.ones(1, 3, 1)
    assert detector._loss(Batch(rows, known, torch.arange(1))).item() == 10.0
    known[0, 1] = 0.0
    assert detector._loss(Batch(rows, known, torch.arange(1))).item() == 16.0


def test_a_course_is_learned_better_with_more_epochs() -> None:
    def error(epochs: int) -> float:
        config = LSTMForecasterConfig(epochs=epochs, n_hidden=16, learning_rate=1e-2)
        detector = LSTMForecaster(config).fit([course()])
        return float(np.abs(detector._errors(detector._bank([course()]))[24:]).mean())

    assert error(15) < 0.3 * error(0)


def test_the_papers_size_is_two_layers() -> None:
    config = LSTMForecasterConfig.paper(epochs=1)
    assert (config.n_layers, config.epochs) == (2, 1)
