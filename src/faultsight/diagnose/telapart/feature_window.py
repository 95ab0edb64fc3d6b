"""What one feature says of one fiber node in one window, before anything is clustered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.preprocessing.missing_points import Slots

__all__ = ["FeatureWindow", "NodeEvidence", "per_device", "slots_of"]


@dataclass(frozen=True, eq=False)
class FeatureWindow:
    """One feature of one window.

    Attributes
    ----------
    feature : str
        Its name.
    candidates : array of shape (candidate,)
        int64; the modems that are clustered.
    is_anomalous : array of shape (device,)
        Which modems are anomalous by themselves.
    similarity : array of shape (candidate, candidate)
        float64, at most 1.
    channel : array of shape (device,)
        int64; the channel that deviates most, -1 where none does.
    deviation : array of shape (device,)
        float64; how far it is from the modem's usual level (dB), or polls missed; NaN if unknown.
    milder : array of shape (milder,)
        int64; modems that are not clustered, but join a cluster that they move like.
    milder_similarity : array of shape (milder, candidate)
        float64; theirs to those that are clustered.
    """

    feature: str
    candidates: NDArray[np.int64]
    is_anomalous: NDArray[np.bool_]
    similarity: NDArray[np.float64]
    channel: NDArray[np.int64]
    deviation: NDArray[np.float64]
    milder: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    milder_similarity: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))


class NodeEvidence(Protocol):
    """A fiber node, looked at by one kind of evidence."""

    def features(self, position: int, window: TimeWindow) -> list[FeatureWindow]:
        """Return the features of the window at a position; `window` is moved to the silence."""

    def answered(self, position: int, window: TimeWindow) -> NDArray[np.int64]:
        """Return how many values each modem has in the window."""


def slots_of(slots: Slots, devices: NDArray[np.int64]) -> Slots:
    """Return the slots of some modems, in their order."""
    counts = slots.n_slots[devices]
    start = np.concatenate([[0], np.cumsum(counts)])
    # Position of each kept slot: its device's first, plus how far it is into the device.
    rows = np.repeat(slots.device_start[devices] - start[:-1], counts) + np.arange(start[-1])
    return Slots(start, slots.time_s[rows], slots.poll[rows])


def per_device(slots: Slots, told: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many slots of each modem are told."""
    return _per_device(slots.device_start, told)


@njit(nogil=True, cache=True)
def _per_device(
    start: NDArray[np.int64], told: NDArray[np.bool_]
) -> NDArray[np.int64]:  # pragma: no cover - compiled
    found = np.zeros(len(start) - 1, np.int64)
    for device in range(len(found)):
        for at in range(start[device], start[device + 1]):
            found[device] += told[at]
    return found
