"""Anomaly Transformer: the discrepancy, both sides of the minimax, and the score."""

from __future__ import annotations

import pytest
import torch

from faultsight.core.errors import SettingError
from faultsight.detect.peers._training import Batch
from faultsight.detect.peers.anomaly_transformer import (
    AnomalyAttention,
    AnomalyTransformer,
    AnomalyTransformerConfig,
    Association,
    discrepancy,
    gaussian_of_distance,
)

SMALL = AnomalyTransformerConfig(window=5, n_channels=8, n_heads=2, n_layers=2)


def detector(config: AnomalyTransformerConfig = SMALL) -> AnomalyTransformer:
    made = AnomalyTransformer(config)
    torch.manual_seed(0)
    made.network = made._build(3).eval()
    return made


def batch() -> Batch:
    rows = torch.rand(4, 5, 3, generator=torch.Generator().manual_seed(1))
    return Batch(rows, torch.ones_like(rows), torch.arange(4), 1)


def test_prior_weights_are_a_gaussian_of_distance() -> None:
    (found,) = gaussian_of_distance(torch.tensor([[1.0, 1.0, 2.0]]))
    raw = torch.exp(-torch.tensor([[0.0, 1.0, 4.0], [1.0, 0.0, 1.0], [4.0, 1.0, 0.0]]) / 2)
    raw[2] = torch.exp(-torch.tensor([4.0, 1.0, 0.0]) / 8)
    torch.testing.assert_close(found, raw / raw.sum(1, keepdim=True))


def test_associations_are_distributions_over_rows() -> None:
    _, (prior, series) = AnomalyAttention(8, 2)(torch.randn(3, 5, 8))
    for weights in (prior, series):
        assert weights.shape == (3, 2, 5, 5)
        torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 5))


def test_the_discrepancy_by_hand() -> None:
    prior = torch.tensor([0.9, 0.1]).expand(1, 1, 2, 2)
    series = torch.tensor([0.5, 0.5]).expand(1, 1, 2, 2)
    p, s = prior[0, 0, 0], series[0, 0, 0]
    expected = (p * (p / s).log()).sum() + (s * (s / p).log()).sum()
    torch.testing.assert_close(
        discrepancy([Association(prior, series)]), expected.expand(1, 2), rtol=5e-3, atol=0
    )
    # Layers are averaged: one of two without any halves it.
    both = discrepancy([Association(prior, series), Association(prior, prior)])
    torch.testing.assert_close(both, expected.expand(1, 2) / 2, rtol=5e-3, atol=0)


def test_one_side_is_drawn_together_and_the_other_pushed_apart() -> None:
    def gradients(weight: float) -> tuple[torch.Tensor, torch.Tensor]:
        made = detector(AnomalyTransformerConfig(
            window=5, n_channels=8, n_heads=2, n_layers=1, weight=weight
        ))  # fmt: skip
        made._loss(batch()).backward()
        attention = made.network.attentions[0]
        assert isinstance(attention, AnomalyAttention)
        width, told = attention.width.weight.grad, attention.told.weight.grad
        assert told is not None
        return width if width is not None else torch.zeros(1), told

    # Without the discrepancy the prior has no part in the loss.
    assert (gradients(1e-12)[0].abs() < 1e-9).all()
    assert gradients(3.0)[0].abs().max() > 1e-6
    # A small step against the gradient: the prior comes nearer, at weights the series is left at.
    made = detector()
    for name, sign in (("width", -1), ("told", 1)):
        made = detector(AnomalyTransformerConfig(
            window=5, n_channels=8, n_heads=2, n_layers=1, weight=1e4
        ))  # fmt: skip
        before = discrepancy(made.network(batch().rows)[1]).mean()
        made._loss(batch()).backward()
        part = getattr(made.network.attentions[0], name).weight
        with torch.no_grad():
            part -= 1e-4 * part.grad / part.grad.norm()
        after = discrepancy(made.network(batch().rows)[1]).mean()
        assert sign * (after - before).item() > 0


def test_the_loss_holds_the_discrepancy_of_both_sides_which_cancel_in_value() -> None:
    made = detector()
    found, _ = made.network(batch().rows)
    error = (found - batch().rows).square().mean().item()
    assert made._loss(batch()).item() == pytest.approx(2 * error, rel=1e-4)


def test_the_score_is_the_error_weighed_by_nearness_of_prior_and_series() -> None:
    made = detector()
    found, associations = made.network(batch().rows)
    weight = torch.softmax(-discrepancy(associations), dim=1)[:, -1] * 5
    expected = weight[:, None] * (found - batch().rows)[:, -1].square()
    torch.testing.assert_close(made._read(batch()).abs(), expected)
    plain = detector(AnomalyTransformerConfig(
        window=5, n_channels=8, n_heads=2, n_layers=2, temperature=0.0
    ))  # fmt: skip
    torch.testing.assert_close(plain._read(batch()).abs(), (found - batch().rows)[:, -1].square())


@pytest.mark.parametrize("change", [{"n_heads": 3}, {"n_channels": 0}, {"temperature": -1.0}])
def test_settings_that_cannot_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        AnomalyTransformerConfig(**change)  # type: ignore[arg-type]


def test_the_papers_size() -> None:
    config = AnomalyTransformerConfig.paper(epochs=3)
    assert (config.window, config.n_channels, config.n_heads, config.n_layers) == (100, 512, 8, 3)
    assert config.epochs == 3
