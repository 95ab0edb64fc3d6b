"""How the peers' networks are trained and read: on the same windows, by the same loop."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.seed import random_stream
from faultsight.detect.contract import DetectorState, Progress
from faultsight.detect.peers._marks import LabelledWindows
from faultsight.detect.peers._torch import Tensor, nn, torch
from faultsight.detect.peers._windows import WindowBank, WindowDetector
from faultsight.detect.torch_threads import one_thread

__all__ = [
    "Batch", "NetworkDetector", "Player", "RowForecaster", "TrainingConfig", "mean_of_known",
    "positions", "seeded", "signed_square", "smoothed_squares", "train",
]  # fmt: skip

_WINDOWS_AT_ONCE = 256
_MOST_HISTORY = 2_000
"""Windows of history beside those of false alarms in fine-tuning; as AnoTuner's."""


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained; the fields that every peer with a network has.

    Parameters
    ----------
    window : int
        Rows that the network looks at.
    epochs, batch : int
        Passes over the windows; windows a step.
    learning_rate, clip : float
        Of Adam; largest norm of a step's gradient.
    most_windows : int
        Windows of one epoch, evenly thinned.
    seed : int
        Of initial weights, order and draws.
    """

    window: int = 24
    epochs: int = 10
    batch: int = 128
    learning_rate: float = 1e-3
    clip: float = 10.0
    most_windows: int = 8_000
    seed: int = 0

    may_be_zero: ClassVar[tuple[str, ...]] = ("epochs", "seed")

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            enough = value >= 0 if field.name in self.may_be_zero else value > 0
            if not enough or not np.isfinite(value):
                least = "at least" if field.name in self.may_be_zero else "above"
                raise SettingError(f"{field.name} must be {least} 0, not {value}")


@dataclass(frozen=True)
class Batch:
    """Windows as a network sees them.

    Attributes
    ----------
    rows : tensor of shape (window, row, kpi)
        Values; where missing, the entity's mean.
    known : tensor of shape (window, row, kpi)
        1 where known, else 0.
    windows : tensor of shape (window,)
        Which windows of the bank they are.
    epoch : int
        From 1; 0 when nothing is trained.
    """

    rows: Tensor
    known: Tensor
    windows: Tensor
    epoch: int = 0

    @classmethod
    def of(cls, bank: WindowBank, windows: Tensor, epoch: int = 0) -> Batch:
        """Gather windows of a bank."""
        rows, known = bank.take(windows.numpy())
        return cls(
            torch.from_numpy(rows), torch.from_numpy(known.astype(np.float32)), windows, epoch
        )


@dataclass(frozen=True)
class Player:
    """A loss, and the parameters that a step on it changes; most networks have one.

    Attributes
    ----------
    loss : callable
        Of a batch.
    parameters : sequence of parameter
        Changed by Adam.
    l2 : float
        Weight decay.
    """

    loss: Callable[[Batch], Tensor]
    parameters: Sequence[nn.Parameter]
    l2: float = 0.0


def mean_of_known(values: Tensor, known: Tensor) -> Tensor:
    """Return the mean over the cells that are known; 0 if none is."""
    return (values * known).sum() / known.sum().clamp(min=1.0)


def smoothed_squares(
    deviations: NDArray[Any], bank: WindowBank, smooth: Callable[[NDArray[Any]], NDArray[Any]]
) -> NDArray[Any]:
    """Return absolute deviations, smoothed over each entity's rows, squared, with their signs."""
    known = np.where(bank.known[bank.ends], deviations, np.nan).astype(np.float32)
    bounds = np.searchsorted(bank.owners, np.arange(1, len(bank.entities)))
    smoothed = [smooth(np.abs(part)) for part in np.split(known, bounds)]
    return np.asarray(np.copysign(np.concatenate(smoothed) ** 2, known))


def signed_square(deviations: Tensor) -> Tensor:
    """Return squares, with the sign of what was squared.

    Examples
    --------
    >>> signed_square(torch.tensor([3.0, -2.0])).tolist()
    [9.0, -4.0]
    """
    return torch.copysign(deviations.square(), deviations)


