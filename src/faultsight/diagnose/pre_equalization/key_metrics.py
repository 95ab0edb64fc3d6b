"""The key metrics of pre-equalization (CM-GL-PNMP, section on metrics of coefficients).

With the energy E = re² + im² of each tap, energies are sums and metrics are ratios of sums, in
10 log10:

=========  ======================================  ================================================
metric     ratio                                   says
=========  ======================================  ================================================
MTC        TTE / MTE                               main tap compression: the equalizer nears its end
MTR        MTE / (TTE - MTE)                       main tap ratio
NMTER      (PreMTE + PostMTE) / TTE                distortion as a whole
PreMTTER   PreMTE / TTE                            group delay
PostMTTER  PostMTE / TTE                           micro-reflections
PPESR      PreMTE / PostMTE                        pre-post energy symmetry
PPTSR      energy before / after the main tap      pre-post tap symmetry
=========  ======================================  ================================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["KeyMetrics", "key_metrics"]

Array = NDArray[np.float64]

_LEAST_SCALE_BITS = 9
"""No modem is known to scale its coefficients to less than 511."""


@dataclass(frozen=True, eq=False)
class KeyMetrics:
    """Energies and key metrics, an entry for each equalizer.

    Attributes
    ----------
    mte, pre_mte, post_mte, tte : array
        Energy of the main tap, of the taps before it, of those after it, and of all.
    tap_before, tap_after : array
        Energy of the two neighbours of the main tap; NaN where it has none.
    mtna : array
        Main tap nominal amplitude: the greatest number of the modem's scale.
    """

    mte: Array
    pre_mte: Array
    post_mte: Array
    tte: Array
    tap_before: Array
    tap_after: Array
    mtna: Array

    @property
    def mtne(self) -> Array:
        """Main tap nominal energy, the square of the amplitude.

        Published code has twice that: a full-scale main tap would be 3 dB compressed.
        """
        return self.mtna**2

    @property
    def mtc_db(self) -> Array:
        """Main tap compression."""
        return _db(self.tte, self.mte)

    @property
    def mtr_db(self) -> Array:
        """Main tap ratio."""
        return _db(self.mte, self.pre_mte + self.post_mte)

    @property
    def nmter_db(self) -> Array:
        """Non-main tap to total energy ratio."""
        return _db(self.pre_mte + self.post_mte, self.tte)

    @property
    def pre_mtter_db(self) -> Array:
        """Pre-main tap to total energy ratio."""
        return _db(self.pre_mte, self.tte)

    @property
    def post_mtter_db(self) -> Array:
        """Post-main tap to total energy ratio."""
        return _db(self.post_mte, self.tte)

    @property
    def ppesr_db(self) -> Array:
        """Pre-post energy symmetry ratio: before over after.

        Published code has it upside down, which turns group delay into micro-reflection.
        """
        return _db(self.pre_mte, self.post_mte)

    @property
    def pptsr_db(self) -> Array:
        """Pre-post tap symmetry ratio: the neighbour before the main tap over the one after."""
        return _db(self.tap_before, self.tap_after)


def key_metrics(taps: ArrayLike, main_tap: ArrayLike) -> KeyMetrics:
    """Return the key metrics of equalizers.

    Parameters
    ----------
    taps : array of shape (..., tap)
        Complex coefficients.
    main_tap : int or array of shape (...)
        Position of the main tap, counted from 0.

    Returns
    -------
    KeyMetrics
        Its arrays have shape (...). Without any energy beside the main tap, ratios are infinite;
        where nothing is compared with nothing they are NaN.

    Examples
    --------
    >>> metrics = key_metrics([0, 2000, 200j, 0], main_tap=1)
    >>> round(float(metrics.mtr_db), 3), float(metrics.pre_mtter_db), float(metrics.mtna)
    (20.0, -inf, 2047.0)
    """
    values = np.asarray(taps, np.complex128)
    real, imag = values.real, values.imag
    energy = real**2 + imag**2
    n_taps = energy.shape[-1]
    main = np.broadcast_to(np.asarray(main_tap, np.int64), energy.shape[:-1])[..., None]
    tap = np.arange(n_taps)
    padded = np.pad(energy, [(0, 0)] * main[..., 0].ndim + [(1, 1)], constant_values=np.nan)
    # Of the components and not of the main tap's amplitude: turned by 45 degrees, a main tap of
    # full amplitude has smaller ones, but never reaches the next power of two, as the root of the
    # total energy may.
    greatest = np.maximum(np.abs(real).max(axis=-1), np.abs(imag).max(axis=-1))
    bits = np.maximum(np.ceil(np.log2(greatest + 1.0)), _LEAST_SCALE_BITS)
    return KeyMetrics(
        mte=np.take_along_axis(energy, main, axis=-1)[..., 0],
        pre_mte=np.where(tap < main, energy, 0.0).sum(axis=-1),
        post_mte=np.where(tap > main, energy, 0.0).sum(axis=-1),
        tte=energy.sum(axis=-1),
        tap_before=np.take_along_axis(padded, main, axis=-1)[..., 0],
        tap_after=np.take_along_axis(padded, main + 2, axis=-1)[..., 0],
        mtna=2.0**bits - 1.0,
    )


def _db(energy: Array, reference: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Array = 10.0 * np.log10(energy / reference)
    return ratio
