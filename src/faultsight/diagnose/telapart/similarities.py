"""How alike two modems move: the similarity of every pair of modems of a node in one window.

Two modems are aligned once (Algorithm 2), and the pairs of slots serve every feature and channel.
Most modems answer in every round, each round close together: of two such modems the alignment
pairs slot k with slot k (proved below), so it is left out, and sums over a modem's values are made
once, not once a pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numba import njit
from numpy.typing import NDArray

from faultsight.diagnose.preprocessing.alignment import align_into
from faultsight.diagnose.preprocessing.missing_points import Slots

__all__ = ["MovesLike", "Similarities", "is_regular", "similarities", "slot_values"]

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


def is_regular(slots: Slots) -> NDArray[np.bool_]:
    """Return which modems Algorithm 2 pairs slot by slot: slot k of one with slot k of the other.

    A modem is regular if it has as many slots as most, and each lies less than a quarter of the
    shortest round from that round's median moment. Then the k-th slots of two regular modems lie
    less than half a round apart, and any other two of their slots more: the nearest is the k-th.

    Examples
    --------
    >>> times = np.array([0.0, 10.0, 1.0, 11.0, 1.0, 7.0, 0.5])
    >>> is_regular(Slots(np.array([0, 2, 4, 6, 7]), times, np.arange(7))).tolist()
    [True, True, False, False]
    """
    counts = slots.n_slots
    present = counts[counts > 0]
    if not len(present):
        return np.zeros(len(counts), np.bool_)
    most = int(np.bincount(present).argmax())
    found = counts == most
    first = slots.device_start[:-1][found]
    moments = slots.time_s[first[:, None] + np.arange(most)]
    middle = np.median(moments, axis=0)
    quarter = np.diff(middle).min() / 4 if most > 1 else np.inf
    found[found] = (np.abs(moments - middle) < quarter).all(axis=1)
    return np.asarray(found)


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
        Do not use the short way for regular modems; the result is the same.

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
    regular = np.zeros(len(slots.n_slots), np.bool_) if always_align else is_regular(slots)
    known = ~np.isnan(levels)
    found = _pairwise(
        slots.device_start, slots.time_s, slots.poll >= 0, np.where(known, levels, 0.0), known,
        regular, int(moves_like), float(noise_db), float(shrunk_by),
    )  # fmt: skip
    return Similarities(*found)


@njit(nogil=True, cache=True)
def _pairwise(
    start: NDArray[np.int64],
    time_s: NDArray[np.float64],
    present: NDArray[np.bool_],
    levels: NDArray[np.float64],
    known: NDArray[np.bool_],
    regular: NDArray[np.bool_],
    kind: int,
    noise_db: float,
    shrunk_by: float,
) -> tuple[
    NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]
]:  # pragma: no cover - compiled
    n_features, n = len(levels), len(start) - 1
    alike = np.zeros((n_features, n, n))
    counts = np.zeros((n_features, n, n), np.int32)
    missing = np.zeros((n, n))
    most = 1
    for device in range(n):
        most = max(most, start[device + 1] - start[device])
    left, right = np.empty(most, np.int64), np.empty(most, np.int64)
    totals, is_whole = _totals_of(start, levels, known)
    for i in range(n):
        a = start[i]
        for j in range(i + 1, n):
            b = start[j]
            n_pairs = start[i + 1] - a
            is_slot_by_slot = regular[i] and regular[j]
            if not is_slot_by_slot:
                n_pairs = align_into(
                    time_s[a : start[i + 1]], time_s[b : start[j + 1]], left, right
                )
                missing[i, j] = _hamming(present, a + left[:n_pairs], b + right[:n_pairs])
            else:
                missing[i, j] = _hamming_on(present, a, b, n_pairs)
            for f in range(n_features):
                if not is_slot_by_slot:
                    sums = _aligned(levels, known, f, a, b, left, right, n_pairs)
                else:
                    of_both = totals[f, i, 0], totals[f, j, 0], totals[f, i, 1], totals[f, j, 1]
                    if is_whole[f, i] and is_whole[f, j]:
                        sums = _whole(levels, f, a, b, n_pairs, of_both)
                    else:
                        sums = _with_holes(levels, known, f, a, b, n_pairs, of_both)
                counts[f, i, j] = int(sums[0])
                alike[f, i, j] = _alike(kind, sums, noise_db, shrunk_by)
    _mirror(alike, counts, missing)
    return alike, counts, missing


@njit(nogil=True, cache=True)
def _mirror(
    alike: NDArray[np.float64], counts: NDArray[np.int32], missing: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    for i in range(len(missing)):
        missing[i, i] = 1.0
        for j in range(i):
            missing[i, j] = missing[j, i]
        for f in range(len(alike)):
            alike[f, i, i] = 1.0
            for j in range(i):
                alike[f, i, j] = alike[f, j, i]
                counts[f, i, j] = counts[f, j, i]


@njit(nogil=True, cache=True)
def _hamming(
    present: NDArray[np.bool_], left: NDArray[np.int64], right: NDArray[np.int64]
) -> float:  # pragma: no cover - compiled
    if len(left) == 0:
        return 0.0
    return 1.0 - float(np.sum(present[left] != present[right])) / len(left)


@njit(nogil=True, cache=True)
def _hamming_on(
    present: NDArray[np.bool_], a: int, b: int, n_pairs: int
) -> float:  # pragma: no cover - compiled
    differ = 0
    for p in range(n_pairs):
        differ += present[a + p] != present[b + p]
    return 1.0 - differ / n_pairs


@njit(nogil=True, cache=True)
def _totals_of(
    start: NDArray[np.int64], levels: NDArray[np.float64], known: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:  # pragma: no cover - compiled
    """Return sum and sum of squares of each modem's values, and whether it has them all."""
    n_features, _, n_channels = levels.shape
    totals = np.zeros((n_features, len(start) - 1, 2))
    is_whole = np.ones((n_features, len(start) - 1), np.bool_)
    for f in range(n_features):
        for device in range(len(start) - 1):
            for at in range(start[device], start[device + 1]):
                for c in range(n_channels):
                    totals[f, device, 0] += levels[f, at, c]
                    totals[f, device, 1] += levels[f, at, c] ** 2
                    is_whole[f, device] &= known[f, at, c]
    return totals, is_whole


