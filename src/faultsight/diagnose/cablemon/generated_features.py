"""Generated features (CableMon, table of section 4): short statistics of a metric's past.

With ``V_i`` the value of one modem and channel at its i-th poll and ``win`` a number of polls

====================  ====================================================================
AVG                   mean of ``V_{i-win+1} .. V_i``
WMA                   ``(win V_i + (win - 1) V_{i-1} + .. + 1 V_{i-win+1}) / norm``
EWMA                  ``l V_i + (1 - l) EWMA_{i-1}``, from ``EWMA_1 = V_1``
WMA_DIFF              ``V_i - WMA_i``
VAR                   mean of ``(V_k - AVG_i)^2`` over the window
====================  ====================================================================

The paper prints ``norm = win (win - 1) / 2``. The weights sum to ``win (win + 1) / 2``, and with
the printed norm a constant would not be its own average (and ``win = 1`` would divide by 0), so
this is taken for a misprint.

Windows are counted in polls, whenever these came. A missing value has no part in any of them: it
is left out of the mean, the norm and the count, the EWMA stays as it was, and where the value of
the poll itself is missing no feature exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.polls import NodePolls
from faultsight.diagnose.cablemon.config import CableMonConfig
from faultsight.diagnose.cablemon.kernels import OF_WINDOW, some_features
from faultsight.diagnose.cablemon.raw_metrics import is_level, raw_values

__all__ = [
    "GENERATED",
    "GeneratedFeature",
    "Generator",
    "feature_values",
    "generated_features",
]

GENERATED = ("AVG", "WMA", "WMA_DIFF", "VAR", "EWMA")


@dataclass(frozen=True)
class GeneratedFeature:
    """One statistic with its one parameter.

    Attributes
    ----------
    generated : str
        Of `GENERATED`.
    window_polls : int or None
        The length of its window; None for EWMA.
    weight : float or None
        The newest value's weight in EWMA; None for the others.
    """

    generated: str
    window_polls: int | None = None
    weight: float | None = None

    def __str__(self) -> str:
        parameter = self.window_polls if self.weight is None else f"{self.weight:g}"
        return f"{self.generated}({parameter})"

    def counts_octaves(self, metric: str) -> bool:
        """Whether its values span powers of two rather than dB; see `cablemon.bins`."""
        return self.generated == "VAR" or not is_level(metric)


def generated_features(config: CableMonConfig) -> list[GeneratedFeature]:
    """Return what is tried on each metric.

    Examples
    --------
    >>> tried = generated_features(CableMonConfig(windows_polls=(1, 6), weights=(0.4,)))
    >>> [str(feature) for feature in tried]
    ['AVG(1)', 'AVG(6)', 'WMA(6)', 'WMA_DIFF(6)', 'VAR(6)', 'EWMA(0.4)']
    """
    features = []
    for window in config.windows_polls:
        # Over a single poll the others are the value again, or nothing.
        names = GENERATED[:1] if window == 1 else GENERATED[:OF_WINDOW]
        features += [GeneratedFeature(name, window) for name in names]
    return features + [GeneratedFeature("EWMA", weight=weight) for weight in config.weights]


@dataclass(frozen=True, eq=False)
class Generator:
    """The parameters of all features as arrays, as the kernels take them.

    Attributes
    ----------
    windows : array of shape (window,)
        int64, ascending.
    least_present : array of shape (window,)
        int64; values that each window must hold.
    weights : array of shape (weight,)
        float64, of EWMA.
    """

    windows: NDArray[np.int64]
    least_present: NDArray[np.int64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, config: CableMonConfig) -> Generator:
        """Return the generator of a configuration."""
        windows = np.array(config.windows_polls, np.int64)
        least = np.maximum(np.ceil(windows * config.least_present), 1).astype(np.int64)
        return cls(windows, least, np.array(config.weights, np.float64))

    @property
    def n_slots(self) -> int:
        """How many values the kernels write."""
        return OF_WINDOW * len(self.windows) + len(self.weights)

    def slot(self, feature: GeneratedFeature) -> int:
        """Return where the kernels write a feature."""
        if feature.weight is not None:
            place = np.flatnonzero(self.weights == feature.weight)[0]
            return int(OF_WINDOW * len(self.windows) + place)
        place = np.flatnonzero(self.windows == feature.window_polls)[0]
        return int(OF_WINDOW * place + GENERATED.index(feature.generated))


def feature_values(
    polls: NodePolls, metric: str, features: Sequence[GeneratedFeature], config: CableMonConfig
) -> NDArray[np.float32]:
    """Return features of a metric by feature, poll and channel, NaN where they do not exist.

    Parameters
    ----------
    polls : NodePolls
        Without duplicates.
    metric : str
        A raw metric.
    features : sequence of GeneratedFeature
        Of those that the configuration makes.
    config : CableMonConfig
        Windows and weights.

    Examples
    --------
    >>> polls = NodePolls("F", ("a",), ("1",), np.array([0, 3]), np.arange(3) * 14400.0,
    ...                   {"snr_db": np.array([[36], [np.nan], [30]], np.float32)})
    >>> of_three = [GeneratedFeature("AVG", 3), GeneratedFeature("WMA", 3)]
    >>> told = feature_values(polls, "snr_db", of_three, CableMonConfig(windows_polls=(1, 3)))
    >>> told[:, :, 0].tolist()
    [[nan, nan, 33.0], [nan, nan, 31.5]]
    """
    values = raw_values(polls, metric)
    if values is None:
        shape = len(features), polls.n_polls, len(polls.channels)
        return np.full(shape, np.nan, np.float32)
    generator = Generator.of(config)
    return some_features(
        np.ascontiguousarray(values),
        polls.device_start,
        generator.windows,
        generator.least_present,
        generator.weights,
        generator.n_slots,
        np.array([generator.slot(feature) for feature in features], np.int64),
    )
