"""RiskLoc's synthetic cubes: Weibull values, zero leaves, noise on one side, drops of many kinds.

Values are Weibull with shape U(.5, 1) times 100; a share U(0, .25) of the leaves is 0. The forecast
is the value with relative normal noise, and in half of the leaves the two change places. Each
fault takes 1 or more elements of one cuboid and lowers one of the two sides by the fault's
severity, so that a fault is a drop or a rise of the actual value, whichever way the noise already
leans. Faults share no element of an attribute that both fix.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.seed import random_stream
from faultsight.sim.case import Root, SimulatedCase, cells, full_grid, named

__all__ = ["RISKLOC_H", "RISKLOC_L", "RISKLOC_S", "RiskLocRecipe", "riskloc_case"]

Array = NDArray[np.float64]

# Draws of a place before the whole set of faults is drawn anew; some sets have no place left.
_ATTEMPTS = 50


@dataclass(frozen=True)
class RiskLocRecipe:
    """What a set of RiskLoc's is made of; ranges are (low, high), drawn for each case or fault.

    Attributes
    ----------
    name : str
        Of the set.
    sizes : tuple of int
        Elements of each attribute; the attributes are a, b, c, ...
    noise : tuple of float
        Relative forecast noise of a case.
    severity, deviation : tuple of float
        Mean and standard deviation of the relative change within a fault; the case's noise is
        added to the severity, so that a fault is never like noise.
    faults, elements : tuple of int
        Faults in a case; roots in a fault.
    last_layer_only : bool
        Whether every root is a single leaf.

    References
    ----------
    RiskLoc (arXiv 2205.10004), section on synthetic data, and its public generator.
    """

    name: str
    sizes: tuple[int, ...]
    noise: tuple[float, float]
    severity: tuple[float, float]
    deviation: tuple[float, float]
    faults: tuple[int, int]
    elements: tuple[int, int]
    last_layer_only: bool = False


RISKLOC_S = RiskLocRecipe(
    "S", (10, 12, 10, 8, 5), (0.0, 0.25), (0.2, 1.0), (0.0, 0.1), (1, 3), (1, 3)
)
"""48,000 leaves of 5 attributes."""

RISKLOC_L = RiskLocRecipe(
    "L", (10, 24, 10, 15), (0.0, 0.1), (0.5, 1.0), (0.0, 0.0), (1, 5), (1, 1), last_layer_only=True
)
"""36,000 leaves of 4 attributes, every root a leaf."""

RISKLOC_H = RiskLocRecipe(
    "H", (10, 5, 250, 20, 8, 12), (0.0, 0.25), (0.2, 1.0), (0.0, 0.1), (1, 3), (1, 3)
)
"""24 million leaves of 6 attributes: about 1 GB in memory as it is made."""


def riskloc_case(recipe: RiskLocRecipe, index: int, *, seed: int = 0) -> SimulatedCase:
    """Return one case of a set.

    Parameters
    ----------
    recipe : RiskLocRecipe
        Which set.
    index : int
        The case's number.
    seed : int
        Of the set.

    Examples
    --------
    >>> case = riskloc_case(RISKLOC_S, 0)
    >>> case.table.shape, case.table.columns
    ((48000, 7), ['a', 'b', 'c', 'd', 'e', 'real', 'predict'])
    >>> 1 <= len(case.truth) <= 9
    True
    """
    stream = random_stream(seed, "riskloc", recipe.name, index)
    noise = stream.uniform(*recipe.noise)
    actual, forecast = _normal_day(recipe, noise, stream)
    faults = _places(recipe, actual, stream)
    # The side that is lower already is lowered further, or the noise would outweigh the fault.
    lowered, other = (forecast, actual) if actual.sum() > forecast.sum() else (actual, forecast)
    for fault in faults:
        severity = stream.uniform(*recipe.severity) + noise
        deviation = stream.uniform(*recipe.deviation)
        for root in fault:
            inside = cells(root, len(recipe.sizes))
            base = other[inside]
            left = 1 - stream.normal(severity, deviation, np.shape(base))
            lowered[inside] = base * np.maximum(left, 0.0)
    elements = {
        attribute: [f"{attribute}{i + 1}" for i in range(size)]
        for attribute, size in zip(ascii_lowercase, recipe.sizes, strict=False)
    }
    return SimulatedCase(
        name=f"{recipe.name}-{seed}-{index}",
        table=full_grid(elements, {"real": actual, "predict": forecast}),
        truth=frozenset(named(root, elements) for fault in faults for root in fault),
    )


def _normal_day(
    recipe: RiskLocRecipe, noise: float, stream: np.random.Generator
) -> tuple[Array, Array]:
    shape = stream.uniform(0.5, 1.0)
    zero_rate = stream.uniform(0.0, 0.25)
    actual, forecast = np.empty(recipe.sizes), np.empty(recipe.sizes)
    # Slab by slab: a large cube is never held more than twice.
    for slab in range(recipe.sizes[0]):
        value = stream.weibull(shape, recipe.sizes[1:]) * 100
        value[stream.random(value.shape) < zero_rate] = 0.0
        noisy = np.maximum(value * (1 + noise * stream.standard_normal(value.shape)), 0.0)
        swapped = stream.random(value.shape) < 0.5
        actual[slab] = np.where(swapped, noisy, value)
        forecast[slab] = np.where(swapped, value, noisy)
    return actual, forecast


def _places(recipe: RiskLocRecipe, actual: Array, stream: np.random.Generator) -> list[list[Root]]:
    """Draw the faults, each a list of roots in one cuboid."""
    for _ in range(_ATTEMPTS):
        faults: list[list[Root]] = []
        for _ in range(stream.integers(*recipe.faults, endpoint=True)):
            fault = _place(recipe, actual, faults, stream)
            if fault is None:
                break
            faults.append(fault)
        else:
            return faults
    raise SettingError(f"the recipe {recipe.name} leaves no room for its faults")


def _place(
    recipe: RiskLocRecipe, actual: Array, faults: list[list[Root]], stream: np.random.Generator
) -> list[Root] | None:
    axes = len(recipe.sizes)
    layer = axes if recipe.last_layer_only else int(stream.integers(1, axes, endpoint=True))
    n_roots = int(stream.integers(*recipe.elements, endpoint=True))
    for _ in range(_ATTEMPTS):
        cuboid = sorted(stream.choice(axes, layer, replace=False).tolist())
        if layer < axes and any(cuboid == list(fault[0]) for fault in faults):
            continue
        free = [
            sorted(
                set(range(recipe.sizes[axis]))
                - {root[axis] for fault in faults for root in fault if axis in root}
            )
            for axis in cuboid
        ]
        if not all(free):
            continue
        drawn = {tuple(int(stream.choice(f)) for f in free) for _ in range(n_roots)}
        roots: list[Root] = [dict(zip(cuboid, codes, strict=True)) for codes in sorted(drawn)]
        if len(roots) < n_roots:
            continue
        if layer < axes or all(actual[cells(root, axes)] > 0 for root in roots):
            return roots
    return None
