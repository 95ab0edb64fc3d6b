"""RAPScore: what accepted combinations are ranked by."""

from __future__ import annotations

from math import sqrt

__all__ = ["rap_score"]


def rap_score(confidence: float, layer: int) -> float:
    """Return confidence / sqrt(layer): of equally sure combinations, the coarser comes first.

    Parameters
    ----------
    confidence : float
        Share of the combination's leaves that are anomalous, in [0, 1].
    layer : int
        How many attributes it fixes, at least 1.

    References
    ----------
    RAPMiner (DSN 2022). The section that defines the score is not in the part of the paper that we
    have; the formula is our reconstruction.

    Examples
    --------
    >>> rap_score(0.9, 1), rap_score(0.9, 4)
    (0.9, 0.45)
    """
    return confidence / sqrt(layer)
