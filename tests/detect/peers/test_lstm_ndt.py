"""LSTM-NDT: the forecaster of the paper, absolute errors smoothed over rows of one entity."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers._training import RowForecaster
from faultsight.detect.peers.lstm_ndt import LSTMNDT, LSTMNDTConfig


def frame(n_rows: int = 60, entity: str = "a", seed: int = 0) -> KpiFrame:
    values = np.random.default_rng(seed).normal(size=(n_rows, 2))
    values[20, 1] = np.nan
    return KpiFrame(entity, ("x", "y"), 0, 3600, values)


def test_errors_are_an_exponential_average_of_what_is_known_and_squared() -> None:
    frames = [frame(), frame(40, "b", 1)]
    rough = LSTMNDT(LSTMNDTConfig(epochs=1, n_hidden=4, smoothing_rows=1)).fit(frames)
    smooth = LSTMNDT(LSTMNDTConfig(epochs=1, n_hidden=4, smoothing_rows=5)).fit(frames)
    bank = rough._bank(frames)
    plain, found = (np.sqrt(np.abs(made._errors(bank))) for made in (rough, smooth))
    for rows in (slice(0, 60), slice(60, 100)):
        for kpi in range(2):
            total = weight = 0.0
            for error, average in zip(plain[rows, kpi], found[rows, kpi], strict=True):
                total, weight = total * (2 / 3), weight * (2 / 3)
                if np.isnan(error):
                    assert np.isnan(average)
                    continue
                total, weight = total + error, weight + 1.0
                assert average == pytest.approx(total / weight, rel=1e-4)


def test_the_network_is_two_layers_of_80_in_the_papers_size() -> None:
    network = LSTMNDT(LSTMNDTConfig.paper())._build(3)
    assert isinstance(network, RowForecaster)
    assert (network.lstm.num_layers, network.lstm.hidden_size, network.lstm.dropout) == (2, 80, 0.3)


def test_dropout_is_off_when_scoring() -> None:
    detector = LSTMNDT(LSTMNDTConfig(epochs=1, n_hidden=4, dropout=0.9)).fit([frame()])
    once, again = (detector.score([frame()])[0].total for _ in range(2))
    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("change", [{"dropout": 1.0}, {"dropout": -0.1}, {"smoothing_rows": 0}])
def test_settings_that_cannot_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        LSTMNDTConfig(**change)  # type: ignore[arg-type]
