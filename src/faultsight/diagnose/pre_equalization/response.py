"""The in-channel frequency response that an equalizer describes, and its ripple."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import SettingError
from faultsight.diagnose.pre_equalization.key_metrics import key_metrics

__all__ = ["N_BINS", "in_channel_response_db", "micro_reflection_level_db", "ripple_db"]

Array = NDArray[np.float64]

N_BINS = 32
"""The least power of two that holds 24 taps."""


def in_channel_response_db(taps: ArrayLike, *, n_bins: int = N_BINS) -> Array:
    """Return the magnitude of an equalizer's response over the channel.

    It is what the modem adds, so the channel itself is its mirror image. 0 dB is the main tap's
    nominal amplitude.

    Parameters
    ----------
    taps : array of shape (..., tap)
        Complex coefficients.
    n_bins : int
        Frequencies, from the lower to the upper end of one symbol rate; as many as taps at least.

    Returns
    -------
    array of shape (..., n_bins)
        In dB; -inf at a perfect notch.

    Examples
    --------
    >>> in_channel_response_db([2047, 0, 0, 0], n_bins=4).tolist()
    [0.0, 0.0, 0.0, 0.0]
    """
    values = np.asarray(taps, np.complex128)
    if n_bins < values.shape[-1]:
        raise SettingError(f"{values.shape[-1]} taps need as many bins, not {n_bins}")
    nominal = key_metrics(values, 0).mtna[..., None]
    spectrum = np.fft.fftshift(np.fft.fft(values / nominal, n_bins, axis=-1), axes=-1)
    with np.errstate(divide="ignore"):
        response: Array = 20.0 * np.log10(np.abs(spectrum))
    return response


def ripple_db(response_db: ArrayLike) -> Array:
    """Return the peak-to-peak ripple of responses, over their last axis.

    Examples
    --------
    >>> float(ripple_db([0.5, -0.5, 0.25]))
    1.0
    """
    response = np.asarray(response_db, np.float64)
    return np.asarray(response.max(axis=-1) - response.min(axis=-1))


def micro_reflection_level_db(peak_to_peak_db: ArrayLike) -> Array:
    """Return the level of the single echo whose ripple has a peak-to-peak height.

    An echo of relative amplitude m makes the response swing between 1 + m and 1 - m, so with
    a = 10^(ripple / 20) it is m = (a - 1) / (a + 1).

    Examples
    --------
    >>> round(float(micro_reflection_level_db(1.88)), 1)
    -19.3
    """
    a = 10.0 ** (np.asarray(peak_to_peak_db, np.float64) / 20.0)
    with np.errstate(divide="ignore"):
        level: Array = 20.0 * np.log10((a - 1.0) / (a + 1.0))
    return level
