"""InterFusion: two views, divergences as torch's own, pretraining of the view in time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers._training import Batch
from faultsight.detect.peers.interfusion import (
    Found,
    Gaussian,
    InterFusion,
    InterFusionConfig,
    LinkedGaussian,
    negative_bound,
)

SMALL = InterFusionConfig(window=8, n_hidden=6, n_latent=2, epochs=1, pretrain_epochs=1)


def detector() -> InterFusion:
    made = InterFusion(SMALL)
    torch.manual_seed(0)
    made.network = made._build(3).eval()
    return made


def test_divergence_and_density_are_those_of_torch() -> None:
    torch.manual_seed(0)
    one, other = (Gaussian(torch.randn(5), 0.3 * torch.randn(5)) for _ in range(2))
    p, q = (Normal(g.mean, g.log_deviation.exp()) for g in (one, other))
    torch.testing.assert_close(one.divergence(other), kl_divergence(p, q))
    values = torch.randn(5)
    torch.testing.assert_close(one.surprise(values), -p.log_prob(values))


def test_the_bound_by_hand_without_what_is_missing() -> None:
    rows, known = torch.tensor([[[2.0], [5.0]]]), torch.tensor([[[1.0], [0.0]]])
    found = Found(Gaussian(torch.zeros(1, 2, 1), torch.zeros(1, 2, 1)), torch.tensor([3.0]))
    expected = (-Normal(0.0, 1.0).log_prob(torch.tensor(2.0)) + 3.0) / 2
    assert negative_bound(found, Batch(rows, known, torch.arange(1))).item() == pytest.approx(
        expected.item()
    )


def test_the_view_in_time_is_a_shorter_series_of_as_many_channels() -> None:
    network = detector().network
    rows = torch.rand(4, 8, 3)
    course = network.course(network.down(rows.mT).mT)
    assert course.mean.shape == (4, 2, 3)
    told, divergence = network.in_time(rows, draw=False)
    assert (told.shape, divergence.shape) == ((4, 8, 3), (4,))
    assert (divergence >= 0).all()


def test_what_z1_tells_comes_through_the_view_in_time_alone() -> None:
    network = detector().network
    last = network.up[-2]
    assert isinstance(last, torch.nn.ConvTranspose1d)
    assert last.bias is not None
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    with torch.no_grad():
        one, other = (network(torch.rand(2, 8, 3), draw=False).rows for _ in range(2))
    torch.testing.assert_close(one.mean, other.mean)


def test_a_rows_latent_variables_are_linked_to_those_before() -> None:
    torch.manual_seed(0)
    linked = LinkedGaussian(3, 2)
    told = torch.randn(4, 5, 3)
    found, path = linked.follow(told, draw=True)
    # What was drawn row by row is what all rows at once make of the same path.
    along = linked.along(told, path)
    torch.testing.assert_close(along.mean, found.mean)
    torch.testing.assert_close(along.log_deviation, found.log_deviation)
    torch.testing.assert_close(linked.of_told(told[:, 0])[:, :2], found.mean[:, 0])
    moved = path.clone()
    moved[:, 1] += 1.0
    assert [bool((linked.along(told, moved).mean != along.mean)[:, t].any()) for t in range(5)] == [
        False, False, True, False, False,
    ]  # fmt: skip
    means, straight = linked.follow(told, draw=False)
    torch.testing.assert_close(means.mean, straight)


def test_pretraining_leaves_the_view_across_kpis_as_it_was() -> None:
    frame = KpiFrame("a", ("x", "y", "z"), 0, 60, np.random.default_rng(0).random((60, 3)))
    only_first = InterFusionConfig(window=8, n_hidden=6, n_latent=2, epochs=0, pretrain_epochs=2)
    both = InterFusionConfig(window=8, n_hidden=6, n_latent=2, epochs=1, pretrain_epochs=2)
    states = [
        InterFusion(config).fit([frame]).network.state_dict() for config in (only_first, both)
    ]
    untrained = InterFusion(
        InterFusionConfig(window=8, n_hidden=6, n_latent=2, epochs=0, pretrain_epochs=0)
    ).fit([frame]).network.state_dict()  # fmt: skip

    def moved(state: dict[str, torch.Tensor], part: str) -> bool:
        return any(not torch.equal(state[k], untrained[k]) for k in state if k.startswith(part))

    assert moved(states[0], "down")
    assert not moved(states[0], "across")
    assert moved(states[1], "across")


def test_errors_have_the_side_of_the_value_and_are_zero_at_the_narrowest_hit() -> None:
    made = detector()
    rows = torch.rand(9, 8, 3)
    with torch.inference_mode():
        found = made.network(rows, draw=False).rows
        errors = made._read(Batch(rows, torch.ones_like(rows), torch.arange(9)))
    assert ((errors < 0) == (rows < found.mean)[:, -1]).all()
    best = Normal(0.0, float(np.exp(-5.0))).log_prob(torch.zeros(1))
    likely = Normal(found.mean, found.log_deviation.exp()).log_prob(rows)[:, -1]
    torch.testing.assert_close(errors.abs(), best - likely, rtol=1e-4, atol=1e-4)


def test_a_window_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(SettingError, match="multiple of 4"):
        InterFusionConfig(window=10)
    assert InterFusionConfig.paper(epochs=2).n_hidden == 500
