"""Cubes of a CDN by the recipe of RAPMiner's data set RAPMD, as far as it is known.

33 locations x 4 access types x 4 operating systems x 20 sites. The actual values are counts; the
forecast follows from the relative deviation Dev = (f - v) / f, which is drawn leaf by leaf: within
9 % of 0 for normal leaves, between 10 % and 90 % under a root. So the leaves of one root do not
deviate alike, and leaves of small volume hardly show their fault.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.seed import random_stream
from faultsight.sim.case import Root, SimulatedCase, cells, full_grid, named

__all__ = ["CDN_ELEMENTS", "cdn_case"]

Array = NDArray[np.float64]

CDN_ELEMENTS = {
    "location": [f"L{i + 1}" for i in range(33)],
    "access": [f"A{i + 1}" for i in range(4)],
    "os": [f"O{i + 1}" for i in range(4)],
    "site": [f"S{i + 1}" for i in range(20)],
}
"""Attributes of the provider's CDN and their elements (RAPMiner, section II.B)."""

_SIZES = tuple(len(names) for names in CDN_ELEMENTS.values())

_NORMAL, _FAULTY = (-0.09, 0.09), (0.1, 0.9)
# A few elements carry most of the traffic; about one leaf in six sees nobody.
_SPREADS, _LEAF_SPREAD, _MEDIAN_COUNT = (1.0, 0.6, 0.6, 1.0), 1.4, 8.0
_DEEPEST_LAYER, _FEWEST_LEAVES = 3, 10


def cdn_case(index: int, *, seed: int = 0) -> SimulatedCase:
    """Return one case with 1 to 3 roots in layers 1 to 3, none inside another.

    Parameters
    ----------
    index : int
        The case's number.
    seed : int
        Of the set.

    References
    ----------
    RAPMiner (DSN 2022), sections I and II.B for the attributes; the rest is a reconstruction.

    Examples
    --------
    >>> case = cdn_case(0)
    >>> case.table.height, case.table.columns
    (10560, ['location', 'access', 'os', 'site', 'real', 'predict'])
    """
    stream = random_stream(seed, "rapmd", index)
    log_rate = np.log(_MEDIAN_COUNT) + _LEAF_SPREAD * stream.standard_normal(_SIZES)
    for axis, spread in enumerate(_SPREADS):
        along = [1] * len(_SIZES)
        along[axis] = _SIZES[axis]
        log_rate += (spread * stream.standard_normal(_SIZES[axis])).reshape(along)
    actual = stream.poisson(np.exp(log_rate)).astype(np.float64)
    roots = _roots(actual, stream)
    faulty = np.zeros(_SIZES, dtype=bool)
    for root in roots:
        faulty[cells(root, len(_SIZES))] = True
    deviation = np.where(faulty, stream.uniform(*_FAULTY, _SIZES), stream.uniform(*_NORMAL, _SIZES))
    return SimulatedCase(
        name=f"{seed}-{index}",
        table=full_grid(CDN_ELEMENTS, {"real": actual, "predict": actual / (1 - deviation)}),
        truth=frozenset(named(root, CDN_ELEMENTS) for root in roots),
    )


def _roots(actual: Array, stream: np.random.Generator) -> list[Root]:
    n_roots = int(stream.integers(1, 3, endpoint=True))
    roots: list[Root] = []
    while len(roots) < n_roots:
        layer = int(stream.integers(1, _DEEPEST_LAYER, endpoint=True))
        cuboid = sorted(stream.choice(len(_SIZES), layer, replace=False).tolist())
        root = {axis: int(stream.integers(_SIZES[axis])) for axis in cuboid}
        nested = any(
            root.items() <= other.items() or other.items() <= root.items() for other in roots
        )
        seen = np.count_nonzero(actual[cells(root, len(_SIZES))])
        if not nested and seen >= _FEWEST_LEAVES:
            roots.append(root)
    return roots
