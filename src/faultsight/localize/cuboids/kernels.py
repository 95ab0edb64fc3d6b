"""The inner loops of the cube sums, compiled: they run without the interpreter, and in threads.

Whatever the number of threads, every cell is summed by one loop in one order. All that they take is
declared, so that everything is compiled on import and nothing in the middle of a run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

__all__ = ["add_to_cells", "append_code", "drop", "drop_each", "drop_in_turn"]

Array = NDArray[np.float64]

# Values taken at a time; they and the sums that they are added to stay in the cache of a core.
_BLOCK = 1 << 12


def _read_only(dtype: Any) -> Any:
    return types.Array(dtype, 1, "C", readonly=True)


_VALUES = _read_only(types.float64)
_TARGET = types.float64[::1]
_INT = types.int64
_INTS = types.int64[::1]


@njit(
    [
        types.void(_TARGET, _read_only(types.int32), _VALUES),
        types.void(_TARGET, _read_only(types.int64), _VALUES),
    ],
    cache=True,
    nogil=True,
)
def add_to_cells(target: Array, cells: NDArray[np.integer], values: Array) -> None:
    """Add every value to its cell."""
    for i in range(len(cells)):
        target[cells[i]] += values[i]


@njit(
    [
        types.void(_INTS, _INT, _read_only(dtype))
        for dtype in (types.uint8, types.uint16, types.uint32, types.int64)
    ],
    cache=True,
    nogil=True,
)
def append_code(keys: NDArray[np.int64], cardinality: int, codes: NDArray[np.integer]) -> None:
    """Turn the places among combinations into those among combinations with one attribute more."""
    for i in range(len(keys)):
        keys[i] = keys[i] * cardinality + np.int64(codes[i])


@njit(types.float64(_VALUES, _INT, _INT), cache=True, nogil=True)
def _sum(values: Array, start: int, stop: int) -> float:
    # Four sums that do not wait for each other.
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    even = stop - (stop - start) % 4
    for i in range(start, even, 4):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
    for i in range(even, stop):
        a += values[i]
    return (a + b) + (c + d)


@njit(types.void(_VALUES, _TARGET, _INT, _INT, _INT), cache=True, nogil=True)
def drop(source: Array, target: Array, outer: int, dropped: int, inner: int) -> None:
    """Sum an array of shape (outer, dropped, inner) over the middle axis."""
    if inner == 1:
        for o in range(outer):
            target[o] = _sum(source, o * dropped, (o + 1) * dropped)
        return
    for o in range(outer):
        sums = target[o * inner : (o + 1) * inner]
        begin = o * dropped * inner
        sums[:] = source[begin : begin + inner]
        for start in range(begin + inner, begin + dropped * inner, inner):
            row = source[start : start + inner]
            for i in range(inner):
                sums[i] += row[i]


@njit(types.void(_VALUES, _TARGET, _INTS, _INTS), cache=True, nogil=True)
def drop_each(
    source: Array, flat: Array, cardinalities: NDArray[np.int64], starts: NDArray[np.int64]
) -> None:
    """Sum a dense source over each of its n attributes, in one pass over it.

    The source is taken in blocks that stay in the cache of a core. The sums over attribute a are
    written to `flat` from `starts[a]`, and the source itself from `starts[n]`, unless that is
    negative. A block is one combination of the first attributes with all of the others, of which
    there are as many as make a block of at most _BLOCK values, but at least one.
    """
    n = len(cardinalities)
    block = cardinalities[n - 1]
    split = n - 1
    while split > 0 and block * cardinalities[split - 1] <= _BLOCK:
        split -= 1
        block *= cardinalities[split]
    for number in range(len(source) // block):
        values = source[number * block : (number + 1) * block]
        if starts[n] >= 0:
            at = starts[n] + number * block
            flat[at : at + block] = values
        inner = block
        for a in range(split, n):
            outer, inner = block // inner, inner // cardinalities[a]
            size = outer * inner
            at = starts[a] + number * size
            drop(values, flat[at : at + size], outer, cardinalities[a], inner)
        after = 1
        for a in range(split - 1, -1, -1):
            above = number // after
            at = starts[a] + (above // cardinalities[a] * after + number % after) * block
            sums = flat[at : at + block]
            if above % cardinalities[a] == 0:
                sums[:] = values
            else:
                for i in range(block):
                    sums[i] += values[i]
            after *= cardinalities[a]


@njit(types.void(_TARGET, types.int64[:, ::1]), cache=True, nogil=True)
def drop_in_turn(flat: Array, steps: NDArray[np.int64]) -> None:
    """Take steps (start of the source, start of the target, outer, dropped, inner) in turn."""
    for k in range(len(steps)):
        source, target, outer, dropped, inner = steps[k]
        drop(
            flat[source : source + outer * dropped * inner],
            flat[target : target + outer * inner],
            outer,
            dropped,
            inner,
        )
