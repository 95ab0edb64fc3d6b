"""The paper's evidence: CableMon's anomalies; correlation of raw values; Hamming of misses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.cablemon import CableMonThresholds
from faultsight.diagnose.preprocessing.missing_points import Slots
from faultsight.diagnose.preprocessing.resampling import resampled
from faultsight.diagnose.telapart.config import TelApartConfig
from faultsight.diagnose.telapart.feature_window import FeatureWindow, per_device, slots_of
from faultsight.diagnose.telapart.prepared_node import PreparedNode
from faultsight.diagnose.telapart.similarities import similarities, slot_values

__all__ = ["METRIC_OF", "PaperEvidence"]

METRIC_OF: Mapping[str, str] = {"snr": "snr_db", "tx_power": "tx_power_dbmv"}
"""The metric behind each feature of levels."""


class PaperEvidence:
    """A fiber node as the paper looks at it.

    Parameters
    ----------
    node : PreparedNode
        The node.
    config : TelApartConfig
        The settings.
    cablemon : CableMonThresholds
        What makes a poll abnormal, by metric.
    least_misses : float
        Misses in a window from which on a modem is anomalous by `missing`.
    """

    def __init__(
        self,
        node: PreparedNode,
        config: TelApartConfig,
        cablemon: CableMonThresholds,
        least_misses: float,
    ) -> None:
        self.node = node
        self.config = config
        self.least_misses = least_misses
        self.levels = [
            f for f in METRIC_OF if f in config.features and METRIC_OF[f] in node.polls.values
        ]
        self.abnormal = {f: cablemon.abnormal(node.polls, METRIC_OF[f]) for f in self.levels}

    def answered(self, position: int, window: TimeWindow) -> NDArray[np.int64]:
        """Return how many polls each modem answered in the window, as slots count them."""
        del position
        slots = self.node.slots(window, self.config.gone_after_s)
        return per_device(slots, slots.poll >= 0)

    def features(self, position: int, window: TimeWindow) -> list[FeatureWindow]:
        """Return the features of a window."""
        del position
        slots = self.node.slots(window, self.config.gone_after_s)
        candidates = np.flatnonzero(slots.n_slots > 0)
        if not len(candidates):
            return []
        own, values = self._values(slots, candidates, window)
        alike = similarities(own, values, shrunk_by=self.config.shrunk_by)
        n_devices = self.node.polls.n_devices
        nowhere = np.full(n_devices, -1, np.int64)
        unknown = np.full(n_devices, np.nan)
        found = []
        for f, feature in enumerate(self.levels):
            is_abnormal = self.abnormal[feature][np.maximum(slots.poll, 0)] & (slots.poll >= 0)
            is_anomalous = per_device(slots, is_abnormal) > 0
            found.append(
                FeatureWindow(feature, candidates, is_anomalous, alike.levels[f], nowhere, unknown)
            )
        if "missing" in self.config.features:
            n_missed = per_device(slots, slots.poll < 0)
            similarity = alike.missing
            if self.config.is_resampled:  # resampling hides misses: they are compared unaligned
                similarity = similarities(
                    slots_of(slots, candidates), np.zeros((0, int(slots.device_start[-1]), 1))
                ).missing
            found.append(
                FeatureWindow(
                    "missing", candidates, n_missed >= self.least_misses, similarity,
                    nowhere, n_missed.astype(np.float64),
                )
            )  # fmt: skip
        return found

    def _values(
        self, slots: Slots, candidates: NDArray[np.int64], window: TimeWindow
    ) -> tuple[Slots, NDArray[np.float64]]:
        metrics = tuple(METRIC_OF[f] for f in self.levels)
        if self.config.is_resampled:
            grid, values = resampled(
                self.node.polls, window, metrics=metrics, interval_s=self.node.rhythm.interval_s
            )
            rows = np.repeat(np.arange(len(grid.n_slots)), grid.n_slots)
            own = slots_of(grid, candidates)
            values = values[:, np.isin(rows, candidates)]
        else:
            own = slots_of(slots, candidates)
            polls = self.node.polls
            values = np.zeros((0, len(own.time_s), max(len(polls.channels), 1)))
            if metrics:
                values = np.stack([slot_values(own, polls.values[m]) for m in metrics])
        if self.config.center_channels:
            values = _centred(own, values)
        return own, values


def _centred(slots: Slots, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values less each modem's mean of each channel."""
    device = np.repeat(np.arange(len(slots.n_slots)), slots.n_slots)
    out = values.copy()
    for f in range(values.shape[0]):
        for c in range(values.shape[2]):
            known = ~np.isnan(values[f, :, c])
            size = len(slots.n_slots)
            sums = np.bincount(device[known], values[f, known, c], minlength=size)
            counts = np.bincount(device[known], minlength=size)
            out[f, :, c] -= (sums / np.maximum(counts, 1))[device]
    return out
