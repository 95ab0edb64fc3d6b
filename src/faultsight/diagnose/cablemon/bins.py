"""Fixed, fine bins for the values of generated features, the same for every fiber node and span.

Because they are fixed, histograms of nodes can be added up, and a threshold is always the lower
edge of a bin: what the histogram says of it is exact. Levels have bins of 1/16 dB from -64 to
64 dB. Counts, ratios and variances span many powers of two, so their bins are an eighth of an
octave wide; the bits of a float32 give the bin without a logarithm.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from faultsight.diagnose.cablemon.kernels import (
    CENTRE,
    DROPPED_BITS,
    FIRST_KEY,
    N_BINS,
    PER_DB,
)

__all__ = ["N_BINS", "lower_edges"]


@cache
def lower_edges(is_octaves: bool) -> NDArray[np.float32]:
    """Return the least value of each bin; the first bin has none.

    Examples
    --------
    >>> lower_edges(False)[1024:1027].tolist()
    [0.0, 0.0625, 0.125]
    >>> edges = lower_edges(True)
    >>> (edges[1400:1402] / edges[1392:1394]).tolist()
    [2.0, 2.0]
    """
    if not is_octaves:
        edges = ((np.arange(N_BINS) - CENTRE) / PER_DB).astype(np.float32)
    else:
        keys = FIRST_KEY + np.arange(CENTRE + 1)
        sizes = (keys << DROPPED_BITS).astype(np.int32).view(np.float32)
        # A negative bin ends with its smallest size and so begins just above the next one's.
        below = np.nextafter(-sizes[:CENTRE], np.float32(np.inf))[::-1]
        edges = np.concatenate([[-np.inf], below, sizes[: N_BINS - CENTRE - 1]]).astype(np.float32)
    edges[0] = -np.inf
    edges.flags.writeable = False
    return edges
