"""From DocsEqualizerData to complex taps.

RFC 4546, DocsEqualizerData: one byte each for the main tap's location (counted from 1), the taps
per symbol, the number of forward and of reverse taps; then a pair of 16-bit numbers, real and
imaginary, big-endian two's complement, for each tap. The upstream equalizer of DOCSIS 2.0 and 3.0
has 24 forward taps, a symbol apart, and so takes 100 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError

__all__ = ["N_TAPS", "Coefficients", "DecodedCoefficients", "decode", "decode_all"]

N_TAPS = 24
"""Forward taps of the equalizer of DOCSIS 2.0 and 3.0."""

_HEADER = 4
_BYTES_PER_TAP = 4
_SIZE = _HEADER + N_TAPS * _BYTES_PER_TAP
_TAPS_PER_SYMBOL = (1, 2, 4)
# Of a 12-bit number in 16 bits, without its sign carried to the left.
_TWELVE_BITS, _TWELVE_BIT_SIGN = 0x1000, 0x800


@dataclass(frozen=True, eq=False)
class Coefficients:
    """The taps of one equalizer.

    Attributes
    ----------
    main_tap : int
        Position of the main tap in `taps`, counted from 0.
    taps_per_symbol : int
        1 since DOCSIS 2.0; 2 and 4 in DOCSIS 1.1.
    taps, reverse_taps : array of shape (tap,)
        complex128, in the modem's own scale.
    """

    main_tap: int
    taps_per_symbol: int
    taps: NDArray[np.complex128]
    reverse_taps: NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class DecodedCoefficients:
    """The taps of many equalizers, and what could not be used.

    Attributes
    ----------
    row : array of shape (n,)
        int64, ascending: which of the given byte strings each one is.
    main_tap : array of shape (n,)
        int64, counted from 0.
    taps : array of shape (n, 24)
        complex64, which holds 16-bit numbers exactly.
    refused : mapping of str to int
        Why byte strings were put aside, and how many.
    """

    row: NDArray[np.int64]
    main_tap: NDArray[np.int64]
    taps: NDArray[np.complex64]
    refused: Mapping[str, int]


def decode(data: bytes) -> Coefficients:
    """Return the taps that DocsEqualizerData holds.

    Parameters
    ----------
    data : bytes
        As the modem sent it.

    Raises
    ------
    InputError
        If it is empty (the modem does not know), cut short, too long, or its header cannot be.

    Notes
    -----
    Some modems send 12-bit numbers and leave the upper four bits zero, also of negative numbers.
    They are recognized by no number reaching 4096 while one reaches 2048.

    Examples
    --------
    >>> decode(bytes.fromhex("01 01 02 00 07ff 0000 ff9c 0032")).taps.tolist()
    [(2047+0j), (-100+50j)]
    """
    if not data:
        raise InputError("the modem knows no coefficients: DocsEqualizerData is empty")
    if len(data) < _HEADER:
        raise InputError(f"DocsEqualizerData has 4 bytes at least, not {len(data)}")
    main_tap, taps_per_symbol, n_forward, n_reverse = data[:_HEADER]
    size = _HEADER + (n_forward + n_reverse) * _BYTES_PER_TAP
    if len(data) != size:
        raise InputError(
            f"{n_forward} forward and {n_reverse} reverse taps take {size} bytes, not {len(data)}"
        )
    if taps_per_symbol not in _TAPS_PER_SYMBOL:
        raise InputError(f"1, 2 or 4 taps per symbol are possible, not {taps_per_symbol}")
    if not 1 <= main_tap <= n_forward:
        raise InputError(f"the main tap is number {main_tap} of {n_forward}")
    parts = np.frombuffer(data, np.uint8, offset=_HEADER).reshape(1, -1)
    taps = _complex_taps(parts)[0].astype(np.complex128)
    return Coefficients(main_tap - 1, taps_per_symbol, taps[:n_forward], taps[n_forward:])


def decode_all(data: Sequence[bytes]) -> DecodedCoefficients:
    """Return the taps of many equalizers of DOCSIS 2.0 and 3.0; what cannot be used is counted.

    Besides what `decode` refuses, other layouts than 24 forward taps a symbol apart are put aside,
    and so are equalizers whose main tap is not the strongest: they describe no channel.

    Examples
    --------
    >>> flat = bytes([8, 1, 24, 0]) + bytes(28) + bytes.fromhex("07ff0000") + bytes(64)
    >>> decoded = decode_all([b"", flat, flat[:50]])
    >>> decoded.row.tolist(), dict(decoded.refused)
    ([1], {'empty': 1, 'not 100 bytes': 1})
    """
    size = np.fromiter(map(len, data), np.int64, len(data))
    is_whole = size == _SIZE
    row = np.flatnonzero(is_whole)
    packed = np.frombuffer(b"".join(compress(data, is_whole.tolist())), np.uint8)
    packed = packed.reshape(-1, _SIZE)
    main_tap = packed[:, 0].astype(np.int64) - 1
    is_layout = (packed[:, 1:_HEADER] == (1, N_TAPS, 0)).all(axis=1)
    is_layout &= (main_tap >= 0) & (main_tap < N_TAPS)
    refused = {
        "empty": int((size == 0).sum()),
        f"not {_SIZE} bytes": int((~is_whole & (size > 0)).sum()),
        "another layout": int((~is_layout).sum()),
    }
    row, main_tap = row[is_layout], main_tap[is_layout]
    taps = _complex_taps(packed[is_layout, _HEADER:])
    energy = taps.real.astype(np.float64) ** 2 + taps.imag.astype(np.float64) ** 2
    main = np.take_along_axis(energy, main_tap[:, None], axis=1)[:, 0]
    is_strongest = (main > 0) & (main >= energy.max(axis=1, initial=0.0))
    refused["main tap not the strongest"] = int((~is_strongest).sum())
    return DecodedCoefficients(
        row[is_strongest],
        main_tap[is_strongest],
        taps[is_strongest],
        {reason: count for reason, count in refused.items() if count},
    )


def _complex_taps(packed: NDArray[np.uint8]) -> NDArray[np.complex64]:
    """Return the taps of rows of packed pairs of 16-bit numbers."""
    high, low = packed[:, 0::2].astype(np.int32), packed[:, 1::2].astype(np.int32)
    number = high * 256 + low
    is_twelve_bits = (number < _TWELVE_BITS).all(axis=1) & (number >= _TWELVE_BIT_SIGN).any(axis=1)
    sign = np.where(is_twelve_bits, _TWELVE_BIT_SIGN, 0x8000)[:, None]
    number -= 2 * sign * (number >= sign)
    return (number[:, 0::2] + 1j * number[:, 1::2]).astype(np.complex64)