@contextmanager
def seeded(seed: int, *name: str | int) -> Iterator[None]:
    """Draw torch's random numbers from a named stream, and leave the caller's as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(random_stream(seed, *name).integers(2**63 - 1)))
        yield


@one_thread()
def train(
    network: nn.Module,
    bank: WindowBank,
    config: TrainingConfig,
    players: Sequence[Player],
    *,
    decay: float = 1.0,
    epochs: int | None = None,
    windows: NDArray[np.int64] | None = None,
    progress: Progress,
) -> None:
    """Train on windows of a bank in shuffled order, and leave the network ready to be read.

    Parameters
    ----------
    players : sequence of Player
        Each makes its step on every batch, in turn.
    decay : float
        What the learning rate is multiplied by after each epoch.
    epochs : int, optional
        In place of the config's.
    windows : array of int, optional
        Which windows; all of the bank, thinned, if not given.
    """
    kept = torch.from_numpy(bank.thinned(config.most_windows) if windows is None else windows)
    steps = [
        torch.optim.Adam(p.parameters, lr=config.learning_rate, weight_decay=p.l2) for p in players
    ]
    n_epochs = config.epochs if epochs is None else epochs
    network.train()
    with seeded(config.seed, "training"):
        for epoch in range(1, n_epochs + 1):
            losses = []
            for part in _shuffled(kept, config.batch):
                batch = Batch.of(bank, part, epoch)
                for player, step in zip(players, steps, strict=True):
                    loss = player.loss(batch)
                    network.zero_grad()
                    loss.backward()
                    nn.utils.clip_grad_norm_(player.parameters, config.clip)
                    step.step()
                    losses.append(float(loss.detach()))
            for step in steps:
                for group in step.param_groups:
                    group["lr"] *= decay
            progress(f"epoch {epoch} of {n_epochs}: loss {np.mean(losses):.4f}")
    network.eval()


def _shuffled(windows: Tensor, size: int) -> Iterator[Tensor]:
    for part in windows[torch.randperm(len(windows))].split(size):
        # A lone window has no variance for batch normalization to divide by.
        yield part.repeat(2) if len(part) == 1 else part


class NetworkDetector(WindowDetector):
    """The base of peers with a network; they say how it is built, trained and read."""

    config: TrainingConfig
    network: nn.Module

    @property
    def _length(self) -> int:
        return self.config.window + self.rows_ahead

    rows_ahead: ClassVar[int] = 0
    """Rows after the network's window that the last row of a bank's window is: 1 to forecast."""

    @abstractmethod
    def _build(self, n_kpis: int) -> nn.Module:
        """Return the untrained network."""

    @abstractmethod
    def _train(self, bank: WindowBank, progress: Progress) -> None:
        """Train ``self.network``."""

    @abstractmethod
    def _read(self, batch: Batch) -> Tensor:
        """Return the error of each window's last row; see `WindowDetector._errors`."""

    def _learn(self, bank: WindowBank, progress: Progress) -> None:
        with seeded(self.config.seed, "weights"):
            self.network = self._build(len(self.kpis))
        self._train(bank, progress)

    def _learn_false_alarms(self, told: LabelledWindows, progress: Progress) -> None:
        """Train on from the weights there are, half as many epochs."""
        windows = told.sampled(_MOST_HISTORY)
        changed: dict[str, Any] = {
            "epochs": -(-self.config.epochs // 2), "most_windows": len(windows),
        }  # fmt: skip
        if hasattr(self.config, "pretrain_epochs"):
            changed["pretrain_epochs"] = 0
        config = self.config
        self.network = copy.deepcopy(self.network)
        self.config = replace(config, **changed)
        self._train(told.bank.only(windows), progress)
        self.config = config

    def _learned(self) -> Mapping[str, NDArray[np.float64]]:
        tensors = self.network.state_dict()
        # A stored array has at least one axis.
        return {f"network.{name}": np.atleast_1d(t.double().numpy()) for name, t in tensors.items()}

    def _take(self, state: DetectorState) -> None:
        self.network = self._build(len(state.kpis)).eval()
        tensors = {
            name: torch.from_numpy(state.array(f"network.{name}", *(like.shape or (1,))))
            .to(like.dtype)
            .reshape(like.shape)
            for name, like in self.network.state_dict().items()
        }
        self.network.load_state_dict(tensors)

    def _errors(self, bank: WindowBank) -> NDArray[Any]:
        width = len(self.kpis) if self.names_kpis else 1
        found = [np.empty((0, width), np.float32)]
        self.network.eval()
        with torch.inference_mode():
            found += [
                self._read(Batch.of(bank, part)).numpy()
                for part in torch.arange(len(bank)).split(_WINDOWS_AT_ONCE)
            ]
        return np.concatenate(found)


class RowForecaster(nn.Module):
    """Stacked LSTMs that say after each row what the next one should be."""

    def __init__(self, n_kpis: int, n_hidden: int, n_layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        between = dropout if n_layers > 1 else 0.0
        self.lstm = nn.LSTM(n_kpis, n_hidden, n_layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(n_hidden, n_kpis)

    def forward(self, rows: Tensor) -> Tensor:
        """Return what follows each row; both of shape (window, row, kpi)."""
        found: Tensor = self.output(self.dropout(self.lstm(rows)[0]))
        return found


def positions(n_rows: int, width: int) -> Tensor:
    """Return sines and cosines that tell rows apart, (row, width).

    Examples
    --------
    >>> positions(2, 3).shape
    torch.Size([2, 3])
    """
    rows = torch.arange(n_rows, dtype=torch.float32).unsqueeze(1)
    rates = torch.exp(torch.arange(0, width, 2) * (-np.log(10_000.0) / width))
    found = torch.zeros(n_rows, width)
    found[:, 0::2] = torch.sin(rows * rates)
    found[:, 1::2] = torch.cos(rows * rates[: width // 2])
    return found
