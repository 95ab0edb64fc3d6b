"""ACVAE-style: one autoencoder of what is usual, one of marked anomalies, kept apart."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.contract import Progress, silent
from faultsight.detect.peers._marks import LabelledWindows, tuned_by_marks
from faultsight.detect.peers._torch import Tensor, nn, torch
from faultsight.detect.peers._training import Batch, NetworkDetector, Player, TrainingConfig, train
from faultsight.detect.peers._windows import WindowBank
from faultsight.detect.tuning.active_learning import Query
from faultsight.detect.tuning.marked_rows import rows_of_marks

__all__ = ["ACVAEStyle", "ACVAEStyleConfig"]

_HISTORY_BELOW = 0.995
"""Share of an entity's history that lies below what parts usual from anomalous; as deployed."""
_UNCERTAIN_A_QUERY = 5


@dataclass(frozen=True)
class ACVAEStyleConfig(TrainingConfig):
    """Settings of `ACVAEStyle`; the paper's are not known. See `TrainingConfig` for training.

    Parameters
    ----------
    n_hidden, n_latent : int
        Units of each GRU; dimensions of a window's latent Gaussian.
    variance : float
        Of the Gaussian likelihood, in scaled units squared; AnoTuner's.
    margin : float
        By how much the right network's error must lie below the other's, in units of twice the
        variance.
    weight : float
        In the score, of what a row looks more like marked anomalies than like what is usual.
    tune_epochs, most_history : int
        Passes over the marked windows and so many windows of history when marks are learned from.
    n_queries : int
        Windows that an operator who can be asked is asked about.
    """

    epochs: int = 30
    n_hidden: int = 32
    n_latent: int = 8
    variance: float = 0.01
    margin: float = 1.0
    weight: float = 1.0
    tune_epochs: int = 10
    most_history: int = 2_000
    n_queries: int = 20

    may_be_zero = (*TrainingConfig.may_be_zero, "margin", "weight", "tune_epochs", "n_queries")


class Found(NamedTuple):
    """Reconstructed windows, (window, row, kpi), and each window's divergence from the prior."""

    rows: Tensor
    divergence: Tensor


class WindowVAE(nn.Module):
    """A GRU into one latent Gaussian, a GRU out of it."""

    def __init__(self, n_kpis: int, n_hidden: int, n_latent: int) -> None:
        super().__init__()
        self.inward = nn.GRU(n_kpis, n_hidden, batch_first=True)
        self.gaussian = nn.Linear(n_hidden, 2 * n_latent)
        self.outward = nn.GRU(n_latent, n_hidden, batch_first=True)
        self.output = nn.Linear(n_hidden, n_kpis)

    def forward(self, rows: Tensor, *, draw: bool) -> Found:
        """Encode, draw (or take the mean), decode."""
        mean, log_variance = self.gaussian(self.inward(rows)[1][-1]).chunk(2, dim=1)
        log_variance = log_variance.clamp(-8.0, 4.0)
        latent = mean
        if draw:
            latent = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        told = latent.unsqueeze(1).expand(-1, rows.shape[1], -1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1)
        return Found(self.output(self.outward(told)[0]), divergence)


class BothVAEs(nn.Module):
    """The network of what is usual, that of anomalies, and whether the second has learned."""

    knows_anomalies: Tensor

    def __init__(self, n_kpis: int, config: ACVAEStyleConfig) -> None:
        super().__init__()
        sizes = (n_kpis, config.n_hidden, config.n_latent)
        self.usual, self.anomalous = WindowVAE(*sizes), WindowVAE(*sizes)
        self.register_buffer("knows_anomalies", torch.zeros(1))


