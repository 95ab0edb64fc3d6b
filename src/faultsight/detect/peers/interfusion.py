"""InterFusion: a hierarchical variational autoencoder with a view in time and one across KPIs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from faultsight.core.errors import SettingError
from faultsight.detect.contract import Progress
from faultsight.detect.peers._torch import Tensor, nn, torch
from faultsight.detect.peers._training import Batch, NetworkDetector, Player, TrainingConfig, train
from faultsight.detect.peers._windows import WindowBank

__all__ = ["InterFusion", "InterFusionConfig"]

_LOG_DEVIATION = (-5.0, 2.0)
_HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True)
class InterFusionConfig(TrainingConfig):
    """Settings of `InterFusion`; see `TrainingConfig` for those of training.

    Parameters
    ----------
    window : int
        The paper's 100. A day here.
    epochs, pretrain_epochs : int
        Of the whole, and before of the view in time alone; the paper's 20 and 20. 20 and 5 here.
    n_hidden : int
        Units of recurrent and dense layers; the paper's 500. 32 here.
    n_latent : int
        Of the view across KPIs, at each row; the paper's 3.
    n_halvings : int
        How often the view in time is thinned by two, with a convolution in between that thins
        nothing; the paper's 3.
    l2, decay : float
        Weight decay, and what the learning rate is multiplied by after each epoch; the paper halves
        it every ten.
    """

    window: int = 24
    epochs: int = 20
    pretrain_epochs: int = 5
    n_hidden: int = 32
    n_latent: int = 3
    n_halvings: int = 2
    l2: float = 1e-4
    decay: float = 0.93

    may_be_zero = (*TrainingConfig.may_be_zero, "pretrain_epochs", "l2")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window % 2**self.n_halvings:
            raise SettingError(f"window is a multiple of {2**self.n_halvings}, not {self.window}")

    @classmethod
    def paper(cls, **changes: Any) -> InterFusionConfig:
        """Return the paper's size, with a window that can be halved three times, 104 for 100."""
        said = {"window": 104, "epochs": 20, "pretrain_epochs": 20, "batch": 100, "n_hidden": 500,
                "n_halvings": 3}  # fmt: skip
        return cls(**(said | changes))


class Gaussian(NamedTuple):
    """A diagonal Gaussian."""

    mean: Tensor
    log_deviation: Tensor

    def take(self, *, draw: bool) -> Tensor:
        """Return a draw, or the mean."""
        if not draw:
            return self.mean
        return self.mean + self.log_deviation.exp() * torch.randn_like(self.mean)

    def surprise(self, values: Tensor) -> Tensor:
        """Return the negative log density of each value."""
        far = ((values - self.mean) * (-self.log_deviation).exp()).square()
        return 0.5 * far + self.log_deviation + _HALF_LOG_TAU

    def divergence(self, other: Gaussian) -> Tensor:
        """Return KL(self || other) of each dimension."""
        apart = 2.0 * (self.log_deviation - other.log_deviation)
        far = ((self.mean - other.mean) * (-other.log_deviation).exp()).square()
        return 0.5 * (apart.exp() + far - 1.0 - apart)


class Found(NamedTuple):
    """Expected rows, (window, row, kpi), and each window's divergence from the priors."""

    rows: Gaussian
    divergence: Tensor


class GaussianHead(nn.Module):
    """Mean and log deviation of each row, with the deviation in bounds."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.both = nn.Linear(n_in, 2 * n_out)

    def forward(self, rows: Tensor) -> Gaussian:
        """Return a Gaussian of each row; rows are (window, row, channel)."""
        return _gaussian(self.both(rows))


class LinkedGaussian(nn.Module):
    """A Gaussian of each row's latent variables, given what is told of the row and those before."""

    def __init__(self, n_told: int, n_latent: int) -> None:
        super().__init__()
        self.of_told = nn.Linear(n_told, 2 * n_latent)
        self.of_latent = nn.Linear(n_latent, 2 * n_latent, bias=False)

    def follow(self, told: Tensor, *, draw: bool) -> tuple[Gaussian, Tensor]:
        """Return the Gaussians along a path of draws, or of means, and that path."""
        latent = told.new_zeros(len(told), self.of_latent.in_features)
        path, along = [], []
        for row in self.of_told(told).unbind(1):
            found = _gaussian(row + self.of_latent(latent))
            latent = found.take(draw=draw)
            path.append(latent)
            along.append(found)
        means, log_deviations = zip(*along, strict=True)
        return Gaussian(torch.stack(means, 1), torch.stack(log_deviations, 1)), torch.stack(path, 1)

    def along(self, told: Tensor, path: Tensor) -> Gaussian:
        """Return the Gaussians of all rows along a path that is known."""
        before = nn.functional.pad(path[:, :-1], (0, 0, 1, 0))
        return _gaussian(self.of_told(told) + self.of_latent(before))


def _gaussian(both: Tensor) -> Gaussian:
    mean, log_deviation = both.chunk(2, dim=-1)
    return Gaussian(mean, log_deviation.clamp(*_LOG_DEVIATION))


