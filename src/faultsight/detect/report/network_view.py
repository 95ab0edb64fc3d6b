"""What a model's network makes of rows: reconstructions, windows, and their features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.anotuner import AnoTuner
from faultsight.detect.anotuner._network import StreamingNetwork
from faultsight.detect.anotuner._rows import Windows
from faultsight.detect.anotuner.fine_tuning import Examples
from faultsight.detect.scaling import Scaling

__all__ = ["features", "reconstruct", "unscaled", "windows_of"]

_WINDOWS_A_BATCH = 2048

Ends = Sequence[tuple[KpiFrame, NDArray[np.int64]]]
"""Frames of several entities, and the rows of each that end a window."""


def reconstruct(model: AnoTuner, frame: KpiFrame) -> NDArray[np.float64]:
    """Return what the network expects of every row, as its score is made from it.

    Parameters
    ----------
    model : AnoTuner
        Fitted.
    frame : KpiFrame
        One entity from the start of its history.

    Returns
    -------
    array of shape (time, kpi)
        In the KPIs' own units, in the order of the model's KPIs.

    Examples
    --------
    >>> from faultsight.detect.anotuner import AnoTunerConfig
    >>> frame = KpiFrame("cell-1", ("load",), 0, 3600, np.arange(60.0)[:, None] % 24)
    >>> reconstruct(AnoTuner(AnoTunerConfig(epochs=1)).fit([frame]), frame).shape
    (60, 1)
    """
    frame = frame.with_kpis(model.kpis)
    bank = model._bank([model.scaling.apply(frame)])
    network, window = model.network, model.config.window
    ends = torch.from_numpy(bank.ends(0))
    with torch.inference_mode():
        if isinstance(network, StreamingNetwork):
            found = network(bank.rows[ends][None], bank.conditions[ends][None]).values[0]
        else:
            parts = []
            for batch in ends.split(_WINDOWS_A_BATCH):
                seen = bank.windows(batch - (window - 1), window)
                parts.append(network(seen.rows, seen.conditions).values[:, -1])
            found = torch.cat(parts)
    return unscaled(model.scaling, frame, found.numpy())


def unscaled(
    scaling: Scaling, frame: KpiFrame, values: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return scaled values, row for row of a frame, in the KPIs' own units.

    Examples
    --------
    >>> frame = KpiFrame("a", ("load",), 0, 60, np.arange(101.0)[:, None])
    >>> scaling = Scaling.fit([frame])
    >>> back = unscaled(scaling, frame, scaling.apply(frame).values)
    >>> bool(np.allclose(back, frame.values, atol=1e-4))
    True
    """
    low, span = scaling.of(frame.entity)
    return np.asarray(low + span * values.astype(np.float64))


def windows_of(model: AnoTuner, ends: Ends, *, is_anomaly: bool = False) -> Examples:
    """Return the windows that end at rows of some entities, in order.

    Parameters
    ----------
    model : AnoTuner
        Fitted.
    ends : sequence of (KpiFrame, array of int)
        Each entity from the start of its history, and the rows that end a window.
    is_anomaly : bool
        The label that all of them get.
    """
    window = model.config.window
    ends = [(frame.with_kpis(model.kpis), rows) for frame, rows in ends]
    bank = model._bank([model.scaling.apply(frame) for frame, _ in ends])
    at = np.concatenate([bank.ends(place, rows) for place, (_, rows) in enumerate(ends)])
    found = bank.windows(torch.from_numpy(at) - (window - 1), window)
    owners = [frame.entity for frame, rows in ends for _ in rows]
    usual = np.stack([model._unit_of_error(owner) for owner in owners])
    apart = np.concatenate([model._apart_from_network(frame)[rows] for frame, rows in ends])
    level = np.array([model.level_of(owner) for owner in owners])
    return Examples(
        found,
        torch.full((len(owners),), is_anomaly),
        torch.from_numpy(usual.astype(np.float32)),
        torch.from_numpy(apart.astype(np.float32)),
        torch.from_numpy(level.astype(np.float32)),
    )


def features(model: AnoTuner, windows: Windows) -> NDArray[np.float64]:
    """Return the encoder's view of each window: the mean of its latent Gaussian at its last row.

    Returns
    -------
    array of shape (window, latent)
    """
    with torch.inference_mode():
        mean, _ = model.network.encode(windows.rows)
    last = mean if mean.dim() == 2 else mean[:, -1]
    return last.numpy().astype(np.float64)
