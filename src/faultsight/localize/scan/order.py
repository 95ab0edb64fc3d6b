"""The order of leaves by volume, at a cost that grows as their number does.

Sorting by comparison costs more for each leaf the more of them there are. Volumes are not
negative, and the bits of such numbers, read as an integer, sort as the numbers do: byte by byte
from the last to the first, each time keeping the order so far, puts them in order (a radix sort).

Which of two leaves of one volume comes first means nothing, but decides which of them is among
those that the common shift is fitted to. So they keep the order of the leaves; a sort that is not
stable would make answers depend on the processor.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["order_of"]

_BYTES = 8
_MOST_INT32 = np.iinfo(np.int32).max


def order_of(values: NDArray[np.float64]) -> NDArray[np.integer]:
    """Return the order that sorts values, none of them negative; equal ones stay as they are.

    Examples
    --------
    >>> order_of(np.array([2.0, 0.5, 1e9, 0.5])).tolist()
    [1, 3, 0, 2]
    """
    dtype = np.int32 if len(values) <= _MOST_INT32 else np.int64
    # Adding 0 makes the negative zero, whose bits are larger than any, a positive one.
    keys = (values + 0.0).view(np.uint64)
    order: NDArray[np.integer] = np.arange(len(keys), dtype=dtype)
    spare = np.empty_like(order)
    return order if _sort(keys, order, spare) else spare


@njit(
    [f"bool(uint64[::1], {order}[::1], {order}[::1])" for order in ("int32", "int64")],
    cache=True,
    nogil=True,
)
def _sort(keys: NDArray[np.uint64], order: NDArray[np.integer], spare: NDArray[np.integer]) -> bool:
    """Sort an order by its keys; tell whether the result is in `order`, or else in `spare`."""
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
    return is_in_order
