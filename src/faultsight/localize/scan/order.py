"""The order of leaves by volume, at a cost that grows as their number does.

Sorting by comparison costs more for each leaf the more of them there are. Volumes are not
negative, and the bits of such numbers, read as an integer, sort as the numbers do: byte by byte
from the last to the first, each time keeping the order so far, puts them in order (a radix sort).

Which of two leaves of one volume comes first means nothing, but decides which of them is among
those that the common shift is fitted to. Where volumes repeat, they are left to numpy's argsort, as
they always were; what it does with equal values differs between processors.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["order_of"]

_BYTES = 8
_MOST_INT32 = np.iinfo(np.int32).max


def order_of(values: NDArray[np.float64]) -> NDArray[np.integer]:
    """Return the order that sorts values, none of them negative.

    Examples
    --------
    >>> order_of(np.array([2.0, 0.5, 1e9, 0.25])).tolist()
    [3, 1, 0, 2]
    """
    dtype = np.int32 if len(values) <= _MOST_INT32 else np.int64
    # Of two zeros, the negative one has the largest of all bits.
    keys = (values + 0.0).view(np.uint64)
    order: NDArray[np.integer] = np.arange(len(keys), dtype=dtype)
    spare = np.empty_like(order)
    is_in_order, has_equal = _sort(keys, order, spare)
    if has_equal:
        order[:] = np.argsort(values)
    return order if is_in_order or has_equal else spare


@njit(
    [f"UniTuple(bool, 2)(uint64[::1], {order}[::1], {order}[::1])" for order in ("int32", "int64")],
    cache=True,
    nogil=True,
)
def _sort(
    keys: NDArray[np.uint64], order: NDArray[np.integer], spare: NDArray[np.integer]
) -> tuple[bool, bool]:
    """Sort an order by its keys.

    Tell whether the result is in `order`, or else in `spare`, and whether there are equal keys.
    """
    n = len(keys)
    counts = np.zeros((_BYTES, 256), np.int64)
    for i in range(n):
        for byte in range(_BYTES):
            counts[byte, (keys[i] >> np.uint64(8 * byte)) & np.uint64(255)] += 1
    sorted_keys = np.empty_like(keys)
    is_in_order = True
    for byte in range(_BYTES):
        shift = np.uint64(8 * byte)
        place = counts[byte]
        if place.max() == n:
            continue  # All keys agree in this byte.
        total = 0
        for digit in range(256):
            total, place[digit] = total + place[digit], total
        for i in range(n):
            digit = (keys[i] >> shift) & np.uint64(255)
            at = place[digit]
            place[digit] = at + 1
            sorted_keys[at] = keys[i]
            spare[at] = order[i]
        keys, sorted_keys = sorted_keys, keys
        order, spare = spare, order
        is_in_order = not is_in_order
    has_equal = False
    for i in range(1, n):
        has_equal |= keys[i] == keys[i - 1]
    return is_in_order, has_equal