_OfBoth = tuple[float, float, float, float]
"""Sum of one modem's values and of the other's, sum of squares of one's and of the other's."""
_Sums = tuple[float, float, float, float, float, float]
"""Number of values in common, sums and sums of squares of both, sum of products."""


@njit(nogil=True, cache=True)
def _whole(
    levels: NDArray[np.float64], f: int, a: int, b: int, n_slots: int, of_both: _OfBoth
) -> _Sums:  # pragma: no cover - compiled
    n_channels, xy = levels.shape[2], 0.0
    for k in range(n_slots):
        for c in range(n_channels):
            xy += levels[f, a + k, c] * levels[f, b + k, c]
    x1, y1, xx, yy = of_both
    return float(n_slots * n_channels), x1, y1, xx, yy, xy


@njit(nogil=True, cache=True)
def _with_holes(
    levels: NDArray[np.float64],
    known: NDArray[np.bool_],
    f: int,
    a: int,
    b: int,
    n_slots: int,
    of_both: _OfBoth,
) -> _Sums:  # pragma: no cover - compiled
    """Start from the sums over all values of each; take off those that the other lacks."""
    n, x1, y1, xx, yy, xy = _whole(levels, f, a, b, n_slots, of_both)
    for k in range(n_slots):
        for c in range(levels.shape[2]):
            if not (known[f, a + k, c] and known[f, b + k, c]):
                x, y = levels[f, a + k, c], levels[f, b + k, c]
                n -= 1.0
                x1 -= x
                y1 -= y
                xx -= x * x
                yy -= y * y
    return n, x1, y1, xx, yy, xy


@njit(nogil=True, cache=True)
def _aligned(
    levels: NDArray[np.float64],
    known: NDArray[np.bool_],
    f: int,
    a: int,
    b: int,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    n_pairs: int,
) -> _Sums:  # pragma: no cover - compiled
    n, x1, y1, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for p in range(n_pairs):
        for c in range(levels.shape[2]):
            if known[f, a + left[p], c] and known[f, b + right[p], c]:
                x, y = levels[f, a + left[p], c], levels[f, b + right[p], c]
                n += 1.0
                x1 += x
                y1 += y
                xx += x * x
                yy += y * y
                xy += x * y
    return n, x1, y1, xx, yy, xy


@njit(nogil=True, cache=True)
def _alike(
    kind: int, sums: _Sums, noise_db: float, shrunk_by: float
) -> float:  # pragma: no cover - compiled
    n, x1, y1, xx, yy, xy = sums
    if n < _LEAST_PAIRS:
        return 0.0
    shrunk = n / (n + shrunk_by)
    if kind == 1:
        floor = n * noise_db * noise_db
        length = np.sqrt((xx + floor) * (yy + floor))
        return shrunk * min(1.0, max(-1.0, xy / length)) if length > 0.0 else 0.0
    x_moves, y_moves = xx - x1 * x1 / n, yy - y1 * y1 / n
    x_still, y_still = x_moves < _CONSTANT * n, y_moves < _CONSTANT * n
    if x_still and y_still:
        return shrunk
    if x_still or y_still:
        return 0.0
    return float(shrunk * min(1.0, max(-1.0, (xy - x1 * y1 / n) / np.sqrt(x_moves * y_moves))))
