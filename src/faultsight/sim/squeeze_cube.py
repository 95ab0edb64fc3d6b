"""Cubes by Squeeze's recipe B0: skewed volumes, many empty leaves, roots of one layer.

6 x 36 x 10 x 10 leaves of which about a third have no volume at all. The forecast is the
background, in whole numbers; the actual value deviates from it by 1 % normal noise. 1 to 3 roots
of one layer, 1 to 3, lose 40, 60, 80 or 100 % each, every leaf alike (the ripple effect) but for
rounding to whole numbers: small leaves lose all or nothing. Further relative noise may be put on
the forecast, as weak forecasts have it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.seed import random_stream
from faultsight.sim.case import Root, SimulatedCase, cells, full_grid, named

__all__ = ["SETTINGS", "squeeze_case"]

Array = NDArray[np.float64]

SETTINGS = tuple((layer, roots) for layer in (1, 2, 3) for roots in (1, 2, 3))
"""Layer and number of roots; case i has setting i modulo 9."""

_ELEMENTS = {
    attribute: [f"{attribute}{i + 1}" for i in range(size)]
    for attribute, size in {"a": 6, "b": 36, "c": 10, "d": 10}.items()
}
_SIZES = tuple(len(names) for names in _ELEMENTS.values())

# Matched to the public set by eye: share of empty leaves, elements that hardly occur, and the
# spread of the logarithm of the volume (2.5, of which the elements make about a half).
_USUAL, _RARE, _RARE_SHARE = 0.96, 0.1, 0.1
_ELEMENT_SPREAD, _LEAF_SPREAD, _MEDIAN_VOLUME = 0.9, 1.75, 60.0
_RESIDUAL = 0.01
_LOSSES = (0.4, 0.6, 0.8, 1.0)
# Roots of the public set cover this many leaves with volume, or more.
_FEWEST_LEAVES = 5


def squeeze_case(index: int, *, noise: float = 0.0, seed: int = 0) -> SimulatedCase:
    """Return one case.

    Parameters
    ----------
    index : int
        The case's number; its setting is ``SETTINGS[index % 9]``.
    noise : float
        Relative normal noise on the forecast. The same case with other noise has the same
        background, roots and actual values.
    seed : int
        Of the set.

    Raises
    ------
    SettingError
        If the noise is negative.

    References
    ----------
    Squeeze (ISSRE 2019), section on data sets; what is not told there is matched to the set.

    Examples
    --------
    >>> case = squeeze_case(5)
    >>> case.table.height, case.group, {root.layer for root in case.truth}, len(case.truth)
    (21600, 'layer_2_roots_3', {2}, 3)
    """
    if noise < 0:
        raise SettingError(f"noise must be at least 0, not {noise}")
    stream = random_stream(seed, "squeeze", index)
    layer, n_roots = SETTINGS[index % len(SETTINGS)]
    forecast = _background(stream)
    roots = _roots(forecast, layer, n_roots, stream)
    loss = np.zeros(_SIZES)
    for root in roots:
        inside = cells(root, len(_SIZES))
        loss[inside] = np.maximum(loss[inside], stream.choice(_LOSSES))
    left = np.where(loss > 0, np.round(forecast * (1 - loss)), forecast)
    actual = left * np.maximum(1 + _RESIDUAL * stream.standard_normal(_SIZES), 0.0)
    seen = random_stream(seed, "squeeze", index, "forecast noise").standard_normal(_SIZES)
    forecast = forecast * np.maximum(1 + noise * seen, 0.0)
    return SimulatedCase(
        name=f"{noise:g}-{seed}-{index}",
        table=full_grid(_ELEMENTS, {"real": actual, "predict": forecast}),
        truth=frozenset(named(root, _ELEMENTS) for root in roots),
        group=f"layer_{layer}_roots_{n_roots}",
    )


def _background(stream: np.random.Generator) -> Array:
    log_volume = np.log(_MEDIAN_VOLUME) + _LEAF_SPREAD * stream.standard_normal(_SIZES)
    chance = np.ones(_SIZES)
    for axis, size in enumerate(_SIZES):
        along = [1] * len(_SIZES)
        along[axis] = size
        log_volume += (_ELEMENT_SPREAD * stream.standard_normal(size)).reshape(along)
        rare = stream.random(size) < (_RARE_SHARE if axis else 0.0)
        chance *= np.where(rare, _RARE, _USUAL).reshape(along)
    volume = np.maximum(np.round(np.exp(log_volume)), 1.0)
    return np.where(stream.random(_SIZES) < chance, volume, 0.0)


def _roots(forecast: Array, layer: int, n_roots: int, stream: np.random.Generator) -> list[Root]:
    roots: list[Root] = []
    while len(roots) < n_roots:
        cuboid = sorted(stream.choice(len(_SIZES), layer, replace=False).tolist())
        root = {axis: int(stream.integers(_SIZES[axis])) for axis in cuboid}
        active = np.count_nonzero(forecast[cells(root, len(_SIZES))])
        if root not in roots and active >= _FEWEST_LEAVES:
            roots.append(root)
    return roots
