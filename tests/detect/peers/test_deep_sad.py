"""Deep SAD: equation 7, no biases, a centre off zero."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers.deep_sad import DeepSAD, DeepSADConfig, semi_supervised_loss


def frame(n_rows: int = 80) -> KpiFrame:
    return KpiFrame("a", ("x", "y"), 0, 60, np.random.default_rng(0).normal(size=(n_rows, 2)))


def test_the_loss_is_the_papers() -> None:
    distances = torch.tensor([1.0, 2.0, 4.0, 0.5])
    labels = torch.tensor([0.0, 0.0, 1.0, -1.0])
    expected = ((1.0 + 2.0) + 3.0 * (4.0 + 1 / 0.5)) / 4
    assert semi_supervised_loss(distances, labels, 3.0).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("label", "grows"), [(0.0, False), (1.0, False), (-1.0, True)])
def test_a_step_draws_what_is_normal_and_pushes_anomalies(label: float, grows: bool) -> None:
    distance = torch.tensor([2.0], requires_grad=True)
    semi_supervised_loss(distance, torch.tensor([label]), 1.0).backward()
    assert distance.grad is not None
    assert (distance.grad.item() < 0) is grows


def test_the_encoder_has_no_biases_and_the_centre_is_off_zero() -> None:
    detector = DeepSAD(DeepSADConfig(epochs=1, pretrain_epochs=0)).fit([frame()])
    assert all(p.dim() == 2 for p in detector.network.encoder.parameters())
    assert (detector.network.centre.abs() >= 0.1).all()
    assert not detector.network.centre.requires_grad


def test_training_draws_windows_to_the_centre() -> None:
    def distance(epochs: int) -> float:
        config = DeepSADConfig(epochs=epochs, pretrain_epochs=2)
        detector = DeepSAD(config).fit([frame()])
        return float(detector._errors(detector._bank([frame()])).mean())

    assert distance(10) < 0.5 * distance(0)


def test_the_score_is_the_distance_in_units_of_what_is_usual() -> None:
    detector = DeepSAD(DeepSADConfig(epochs=1, pretrain_epochs=1)).fit([frame()])
    errors = detector._errors(detector._bank([frame()]))
    (score,) = detector.score([frame()])
    assert score.residuals is None
    np.testing.assert_allclose(score.total, errors[:, 0] / errors.mean(), rtol=1e-4)


@pytest.mark.parametrize("change", [{"n_hidden": ()}, {"n_hidden": (0,)}, {"eta": 0.0}])
def test_settings_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        DeepSADConfig(**change)  # type: ignore[arg-type]
