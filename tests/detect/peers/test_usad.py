"""USAD: equations 8 to 10 of the paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers._training import Batch, seeded
from faultsight.detect.peers.usad import USAD, USADConfig


def detector(**told: float) -> USAD:
    made = USAD(USADConfig(window=3, n_latent=4, **told))  # type: ignore[arg-type]
    torch.manual_seed(0)
    made.network = made._build(2)
    return made


def batch(epoch: int) -> Batch:
    rows = torch.rand(5, 3, 2, generator=torch.Generator().manual_seed(1))
    return Batch(rows, torch.ones_like(rows), torch.arange(5), epoch)


def squares(made: USAD, told: Batch) -> tuple[float, ...]:
    return tuple((told.rows - x).square().mean().item() for x in made.network(told.rows))


@pytest.mark.parametrize("epoch", [1, 2, 10])
def test_both_losses_are_the_papers(epoch: int) -> None:
    made, told = detector(), batch(epoch)
    first, second, again = squares(made, told)
    rest = 1 - 1 / epoch
    assert made._first_loss(told).item() == pytest.approx(first / epoch + rest * again, rel=1e-5)
    assert made._second_loss(told).item() == pytest.approx(second / epoch - rest * again, rel=1e-5)


def test_in_the_first_epoch_both_only_reconstruct_and_later_they_are_opponents() -> None:
    made = detector()
    first, second, _ = squares(made, batch(1))
    assert made._first_loss(batch(1)).item() == pytest.approx(first, rel=1e-6)
    assert made._second_loss(batch(1)).item() == pytest.approx(second, rel=1e-6)
    # What they fight about cancels in the sum.
    both = made._first_loss(batch(7)) + made._second_loss(batch(7))
    assert both.item() == pytest.approx((first + second) / 7, rel=1e-4)


def test_what_is_missing_has_no_part_in_a_loss() -> None:
    made, told = detector(), batch(3)
    known = torch.ones_like(told.rows)
    known[:, 0] = 0.0
    masked = Batch(told.rows, known, told.windows, 3)
    first, _, again = ((told.rows - x)[:, 1:].square().mean() for x in made.network(told.rows))
    expected = first / 3 + 2 / 3 * again
    assert made._first_loss(masked).item() == pytest.approx(expected.item(), rel=1e-5)


def test_each_autoencoder_steps_on_its_own_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    made = USAD(USADConfig(window=3, n_latent=4, epochs=1))
    monkeypatch.setattr(USAD, "_second_loss", lambda _, told: told.rows.sum().requires_grad_() * 0)
    values = np.random.default_rng(0).random((40, 2))
    made.fit([KpiFrame("a", ("x", "y"), 0, 60, values)])
    with seeded(0, "weights"):
        untrained = made._build(2)
    before = [untrained.encoder, *untrained.decoders]
    after = [made.network.encoder, *made.network.decoders]
    moved = [
        any(not torch.equal(a, b) for a, b in zip(x.parameters(), y.parameters(), strict=True))
        for x, y in zip(before, after, strict=True)
    ]
    assert moved == [True, True, False]


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_score_weighs_both_errors_of_the_last_row(weight: float) -> None:
    made, told = detector(weight=weight), batch(0)
    first, _, again = ((told.rows - x)[:, -1].square() for x in made.network(told.rows))
    torch.testing.assert_close(made._read(told).abs(), weight * first + (1 - weight) * again)


def test_the_encoder_narrows_by_half_and_half_again() -> None:
    made = USAD()
    widths = [p.shape for p in made._build(10).encoder.parameters() if p.dim() == 2]
    assert [tuple(shape) for shape in widths] == [(60, 120), (30, 60), (40, 30)]


def test_a_weight_above_one_is_refused() -> None:
    with pytest.raises(SettingError):
        USADConfig(weight=1.5)