class ACVAEStyle(NetworkDetector):
    """Two contrasted autoencoders, after what others say of ACVAE (Li et al., JSAC 2022).

    The paper is not public and there is no code. Known, from the AnoTuner paper: two variational
    autoencoders, of which the one for anomalies learns from marks. Ours, and maybe not theirs: the
    networks' shape; a hinge on both errors as the contrast; a score of the usual network's squared
    error plus by how much the other's is smaller. ACVAE is named for active learning; its form here
    is ours, too: the operator is asked about the windows after history whose scores lie nearest the
    level, and of these about such as differ most in the usual network's latent means.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(300, 2))
    >>> rows[250] += 9.0
    >>> frame = KpiFrame("cell-1", ("load", "drops"), 0, 3600, rows)
    >>> int(ACVAEStyle().fit([frame[:200]]).score([frame])[0].total.argmax())
    250
    """

    zero_to_one: ClassVar[bool] = True
    learns_missed: ClassVar[bool] = True
    asks: ClassVar[bool] = True
    config: ACVAEStyleConfig
    network: BothVAEs

    def __init__(self, config: ACVAEStyleConfig | None = None) -> None:
        self.config = config or ACVAEStyleConfig()

    def tune(
        self,
        frames: Sequence[KpiFrame],
        marks: Sequence[Mark],
        *,
        ask: Callable[[Query], bool | None] | None = None,
        progress: Progress = silent,
    ) -> tuple[Self, Mapping[str, int]]:
        """Return a copy that has learned from marks, and how many windows and marks that were.

        Parameters
        ----------
        frames : sequence of KpiFrame
            The history trained on, and the rows that the marks speak of.
        marks : sequence of Mark
            What operators said.
        ask : callable, optional
            Asked whether the last row of a window after history is an anomaly; None is no answer.
            What it says is learned from as marks are.
        progress : callable
            Told in a short line what happens.
        """
        if ask is not None:
            marks = [*marks, *self._answers(self._fitting(frames), marks, ask)]

        def learn(tuned: Self, told: LabelledWindows) -> None:
            tuned.network = copy.deepcopy(self.network)
            tuned.network.knows_anomalies.fill_(float((told.labels == 1).any()))
            anomalous = torch.from_numpy(told.labels == 1)
            player = Player(
                lambda batch: tuned._contrast(batch, anomalous[batch.windows]),
                list(tuned.network.parameters()),
            )
            train(
                tuned.network, told.bank, self.config, [player], epochs=self.config.tune_epochs,
                windows=told.sampled(self.config.most_history), progress=progress,
            )  # fmt: skip

        return tuned_by_marks(self, frames, marks, learn)

    def _answers(
        self,
        frames: Sequence[KpiFrame],
        marks: Sequence[Mark],
        ask: Callable[[Query], bool | None],
    ) -> list[Mark]:
        """Return what an operator says of the windows that it is most worth to ask about."""
        bank, marked = self._bank(frames), rows_of_marks(frames, marks)
        rows = np.concatenate([np.arange(len(frame)) for frame in frames])
        unsure = []
        for frame, score in zip(frames, self._score(frames), strict=True):
            is_history = frame.times_s < self.measure.until_s.get(frame.entity, -(2**62))
            known = np.isfinite(score.total) & (score.total > 0)
            far = np.full(len(frame), np.inf)
            if (is_history & known).any():
                level = np.quantile(score.total[is_history & known], _HISTORY_BELOW)
                asked = known & ~is_history & ~marked.is_marked(frame.entity, len(frame))
                far[asked] = np.abs(np.log(score.total[asked] / level))
            unsure.append(far)
        doubt = np.concatenate(unsure)
        most = min(self.config.n_queries * _UNCERTAIN_A_QUERY, int(np.isfinite(doubt).sum()))
        candidates = np.argsort(doubt, kind="stable")[:most]
        answers = []
        for window in candidates[_spread(self._means(bank, candidates), self.config.n_queries)]:
            entity, stamp = bank.entities[bank.owners[window]], int(bank.stamps[window])
            told = ask(Query(int(window), 1, entity, int(rows[window])))
            if told is not None:
                kind = MarkKind.MISSED if told else MarkKind.FALSE_ALARM
                answers.append(Mark(entity, TimeWindow(stamp, stamp + self.interval_s), kind))
        return answers

    def _means(self, bank: WindowBank, windows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the usual network's latent mean of each window."""
        if not len(windows):
            return np.empty((0, self.config.n_latent))
        usual = self.network.usual
        with torch.inference_mode():
            rows = Batch.of(bank, torch.from_numpy(windows)).rows
            means = usual.gaussian(usual.inward(rows)[1][-1]).chunk(2, dim=1)[0]
        return np.asarray(means.numpy().astype(np.float64))

    def _build(self, n_kpis: int) -> BothVAEs:
        return BothVAEs(n_kpis, self.config)

    def _train(self, bank: WindowBank, progress: Progress) -> None:
        player = Player(self._loss, list(self.network.usual.parameters()))
        train(self.network, bank, self.config, [player], progress=progress)

    def _loss(self, batch: Batch) -> Tensor:
        error, divergence = self._error(self.network.usual, batch)
        return (error + divergence).mean()

    def _contrast(self, batch: Batch, anomalous: Tensor) -> Tensor:
        """Return each network's bound on its own windows, and the hinge between both."""
        usual, anomaly = (
            self._error(network, batch) for network in (self.network.usual, self.network.anomalous)
        )
        gap = torch.where(anomalous, anomaly[0] - usual[0], usual[0] - anomaly[0])
        hinge = torch.relu(gap + self.config.margin)
        bounds = torch.where(anomalous, sum(anomaly), sum(usual))
        loss = bounds + hinge
        # Anomalies are few: both kinds count alike.
        kinds = [loss[kind].mean() for kind in (anomalous, ~anomalous) if kind.any()]
        return torch.stack(kinds).mean()

    def _error(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return each window's error over twice the variance, and divergence, for one value."""
        found: Found = network(batch.rows, draw=True)
        n_known = batch.known.sum((1, 2)).clamp(min=1.0)
        error = ((batch.rows - found.rows).square() * batch.known).sum((1, 2)) / n_known
        return error / (2.0 * self.config.variance), found.divergence / n_known

    def _read(self, batch: Batch) -> Tensor:
        last = batch.rows[:, -1]
        apart: Tensor = last - self.network.usual(batch.rows, draw=False).rows[:, -1]
        error = apart.square()
        if self.network.knows_anomalies.item():
            other = (last - self.network.anomalous(batch.rows, draw=False).rows[:, -1]).square()
            error = error + self.config.weight * torch.relu(error - other)
        return torch.copysign(error, apart)


def _spread(points: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Return the first point, and one after the other that lies farthest from all before."""
    chosen: list[int] = []
    far = np.full(len(points), np.inf)
    while len(chosen) < min(most, len(points)):
        chosen.append(int(far.argmax()))
        far = np.minimum(far, np.square(points - points[chosen[-1]]).sum(axis=1))
        far[chosen] = -1.0
    return np.array(chosen, dtype=np.int64)
