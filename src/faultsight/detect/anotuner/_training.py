"""Unsupervised training of the network: the evidence lower bound on windows of history."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from faultsight.core.errors import InputError
from faultsight.core.files import write_atomic
from faultsight.core.seed import random_stream
from faultsight.detect.anotuner._network import (
    Network,
    NetworkShape,
    Reconstruction,
    SlidingNetwork,
    StreamingNetwork,
)
from faultsight.detect.anotuner._rows import RowBank, Windows
from faultsight.detect.contract import Progress, silent
from faultsight.detect.torch_threads import one_thread

__all__ = ["Training", "make_network", "reconstruction_loss", "torch_stream", "train"]

FORMS: dict[str, type[SlidingNetwork | StreamingNetwork]] = {
    "sliding": SlidingNetwork,
    "streaming": StreamingNetwork,
}


@dataclass(frozen=True)
class Training:
    """How the network is trained.

    Parameters
    ----------
    window : int
        Rows of a training window.
    epochs, batch : int
        Passes over the windows; windows a step.
    most_windows : int
        Windows of one epoch: starts are thinned evenly to at most so many.
    learning_rate, clip : float
        Of Adam; largest norm of a step's gradient.
    variance : float
        Of the Gaussian likelihood, in scaled units squared.
    beta : float
        Weight of the divergence from the prior; 1 is the evidence lower bound.
    seed : int
        Of initial weights, order and draws.
    """

    window: int = 48
    epochs: int = 20
    batch: int = 256
    most_windows: int = 8_000
    learning_rate: float = 2e-3
    clip: float = 5.0
    variance: float = 0.01
    beta: float = 1.0
    seed: int = 0


def torch_stream(seed: int, *name: str | int) -> torch.Generator:
    """Return torch's counterpart of `random_stream`."""
    draw = int(random_stream(seed, *name).integers(2**63 - 1))
    return torch.Generator().manual_seed(draw)


def make_network(form: str, shape: NetworkShape, *, seed: int) -> SlidingNetwork | StreamingNetwork:
    """Return an untrained network whose weights follow from the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(random_stream(seed, "weights").integers(2**63 - 1)))
        return FORMS[form](shape)


def reconstruction_loss(
    windows: Windows, found: Reconstruction, *, variance: float, beta: float
) -> Tensor:
    """Return each window's negative evidence lower bound over its number of values (eq. 1)."""
    error = ((found.values - windows.rows).square() * windows.known).sum((1, 2))
    divergence = found.divergence().reshape(len(error), -1).sum(1)
    return (error / (2.0 * variance) + beta * divergence) / windows.rows[0].numel()


@one_thread()
def train(
    form: str,
    bank: RowBank,
    config: Training,
    shape: NetworkShape,
    *,
    checkpoint: Path | None = None,
    device: str = "cpu",
    progress: Progress = silent,
) -> tuple[Network, list[float]]:
    """Train a network on every window of the bank.

    Parameters
    ----------
    form : {"sliding", "streaming"}
        Which network.
    checkpoint : path, optional
        A file written after each epoch. If it is there and fits, training goes on from it and
        ends with the same weights as if it had never stopped.
    device : {"cpu", "cuda"}
        Where steps are taken. All is drawn on the processor, so that a GPU learns from the same
        weights, windows and noise.

    Returns
    -------
    network, losses
        Trained, in evaluation mode and on the processor; the mean loss of each epoch.
    """
    starts = _starts(bank, config)
    network = make_network(form, shape, seed=config.seed).to(device)
    adam = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    identity = _identity(form, bank, config, shape)
    bank = bank.to(device)
    losses: list[float] = []
    if checkpoint is not None and checkpoint.is_file():
        losses = _resume(checkpoint, identity, network, adam)
        progress(f"resumed after epoch {len(losses)} of {config.epochs}")
    for epoch in range(len(losses), config.epochs):
        generator = torch_stream(config.seed, "epoch", epoch)
        total = 0.0
        for batch in starts[torch.randperm(len(starts), generator=generator)].split(config.batch):
            windows = bank.windows(batch, config.window)
            found = network(windows.rows, windows.conditions, generator)
            loss = reconstruction_loss(
                windows, found, variance=config.variance, beta=config.beta
            ).mean()
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
            adam.step()
            total += float(loss.detach()) * len(batch)
        losses.append(total / len(starts))
        progress(f"epoch {epoch + 1} of {config.epochs}: loss {losses[-1]:.4f}")
        if checkpoint is not None:
            _keep(checkpoint, identity, network, adam, losses)
    return network.cpu().eval(), losses


def _starts(bank: RowBank, config: Training) -> Tensor:
    """Return where windows start: evenly thinned, from padding where a series is short."""
    n_possible = int(np.maximum(bank.sizes, 1).sum())
    stride = -(-n_possible // config.most_windows)
    starts = []
    for first, size in zip(bank.firsts, bank.sizes, strict=True):
        earliest = first - min(bank.padding, max(config.window - int(size), 0))
        latest = first + size - config.window
        starts.append(np.arange(latest, earliest - 1, -stride, dtype=np.int64)[::-1])
    together = np.concatenate(starts)
    if not together.size:
        raise InputError(f"no series reaches one window of {config.window} rows")
    return torch.from_numpy(together)


def _identity(form: str, bank: RowBank, config: Training, shape: NetworkShape) -> str:
    """Return a digest of all that decides the weights."""
    digest = hashlib.sha256(json.dumps([form, asdict(config), asdict(shape)]).encode())
    for part in (bank.rows, bank.known, bank.conditions):
        digest.update(part.numpy().tobytes())
    digest.update(bank.sizes.tobytes())
    return digest.hexdigest()


def _keep(
    path: Path, identity: str, network: Network, adam: torch.optim.Adam, losses: list[float]
) -> None:
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for number, moments in adam.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": value for name, value in moments.items()}
    told = {"identity": identity, "losses": json.dumps(losses)}
    write_atomic(path, save({k: v.contiguous() for k, v in tensors.items()}, metadata=told))


def _resume(path: Path, identity: str, network: Network, adam: torch.optim.Adam) -> list[float]:
    try:
        with safe_open(path, framework="pt") as file:
            told = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError("is not a checkpoint", source=str(path)) from error
    if told.get("identity") != identity:
        raise InputError(
            "belongs to other data or settings; remove it to start anew", source=str(path)
        )
    network.load_state_dict(
        {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
    )
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, number, name = key.split(".")
            moments.setdefault(int(number), {})[name] = value
    state = adam.state_dict()
    adam.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
    losses: list[float] = json.loads(told["losses"])
    return losses
