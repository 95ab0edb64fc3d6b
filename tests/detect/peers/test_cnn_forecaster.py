"""The convolutional forecaster: the paper's layers and loss; it learns a course."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers._training import Batch
from faultsight.detect.peers.cnn_forecaster import CNNForecaster, CNNForecasterConfig


def course(n_rows: int = 300) -> KpiFrame:
    values = np.sin(np.arange(n_rows) / 4)[:, None] * [1.0, -2.0]
    return KpiFrame("a", ("x", "y"), 0, 3600, values)


def test_two_convolutions_with_pooling_and_two_dense_layers() -> None:
    network = CNNForecaster()._build(3)
    kinds = [type(layer).__name__ for layer in network.children()]
    block = ["Conv1d", "ReLU", "MaxPool1d"]
    assert kinds == [*block, *block, "Flatten", "Linear", "ReLU", "Linear"]
    assert network(torch.zeros(5, 3, 24)).shape == (5, 3)


def test_the_loss_is_the_mean_absolute_error_of_known_targets() -> None:
    detector = CNNForecaster(CNNForecasterConfig(window=4))
    detector.network = nn.Sequential(nn.Flatten(), nn.Linear(8, 2))
    for parameter in detector.network.parameters():
        nn.init.zeros_(parameter)
    rows, known = torch.zeros(1, 5, 2), torch.ones(1, 5, 2)
    rows[0, -1] = torch.tensor([-3.0, 7.0])
    known[0, -1, 1] = 0.0
    assert detector._loss(Batch(rows, known, torch.arange(1))).item() == 3.0


def test_a_course_is_learned_better_with_more_epochs() -> None:
    def error(epochs: int) -> float:
        detector = CNNForecaster(CNNForecasterConfig(epochs=epochs)).fit([course()])
        return float(np.abs(detector._errors(detector._bank([course()]))[24:]).mean())

    assert error(15) < 0.3 * error(0)


@pytest.mark.parametrize("change", [{"filters": ()}, {"filters": (0,)}, {"window": 3}])
def test_settings_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        CNNForecasterConfig(**change)  # type: ignore[arg-type]
