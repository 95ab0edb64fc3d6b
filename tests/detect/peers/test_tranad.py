"""TranAD: both phases, how their errors are weighed, and what the second is told."""

from __future__ import annotations

import pytest
import torch

from faultsight.core.errors import SettingError
from faultsight.detect.peers._training import Batch, positions
from faultsight.detect.peers.tranad import TranAD, TranADConfig


def detector() -> TranAD:
    made = TranAD(TranADConfig(window=4))
    torch.manual_seed(0)
    made.network = made._build(3).eval()
    return made


def batch(epoch: int) -> Batch:
    rows = torch.rand(6, 4, 3, generator=torch.Generator().manual_seed(1))
    return Batch(rows, torch.ones_like(rows), torch.arange(6), epoch)


@pytest.mark.parametrize("epoch", [1, 4, 1000])
def test_the_first_phase_counts_less_from_epoch_to_epoch(epoch: int) -> None:
    made, told = detector(), batch(epoch)
    first, second = ((x - told.rows[:, -1]).square().mean().item() for x in made.network(told.rows))
    expected = first / epoch + (1 - 1 / epoch) * second
    assert made._loss(told).item() == pytest.approx(expected, rel=1e-5)


def test_the_score_is_the_second_phases_error() -> None:
    made, told = detector(), batch(0)
    _, second = made.network(told.rows)
    torch.testing.assert_close(made._read(told).abs(), (second - told.rows[:, -1]).square())


def test_the_second_phase_is_told_where_the_first_failed() -> None:
    made, told = detector(), batch(0)
    seen = []
    encoder = made.network.encoder
    assert isinstance(encoder, torch.nn.Module)
    encoder.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    first, _ = made.network(told.rows)
    scale, place = 3**0.5, positions(4, 6)
    for phase, focus in enumerate((torch.zeros(6, 4, 3), (first[:, None] - told.rows).square())):
        torch.testing.assert_close(
            seen[phase], torch.cat([told.rows, focus], dim=2) * scale + place
        )


def test_there_are_as_many_heads_as_kpis() -> None:
    encoder = TranAD()._build(5).encoder
    assert encoder.self_attn.num_heads == 5  # type: ignore[union-attr]


@pytest.mark.parametrize("width", [1, 4, 5])
def test_positions_are_all_different(width: int) -> None:
    found = positions(10, width)
    assert len({tuple(row.tolist()) for row in found}) == 10


@pytest.mark.parametrize("change", [{"dropout": 1.0}, {"l2": -1.0}, {"n_feedforward": 0}])
def test_settings_that_cannot_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        TranADConfig(**change)  # type: ignore[arg-type]
