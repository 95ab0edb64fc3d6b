"""The conditional variational autoencoder, in two forms with one interface.

`SlidingNetwork` is the paper's: a window is encoded to one latent Gaussian and decoded whole.
`StreamingNetwork` carries the state of its encoder and decoder from row to row, so that a row is
encoded once, not once for every window that holds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = [
    "Network",
    "NetworkShape",
    "Reconstruction",
    "SlidingNetwork",
    "StreamState",
    "StreamingNetwork",
]

_LOG_VARIANCE = (-8.0, 4.0)


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of the network.

    Parameters
    ----------
    n_kpis, n_conditions : int
        Columns of a row, and of what the decoder is told of it.
    n_filters : int
        Channels of the convolution over time.
    n_hidden : int
        Units of each LSTM.
    n_latent : int
        Dimensions of the latent Gaussian.
    """

    n_kpis: int
    n_conditions: int
    n_filters: int = 32
    n_hidden: int = 64
    n_latent: int = 8


class Reconstruction(NamedTuple):
    """What comes out, and the latent Gaussian behind it.

    ``values`` has shape (window, row, kpi). ``mean`` and ``log_variance`` have shape
    (window, latent) in the sliding form and (window, row, latent) in the streaming one.
    """

    values: Tensor
    mean: Tensor
    log_variance: Tensor

    def divergence(self) -> Tensor:
        """KL from the standard normal prior, summed over latent dimensions."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1.0 - self.log_variance).sum(
            -1
        )


class StreamState(NamedTuple):
    """What the streaming form remembers: the last two rows, and the states of both LSTMs."""

    before: Tensor
    encoder: tuple[Tensor, Tensor]
    decoder: tuple[Tensor, Tensor]


class Network(nn.Module):
    """What both forms share: encode, draw, decode."""

    shape: NetworkShape

    def encode(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the latent Gaussian (paper, 3.2)."""
        raise NotImplementedError

    def decode(self, latent: Tensor, conditions: Tensor) -> Tensor:
        """Return rows from latent variables and the condition of each row."""
        raise NotImplementedError

    def forward(
        self, rows: Tensor, conditions: Tensor, generator: torch.Generator | None = None
    ) -> Reconstruction:
        """Encode, draw with a generator or take the mean without one, decode."""
        mean, log_variance = self.encode(rows)
        latent = mean
        if generator is not None:
            noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
            latent = mean + noise.to(mean.device) * (0.5 * log_variance).exp()
        return Reconstruction(self.decode(latent, conditions), mean, log_variance)


class SlidingNetwork(Network):
    """One latent Gaussian a window: Conv1d, LSTM, last state; LSTM decoder (paper, 3.2).

    Rows and conditions have shapes (window, row, kpi) and (window, row, condition).
    """

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        self.convolution = nn.Conv1d(shape.n_kpis, shape.n_filters, 3, padding=1)
        self.encoder = nn.LSTM(shape.n_filters, shape.n_hidden, batch_first=True)
        self.gaussian = nn.Linear(shape.n_hidden, 2 * shape.n_latent)
        self.decoder = nn.LSTM(
            shape.n_latent + shape.n_conditions, shape.n_hidden, batch_first=True
        )
        self.output = nn.Linear(shape.n_hidden, shape.n_kpis)

    def encode(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.relu(self.convolution(rows.transpose(1, 2))).transpose(1, 2)
        _, (state, _) = self.encoder(features)
        mean, log_variance = self.gaussian(state[-1]).chunk(2, dim=-1)
        return mean, log_variance.clamp(*_LOG_VARIANCE)

    def decode(self, latent: Tensor, conditions: Tensor) -> Tensor:
        told = latent.unsqueeze(1).expand(-1, conditions.shape[1], -1)
        hidden, _ = self.decoder(torch.cat([told, conditions], dim=-1))
        values: Tensor = self.output(hidden)
        return values


class StreamingNetwork(Network):
    """One latent Gaussian a row, with what came before in the states of two LSTMs.

    The convolution looks at a row and the two before it. State is carried by `advance`.
    """

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        self.convolution = nn.Conv1d(shape.n_kpis, shape.n_filters, 3)
        self.encoder = nn.LSTM(shape.n_filters, shape.n_hidden, batch_first=True)
        self.gaussian = nn.Linear(shape.n_hidden, 2 * shape.n_latent)
        self.decoder = nn.LSTM(
            shape.n_latent + shape.n_conditions, shape.n_hidden, batch_first=True
        )
        self.output = nn.Linear(shape.n_hidden, shape.n_kpis)

    def encode(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self._encode(rows, rows[:, :1].expand(-1, 2, -1), None)[0]

    def decode(self, latent: Tensor, conditions: Tensor) -> Tensor:
        values: Tensor = self.output(self.decoder(torch.cat([latent, conditions], dim=-1))[0])
        return values

    def advance(
        self, rows: Tensor, conditions: Tensor, state: StreamState | None
    ) -> tuple[Tensor, StreamState]:
        """Return the reconstruction of the next rows, and the state after them.

        Parameters
        ----------
        rows, conditions : tensors of shape (entity, row, kpi) and (entity, row, condition)
        state : StreamState, optional
            After the rows before; None at the start of the series.
        """
        before = rows[:, :1].expand(-1, 2, -1) if state is None else state.before
        (mean, _), encoder = self._encode(rows, before, state and state.encoder)
        hidden, decoder = self.decoder(
            torch.cat([mean, conditions], dim=-1), state and state.decoder
        )
        last = torch.cat([before, rows], dim=1)[:, -2:]
        return self.output(hidden), StreamState(last, encoder, decoder)

    def _encode(
        self, rows: Tensor, before: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        features = torch.relu(self.convolution(torch.cat([before, rows], 1).transpose(1, 2)))
        hidden, state = self.encoder(features.transpose(1, 2), state)
        mean, log_variance = self.gaussian(hidden).chunk(2, dim=-1)
        return (mean, log_variance.clamp(*_LOG_VARIANCE)), state
