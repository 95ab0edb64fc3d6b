"""Codewords and timeouts since the poll before: more errors as SNR falls, timeouts as polls do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.polls import COUNTERS
from faultsight.core.seed import random_stream
from faultsight.sim.cable_plant.config import CablePlantConfig
from faultsight.sim.cable_plant.polling import Answers
from faultsight.sim.cable_plant.signals import Signals
from faultsight.sim.cable_plant.weather import HOUR_S

__all__ = ["counters"]

_CODEWORDS_PER_S = 30.0
_CORRECTED = (18.0, 4.0)
_UNCORRECTABLE = (14.0, 3.5)
"""One codeword in ten is lost per so many dB (second) above so much SNR (first), 64-QAM."""
_DEVICE_DECADES = 0.7
"""Modems differ in error level for good, by this many powers of ten: a level is no symptom."""
_T3_PER_H, _T4_PER_H = 0.003, 0.0003
_T3_IN_TROUBLE_PER_H, _T4_IN_TROUBLE_PER_H = 1.5, 0.15
_T3_LOW_SNR_PER_H, _T3_FROM_SNR_DB, _T3_OVER_DB = 3.0, 24.0, 8.0


def counters(
    config: CablePlantConfig, fnode: str, true: Signals, came: Answers, *, seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """Return what each answer has counted since the one before, of shape (poll, channel).

    A modem's first answer has none before it: NaN. The SNR at the answer stands for the whole time
    since the one before.
    """
    stream = random_stream(seed, "cable", fnode, "counters")
    n_devices = true.snr_db.shape[1]
    is_first = np.append(True, came.device[1:] != came.device[:-1])
    since_s = np.diff(came.time_s, prepend=came.time_s[:1])
    since_s[is_first] = 0.0
    traffic = stream.lognormal(np.log(_CODEWORDS_PER_S), 1.0, (n_devices, config.n_channels))
    decades = _DEVICE_DECADES * stream.standard_normal((n_devices, 1))
    sent = stream.poisson(traffic[came.device] * since_s[:, None])
    snr_db = true.snr_db[came.round, came.device]

    def share(told: tuple[float, float]) -> NDArray[np.float64]:
        level = (told[0] - snr_db) / told[1] + decades[came.device] - 1.0
        return np.asarray(10.0 ** np.clip(level, -9.0, -0.5))

    uncorrectable = stream.binomial(sent, share(_UNCORRECTABLE))
    corrected = stream.binomial(sent - uncorrectable, share(_CORRECTED))

    # Trouble also counts while the modem could not be polled.
    troubled_h = np.cumsum(true.fault_loss, axis=0) * (config.interval_s / HOUR_S)
    troubled_h = np.diff(troubled_h[came.round, came.device], prepend=0.0)
    troubled_h[is_first] = 0.0
    hours = since_s / HOUR_S
    noisy = np.clip((_T3_FROM_SNR_DB - snr_db) / _T3_OVER_DB, 0.0, 1.0) * _T3_LOW_SNR_PER_H
    steady_t3 = (_T3_PER_H + noisy) * hours[:, None]
    t3 = stream.poisson(steady_t3 + _T3_IN_TROUBLE_PER_H * np.maximum(troubled_h, 0.0)[:, None])
    t4_mean = _T4_PER_H * hours + _T4_IN_TROUBLE_PER_H * np.maximum(troubled_h, 0.0)
    t4 = stream.poisson(np.repeat(t4_mean[:, None], config.n_channels, axis=1))
    counted = (sent - uncorrectable - corrected, corrected, uncorrectable, t3, t4)
    values = {}
    for name, count in zip(COUNTERS, counted, strict=True):
        values[name] = count.astype(np.float32)
        values[name][is_first] = np.nan
    return values
