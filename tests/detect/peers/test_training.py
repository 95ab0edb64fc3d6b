"""What the peers' networks share: the loop, seeds, masks, and the error without torch."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch import nn

from faultsight.core.errors import MissingExtraError, SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect import DETECTORS
from faultsight.detect.contract import silent
from faultsight.detect.peers._training import (
    Batch,
    Player,
    TrainingConfig,
    mean_of_known,
    seeded,
    train,
)
from faultsight.detect.peers._windows import WindowBank


def bank(n_rows: int = 40, length: int = 2) -> WindowBank:
    values = np.random.default_rng(0).normal(size=(n_rows, 1))
    frame = KpiFrame("a", ("x",), 0, 60, values)
    return WindowBank.build([frame], [values], [np.zeros(1)], length)


def test_the_mean_is_over_what_is_known() -> None:
    values, known = torch.tensor([[1.0, 5.0], [9.0, 3.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert float(mean_of_known(values, known)) == 2.0
    assert float(mean_of_known(values, torch.zeros(2, 2))) == 0.0


def test_seeds_decide_draws_and_the_callers_are_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    with seeded(1, "x"):
        first = torch.randn(3)
    assert torch.equal(torch.random.get_rng_state(), before)
    with seeded(1, "x"):
        assert torch.equal(torch.randn(3), first)
    with seeded(2, "x"):
        assert not torch.equal(torch.randn(3), first)


def test_every_window_is_seen_once_an_epoch_in_another_order() -> None:
    layer = nn.Linear(1, 1)
    seen: list[tuple[int, list[int]]] = []

    def loss(batch: Batch) -> torch.Tensor:
        seen.append((batch.epoch, batch.windows.tolist()))
        found: torch.Tensor = layer(batch.rows).square().mean()
        return found

    config = TrainingConfig(epochs=2, batch=16)
    train(layer, bank(), config, [Player(loss, list(layer.parameters()))], progress=silent)
    orders = [[w for epoch, part in seen if epoch == e for w in part] for e in (1, 2)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(40))
    assert orders[0] != orders[1] != list(range(40))
    assert [len(part) for _, part in seen] == [16, 16, 8] * 2
    assert not layer.training


def test_a_lone_window_is_taken_twice() -> None:
    layer = nn.Linear(1, 1)
    sizes = []

    def loss(batch: Batch) -> torch.Tensor:
        sizes.append(len(batch.rows))
        found: torch.Tensor = layer(batch.rows).square().mean()
        return found

    player = Player(loss, list(layer.parameters()))
    train(layer, bank(), TrainingConfig(epochs=1, batch=13), [player], progress=silent)
    assert sizes == [13, 13, 13, 2]


def test_each_player_moves_its_own_parameters_and_the_rate_decays() -> None:
    one, two = nn.Linear(1, 1), nn.Linear(1, 1)
    network = nn.ModuleList([one, two])
    before = [p.clone() for p in two.parameters()]

    def loss(batch: Batch) -> torch.Tensor:
        found: torch.Tensor = (one(batch.rows) + two(batch.rows) - 3.0).square().mean()
        return found

    player = Player(loss, list(one.parameters()))
    train(network, bank(), TrainingConfig(epochs=1), [player], progress=silent)
    assert all(torch.equal(a, b) for a, b in zip(before, two.parameters(), strict=True))
    start = one.bias.detach().clone()
    steps = []
    for decay in (1.0, 1e-6):
        with torch.no_grad():
            one.bias.copy_(start)
        train(network, bank(), TrainingConfig(epochs=6), [player], decay=decay, progress=silent)
        steps.append((one.bias - start).abs().item())
    assert steps[1] < 0.5 * steps[0]


@pytest.mark.parametrize(
    "change", [{"window": 0}, {"epochs": -1}, {"learning_rate": float("nan")}, {"clip": 0.0},
               {"batch": 0}, {"seed": -1}],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=next(iter(change))):
        TrainingConfig(**change)  # type: ignore[arg-type]


def test_without_torch_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    DETECTORS.load("cnn_forecaster")
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("_torch", "_training", "cnn_forecaster"):
        monkeypatch.delitem(sys.modules, f"faultsight.detect.peers.{name}")
    with pytest.raises(MissingExtraError, match=r"faultsight\[detect\]"):
        DETECTORS.load("cnn_forecaster")
