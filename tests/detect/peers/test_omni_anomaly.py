"""OmniAnomaly: flows, the prior in time and the bound are what the paper says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from faultsight.detect.peers._training import Batch
from faultsight.detect.peers.omni_anomaly import (
    OmniAnomaly,
    OmniAnomalyConfig,
    PlanarFlow,
    walk_factor,
)

SMALL = OmniAnomalyConfig(window=4, n_hidden=5, n_latent=2, n_flows=2)


def detector() -> OmniAnomaly:
    made = OmniAnomaly(SMALL)
    torch.manual_seed(0)
    made.network = made._build(3).eval()
    return made


@pytest.mark.parametrize("seed", range(4))
def test_a_flows_determinant_is_that_of_its_jacobian(seed: int) -> None:
    torch.manual_seed(seed)
    flow = PlanarFlow(3)
    with torch.no_grad():
        flow.u.copy_(3.0 * torch.randn(3))
        flow.w.copy_(3.0 * torch.randn(3))
    z = torch.randn(3)
    jacobian = torch.autograd.functional.jacobian(lambda x: flow(x)[0], z)
    log_size = torch.linalg.slogdet(jacobian)
    assert log_size.sign.item() == 1.0  # it can be inverted
    assert flow(z)[1].item() == pytest.approx(log_size.logabsdet.item(), abs=1e-4)


def test_the_prior_is_a_random_walk_seen_through_noise() -> None:
    steps, stream = 5, np.random.default_rng(0)
    walks = np.cumsum(stream.normal(size=(200_000, steps)), axis=1)
    seen = walks + stream.normal(size=walks.shape)
    factor = walk_factor(steps).numpy()
    np.testing.assert_allclose(factor @ factor.T, np.cov(seen.T), atol=0.05)


def test_the_priors_density_is_that_of_the_joint_gaussian() -> None:
    latent = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(1))
    steps = np.arange(1, 5)
    covariance = np.minimum.outer(steps, steps) + np.eye(4)
    expected = sum(
        multivariate_normal.logpdf(latent[:, :, i].numpy(), cov=covariance) for i in range(2)
    )
    found = detector().network.log_prior(latent)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


def test_without_a_draw_the_path_is_the_same_and_with_one_another() -> None:
    network = detector().network
    rows = torch.rand(2, 4, 3)
    with torch.inference_mode():
        assert torch.equal(network(rows, draw=False).mean, network(rows, draw=False).mean)
        assert not torch.equal(network(rows, draw=True).mean, network(rows, draw=True).mean)


def test_the_loss_is_the_negative_bound_and_leaves_out_what_is_missing() -> None:
    made = detector()
    rows, known = torch.rand(2, 4, 3), torch.ones(2, 4, 3)
    known[0, 1] = 0.0
    torch.manual_seed(3)
    found = made.network(rows, draw=True)
    likely = torch.distributions.Normal(found.mean, found.deviation).log_prob(rows)
    bound = (likely * known).sum((1, 2)) + found.log_p - found.log_q
    torch.manual_seed(3)
    loss = made._loss(Batch(rows, known, torch.arange(2)))
    assert loss.item() == pytest.approx(-bound.mean().item() / 4, rel=1e-4)


def test_a_latent_path_depends_on_what_came_before_it() -> None:
    network = detector().network
    hidden = torch.randn(1, 4, 5)
    changed = hidden.clone()
    changed[:, 0] += 5.0
    with torch.inference_mode():
        one, other = (network._path(h, draw=False)[0] for h in (hidden, changed))
    assert (one[:, 1:] != other[:, 1:]).all()


def test_the_error_has_the_side_of_the_value_and_is_zero_at_the_narrowest_hit() -> None:
    made = detector()
    rows = torch.rand(9, 4, 3)
    with torch.inference_mode():
        found = made.network(rows, draw=False)
        errors = made._read(Batch(rows, torch.ones_like(rows), torch.arange(9)))
    assert ((errors < 0) == (rows < found.mean)[:, -1]).all()
    likely = torch.distributions.Normal(found.mean, found.deviation).log_prob(rows)[:, -1]
    best = torch.distributions.Normal(0.0, SMALL.least_deviation).log_prob(torch.zeros(1))
    torch.testing.assert_close(errors.abs(), best - likely, rtol=1e-4, atol=1e-4)


def test_the_papers_size() -> None:
    config = OmniAnomalyConfig.paper()
    assert (config.window, config.n_hidden, config.n_latent, config.n_flows) == (100, 500, 3, 20)
