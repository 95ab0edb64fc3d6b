"""What each form of the network keeps of a fleet, so that it can go on with the next row.

It is kept where the network runs: on a GPU, only a row goes there and its reconstruction back.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faultsight.detect.anotuner._network import SlidingNetwork, StreamingNetwork, StreamState
from faultsight.detect.anotuner.conditions.profile import Profile

__all__ = ["NextRow", "SlidFleet", "StreamedFleet"]

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

AnyNetwork = TypeVar("AnyNetwork", StreamingNetwork, SlidingNetwork)

_BATCH_ON_GPU = 8192


class NextRow(NamedTuple):
    """One row of a batch of entities, scaled; all arrays but the flags are (entity, kpi).

    ``values`` has `forecast` where a value is missing. ``usual`` and ``forecast`` are the two
    channels of the `Profile` condition. ``begun`` says who has had a row by now, ``first`` whose
    first this is.
    """

    time_s: int
    values: Floats
    usual: Floats
    forecast: Floats
    begun: Flags
    first: Flags


class StreamedFleet:
    """The streaming form: the state of the network after the last row of each entity."""

    batch = 2048
    """Always of this size, whatever the number of workers, so that sums round alike."""
    is_endless = True
    """Whether a row counts for ever, so that the network has to be shown each."""

    def __init__(self, network: StreamingNetwork, n_entities: int, *, device: str = "cpu") -> None:
        self._device = device
        self.network = _copied(network, device)
        if device != "cpu":
            self.batch = _BATCH_ON_GPU
        shape = network.shape
        self._before = torch.zeros(n_entities, 2, shape.n_kpis, device=device)
        # Hidden and cell state of the encoder, then of the decoder.
        self._states = [torch.zeros(n_entities, shape.n_hidden, device=device) for _ in range(4)]

    def take_in(self, who: slice, row: NextRow) -> Floats:
        """Return the reconstruction of the row, and keep the state after it."""
        values = _sent(row.values, self._device)[:, None]
        before = self._before[who]
        first = _sent(row.first, self._device)
        before[first] = values[first]
        states = [state[who][None] for state in self._states]
        told = np.stack([row.usual, row.forecast], axis=2).reshape(len(row.values), 1, -1)
        with torch.inference_mode():
            found, after = self.network.advance(
                values,
                _sent(told, self._device),
                StreamState(before, (states[0], states[1]), (states[2], states[3])),
            )
            self._before[who] = after.before
            waiting = _sent(~row.begun, self._device)
            for state, now in zip(self._states, (*after.encoder, *after.decoder), strict=True):
                state[who] = now[0]
                state[who][waiting] = 0.0
            reconstructed: Floats = found[:, 0].cpu().numpy()
        return reconstructed


class SlidFleet:
    """The sliding form: the rows of one window, in a ring.

    Of the condition only the forecast is kept. What is usual at a time of day is looked up again
    for each window, which takes half the memory.
    """

    batch = 512
    is_endless = False

    def __init__(
        self, network: SlidingNetwork, window: int, interval_s: int,
        profile: Profile, places: NDArray[np.int64], *, device: str = "cpu",
    ) -> None:  # fmt: skip
        self._device = device
        self.network = _copied(network, device)
        if device != "cpu":
            self.batch = _BATCH_ON_GPU
        self._window, self._interval_s = window, interval_s
        self._profile, self._places = profile, _sent(places, self._device)
        self._medians = _sent(profile.medians, self._device)
        shape = len(places), window, network.shape.n_kpis
        self._values = torch.zeros(shape, device=device)
        self._forecasts = torch.zeros(shape, device=device)
        self._begun_s = np.zeros(len(places), dtype=np.int64)

    def keep(self, who: slice, row: NextRow) -> None:
        """Keep the row; one that is an entity's first is also what stood before it."""
        values, forecasts = self._values[who], self._forecasts[who]
        forecast = _sent(row.forecast, self._device)
        if row.first.any():
            first = _sent(row.first, self._device)
            values[first] = forecast[first, None]
            forecasts[first] = forecast[first, None]
            self._begun_s[who][row.first] = row.time_s
        place = row.time_s // self._interval_s % self._window
        values[:, place] = _sent(row.values, self._device)
        forecasts[:, place] = forecast

    def take_in(self, who: slice, row: NextRow) -> Floats:
        """Return the reconstruction of the row at the end of its window, and keep the row."""
        self.keep(who, row)
        oldest = (row.time_s // self._interval_s + 1) % self._window
        values = _unrolled(self._values[who], oldest)
        told = torch.empty(*values.shape, 2, device=self._device)
        times_s = row.time_s - np.arange(self._window - 1, -1, -1) * self._interval_s
        # Before an entity's first row its condition is that of the first.
        slots = self._profile.slots(np.maximum(times_s, self._begun_s[who, None]))
        told[..., 0] = self._medians[self._places[who, None], _sent(slots, self._device)]
        told[..., 1] = _unrolled(self._forecasts[who], oldest)
        with torch.inference_mode():
            latent, _ = self.network.encode(values)
            latent = latent[:, None].expand(-1, self._window, -1)
            conditions = told.reshape(*values.shape[:2], -1)
            hidden, _ = self.network.decoder(torch.cat([latent, conditions], dim=-1))
            # Only the last row is put out: that of the whole window takes a tenth of the time.
            reconstructed: Floats = self.network.output(hidden[:, -1]).cpu().numpy()
        return reconstructed


def _copied(network: AnyNetwork, device: str) -> AnyNetwork:
    return network if device == "cpu" else copy.deepcopy(network).to(device)


def _sent(table: NDArray[Any], device: str) -> Tensor:
    return torch.from_numpy(table).to(device)


def _unrolled(ring: Tensor, oldest: int) -> Tensor:
    return torch.cat([ring[:, oldest:], ring[:, :oldest]], dim=1)