class InterFusionNetwork(nn.Module):
    """z2, of the window's course in time; z1, of each row across KPIs, given z2 (section 3.3)."""

    def __init__(self, n_kpis: int, config: InterFusionConfig) -> None:
        super().__init__()
        hidden, latent = config.n_hidden, config.n_latent
        strides = [2, *[1, 2] * (config.n_halvings - 1)]
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for stride in strides:
            down += [nn.Conv1d(n_kpis, n_kpis, 5, stride=stride, padding=2), nn.ReLU()]
        for stride in reversed(strides):
            up += [
                nn.ConvTranspose1d(
                    n_kpis, n_kpis, 5, stride=stride, padding=2, output_padding=stride - 1
                ),
                nn.ReLU(),
            ]
        self.down, self.course = nn.Sequential(*down), GaussianHead(n_kpis, n_kpis)
        self.up, self.rows_of_course = nn.Sequential(*up), GaussianHead(n_kpis, n_kpis)
        self.inward = nn.GRU(n_kpis, hidden, batch_first=True)
        self.dense_in = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.across = LinkedGaussian(hidden, latent)
        self.across_prior = LinkedGaussian(n_kpis, latent)
        self.widen = nn.Linear(latent, n_kpis)
        self.outward = nn.Sequential(
            nn.Linear(2 * n_kpis, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
            GaussianHead(hidden, n_kpis),
        )  # fmt: skip

    def in_time(self, rows: Tensor, *, draw: bool) -> tuple[Tensor, Tensor]:
        """Return what z2 tells of each row, (window, row, kpi), and its divergence."""
        q2: Gaussian = self.course(self.down(rows.mT).mT)
        standard = Gaussian(torch.zeros_like(q2.mean), torch.zeros_like(q2.mean))
        told = self.up(q2.take(draw=draw).mT).mT
        return told, q2.divergence(standard).sum((1, 2))

    def pretrained(self, rows: Tensor) -> Found:
        """Return rows from the view in time alone."""
        told, divergence = self.in_time(rows, draw=True)
        return Found(self.rows_of_course(told), divergence)

    def forward(self, rows: Tensor, *, draw: bool) -> Found:
        """Encode both views, draw (or take means), decode."""
        told, divergence = self.in_time(rows, draw=draw)
        # Backwards in time, as in the paper: a row's latent variables may see what follows it.
        seen = self.dense_in(self.inward(told.flip(1))[0].flip(1))
        q1, z1 = self.across.follow(seen, draw=draw)
        p1 = self.across_prior.along(told, z1)
        divergence = divergence + q1.divergence(p1).sum((1, 2))
        return Found(self.outward(torch.cat([self.widen(z1), told], dim=2)), divergence)


class InterFusion(NetworkDetector):
    """Li et al., KDD '21, for the fleet: two views, trained one after the other.

    A row's error by KPI is its negative log likelihood at the means, less the least that it can be.
    The network is that of the authors' code, but for the normalizing flow of z1's posterior. Left
    out besides: MCMC imputation of the scored row, a score of 100 draws, and early stopping.

    Examples
    --------
    >>> import numpy as np
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> rows = np.random.default_rng(0).normal(size=(300, 2))
    >>> rows[250] += 9.0
    >>> frame = KpiFrame("cell-1", ("load", "drops"), 0, 3600, rows)
    >>> int(InterFusion().fit([frame[:200]]).score([frame])[0].total.argmax())
    250
    """

    config: InterFusionConfig
    network: InterFusionNetwork

    def __init__(self, config: InterFusionConfig | None = None) -> None:
        self.config = config or InterFusionConfig()

    def _build(self, n_kpis: int) -> InterFusionNetwork:
        return InterFusionNetwork(n_kpis, self.config)

    def _train(self, bank: WindowBank, progress: Progress) -> None:
        config, parameters = self.config, list(self.network.parameters())
        for loss, epochs in (
            (self._first_loss, config.pretrain_epochs), (self._loss, config.epochs),
        ):  # fmt: skip
            player = Player(loss, parameters, config.l2)
            train(
                self.network, bank, config, [player], epochs=epochs, decay=config.decay,
                progress=progress,
            )  # fmt: skip

    def _first_loss(self, batch: Batch) -> Tensor:
        return negative_bound(self.network.pretrained(batch.rows), batch)

    def _loss(self, batch: Batch) -> Tensor:
        return negative_bound(self.network(batch.rows, draw=True), batch)

    def _read(self, batch: Batch) -> Tensor:
        found: Gaussian = self.network(batch.rows, draw=False).rows
        error = found.surprise(batch.rows)[:, -1] - _LOG_DEVIATION[0] - _HALF_LOG_TAU
        return torch.copysign(error, (batch.rows - found.mean)[:, -1])


def negative_bound(found: Found, batch: Batch) -> Tensor:
    """Return the negative evidence lower bound of a row, on average over windows (eq. 4)."""
    surprise = (found.rows.surprise(batch.rows) * batch.known).sum((1, 2))
    return (surprise + found.divergence).mean() / batch.rows.shape[1]
