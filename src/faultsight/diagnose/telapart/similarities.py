"""How alike two modems move: the similarity of every pair of modems of a node in one window.

Two modems are aligned once (Algorithm 2), and the pairs of slots serve every feature and channel.
Where rounds are so compact that the alignment must pair slot k with slot k (proved below), it is
left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numba import njit
from numpy.typing import NDArray

from faultsight.diagnose.preprocessing.alignment import align_into
from faultsight.diagnose.preprocessing.missing_points import Slots

__all__ = ["MovesLike", "Similarities", "is_one_grid", "similarities", "slot_values"]

_LEAST_PAIRS = 3
_CONSTANT = 1e-7
"""Squared dB per pair below which a vector does not move; telemetry steps are 0.1 dB and more."""


class MovesLike(IntEnum):
    """How two aligned vectors of values are compared."""

    PEARSON = 0
    """Correlation: whatever level each has (the paper's)."""
    COSINE = 1
    """Of deviations from each modem's own usual level: a lasting step counts."""


@dataclass(frozen=True, eq=False)
class Similarities:
    """Similarity of each pair of modems.

    Attributes
    ----------
    levels : array of shape (feature, device, device)
        float64 in [-1, 1]; 1 on the diagonal, 0 where fewer than three values are in common.
    n_pairs : array of shape (feature, device, device)
        int32; how many values the two have in common.
    missing : array of shape (device, device)
        float64 in [0, 1]: one minus the share of aligned slots that one misses and the other has.
    """

    levels: NDArray[np.float64]
    n_pairs: NDArray[np.int32]
    missing: NDArray[np.float64]


def slot_values(
    slots: Slots, values: NDArray[np.float32], offset: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the values of each slot and channel, less an offset; NaN where there is none.

    Parameters
    ----------
    slots : Slots
        Of one window.
    values : array of shape (poll, channel)
        Of one metric.
    offset : array of shape (device, channel), optional
        Such as each modem's usual level. By default each modem's mean over all channels is taken
        off, which changes no correlation and keeps sums small.
    """
    out = values[np.maximum(slots.poll, 0)].astype(np.float64)
    out[slots.poll < 0] = np.nan
    device = np.repeat(np.arange(len(slots.n_slots)), slots.n_slots)
    if offset is None:
        known = ~np.isnan(out)
        sums = np.bincount(device, np.where(known, out, 0.0).sum(axis=1), minlength=1)
        counts = np.bincount(device, known.sum(axis=1), minlength=1)
        mean = sums / np.maximum(counts, 1)
        return np.asarray(out - mean[device, None] if len(device) else out)
    return np.asarray(out - offset[device])


def is_one_grid(slots: Slots) -> bool:
    """Whether Algorithm 2 pairs slot k of any modem with slot k of any other.

    So it is if all have as many slots, and the k-th slots of all modems lie closer together than
    any of them lies to a k-1-th or k+1-th: then the nearest slot is always the k-th.

    Examples
    --------
    >>> slots = Slots(np.array([0, 2, 4]), np.array([0.0, 10.0, 1.0, 11.0]), np.arange(4))
    >>> is_one_grid(slots)
    True
    """
    return bool(_is_one_grid(slots.device_start, slots.time_s))


def similarities(
    slots: Slots,
    levels: NDArray[np.float64],
    *,
    moves_like: MovesLike = MovesLike.PEARSON,
    noise_db: float = 0.0,
    shrunk_by: float = 0.0,
    always_align: bool = False,
) -> Similarities:
    """Return the similarity of every pair of modems.

    Parameters
    ----------
    slots : Slots
        Of one window.
    levels : array of shape (feature, slot, channel)
        From `slot_values`. The vectors compared are the concatenation over channels.
    moves_like : MovesLike
        What is compared.
    noise_db : float
        Of `COSINE`: deviations of this size count for nothing; it is added to both lengths.
    shrunk_by : float
        Similarities are multiplied by ``n / (n + shrunk_by)`` for n values in common, so that few
        of them prove little.
    always_align : bool
        Do not use the short way of `is_one_grid`; the result is the same.

    Notes
    -----
    Pearson's edge cases: fewer than three values in common give 0, two constant vectors 1, one
    constant vector 0.

    Examples
    --------
    >>> slots = Slots(np.array([0, 4, 8]), np.array([0.0, 4, 8, 12, 1, 5, 9, 13]), np.arange(8))
    >>> snr_db = slot_values(slots, np.float32([[36], [33], [36], [35], [30], [27], [30], [29]]))
    >>> float(similarities(slots, snr_db[None]).levels[0, 0, 1])
    1.0
    """
    numbers = (int(moves_like), noise_db, shrunk_by)
    if not always_align and is_one_grid(slots):
        known = ~np.isnan(levels)
        on_grid = _on_grid(slots.device_start, np.where(known, levels, 0.0))
        found = _pairwise_on_grid(
            on_grid, _on_grid(slots.device_start, known.astype(np.float64)),
            _on_grid(slots.device_start, (slots.poll >= 0)[None, :, None].astype(np.float64))[0],
            slots.n_slots > 0, *numbers,
        )  # fmt: skip
    else:
        found = _pairwise(
            slots.device_start, slots.time_s, slots.poll >= 0, np.ascontiguousarray(levels),
            *numbers,
        )  # fmt: skip
    return Similarities(*found)


def _on_grid(start: NDArray[np.int64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return levels of shape (feature, channel x slot, device); a device without slots is 0."""
    n_features, n_rows, n_channels = levels.shape
    has_slots = np.diff(start) > 0
    n_present = int(has_slots.sum())
    n_slots = n_rows // max(n_present, 1)
    out = np.zeros((n_features, n_channels * n_slots, len(has_slots)))
    by_device = levels.reshape(n_features, n_present, n_slots, n_channels)
    out[:, :, has_slots] = by_device.transpose(0, 3, 2, 1).reshape(
        n_features, n_channels * n_slots, n_present
    )
    return out


@njit(nogil=True, cache=True)
def _is_one_grid(
    start: NDArray[np.int64], time_s: NDArray[np.float64]
) -> bool:  # pragma: no cover - compiled
    n_slots = 0
    for device in range(len(start) - 1):
        count = start[device + 1] - start[device]
        if count and n_slots and count != n_slots:
            return False
        n_slots = max(n_slots, count)
    widest, narrowest, end_before = 0.0, np.inf, -np.inf
    for k in range(n_slots):
        first, last = np.inf, -np.inf
        for device in range(len(start) - 1):
            if start[device + 1] > start[device]:
                first = min(first, time_s[start[device] + k])
                last = max(last, time_s[start[device] + k])
        widest = max(widest, last - first)
        narrowest = min(narrowest, first - end_before)
        end_before = last
    return widest < narrowest


@njit(nogil=True, cache=True)
def _pairwise_on_grid(
    levels: NDArray[np.float64],
    known: NDArray[np.float64],
    present: NDArray[np.float64],
    is_polled: NDArray[np.bool_],
    kind: int,
    noise_db: float,
    shrunk_by: float,
) -> tuple[
    NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]
]:  # pragma: no cover - compiled
    """Compare value k of each modem with value k of each other; unknown values are 0."""
    n_features, n_values, n = levels.shape
    n_slots = len(present)
    alike = np.zeros((n_features, n, n))
    counts = np.zeros((n_features, n, n), np.int32)
    missing = np.zeros((n, n))
    number, x1, y1, xx, yy, xy = np.empty((6, n))
    for i in range(n):
        number[i:] = 0.0
        for k in range(n_slots):
            for j in range(i, n):
                number[j] += abs(present[k, i] - present[k, j])
        for j in range(i, n):
            if is_polled[i] and is_polled[j]:
                missing[i, j] = 1.0 - number[j] / n_slots
                missing[j, i] = missing[i, j]
        missing[i, i] = 1.0
        for f in range(n_features):
            alike[f, i, i] = 1.0
            number[i:], x1[i:], y1[i:], xx[i:], yy[i:], xy[i:] = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(n_values):
                if known[f, k, i] == 0.0:
                    continue
                x = levels[f, k, i]
                # Elementwise over the other modems, which compilers turn into vector code.
                for j in range(i, n):
                    y, m = levels[f, k, j], known[f, k, j]
                    number[j] += m
                    x1[j] += x * m
                    y1[j] += y
                    xx[j] += x * x * m
                    yy[j] += y * y
                    xy[j] += x * y
            for j in range(i + 1, n):
                found = _alike(kind, number[j], x1[j], y1[j], xx[j], yy[j], xy[j], noise_db)
                found *= number[j] / (number[j] + shrunk_by) if number[j] else 0.0
                alike[f, i, j] = found
                alike[f, j, i] = found
                counts[f, i, j] = int(number[j])
                counts[f, j, i] = int(number[j])
    return alike, counts, missing


@njit(nogil=True, cache=True)
def _pairwise(
    start: NDArray[np.int64],
    time_s: NDArray[np.float64],
    present: NDArray[np.bool_],
    levels: NDArray[np.float64],
    kind: int,
    noise_db: float,
    shrunk_by: float,
) -> tuple[
    NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]
]:  # pragma: no cover - compiled
    n_features, _, n_channels = levels.shape
    n = len(start) - 1
    most = 0
    for device in range(n):
        most = max(most, start[device + 1] - start[device])
    left, right = np.arange(most), np.arange(most)
    alike = np.zeros((n_features, n, n))
    counts = np.zeros((n_features, n, n), np.int32)
    missing = np.zeros((n, n))
    for i in range(n):
        a, a_end = start[i], start[i + 1]
        missing[i, i] = 1.0
        for f in range(n_features):
            alike[f, i, i] = 1.0
        for j in range(i + 1, n):
            b, b_end = start[j], start[j + 1]
            n_pairs = align_into(time_s[a:a_end], time_s[b:b_end], left, right)
            differ = 0
            for p in range(n_pairs):
                differ += present[a + left[p]] != present[b + right[p]]
            if n_pairs:
                missing[i, j] = 1.0 - differ / n_pairs
                missing[j, i] = missing[i, j]
            for f in range(n_features):
                n_values = 0
                x1 = y1 = xx = yy = xy = 0.0
                for c in range(n_channels):
                    for p in range(n_pairs):
                        x = levels[f, a + left[p], c]
                        y = levels[f, b + right[p], c]
                        if not (np.isnan(x) or np.isnan(y)):
                            n_values += 1
                            x1 += x
                            y1 += y
                            xx += x * x
                            yy += y * y
                            xy += x * y
                found = _alike(kind, n_values, x1, y1, xx, yy, xy, noise_db)
                found *= n_values / (n_values + shrunk_by) if n_values else 0.0
                alike[f, i, j] = found
                alike[f, j, i] = found
                counts[f, i, j] = n_values
                counts[f, j, i] = n_values
    return alike, counts, missing


@njit(nogil=True, cache=True, inline="always")
def _alike(
    kind: int,
    n: float,
    x1: float,
    y1: float,
    xx: float,
    yy: float,
    xy: float,
    noise_db: float,
) -> float:  # pragma: no cover - compiled
    if n < _LEAST_PAIRS:
        return 0.0
    if kind == 1:
        floor = n * noise_db * noise_db
        length = np.sqrt((xx + floor) * (yy + floor))
        return float(min(1.0, max(-1.0, xy / length))) if length > 0.0 else 0.0
    x_moves, y_moves = xx - x1 * x1 / n, yy - y1 * y1 / n
    x_still, y_still = x_moves < _CONSTANT * n, y_moves < _CONSTANT * n
    if x_still and y_still:
        return 1.0
    if x_still or y_still:
        return 0.0
    return float(min(1.0, max(-1.0, (xy - x1 * y1 / n) / np.sqrt(x_moves * y_moves))))
