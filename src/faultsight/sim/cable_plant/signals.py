"""What the modems send and the CMTS receives, before anybody reads it.

Ranging: the CMTS wants to receive 0 dBmV and tells a modem to send more or less; it leaves small
errors alone (the dead band). So a loss on the way shows in the transmit power, in steps and with
hysteresis, and not in the received power, until the modem can send no more.

Funnel: all branches of a fiber node sum at its one receiver. So noise that gets in anywhere lowers
the SNR of all its modems, and the transmit power of none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.seed import random_stream
from faultsight.sim.cable_plant.config import CablePlantConfig
from faultsight.sim.cable_plant.faults import PlantFault
from faultsight.sim.cable_plant.topology import NodeTopology
from faultsight.sim.cable_plant.weather import HOUR_S, Weather, wandering

__all__ = ["Signals", "ranged", "signals"]

_WORST_FLOOR_H = 21
_MOST_POLL_LOSS = 0.9


@dataclass(frozen=True, eq=False)
class Signals:
    """The truth at every poll that is tried.

    Attributes
    ----------
    tx_power_dbmv, rx_power_dbmv, snr_db : array of shape (round, device, channel)
        Before noise and steps of reading.
    fault_loss : array of shape (round, device)
        Probability that a fault keeps the poll from being answered.
    """

    tx_power_dbmv: NDArray[np.float32]
    rx_power_dbmv: NDArray[np.float32]
    snr_db: NDArray[np.float32]
    fault_loss: NDArray[np.float32]


def signals(
    config: CablePlantConfig,
    tree: NodeTopology,
    faults: Iterable[PlantFault],
    sky: Weather,
    time_s: NDArray[np.float64],
    *,
    seed: int = 0,
) -> Signals:
    """Return the signals of a fiber node.

    Parameters
    ----------
    config : CablePlantConfig
        Levels and what limits them.
    tree : NodeTopology
        The fiber node.
    faults : iterable of PlantFault
        What goes wrong.
    sky : Weather
        Of its cables.
    time_s : array of shape (round, device)
        When each modem is polled.
    seed : int
        Of the plant.

    Examples
    --------
    >>> from faultsight.sim.cable_plant.topology import node_topology
    >>> from faultsight.sim.cable_plant.weather import weather
    >>> config = CablePlantConfig(days=1)
    >>> tree = node_topology(config, 0)
    >>> time_s = config.start_s + np.tile(np.arange(6)[:, None] * 14_400.0, tree.n_devices)
    >>> told = signals(config, tree, [], weather(config), time_s)
    >>> told.snr_db.shape == (6, tree.n_devices, 3), float(told.tx_power_dbmv.max()) <= 51
    (True, True)
    """
    stream = random_stream(seed, "cable", tree.fnode, "signals")
    channel = np.arange(config.n_channels)
    usual = np.clip(stream.normal(*config.tx_power_dbmv, tree.n_devices),
                    *config.tx_power_range_dbmv)  # fmt: skip
    tilt = stream.normal(*config.tilt_db, tree.n_devices)
    first_error = stream.uniform(-1, 1, (tree.n_devices, config.n_channels)) * config.dead_band_db
    good_snr = stream.normal(*config.snr_db, tree.n_devices)
    floor = _floor(config, sky, time_s, stream)

    needed = np.empty((*time_s.shape, config.n_channels), np.float32)
    needed[:] = usual[:, None] + tilt[:, None] * channel
    needed += _cable_loss(config, tree, sky, time_s)[:, :, None]
    snr_db = np.empty_like(needed)
    snr_db[:] = good_snr[:, None] + _per_channel(config.channel_snr_db, config.n_channels)
    snr_db -= floor[:, :, None] * _per_channel(config.floor_weights, config.n_channels)
    answered = np.ones(time_s.shape, np.float32)
    for fault in faults:
        _act(config, fault, time_s, needed, snr_db, answered)

    tx_power_dbmv = ranged(config, needed, first_error.astype(np.float32))
    shortage = np.maximum(needed - np.float32(config.most_tx_power_dbmv), 0.0)
    snr_db -= shortage
    # A modem stays reachable as long as one of its channels does.
    lacking = (shortage.min(axis=2) - config.poll_loss_from_db) / config.poll_loss_over_db
    answered *= 1.0 - np.clip(lacking, 0.0, _MOST_POLL_LOSS).astype(np.float32)
    return Signals(tx_power_dbmv, tx_power_dbmv - needed, snr_db, 1.0 - answered)


def ranged(
    config: CablePlantConfig, needed: NDArray[np.float32], first_error: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the level that each modem sends on each channel.

    Parameters
    ----------
    config : CablePlantConfig
        The dead band, the step and the greatest level.
    needed : array of shape (round, device, channel)
        The level that the CMTS would receive as 0 dBmV.
    first_error : array of shape (device, channel)
        How much too much it received before the first round.

    Examples
    --------
    A loss within the dead band is left alone; a greater one is made good.

    >>> needed = np.array([40.0, 40.9, 42.0, 41.2], np.float32).reshape(4, 1, 1)
    >>> ranged(CablePlantConfig(), needed, np.zeros((1, 1), np.float32)).ravel().tolist()
    [40.0, 40.0, 42.0, 42.0]
    """
    band, step = np.float32(config.dead_band_db), np.float32(config.tx_power_step_db)
    most = np.float32(config.most_tx_power_dbmv)
    levels = np.empty_like(needed)
    level = needed[0] + first_error if len(needed) else first_error
    for number, wanted in enumerate(needed):
        error = level - wanted
        told = level - step * np.rint(error / step)
        level = np.minimum(np.where(np.abs(error) > band, told, level), most)
        levels[number] = level
    return levels


