"""How far every row is from what the network makes of it: what scores are made of."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faultsight.detect.anotuner._network import Network, StreamingNetwork
from faultsight.detect.anotuner._rows import RowBank

__all__ = ["deviations"]

# Batches have these sizes whatever the number of workers, so that sums round alike.
_WINDOWS_A_BATCH = 2048
_ENTITIES_A_BATCH = 64
_ROWS_A_STRETCH = 512
_TIMES_AS_MANY_ON_GPU = 4
"""Fewer kernels are started for as many rows; 16 times would need gigabytes there."""


def deviations(
    network: Network,
    bank: RowBank,
    *,
    window: int,
    workers: int | None = None,
    device: str = "cpu",
) -> list[NDArray[np.float32]]:
    """Return, for each entity, every row and KPI less its reconstruction; NaN where missing.

    Parameters
    ----------
    network : Network
        Trained. The sliding form reads a window for each row and keeps its last row; the
        streaming form reads each row once.
    bank : RowBank
        Padded by at least ``window - 1`` rows for the sliding form.
    window : int
        Rows of a window.
    workers : int, optional
        Threads; one for each core if not given. The result does not depend on it.
    device : {"cpu", "cuda"}
        Where a copy of the network runs; on a GPU, workers are not needed.
    """
    workers, times_as_many = workers or os.cpu_count() or 1, 1
    if device != "cpu":
        network, bank = copy.deepcopy(network).to(device), bank.to(device)
        workers, times_as_many = 1, _TIMES_AS_MANY_ON_GPU
    if isinstance(network, StreamingNetwork):
        return _streamed(network, bank, workers, _ENTITIES_A_BATCH * times_as_many)
    return _slid(network, bank, window, workers, _WINDOWS_A_BATCH * times_as_many)


def _slid(
    network: Network, bank: RowBank, window: int, workers: int, size: int
) -> list[NDArray[np.float32]]:
    ends = np.concatenate([bank.ends(entity) for entity in range(len(bank.sizes))])

    def errors(batch: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            windows = bank.windows(batch - (window - 1), window)
            found = network(windows.rows, windows.conditions).values[:, -1]
            return _missing_as_nan(windows.rows[:, -1] - found, windows.known[:, -1])

    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(errors, torch.from_numpy(ends).split(size)))
    together = np.concatenate(parts) if parts else np.empty((0, bank.rows.shape[1]), np.float32)
    return np.split(together, np.cumsum(bank.sizes)[:-1])


def _streamed(
    network: StreamingNetwork, bank: RowBank, workers: int, size: int
) -> list[NDArray[np.float32]]:
    # Entities of like length share a batch; the order is total, so batches are always the same.
    order = np.lexsort((np.arange(len(bank.sizes)), bank.sizes))
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    errors: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(order)

    def run(group: NDArray[np.intp]) -> None:
        stretches = list(_stretches(network, bank, group))
        for place, entity in enumerate(group):
            parts = [stretch[place] for stretch in stretches]
            errors[entity] = np.concatenate(parts)[: bank.sizes[entity]]

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run, groups))
    return errors


def _stretches(
    network: StreamingNetwork, bank: RowBank, group: NDArray[np.intp]
) -> Iterator[NDArray[np.float32]]:
    """Yield errors of shape (entity, row, kpi), stretch by stretch; shorter series run on."""
    firsts = torch.from_numpy(bank.firsts[group])
    last = torch.from_numpy(np.maximum(bank.firsts[group] + bank.sizes[group] - 1, 0))
    state = None
    for start in range(0, max(int(bank.sizes[group].max()), 1), _ROWS_A_STRETCH):
        steps = torch.arange(start, min(start + _ROWS_A_STRETCH, int(bank.sizes[group].max())))
        place = torch.minimum(firsts[:, None] + steps, last[:, None]).to(bank.rows.device)
        with torch.inference_mode():
            rows = bank.rows[place]
            found, state = network.advance(rows, bank.conditions[place], state)
            yield _missing_as_nan(rows - found, bank.known[place])


def _missing_as_nan(error: Tensor, known: Tensor) -> NDArray[np.float32]:
    table: NDArray[np.float32] = error.cpu().numpy()
    table[known.cpu().numpy() == 0] = np.nan
    return table
