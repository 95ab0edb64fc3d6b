"""The rows of many entities in one place; windows are gathered from it batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faultsight.core.kpi_frame import KpiFrame

__all__ = ["RowBank", "Windows"]


class Windows(NamedTuple):
    """A batch of windows: what the network sees, what of it is known, and the conditions."""

    rows: Tensor
    known: Tensor
    conditions: Tensor


@dataclass(frozen=True, eq=False)
class RowBank:
    """Scaled rows of a fleet, one entity after the other.

    Before each entity lie `padding` rows that repeat its first condition and count as missing, so
    that its first row too ends a window. A missing value is replaced by its condition where the
    network looks at it, and has no part in loss or score.

    Attributes
    ----------
    rows, known : tensor of shape (row, kpi)
        Values with gaps filled; 1 where the value is known, else 0.
    conditions : tensor of shape (row, condition)
        What the decoder is told.
    firsts, sizes : array of shape (entity,)
        Where each entity's own rows start, and how many there are.
    padding : int
        Rows before each entity's first.
    """

    rows: Tensor
    known: Tensor
    conditions: Tensor
    firsts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    padding: int

    @classmethod
    def build(
        cls,
        frames: Sequence[KpiFrame],
        conditions: Sequence[NDArray[np.float32]],
        *,
        padding: int,
    ) -> RowBank:
        """Lay out scaled frames and their conditions of shape (time, kpi, channel)."""
        n_kpis, n_channels = conditions[0].shape[1:]
        sizes = np.array([len(frame) for frame in frames], dtype=np.int64)
        firsts = np.cumsum(sizes + padding) - sizes
        n_rows = int((sizes + padding).sum())
        rows = np.empty((n_rows, n_kpis), np.float32)
        known = np.zeros((n_rows, n_kpis), np.float32)
        told = np.empty((n_rows, n_kpis * n_channels), np.float32)
        for frame, condition, first in zip(frames, conditions, firsts, strict=True):
            mine = slice(first, first + len(frame))
            before = slice(first - padding, first)
            present = np.isfinite(frame.values)
            # The last channel is the best guess of the row from what came before it.
            rows[mine] = np.where(present, frame.values, condition[:, :, -1])
            known[mine] = present
            told[mine] = condition.reshape(len(frame), n_kpis * n_channels)
            if len(frame):
                rows[before] = condition[0, :, -1]
                told[before] = condition[0].reshape(-1)
        return cls(
            torch.from_numpy(rows), torch.from_numpy(known), torch.from_numpy(told),
            firsts, sizes, padding,
        )  # fmt: skip

    def windows(self, starts: Tensor, length: int) -> Windows:
        """Return the windows that start at these rows of the bank."""
        place = (starts[:, None] + torch.arange(length)).to(self.rows.device)
        return Windows(self.rows[place], self.known[place], self.conditions[place])

    def to(self, device: str) -> RowBank:
        """Return the bank with its tensors on a device."""
        rows, known, conditions = (x.to(device) for x in (self.rows, self.known, self.conditions))
        return replace(self, rows=rows, known=known, conditions=conditions)

    def ends(self, entity: int, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return the bank rows of an entity's rows; of all of them if none are named."""
        if rows is None:
            rows = np.arange(self.sizes[entity], dtype=np.int64)
        return np.asarray(self.firsts[entity] + rows)
