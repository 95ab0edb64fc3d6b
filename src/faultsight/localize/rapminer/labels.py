"""Which leaves are anomalous: the rule that everything after it rests on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.localize.leaves import Leaves

__all__ = ["anomalous_leaves"]

# A leaf exactly on the threshold stays normal in whatever unit the KPI is given: 100 against 80 and
# 0.1 against 0.08 differ in the last bit of their relative deviation.
_ROUNDING = 1e-12


def anomalous_leaves(leaves: Leaves, threshold: float) -> NDArray[np.bool_]:
    """Label the leaves: anomalous where ``abs(deviation) > threshold``.

    Leaves at 0 that were expected at 0 are never anomalous; they do not count as normal either,
    and no stage looks at them (counting them as normal would dilute every confidence).

    Parameters
    ----------
    leaves : Leaves
        The leaves of one KPI; `Leaves.deviation` is (f - v) / max(f, v), positive for a drop.
    threshold : float
        Least relative deviation, in [0, 1).

    Returns
    -------
    ndarray of bool, shape (n_leaves,)

    References
    ----------
    RAPMiner (DSN 2022), section III.C gives the leaf table of v and f. The rule that turns it into
    labels is not in the part of the paper that we have.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> cube = KpiCube.from_frame(pl.DataFrame({"site": ["a", "b", "c", "d"],
    ...     "real": [100.0, 70.0, 150.0, 0.0], "predict": [100.0, 100.0, 100.0, 0.0]}))
    >>> anomalous_leaves(Leaves(cube, cube.kpis[0]), 0.2).tolist()
    [False, True, True, False]
    """
    return np.abs(leaves.deviation) > threshold + _ROUNDING
