"""What kind of distortion the taps show, by the rules of fielded network managers."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from faultsight.diagnose.pre_equalization.key_metrics import KeyMetrics

__all__ = ["THRESHOLD_DB", "ProblemType", "problem_type"]

THRESHOLD_DB = -25.0
"""From here on a channel is to be watched; from -18 dB on something is to be done at once. Tools
ascribe both levels to CableLabs; operators set them by hand."""


class ProblemType(IntEnum):
    """What the taps show."""

    NONE = 0
    GROUP_DELAY = 1
    """Energy before the main tap: the edge of a diplex filter, a long cascade."""
    MICRO_REFLECTION = 2
    """Energy after it: echoes between two bad impedances."""
    MIXED = 3
    """Too much energy in all, without either side reaching a threshold of its own."""

    @property
    def label(self) -> str:
        """The words, empty for none."""
        return "" if self is ProblemType.NONE else self.name.lower().replace("_", "-")


def problem_type(
    metrics: KeyMetrics,
    *,
    nmter_db: float = THRESHOLD_DB,
    post_mtter_db: float = THRESHOLD_DB,
) -> NDArray[np.int8]:
    """Return the problem type of each equalizer.

    Parameters
    ----------
    metrics : KeyMetrics
        Of the equalizers.
    nmter_db : float
        Below it there is no problem.
    post_mtter_db : float
        From it on, energy after the main tap is a micro-reflection.

    Returns
    -------
    array of int8
        Values of `ProblemType`; none where the metrics are NaN.

    Notes
    -----
    The order of rules is that of Skyline's DataMiner EPM: NMTER below its threshold is no problem;
    PreMTTER above PostMTTER is group delay; PostMTTER at its threshold is a micro-reflection.

    Examples
    --------
    >>> from faultsight.diagnose.pre_equalization import key_metrics
    >>> taps = [[0, 2000, 0], [300, 2000, 0], [0, 2000, 300]]
    >>> [ProblemType(p).name for p in problem_type(key_metrics(taps, 1))]
    ['NONE', 'GROUP_DELAY', 'MICRO_REFLECTION']
    """
    is_problem = metrics.nmter_db >= nmter_db
    is_before = metrics.pre_mte > metrics.post_mte
    is_echo = metrics.post_mtter_db >= post_mtter_db
    kind = np.where(
        is_before,
        ProblemType.GROUP_DELAY,
        np.where(is_echo, ProblemType.MICRO_REFLECTION, ProblemType.MIXED),
    )
    return np.where(is_problem, kind, ProblemType.NONE).astype(np.int8)
