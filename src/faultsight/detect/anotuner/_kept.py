"""Keeps what a network makes of frames while layers are tuned that leave the network alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["KeptDeviations"]

Deviations = list[tuple[str, NDArray[np.float32]]]

_MOST_BYTES = 1_000_000_000


class KeptDeviations:
    """The latest deviations, by all that decides them, up to a gigabyte.

    Networks, scalings, conditions and frames never change in place, so that the same objects
    give the same deviations.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        # The objects are kept with the result: an id is unique only among living objects.
        self._kept: OrderedDict[tuple[int, ...], tuple[Sequence[Any], Deviations]] = OrderedDict()
        self._bytes = 0

    def get(self, decides: Sequence[Any], compute: Callable[[], Deviations]) -> Deviations:
        """Return what was computed for the same objects before, or compute it."""
        key = tuple(map(id, decides))
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][1]
        found = compute()
        size = sum(table.nbytes for _, table in found)
        if size <= self._most_bytes:
            self._kept[key] = (tuple(decides), found)
            self._bytes += size
        while self._bytes > self._most_bytes:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._bytes -= sum(table.nbytes for _, table in oldest)
        return found
