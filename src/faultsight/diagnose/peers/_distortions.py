"""What the equalizers of a fiber node say in one window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.diagnose.clustering.linkage import Dendrogram, linkage
from faultsight.diagnose.pre_equalization.history import LatestTaps
from faultsight.diagnose.pre_equalization.key_metrics import key_metrics
from faultsight.diagnose.pre_equalization.problem_type import ProblemType, problem_type
from faultsight.diagnose.pre_equalization.similarity import coherence, echoes

__all__ = ["Distortions"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Distortions:
    """The distortions of the modems that have coefficients in a window.

    Attributes
    ----------
    device : array of shape (modem,)
        Ascending positions among the modems of the polls.
    latest : LatestTaps
        Of these modems.
    level_db : array of shape (modem, channel)
        NMTER; -inf where it is not known.
    kind : array of shape (modem, channel)
        int8; which `ProblemType` it would be.
    """

    device: NDArray[np.int64]
    latest: LatestTaps
    level_db: Array
    kind: NDArray[np.int8]

    @classmethod
    def of(cls, latest: LatestTaps) -> Distortions:
        """Return the distortions that the latest equalizers of a fiber node show."""
        device = np.flatnonzero(latest.is_known.any(axis=1))
        is_known = latest.is_known[device]
        mine = LatestTaps(latest.taps[device], latest.main_tap[device], is_known)
        metrics = key_metrics(mine.taps[is_known], mine.main_tap[is_known])
        level_db = np.full(is_known.shape, -np.inf)
        level_db[is_known] = metrics.nmter_db
        kind = np.zeros(is_known.shape, np.int8)
        kind[is_known] = problem_type(metrics, nmter_db=-np.inf)
        return cls(device, mine, level_db, kind)

    @property
    def nmter_db(self) -> Array:
        """Of each modem's worst channel."""
        worst: Array = self.level_db.max(axis=1, initial=-np.inf)
        return worst

    def dendrogram(self) -> Dendrogram:
        """Return the average linkage of all of them by the coherence of their echoes."""
        alike = coherence(echoes(self.latest.taps, self.latest.main_tap), self.latest.is_known)
        return linkage(1.0 - alike)

    def worst(self, members: NDArray[np.int64]) -> tuple[int, ProblemType]:
        """Return the channel whose median member is most distorted, and the usual problem there."""
        level_db, is_known = self.level_db[members], self.latest.is_known[members]
        if len(members) == 1:
            channel = int(level_db[0].argmax())
        else:
            channels = np.flatnonzero(is_known.any(axis=0))
            known_db = np.where(is_known, level_db, np.nan)[:, channels]
            channel = int(channels[np.nanmedian(known_db, axis=0).argmax()])
        kinds = self.kind[members, channel][is_known[:, channel]]
        return channel, ProblemType(int(np.bincount(kinds).argmax()))
