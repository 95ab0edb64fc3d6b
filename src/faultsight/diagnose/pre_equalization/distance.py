"""How far the two ends of a micro-reflection lie apart (time domain reflectometry).

An echo runs from one reflection point to another and back, so a delay of one tap means half the way
that a signal goes in a symbol. What is known is how far apart the two points are, not where.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "SYMBOL_RATE_HZ",
    "VELOCITY_OF_PROPAGATION",
    "metres_per_tap",
    "parabola_offset",
    "reflection_distance_m",
]

Array = NDArray[np.float64]

SYMBOL_RATE_HZ = 5_120_000.0
"""Of a channel of 6.4 MHz; 2.56 million of one of 3.2 MHz."""
VELOCITY_OF_PROPAGATION = 0.87
"""Of the usual coaxial cable, relative to the speed of light."""

_SPEED_OF_LIGHT = 299_792_458.0


def metres_per_tap(
    symbol_rate_hz: float = SYMBOL_RATE_HZ,
    velocity_of_propagation: float = VELOCITY_OF_PROPAGATION,
) -> float:
    """Return the distance that a delay of one tap means.

    Examples
    --------
    >>> round(metres_per_tap(), 2), round(metres_per_tap(2_560_000.0), 2)
    (25.47, 50.94)
    """
    return 0.5 * _SPEED_OF_LIGHT * velocity_of_propagation / symbol_rate_hz


def parabola_offset(before: ArrayLike, at: ArrayLike, after: ArrayLike) -> Array:
    """Return where the parabola through three equally spaced points peaks, from the middle one.

    0 where they lie on a line.

    Examples
    --------
    >>> float(parabola_offset(35.0, 40.0, 29.0))
    -0.1875
    """
    left, middle, right = (np.asarray(value, np.float64) for value in (before, at, after))
    bend = left - 2.0 * middle + right
    return np.divide(0.5 * (left - right), bend, out=np.zeros_like(bend), where=bend != 0)


def reflection_distance_m(
    taps: ArrayLike,
    main_tap: ArrayLike,
    *,
    symbol_rate_hz: float = SYMBOL_RATE_HZ,
    velocity_of_propagation: float = VELOCITY_OF_PROPAGATION,
) -> Array:
    """Return the distance between the reflection points of the strongest micro-reflection.

    The strongest tap after the main one gives the delay. A parabola through its energy ratio, in
    dB, and those of its two neighbours refines it by half a tap at most. The first tap after the
    main one has no neighbour that tells of echoes, the last one no neighbour at all: there the
    delay stays a whole number.

    Parameters
    ----------
    taps : array of shape (..., tap)
        Complex coefficients, one tap per symbol.
    main_tap : int or array of shape (...)
        Position of the main tap, counted from 0.
    symbol_rate_hz : float
        Of the channel.
    velocity_of_propagation : float
        Of the cable, relative to the speed of light.

    Returns
    -------
    array of shape (...)
        In metres; NaN where there is no energy after the main tap.

    Examples
    --------
    >>> float(np.round(reflection_distance_m([2000, 5, 100, 200, 100, 5], 0), 1))
    76.4
    """
    values = np.asarray(taps, np.complex128)
    energy = values.real**2 + values.imag**2
    n_taps = energy.shape[-1]
    main = np.broadcast_to(np.asarray(main_tap, np.int64), energy.shape[:-1])[..., None]
    echo = np.where(np.arange(n_taps) > main, energy, 0.0)
    strongest = np.argmax(echo, axis=-1)[..., None]
    with np.errstate(divide="ignore"):
        # Far below what 16 bits hold, and finite, so that a silent neighbour does not matter.
        level_db = np.maximum(10.0 * np.log10(energy), -10.0)
    before, at, after = (
        np.take_along_axis(level_db, np.clip(strongest + step, 0, n_taps - 1), axis=-1)
        for step in (-1, 0, 1)
    )
    is_between = (strongest > main + 1) & (strongest < n_taps - 1)
    # A neighbour cannot be stronger, so the parabola peaks within half a tap.
    offset = np.where(is_between, parabola_offset(before, at, after), 0.0)
    delay = (strongest + offset - main)[..., 0]
    scale = metres_per_tap(symbol_rate_hz, velocity_of_propagation)
    return np.asarray(np.where(echo.any(axis=-1), delay * scale, np.nan))
