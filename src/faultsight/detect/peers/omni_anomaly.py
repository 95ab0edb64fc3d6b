"""OmniAnomaly: a stochastic recurrent network whose latent variables are linked in time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from faultsight.detect.contract import Progress
from faultsight.detect.peers._torch import Tensor, functional, nn, torch
from faultsight.detect.peers._training import Batch, NetworkDetector, Player, TrainingConfig, train
from faultsight.detect.peers._windows import WindowBank

__all__ = ["OmniAnomaly", "OmniAnomalyConfig"]


@dataclass(frozen=True)
class OmniAnomalyConfig(TrainingConfig):
    """Settings of `OmniAnomaly`; see `TrainingConfig` for those of training.

    Parameters
    ----------
    window : int
        The paper's 100. A day here.
    epochs, batch : int
        The authors' 10 of 50 windows; 10 of 128 here.
    n_hidden : int
        Units of recurrent and dense layers; the paper's 500. 32 here.
    n_latent : int
        The paper's 3.
    n_flows : int
        Planar flows; the paper's 20. 5 here.
    least_deviation : float
        Of what is expected of a KPI. The paper's 1e-4 would score one that stands still on its
        rounding; a hundredth of its usual range here.
    l2 : float
        The paper's.
    """

    window: int = 24
    n_hidden: int = 32
    n_latent: int = 3
    n_flows: int = 5
    least_deviation: float = 0.01
    l2: float = 1e-4

    may_be_zero = (*TrainingConfig.may_be_zero, "n_flows", "l2")

    @classmethod
    def paper(cls, **changes: Any) -> OmniAnomalyConfig:
        """Return the paper's size."""
        said = {"window": 100, "batch": 50, "n_hidden": 500, "n_flows": 20,
                "least_deviation": 1e-4}  # fmt: skip
        return cls(**(said | changes))


class Found(NamedTuple):
    """What a window is taken for: expected rows and deviations; how likely its latent path is.

    ``mean`` and ``deviation`` have shape (window, row, kpi); ``log_q`` and ``log_p`` are the
    latent path's log densities under the posterior and the prior, (window,).
    """

    mean: Tensor
    deviation: Tensor
    log_q: Tensor
    log_p: Tensor


class PlanarFlow(nn.Module):
    """``z + u tanh(w z + b)``, with u such that it can be inverted (Rezende and Mohamed, 2015)."""

    def __init__(self, n_latent: int) -> None:
        super().__init__()
        self.u = nn.Parameter(0.1 * torch.randn(n_latent))
        self.w = nn.Parameter(0.1 * torch.randn(n_latent))
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the image of z and the log of the determinant's size, without z's last axis."""
        product = self.w @ self.u
        invertible = functional.softplus(product) - 1.0 - product
        u = self.u + invertible * self.w / self.w.square().sum().clamp(min=1e-12)
        bent = torch.tanh(z @ self.w + self.b)
        slope = (1.0 - bent.square()) * (u @ self.w)
        return z + bent.unsqueeze(-1) * u, torch.log((1.0 + slope).clamp(min=1e-12))


class OmniNetwork(nn.Module):
    """qnet and pnet of the paper's figure 3; the prior is a random walk seen through noise."""

    prior_factor: Tensor

    def __init__(self, n_kpis: int, config: OmniAnomalyConfig) -> None:
        super().__init__()
        hidden, latent = config.n_hidden, config.n_latent
        self.n_latent, self.least_deviation = latent, config.least_deviation
        self.inward = nn.GRU(n_kpis, hidden, batch_first=True)
        self.dense = nn.Sequential(nn.Linear(hidden + latent, hidden), nn.ReLU())
        self.gaussian = nn.Linear(hidden, 2 * latent)
        self.flows = nn.ModuleList(PlanarFlow(latent) for _ in range(config.n_flows))
        self.outward = nn.GRU(latent, hidden, batch_first=True)
        self.dense_out = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU())
        self.rows = nn.Linear(hidden, 2 * n_kpis)
        self.register_buffer("prior_factor", walk_factor(config.window), persistent=False)

    def forward(self, rows: Tensor, *, draw: bool) -> Found:
        """Encode a window, draw a latent path (or take the mean of each step), decode it."""
        latent, log_q = self._path(self.inward(rows)[0], draw=draw)
        for flow in self.flows:
            latent, log_size = flow(latent)
            log_q = log_q - log_size.sum(1)
        mean, spread = self.rows(self.dense_out(self.outward(latent)[0])).chunk(2, dim=2)
        deviation = functional.softplus(spread) + self.least_deviation
        return Found(mean, deviation, log_q, self.log_prior(latent))

    def _path(self, hidden: Tensor, *, draw: bool) -> tuple[Tensor, Tensor]:
        """Return latent variables, each from the one before (eq. 3), and their log density."""
        before = hidden.new_zeros(len(hidden), self.n_latent)
        path, log_q = [], hidden.new_zeros(len(hidden))
        for step in range(hidden.shape[1]):
            told = self.dense(torch.cat([hidden[:, step], before], dim=1))
            mean, spread = self.gaussian(told).chunk(2, dim=1)
            deviation = functional.softplus(spread) + 1e-4
            noise = torch.randn_like(mean) if draw else torch.zeros_like(mean)
            before = mean + deviation * noise
            path.append(before)
            log_q = log_q - (deviation.log() + 0.5 * noise.square() + _HALF_LOG_TAU).sum(1)
        return torch.stack(path, dim=1), log_q

    def log_prior(self, latent: Tensor) -> Tensor:
        """Return the log density of latent paths, (window,), in the linear Gaussian model."""
        factor = self.prior_factor[: latent.shape[1], : latent.shape[1]]
        white = torch.linalg.solve_triangular(factor, latent, upper=False)
        per_path = -0.5 * white.square() - factor.diagonal().log().unsqueeze(1) - _HALF_LOG_TAU
        density: Tensor = per_path.sum((1, 2))
        return density


_HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)


def walk_factor(n_rows: int) -> Tensor:
    """Return the Cholesky factor of the covariance of a random walk that is seen through noise.

    ``s_1 ~ N(0, 1)``, ``s_t = s_{t-1} + N(0, 1)``, ``z_t = s_t + N(0, 1)``: the covariance of
    ``z_i`` and ``z_j`` is ``min(i, j)``, and 1 more where they are one.

    Examples
    --------
    >>> (walk_factor(2) @ walk_factor(2).T).round().tolist()
    [[2.0, 1.0], [1.0, 3.0]]
    """
    steps = torch.arange(1.0, n_rows + 1.0)
    factor: Tensor = torch.linalg.cholesky(torch.minimum(steps[:, None], steps) + torch.eye(n_rows))
    return factor


class OmniAnomaly(NetworkDetector):
    """Su et al., KDD '19, for the fleet: GRUs, linked latent variables, planar flows.

    The transition and observation of the linear Gaussian prior are identities with unit noise. A
    row's error by KPI is its negative log likelihood at the mean latent path, less the least that
    it can be; the authors draw the path. Their threshold is ``pot`` of `THRESHOLDS`.

    Examples
    --------
    >>> import numpy as np
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.random.default_rng(0).normal(size=(300, 2))
    >>> rows[250] += 9.0
    >>> frame = KpiFrame("cell-1", ("load", "drops"), 0, 3600, rows)
    >>> int(OmniAnomaly().fit([frame[:200]]).score([frame])[0].total.argmax())
    250
    """

    zero_to_one: ClassVar[bool] = True
    config: OmniAnomalyConfig
    network: OmniNetwork

    def __init__(self, config: OmniAnomalyConfig | None = None) -> None:
        self.config = config or OmniAnomalyConfig()

    def _build(self, n_kpis: int) -> OmniNetwork:
        return OmniNetwork(n_kpis, self.config)

    def _train(self, bank: WindowBank, progress: Progress) -> None:
        player = Player(self._loss, list(self.network.parameters()), self.config.l2)
        train(self.network, bank, self.config, [player], progress=progress)

    def _loss(self, batch: Batch) -> Tensor:
        """Return the negative evidence lower bound of a row, on average (eq. 6)."""
        found = self.network(batch.rows, draw=True)
        log_x = -(gaussian_surprise(batch.rows, found.mean, found.deviation) * batch.known).sum(
            (1, 2)
        )
        bound: Tensor = (log_x + found.log_p - found.log_q).mean()
        return -bound / batch.rows.shape[1]

    def _read(self, batch: Batch) -> Tensor:
        found = self.network(batch.rows, draw=False)
        surprise = gaussian_surprise(batch.rows, found.mean, found.deviation)[:, -1]
        error = surprise - math.log(self.config.least_deviation) - _HALF_LOG_TAU
        return torch.copysign(error, (batch.rows - found.mean)[:, -1])


def gaussian_surprise(rows: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Return the negative log density of each value.

    Examples
    --------
    >>> one = torch.ones(1)
    >>> round(gaussian_surprise(3 * one, one, 2 * one).item(), 4)  # 1/2 + log 2 + log(tau) / 2
    2.1121
    """
    return 0.5 * ((rows - mean) / deviation).square() + deviation.log() + _HALF_LOG_TAU
