"""The label-aware losses, term by term."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from faultsight.detect.anotuner._network import NetworkShape
from faultsight.detect.anotuner._rows import Windows
from faultsight.detect.anotuner._training import make_network, reconstruction_loss
from faultsight.detect.anotuner.augmentation import Augmentation, augment
from faultsight.detect.anotuner.fine_tuning import Examples, FineTuning, fine_tune, label_aware_loss

SHAPE = NetworkShape(2, 4, n_filters=4, n_hidden=8, n_latent=2)


def examples(is_anomaly: list[bool], *, level: float = 10.0) -> Examples:
    generator = torch.Generator().manual_seed(0)
    n = len(is_anomaly)
    windows = Windows(
        torch.rand((n, 6, 2), generator=generator),
        torch.ones((n, 6, 2)),
        torch.rand((n, 6, 4), generator=generator),
    )
    return Examples(
        windows,
        torch.tensor(is_anomaly),
        torch.full((n, 2), 0.01),
        torch.zeros(n),
        torch.full((n,), level),
    )


@pytest.mark.parametrize("form", ["sliding", "streaming"])
def test_laelbo_turns_the_sign_of_the_bound_where_a_window_is_anomalous(form: str) -> None:
    network = make_network(form, SHAPE, seed=0)
    config = FineTuning(loss="laelbo")
    normal, wrong = examples([False] * 3), examples([True] * 3)
    found = network(normal.windows.rows, normal.windows.conditions)
    bound = reconstruction_loss(normal.windows, found, variance=0.01, beta=1.0).mean()
    assert label_aware_loss(network, normal, config, None).item() == pytest.approx(bound.item())
    assert label_aware_loss(network, wrong, config, None).item() == pytest.approx(-bound.item())


def test_the_bound_is_error_over_twice_the_variance_plus_divergence() -> None:
    network = make_network("sliding", SHAPE, seed=0)
    one = examples([False])
    found = network(one.windows.rows, one.windows.conditions)
    error = (found.values - one.windows.rows).square().sum()
    divergence = (
        0.5 * (found.mean.square() + found.log_variance.exp() - 1 - found.log_variance).sum()
    )
    told = reconstruction_loss(one.windows, found, variance=0.02, beta=0.5).item()
    assert told == pytest.approx(((error / 0.04 + 0.5 * divergence) / 12).item(), rel=1e-5)


def test_the_hinge_costs_nothing_beyond_its_margin() -> None:
    network = make_network("sliding", SHAPE, seed=0)
    config = FineTuning(anomaly_share=1.0)
    assert label_aware_loss(network, examples([True] * 4, level=1e-6), config, None).item() == 0.0
    high = label_aware_loss(network, examples([True] * 4, level=1e9), config, None).item()
    assert high == pytest.approx(2.0, rel=1e-3)


def test_what_a_row_scores_apart_from_the_network_is_part_of_its_height() -> None:
    network = make_network("sliding", SHAPE, seed=0)
    missed = examples([True, True], level=1e9)  # reconstructed far below the level
    share = FineTuning().anomaly_share
    for apart, lacks in ((0.0, 2.0), (1e9, 1.0), (2e9, 0.0)):
        told = replace(missed, apart=torch.full((2,), apart))
        loss = label_aware_loss(network, told, FineTuning(), None).item()
        assert loss == pytest.approx(share * lacks, abs=1e-4)


def test_long_fine_tuning_ruins_the_network_by_laelbo_and_not_by_the_hinge() -> None:
    network = make_network("sliding", SHAPE, seed=0)
    marked = examples([True] * 8 + [False] * 8, level=20.0)
    normal = examples([False] * 16)

    def error_on_normal(loss: str) -> float:
        config = FineTuning(loss=loss, epochs=60, learning_rate=5e-3)  # type: ignore[arg-type]
        tuned = fine_tune(network, marked, config)
        with torch.no_grad():
            found = tuned(normal.windows.rows, normal.windows.conditions)
        return float((found.values - normal.windows.rows).square().mean())

    assert error_on_normal("laelbo") > 2 * error_on_normal("hinge")


def test_missing_values_have_no_part_in_a_loss() -> None:
    network = make_network("streaming", SHAPE, seed=0)
    whole = examples([False, True])
    known = whole.windows.known.clone()
    known[:, -1, 0] = 0.0
    # The network sees the same rows; only the target of a masked value changes.
    found = network(whole.windows.rows, whole.windows.conditions)
    masked = Windows(whole.windows.rows.clone(), known, whole.windows.conditions)
    first = reconstruction_loss(masked, found, variance=0.01, beta=1.0)
    masked.rows[:, -1, 0] = 99.0
    second = reconstruction_loss(masked, found, variance=0.01, beta=1.0)
    assert torch.equal(first, second)


def test_augmentation_keeps_labels_conditions_and_count() -> None:
    network = make_network("sliding", SHAPE, seed=0)
    missed = examples([True] * 3)
    made = augment(network, missed, 7, Augmentation("decoder", seed=3))
    assert len(made) == 7
    assert made.is_anomaly.all()
    assert torch.equal(made.windows.conditions[3], missed.windows.conditions[0])
    assert not torch.equal(made.windows.rows[0], made.windows.rows[3])
    same = augment(network, missed, 7, Augmentation("decoder", seed=3))
    assert torch.equal(made.windows.rows, same.windows.rows)
    again = augment(network, missed, 4, Augmentation("oversample"))
    assert torch.equal(again.windows.rows[3], missed.windows.rows[0])
