"""What a poll tells of the signals: with noise, in steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.seed import random_stream
from faultsight.sim.cable_plant.config import CablePlantConfig
from faultsight.sim.cable_plant.polling import Answers
from faultsight.sim.cable_plant.signals import Signals

__all__ = ["readings"]

_RX_POWER_STEP_DB = 0.1


def readings(
    config: CablePlantConfig, fnode: str, true: Signals, came: Answers, *, seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """Return what each answer says, by metric, of shape (poll, channel).

    A poll told twice was measured twice: the same signals, other noise.
    """
    steps = {
        "snr_db": (config.snr_noise_db, config.snr_step_db),
        "tx_power_dbmv": (config.tx_power_noise_db, config.tx_power_step_db),
        "rx_power_dbmv": (config.rx_power_noise_db, _RX_POWER_STEP_DB),
    }
    values = {}
    for metric, (noise_db, step_db) in steps.items():
        stream = random_stream(seed, "cable", fnode, "readings", metric)
        told = getattr(true, metric)[came.round, came.device]
        if noise_db:
            told += np.float32(noise_db) * stream.standard_normal(told.shape, np.float32)
        # A step of 0.1 dB is not exact in binary: multiples are made from whole numbers.
        told *= np.float32(1 / step_db)
        np.rint(told, out=told)
        told /= np.float32(1 / step_db)
        told += np.float32(0.0)  # no negative zeros
        values[metric] = told
    tx_power_dbmv = values["tx_power_dbmv"]
    np.minimum(tx_power_dbmv, np.float32(config.most_tx_power_dbmv), out=tx_power_dbmv)
    return values