def _act(
    config: CablePlantConfig,
    fault: PlantFault,
    time_s: NDArray[np.float64],
    needed: NDArray[np.float32],
    snr_db: NDArray[np.float32],
    answered: NDArray[np.float32],
) -> None:
    """Let a fault act on the polls of its modems that fall into its course."""
    first_s, last_s = fault.course.bounds_s[[0, -1]]
    # Rounds follow each other, so the first modem's polls tell which rounds may be meant.
    begin, end = np.searchsorted(time_s[:, 0], [first_s, last_s])
    rounds = slice(max(int(begin) - 2, 0), int(end) + 2)
    level = fault.course.at(time_s[rounds, fault.members])
    if not level.any():
        return
    effect = fault.effect
    if effect.loss_db.any():
        needed[rounds, fault.members] += level[:, :, None] * effect.loss_db
    if effect.snr_loss_db.any():
        snr_db[rounds, fault.members] -= level[:, :, None] * effect.snr_loss_db
    if effect.poll_loss:
        is_active = level >= config.active_level
        answered[rounds, fault.members] *= 1.0 - np.float32(effect.poll_loss) * is_active


def _cable_loss(
    config: CablePlantConfig, tree: NodeTopology, sky: Weather, time_s: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return what cable loses more than in the mean of the year; nothing evens it out upstream."""
    cable_db = config.cable_db + config.cable_db_per_amplifier * tree.depths
    per_c = (config.cable_loss_per_c * cable_db)[tree.amplifier_of_device]
    warmer_c = np.interp(time_s, sky.time_s, sky.temperature_c) - config.mean_temperature_c
    return np.asarray(warmer_c * per_c, np.float32)


def _floor(
    config: CablePlantConfig, sky: Weather, time_s: NDArray[np.float64],
    stream: np.random.Generator,
) -> NDArray[np.float32]:  # fmt: skip
    """Return how far the noise floor of the node lies above its mean."""
    day = np.cos(2 * np.pi * (sky.time_s / HOUR_S - _WORST_FLOOR_H) / 24)
    wander = wandering(stream, len(sky.time_s), config.floor_memory_h)
    floor_db = config.floor_day_db * day + config.floor_wander_db * wander
    return np.interp(time_s, sky.time_s, floor_db).astype(np.float32)


def _per_channel(told: tuple[float, ...], n_channels: int) -> NDArray[np.float32]:
    return np.array([told[min(c, len(told) - 1)] for c in range(n_channels)], np.float32)
