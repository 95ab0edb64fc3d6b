"""Pre-equalization: what modems do about echoes, and why it tells little about faults.

Micro-reflections are shared by the modems behind a tap or an amplifier, last for months, and are
made good by the equalizer before they reach the CMTS: no SNR is lost and nobody calls. They are
drawn without a look at faults or tickets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.polls import PreEqualization
from faultsight.core.seed import random_stream
from faultsight.sim.cable_plant.config import CablePlantConfig
from faultsight.sim.cable_plant.polling import Answers
from faultsight.sim.cable_plant.topology import NodeTopology

__all__ = ["pre_equalization"]

_DAY_S = 86_400
_N_TAPS, _MAIN_TAP = 24, 8
_HEADER = bytes([_MAIN_TAP, 1, _N_TAPS, 0])
"""DocsEqualizerData (RFC 4546): main tap, taps per symbol, forward taps, reverse taps."""
_NARROW, _WIDE = 2047, 32_767
_OWN_DB, _OWN_DECAY_DB, _NOISE_DB = -28.0, -3.5, -54.0
"""What a modem's own home adds beside the main tap, its decay from tap to tap, and the noise."""
_AT_TAPS = 0.7
"""Share of reflections at a tap; the others are in the span before an amplifier's own modems."""


def pre_equalization(
    config: CablePlantConfig, tree: NodeTopology, came: Answers, *, seed: int = 0
) -> PreEqualization:
    """Return the coefficients of each modem's first answer of each day, on all channels.

    Examples
    --------
    >>> from faultsight.sim.cable_plant.topology import node_topology
    >>> came = Answers(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.0, 9.0, 5.0]))
    >>> config = CablePlantConfig()
    >>> told = pre_equalization(config, node_topology(config, 0), came)
    >>> told.poll.tolist(), told.data[0][:4].hex(), len(told.data[0])
    ([0, 0, 0, 2, 2, 2], '08011800', 100)
    """
    stream = random_stream(seed, "cable", tree.fnode, "pre-equalization")
    day = (came.time_s // _DAY_S).astype(np.int64)
    is_first = np.append(True, (day[1:] != day[:-1]) | (came.device[1:] != came.device[:-1]))
    poll = np.flatnonzero(is_first[: len(day)])
    device, time_s = came.device[poll], came.time_s[poll]

    tap = np.arange(_N_TAPS) - (_MAIN_TAP - 1)
    own_db = _OWN_DB + _OWN_DECAY_DB * (np.abs(tap) - 1)
    own = _complex_noise(stream, (tree.n_devices, config.n_channels, _N_TAPS), own_db)
    own[:, :, _MAIN_TAP - 1] = 1.0
    taps = own[device]
    for members, start_s, end_s in _reflections(config, tree, stream):
        delay, depth_db = (
            float(stream.uniform(*span)) for span in (config.reflection_taps, config.reflection_db)
        )
        phase = np.exp(2j * np.pi * stream.random(config.n_channels))
        echo = 10 ** (depth_db / 20) * phase[:, None] * np.sinc(tap - delay)
        behind = members[device] & (time_s >= start_s) & (time_s < end_s)
        taps[behind] += echo.astype(np.complex64)
    taps += _complex_noise(stream, taps.shape, np.full(_N_TAPS, _NOISE_DB))
    taps /= np.sqrt((np.abs(taps) ** 2).sum(axis=2, keepdims=True))
    is_wide = stream.random(tree.n_devices) < config.wide_scale_share
    taps *= np.where(is_wide, _WIDE, _NARROW).astype(np.float32)[device, None, None]
    return PreEqualization(
        np.repeat(poll, config.n_channels),
        np.tile(np.arange(config.n_channels), len(poll)),
        _encoded(taps.reshape(-1, _N_TAPS)),
    )


def _reflections(
    config: CablePlantConfig, tree: NodeTopology, stream: np.random.Generator
) -> list[tuple[NDArray[np.bool_], float, float]]:
    """Draw who is behind a reflection and when; at any time about the share of modems asked for."""
    mean_s = config.reflection_days * _DAY_S
    found: list[tuple[NDArray[np.bool_], float, float]] = []
    wanted = config.reflection_share * tree.n_devices
    while wanted > 0:
        # As one reflection is repaired, another begins elsewhere.
        chain: list[tuple[NDArray[np.bool_], float, float]] = []
        now_s, at_tap = float(config.start_s), bool(stream.random() < _AT_TAPS)
        while now_s < config.end_s:
            members = _behind(tree, int(stream.integers(tree.n_devices)), at_tap=at_tap)
            end_s = now_s + float(stream.exponential(mean_s))
            chain.append((members, now_s, end_s))
            now_s = end_s
        size = float(np.mean([members.sum() for members, _, _ in chain]))
        # The last chain may be more than is still wanted; it is taken as often as is right.
        if stream.random() < wanted / size:
            found += chain
        wanted -= size
    return found


def _behind(tree: NodeTopology, device: int, *, at_tap: bool) -> NDArray[np.bool_]:
    same_amplifier = tree.amplifier_of_device == tree.amplifier_of_device[device]
    same_tap = tree.tap_of_device == tree.tap_of_device[device]
    return np.asarray(same_amplifier & same_tap if at_tap else same_amplifier)


def _complex_noise(
    stream: np.random.Generator, shape: tuple[int, ...], level_db: NDArray[np.float64]
) -> NDArray[np.complex64]:
    parts = stream.standard_normal((*shape, 2), np.float32) * np.float32(np.sqrt(0.5))
    amplitude = (10 ** (level_db / 20)).astype(np.float32)
    return np.asarray(parts.view(np.complex64)[..., 0] * amplitude)


def _encoded(taps: NDArray[np.complex64]) -> tuple[bytes, ...]:
    parts = np.stack([taps.real, taps.imag], axis=2).reshape(len(taps), 2 * _N_TAPS)
    data = np.empty((len(taps), len(_HEADER) + 4 * _N_TAPS), np.uint8)
    data[:, : len(_HEADER)] = np.frombuffer(_HEADER, np.uint8)
    data[:, len(_HEADER) :] = np.rint(parts).astype(">i2").view(np.uint8)
    flat, length = data.tobytes(), data.shape[1]
    return tuple(flat[at : at + length] for at in range(0, len(flat), length))
