"""ACVAE-style: the usual network alone before marks; both, contrasted, after."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from faultsight.core.errors import SettingError
from faultsight.detect.peers._training import Batch
from faultsight.detect.peers.acvae_style import ACVAEStyle, ACVAEStyleConfig, WindowVAE


def detector(**told: float) -> ACVAEStyle:
    made = ACVAEStyle(ACVAEStyleConfig(window=4, n_hidden=5, n_latent=2, **told))  # type: ignore[arg-type]
    torch.manual_seed(0)
    made.network = made._build(3).eval()
    return made


def batch() -> Batch:
    rows = torch.rand(6, 4, 3, generator=torch.Generator().manual_seed(1))
    return Batch(rows, torch.ones_like(rows), torch.arange(6), 1)


def test_the_divergence_is_that_from_the_standard_normal() -> None:
    torch.manual_seed(0)
    network = WindowVAE(3, 5, 2)
    rows = batch().rows
    mean, log_variance = network.gaussian(network.inward(rows)[1][-1]).chunk(2, dim=1)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(network(rows, draw=False).divergence, expected)


def test_before_marks_the_score_is_the_usual_networks_error_and_then_more() -> None:
    made, told = detector(weight=0.5), batch()
    last = told.rows[:, -1]
    usual, anomalous = (
        (last - network(told.rows, draw=False).rows[:, -1]).square()
        for network in (made.network.usual, made.network.anomalous)
    )
    torch.testing.assert_close(made._read(told).abs(), usual)
    made.network.knows_anomalies.fill_(1.0)
    torch.testing.assert_close(
        made._read(told).abs(), usual + 0.5 * (usual - anomalous).clamp(min=0.0)
    )


def test_the_contrast_is_the_bound_of_the_right_network_and_a_hinge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, told = detector(margin=2.0), batch()
    errors = {made.network.usual: 3.0, made.network.anomalous: 4.0}

    def error(self: object, network: torch.nn.Module, given: Batch) -> tuple[torch.Tensor, ...]:
        return torch.full((6,), errors[network]), torch.full((6,), 0.5)  # type: ignore[index]

    monkeypatch.setattr(ACVAEStyle, "_error", error)
    usual = 3.5 + max(3.0 - 4.0 + 2.0, 0.0)
    anomalous = 4.5 + max(4.0 - 3.0 + 2.0, 0.0)
    kinds = torch.tensor([True, False, False, False, False, False])
    # Few anomalies weigh as much as many usual windows.
    assert made._contrast(told, kinds).item() == pytest.approx((usual + anomalous) / 2)
    assert made._contrast(told, ~kinds & kinds).item() == pytest.approx(usual)


def test_the_error_is_over_twice_the_variance_and_what_is_known() -> None:
    made, told = detector(), batch()
    known = torch.ones_like(told.rows)
    known[:, 1:] = 0.0
    torch.manual_seed(4)
    found = made.network.usual(told.rows, draw=True).rows
    torch.manual_seed(4)
    error, _ = made._error(made.network.usual, Batch(told.rows, known, told.windows))
    expected = (told.rows - found)[:, 0].square().mean(1) / (2 * made.config.variance)
    torch.testing.assert_close(error, expected)


@pytest.mark.parametrize("change", [{"variance": 0.0}, {"margin": -1.0}, {"n_latent": 0}])
def test_settings_that_cannot_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        ACVAEStyleConfig(**change)  # type: ignore[arg-type]
