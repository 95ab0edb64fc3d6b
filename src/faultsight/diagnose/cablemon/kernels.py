"""The compiled loops: over modems, polls, channels and features, without Python's lock.

They stand in one file because a compiled loop is kept on disk for as long as *its own* file does
not change: it would not notice that one of another file, which is compiled into it, did.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "CENTRE",
    "DROPPED_BITS",
    "FIRST_KEY",
    "N_BINS",
    "OF_WINDOW",
    "PER_DB",
    "SMALLEST",
    "add_up",
    "bin_of",
    "crossings",
    "some_features",
]

N_BINS = 2048
CENTRE = N_BINS // 2
PER_DB = 16
# The exponent and 3 bits of the mantissa: 8 bins an octave.
DROPPED_BITS = 20
SMALLEST = np.float32(2.0**-40)
FIRST_KEY = int(SMALLEST.view(np.int32)) >> DROPPED_BITS
OF_WINDOW = 4
"""Features of one window: AVG, WMA, WMA_DIFF, VAR."""


@njit(nogil=True, cache=True)
def bin_of(value: np.float32, is_octaves: bool) -> int:
    """Return the bin of a value that is not NaN."""
    if is_octaves:
        size = np.float32(abs(value))
        if size < SMALLEST:
            return CENTRE
        step = (size.view(np.int32) >> DROPPED_BITS) - FIRST_KEY + 1
        place = np.float64(CENTRE - step if value < 0 else CENTRE + step)
    else:
        # A float32 times a power of two is exact, and so is the bin.
        place = np.floor(np.float64(value) * PER_DB) + CENTRE
    return int(min(max(place, 0.0), N_BINS - 1.0))


@njit(nogil=True, cache=True)
def _generate_at(
    values: NDArray[np.float32],
    first: int,
    poll: int,
    channel: int,
    windows: NDArray[np.int64],
    least_present: NDArray[np.int64],
    weights: NDArray[np.float64],
    averages: NDArray[np.float64],
    features: NDArray[np.float32],
) -> bool:
    """Write all features of one value, NaN where they do not exist; False if it is missing.

    `first` is the modem's first poll; `averages` holds its EWMA by weight and channel from poll
    to poll. One walk back serves all windows. Sums are of differences to the newest value: they
    lose no digits, and a feature depends on nothing but the values of its own window, to the bit.
    """
    here = np.float64(values[poll, channel])
    if not np.isfinite(here):
        return False
    n, ages, total, aged, squares = 0, 0, 0.0, 0.0, 0.0
    window = 0
    for age in range(windows[-1]):
        if poll - age >= first:
            value = np.float64(values[poll - age, channel])
            if np.isfinite(value):
                difference = value - here
                n += 1
                ages += age
                total += difference
                aged += age * difference
                squares += difference * difference
        if age + 1 == windows[window]:
            at = OF_WINDOW * window
            if n >= least_present[window]:
                mean = total / n
                # The weight of a value is the window's length less its age.
                weighted = (windows[window] * total - aged) / (windows[window] * n - ages)
                features[at] = here + mean
                features[at + 1] = here + weighted
                features[at + 2] = -weighted
                features[at + 3] = max(squares / n - mean * mean, 0.0)
            else:
                features[at : at + OF_WINDOW] = np.nan
            window += 1
    at = OF_WINDOW * len(windows)
    for k in range(len(weights)):
        before = averages[k, channel]
        if np.isnan(before):
            averages[k, channel] = here
        else:
            averages[k, channel] = before + weights[k] * (here - before)
        features[at + k] = averages[k, channel]
    return True


@njit(nogil=True, cache=True)
def some_features(
    values: NDArray[np.float32],
    device_start: NDArray[np.int64],
    windows: NDArray[np.int64],
    least_present: NDArray[np.int64],
    weights: NDArray[np.float64],
    n_slots: int,
    slots: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return features by feature, poll and channel, NaN where they do not exist."""
    n_polls, n_channels = values.shape
    found = np.full((len(slots), n_polls, n_channels), np.float32(np.nan), np.float32)
    generated = np.empty(n_slots, np.float32)
    averages = np.empty((len(weights), n_channels))
    for device in range(len(device_start) - 1):
        first = device_start[device]
        averages[:] = np.nan
        for poll in range(first, device_start[device + 1]):
            for channel in range(n_channels):
                if _generate_at(
                    values, first, poll, channel, windows, least_present, weights, averages,
                    generated,
                ):  # fmt: skip
                    for f in range(len(slots)):
                        found[f, poll, channel] = generated[slots[f]]
    return found


@njit(nogil=True, cache=True)
def add_up(
    values: NDArray[np.float32],
    device_start: NDArray[np.int64],
    period_ms: NDArray[np.int64],
    row_of_poll: NDArray[np.int64],
    windows: NDArray[np.int64],
    least_present: NDArray[np.int64],
    weights: NDArray[np.float64],
    n_slots: int,
    slots: NDArray[np.int64],
    is_octaves: NDArray[np.bool_],
    exposure_ms: NDArray[np.int64],
    rows: NDArray[np.int16],
) -> None:
    """Add each poll's time to the bins that it is in, and write the bins of those asked for."""
    n_channels = values.shape[1]
    n_features = len(slots)
    generated = np.empty(n_slots, np.float32)
    averages = np.empty((len(weights), n_channels))
    lowest, highest = np.empty(n_features, np.float32), np.empty(n_features, np.float32)
    for device in range(len(device_start) - 1):
        first = device_start[device]
        averages[:] = np.nan
        for poll in range(first, device_start[device + 1]):
            lowest[:] = np.inf
            highest[:] = -np.inf
            for channel in range(n_channels):
                if not _generate_at(
                    values, first, poll, channel, windows, least_present, weights, averages,
                    generated,
                ):  # fmt: skip
                    continue
                for f in range(n_features):
                    value = generated[slots[f]]
                    if np.isnan(value):
                        continue
                    lowest[f] = min(lowest[f], value)
                    highest[f] = max(highest[f], value)
            row = row_of_poll[poll]
            for f in range(n_features):
                if lowest[f] > highest[f]:
                    continue
                low, high = bin_of(lowest[f], is_octaves[f]), bin_of(highest[f], is_octaves[f])
                exposure_ms[f, 0, low] += period_ms[poll]
                exposure_ms[f, 1, high] += period_ms[poll]
                if row >= 0:
                    rows[row, f, 0] = low
                    rows[row, f, 1] = high


@njit(nogil=True, cache=True)
def crossings(
    values: NDArray[np.float32],
    device_start: NDArray[np.int64],
    windows: NDArray[np.int64],
    least_present: NDArray[np.int64],
    weights: NDArray[np.float64],
    n_slots: int,
    slots: NDArray[np.int64],
    is_below: NDArray[np.bool_],
    threshold: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Return where any feature crosses its threshold, by poll and channel."""
    n_polls, n_channels = values.shape
    found = np.zeros((n_polls, n_channels), np.bool_)
    generated = np.empty(n_slots, np.float32)
    averages = np.empty((len(weights), n_channels))
    for device in range(len(device_start) - 1):
        first = device_start[device]
        averages[:] = np.nan
        for poll in range(first, device_start[device + 1]):
            for channel in range(n_channels):
                if not _generate_at(
                    values, first, poll, channel, windows, least_present, weights, averages,
                    generated,
                ):  # fmt: skip
                    continue
                for f in range(len(slots)):
                    value = generated[slots[f]]
                    # A comparison with NaN is false: what does not exist crosses nothing.
                    if (value < threshold[f]) if is_below[f] else (value >= threshold[f]):
                        found[poll, channel] = True
                        break
    return found
