"""Label-aware fine-tuning: the paper's loss literally, and a bounded one.

The paper's LAELBO (section 3.2, eq. 2) minimizes the negative evidence lower bound of windows
marked normal and maximizes that of windows marked anomalous. Nothing bounds the second part: run
for long, it ruins the model. The bounded hinge asks of an anomalous row only that its score
reaches twice the deployed level, and of a false alarm that it sinks to half of it; what is there
already is left alone.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from faultsight.detect.anotuner._network import Network
from faultsight.detect.anotuner._rows import Windows
from faultsight.detect.anotuner._training import reconstruction_loss, torch_stream
from faultsight.detect.torch_threads import one_thread

__all__ = ["Examples", "FineTuning", "fine_tune", "label_aware_loss"]

_LOUDEST = 20.0
"""Levels; what is higher still must not rule a step."""


@dataclass(frozen=True)
class FineTuning:
    """How the network learns from marked windows.

    Parameters
    ----------
    loss : {"hinge", "laelbo"}
        The bounded loss, or the paper's.
    epochs, batch : int
        Passes over the marked and sampled windows; windows a step.
    learning_rate, clip : float
        Of Adam; largest norm of a step's gradient.
    margin : float
        An anomalous row's score should reach so many times the deployed level (hinge).
    quiet : float
        Weight of what a normal row's score is above the level over `margin`, beside its bound
        (hinge).
    anomaly_share : float
        Anomalous windows weigh so much of all together, however few they are (hinge).
    variance, beta : float
        As in training.
    seed : int
        Of order and draws.
    """

    loss: Literal["hinge", "laelbo"] = "hinge"
    epochs: int = 10
    batch: int = 256
    learning_rate: float = 5e-4
    clip: float = 1.0
    margin: float = 2.0
    quiet: float = 1.0
    anomaly_share: float = 0.25
    variance: float = 0.01
    beta: float = 1.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Examples:
    """Windows with labels; the label is that of a window's last row.

    Attributes
    ----------
    windows : Windows
        Of shape (window, row, kpi); ``known`` is 0 also where a row is marked otherwise.
    is_anomaly : tensor of shape (window,)
        Whether the last row is an anomaly.
    usual : tensor of shape (window, kpi)
        What a squared error of the last row is divided by.
    apart : tensor of shape (window,)
        What the last row scores whatever the network makes of it.
    level : tensor of shape (window,)
        The deployed level of the window's entity, for the sum of errors over usual errors, and of
        what is apart.
    """

    windows: Windows
    is_anomaly: Tensor
    usual: Tensor
    apart: Tensor
    level: Tensor

    def __len__(self) -> int:
        return len(self.is_anomaly)

    def __getitem__(self, rows: Tensor) -> Examples:
        return Examples(
            Windows(*(part[rows] for part in self.windows)),
            self.is_anomaly[rows],
            self.usual[rows],
            self.apart[rows],
            self.level[rows],
        )

    @classmethod
    def join(cls, *parts: Examples) -> Examples:
        """Return the examples of several sets as one."""
        return cls(
            Windows(*(torch.cat(same) for same in zip(*(p.windows for p in parts), strict=True))),
            torch.cat([p.is_anomaly for p in parts]),
            torch.cat([p.usual for p in parts]),
            torch.cat([p.apart for p in parts]),
            torch.cat([p.level for p in parts]),
        )


def label_aware_loss(
    network: Network, examples: Examples, config: FineTuning, generator: torch.Generator | None
) -> Tensor:
    """Return the loss of a batch of examples.

    With ``loss="laelbo"`` it is eq. 2 as written: a window's negative evidence lower bound, with
    its sign turned where the window is anomalous. With ``loss="hinge"`` normal windows keep that
    bound and cost besides what their last row's score is above the level over `margin`; an
    anomalous row costs what its score lacks to `margin` times the level. Both are in units of the
    level.
    """
    found = network(examples.windows.rows, examples.windows.conditions, generator)
    bound = reconstruction_loss(examples.windows, found, variance=config.variance, beta=config.beta)
    anomalous = examples.is_anomaly.to(bound.dtype)
    if config.loss == "laelbo":
        return ((1.0 - 2.0 * anomalous) * bound).mean()
    error = (found.values[:, -1] - examples.windows.rows[:, -1]).square()
    known = examples.windows.known[:, -1]
    n_known = known.sum(1).clamp(min=1.0)
    score = (error * known / examples.usual).sum(1) * (known.shape[1] / n_known)
    height = (score + examples.apart) / examples.level
    lacks = torch.relu(config.margin - height)
    n_anomalous = anomalous.sum()
    loud = torch.relu(height - 1.0 / config.margin).clamp(max=_LOUDEST)
    bound = bound + config.quiet * loud
    normal = ((1.0 - anomalous) * bound).sum() / (len(examples) - n_anomalous).clamp(min=1.0)
    missed = (anomalous * lacks).sum() / n_anomalous.clamp(min=1.0)
    share = config.anomaly_share * (n_anomalous > 0)
    return (1.0 - share) * normal + share * missed


@one_thread()
def fine_tune(network: Network, examples: Examples, config: FineTuning) -> Network:
    """Return a copy of the network that has learned from the examples.

    Parameters
    ----------
    network : Network
        Stays as it is.
    examples : Examples
        Marked windows and sampled history; at least one.
    config : FineTuning
        The settings.
    """
    tuned = copy.deepcopy(network).train()
    adam = torch.optim.Adam(tuned.parameters(), lr=config.learning_rate)
    for epoch in range(config.epochs):
        generator = torch_stream(config.seed, "fine-tuning", epoch)
        for batch in torch.randperm(len(examples), generator=generator).split(config.batch):
            loss = label_aware_loss(tuned, examples[batch], config, generator)
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(tuned.parameters(), config.clip)
            adam.step()
    return tuned.eval()
