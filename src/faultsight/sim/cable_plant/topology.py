"""The tree of one fiber node: amplifiers, taps, modems, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.seed import random_stream
from faultsight.sim.cable_plant.config import CablePlantConfig

__all__ = ["NodeTopology", "amplifier_name", "node_topology", "tap_name"]

_M_PER_DEGREE = 111_320.0
_PLANT_M = 12_000.0
"""Fiber nodes lie within a square of this side."""


@dataclass(frozen=True, eq=False)
class NodeTopology:
    """One fiber node.

    Attributes
    ----------
    fnode : str
        Its name.
    device_ids : tuple of str
        Its modems, sorted; like hashed hardware addresses.
    parents : array of shape (amplifier,)
        The amplifier before each; -1 is the fiber node itself.
    depths : array of shape (amplifier,)
        How many amplifiers lie between its modems and the fiber node, itself included.
    amplifier_of_device, tap_of_device : array of shape (device,)
        Where a modem hangs; taps are numbered within their amplifier.
    below : array of shape (amplifier, device)
        Whether an amplifier feeds a modem, directly or through others.
    latitude, longitude : array of shape (device,)
        In degrees, moved by one offset for the whole plant.
    """

    fnode: str
    device_ids: tuple[str, ...]
    parents: NDArray[np.int64]
    depths: NDArray[np.int64]
    amplifier_of_device: NDArray[np.int64]
    tap_of_device: NDArray[np.int64]
    below: NDArray[np.bool_]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]

    @property
    def n_devices(self) -> int:
        """How many modems."""
        return len(self.device_ids)

    def to_table(self) -> pl.DataFrame:
        """Return the tree as `faultsight.core.plant.Plant.from_table` reads it."""
        own = self.amplifier_of_device.tolist()
        taps = zip(own, self.tap_of_device.tolist(), strict=True)
        return pl.DataFrame(
            {
                "device_id": self.device_ids,
                "fnode": [self.fnode] * self.n_devices,
                "amplifier": [amplifier_name(a) for a in own],
                "amplifier_parent": [amplifier_name(p) or None for p in self.parents[own].tolist()],
                "tap": [tap_name(a, tap) for a, tap in taps],
                "latitude": self.latitude,
                "longitude": self.longitude,
            }
        )


def amplifier_name(amplifier: int) -> str:
    """Return what an amplifier is called; the fiber node itself (-1) has no such name."""
    return f"A{amplifier + 1:02d}" if amplifier >= 0 else ""


def tap_name(amplifier: int, tap: int) -> str:
    """Return what a tap of an amplifier is called."""
    return f"{amplifier_name(amplifier)}-T{tap + 1:02d}"


def node_topology(config: CablePlantConfig, index: int, *, seed: int = 0) -> NodeTopology:
    """Return the tree of a fiber node.

    Parameters
    ----------
    config : CablePlantConfig
        Sizes.
    index, seed : int
        Which fiber node of which plant.

    Examples
    --------
    >>> tree = node_topology(CablePlantConfig(), 7)
    >>> tree.fnode, len(tree.parents), int(tree.depths.max()) <= 5
    ('FN007', 20, True)
    """
    fnode = f"FN{index:03d}"
    stream = random_stream(seed, "cable", fnode, "topology")
    n_devices = int(stream.integers(config.modems[0], config.modems[1] + 1))
    parents, depths = _amplifiers(config, stream)
    shares = stream.dirichlet(np.full(config.n_amplifiers, config.amplifier_evenness))
    # An amplifier without a modem of its own would not stand in the table of modems.
    counts = 1 + stream.multinomial(n_devices - config.n_amplifiers, shares)
    amplifier = np.repeat(np.arange(config.n_amplifiers), counts)
    tap = np.concatenate([np.arange(count) // config.homes_per_tap for count in counts])
    # Names are sorted, places are not: neighbours in the list are no neighbours in the street.
    order = stream.permutation(n_devices)
    amplifier, tap = amplifier[order], tap[order]
    is_before = np.eye(config.n_amplifiers, dtype=np.bool_)
    for place, parent in enumerate(parents):  # a parent always comes before its children
        if parent >= 0:
            is_before[:, place] |= is_before[:, parent]
    latitude, longitude = _coordinates(config, parents, amplifier, tap, stream, seed)
    return NodeTopology(
        fnode,
        _device_ids(index, n_devices, seed),
        parents,
        depths,
        amplifier,
        tap,
        is_before[:, amplifier],
        latitude,
        longitude,
    )


def _amplifiers(
    config: CablePlantConfig, stream: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hang each amplifier where there is room; the place before the first is the node's own."""
    parents, depths = np.empty((2, config.n_amplifiers), np.int64)
    n_branches = np.zeros(config.n_amplifiers + 1, np.int64)
    depth = np.zeros(config.n_amplifiers + 1, np.int64)
    for amplifier in range(config.n_amplifiers):
        there = slice(0, amplifier + 1)
        has_room = (n_branches[there] < config.most_branches) & (
            depth[there] < config.most_in_cascade
        )
        place = int(stream.choice(np.flatnonzero(has_room)))
        n_branches[place] += 1
        depth[amplifier + 1] = depth[place] + 1
        parents[amplifier], depths[amplifier] = place - 1, depth[amplifier + 1]
    return parents, depths


def _coordinates(
    config: CablePlantConfig,
    parents: NDArray[np.int64],
    amplifier: NDArray[np.int64],
    tap: NDArray[np.int64],
    stream: np.random.Generator,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Walk from the node to each amplifier, tap and home, in metres, then move it all away."""
    plant = random_stream(seed, "cable", "scrambling")
    latitude, longitude = plant.uniform(-60, 60), plant.uniform(-180, 180)
    node_m = stream.uniform(0, _PLANT_M, 2)
    place_m = np.empty((config.n_amplifiers, 2))
    angle, heading = stream.uniform(0, 2 * np.pi, config.n_amplifiers), np.empty(len(parents))
    for own, parent in enumerate(parents):
        # A street goes on roughly the way it came.
        heading[own] = angle[own] if parent < 0 else heading[parent] + (angle[own] - np.pi) / 3
        start_m = node_m if parent < 0 else place_m[parent]
        way = np.array([np.cos(heading[own]), np.sin(heading[own])])
        place_m[own] = start_m + way * stream.uniform(80, 250)
    along = 25.0 * (tap + 1)[:, None]
    street = np.stack([np.cos(heading), np.sin(heading)], axis=1)[amplifier]
    home_m = place_m[amplifier] + street * along + stream.normal(0, 12, (len(tap), 2))
    return (
        np.round(latitude + home_m[:, 1] / _M_PER_DEGREE, 5),
        np.round(longitude + home_m[:, 0] / _M_PER_DEGREE / np.cos(np.radians(latitude)), 5),
    )


def _device_ids(index: int, n_devices: int, seed: int) -> tuple[str, ...]:
    """Return names of 12 hexadecimal digits: a permutation of 48 bits, so no two are alike."""
    stream = random_stream(seed, "cable", "device ids")
    mask = np.uint64((1 << 48) - 1)
    bits = np.uint64(index << 16) + np.arange(n_devices, dtype=np.uint64)
    for key, factor in stream.integers(1, 1 << 48, (3, 2), dtype=np.uint64):
        bits = ((bits ^ key) * (factor | np.uint64(1))) & mask
        bits ^= bits >> np.uint64(23)
    return tuple(f"{number:012x}" for number in sorted(bits.tolist()))
