"""How alike the distortions of two modems are.

Two modems behind one reflection send with the same echo in their taps, whatever their levels. Both
measures take the taps relative to the main tap, so neither scale nor common phase matters.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import SettingError

__all__ = ["coherence", "cosine_of_channels", "echoes", "quotient_mtr_db"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Number = TypeVar("Number", np.float64, np.complex128)

_NOTCH = 1e-6


def echoes(taps: ArrayLike, main_tap: ArrayLike) -> Complex:
    """Return taps relative to the main tap, without it, aligned on it.

    Parameters
    ----------
    taps : array of shape (..., tap)
        Complex coefficients. Rows of zeros stay zeros.
    main_tap : int or array of shape (...)
        Position of the main tap, counted from 0.

    Returns
    -------
    array of shape (..., 2 * tap - 1)
        The place in the middle is the main tap's, and zero.

    Examples
    --------
    >>> echoes([[2000, 200, 0], [0, 1000, 100j]], [0, 1]).tolist()
    [[0j, 0j, 0j, (0.1+0j), 0j], [0j, 0j, 0j, 0.1j, 0j]]
    """
    values = np.asarray(taps, np.complex128)
    n_taps = values.shape[-1]
    main = np.broadcast_to(np.asarray(main_tap, np.int64), values.shape[:-1])[..., None]
    main_value = np.take_along_axis(values, main, axis=-1)
    relative = np.divide(values, main_value, out=np.zeros_like(values), where=main_value != 0)
    np.put_along_axis(relative, main, 0.0, axis=-1)
    aligned = np.zeros((*values.shape[:-1], 2 * n_taps - 1), np.complex128)
    np.put_along_axis(aligned, np.arange(n_taps) + n_taps - 1 - main, relative, axis=-1)
    return aligned


def coherence(echo: ArrayLike, is_known: ArrayLike) -> Array:
    """Return the complex coherence of each pair of modems: 1 the same echoes, 0 unrelated ones.

    It is ``|<H1, H2>| / (|H1| |H2|)`` of the responses of unit main taps, less the main tap.
    By Parseval's theorem that is the same of the echoes themselves, which are shorter. Channels
    that both modems have count together.

    Parameters
    ----------
    echo : array of shape (modem, channel, place)
        As `echoes` returns them.
    is_known : array of shape (modem, channel)
        Whether a modem has coefficients on a channel.

    Returns
    -------
    array of shape (modem, modem)
        Symmetric; 0 between modems of which one has no echo at all, or that share no channel; the
        diagonal is 1.

    Examples
    --------
    >>> echo = np.array([[[0.1, 0.0]], [[-0.05j, 0.0]], [[0.0, 0.2]]])
    >>> coherence(echo, np.ones((3, 1))).round(3).tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    similarity: Array = np.abs(cosine_of_channels(np.asarray(echo, np.complex128), is_known))
    return similarity


def cosine_of_channels(vectors: NDArray[Number], is_known: ArrayLike) -> NDArray[Number]:
    """Return the cosine of each pair of modems over the channels that both have.

    Parameters
    ----------
    vectors : array of shape (modem, channel, place)
        Real or complex.
    is_known : array of shape (modem, channel)
        Whether a modem has a vector on a channel.

    Returns
    -------
    array of shape (modem, modem)
        Hermitian, of modulus 1 at most; 0 where it is not defined; the diagonal is 1.

    Examples
    --------
    >>> vectors = np.array([[[3.0, 4.0], [0.0, 1.0]], [[6.0, 8.0], [7.0, 7.0]]])
    >>> cosine_of_channels(vectors, [[True, True], [True, False]]).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    known = np.asarray(is_known, np.float64)
    known_vectors = np.where(known[..., None] > 0, vectors, 0)
    # A modem's channels end to end; -1 would not do where there is no modem.
    flat = known_vectors.reshape(len(known), np.prod(known_vectors.shape[1:], dtype=int))
    product = flat @ flat.conj().T
    energy = (np.abs(known_vectors) ** 2).sum(axis=-1) @ known.T
    size = np.sqrt(energy * energy.T)
    cosine: NDArray[Number] = np.divide(product, size, out=np.zeros_like(product), where=size > 0)
    # Rounding must not make a pair more alike than a modem is to itself.
    cosine /= np.maximum(np.abs(cosine), 1.0)
    np.fill_diagonal(cosine, 1.0)
    return cosine


def quotient_mtr_db(taps: ArrayLike, main_tap: ArrayLike, *, n_bins: int = 64) -> Array:
    """Return the main tap ratio of the quotient of each pair of responses.

    If two modems have the same response, the quotient is flat and its inverse transform is all main
    tap: the higher, the more alike. Fielded element managers group modems this way.

    Parameters
    ----------
    taps : array of shape (modem, tap)
        Complex coefficients of one channel, with energy in the main tap.
    main_tap : int or array of shape (modem,)
        Position of the main tap, counted from 0.
    n_bins : int
        Frequencies; twice as many as taps at least.

    Returns
    -------
    array of shape (modem, modem)
        In dB; row over column, so not symmetric. +inf on the diagonal.

    Examples
    --------
    >>> taps = np.array([[2000, 200, 0], [1000, 100, 0], [1000, 0, 100]])
    >>> quotient_mtr_db(taps, 0)[0].round(1).tolist()
    [inf, inf, 16.9]
    """
    echo = echoes(taps, main_tap)
    n_places = echo.shape[-1]
    if n_bins < n_places:
        raise SettingError(f"{n_places} delays need as many bins, not {n_bins}")
    # Aligned on the main tap, or a later main tap would pass for a delay.
    unit = np.zeros((len(echo), n_bins), np.complex128)
    unit[:, np.arange(n_places) - n_places // 2] = echo
    unit[:, 0] = 1.0
    response = np.fft.fft(unit, axis=-1)
    # An echo as strong as the main tap makes a perfect notch.
    response[np.abs(response) < _NOTCH] = _NOTCH
    inverse = 1.0 / response
    # The quotient's tap at delay 0 is its mean over the channel, and the energy of all its taps is
    # its mean square (Parseval): two matrix products in place of n² transforms.
    main_energy = np.abs(response @ inverse.T / n_bins) ** 2
    total = np.abs(response) ** 2 @ (np.abs(inverse) ** 2).T / n_bins
    rest = total - main_energy
    # Below this share the difference is rounding.
    rest[rest < 1e-12 * total] = 0.0
    np.fill_diagonal(rest, 0.0)
    with np.errstate(divide="ignore"):
        ratio: Array = 10.0 * np.log10(main_energy / rest)
    return ratio
