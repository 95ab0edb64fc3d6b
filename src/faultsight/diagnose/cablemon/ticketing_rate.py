"""The ticketing rate ratio (TRR) of every threshold at once.

The ticketing rate of a set of modem periods is the number of tickets opened in them over their
length; the TRR of a threshold is the rate of abnormal periods over that of normal ones (CableMon,
section 4). Periods in which a feature does not exist are neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["RateCurve", "rate_curve"]


@dataclass(frozen=True, eq=False)
class RateCurve:
    """What lies on both sides of each threshold; position ``j`` is the lower edge of bin ``j + 1``.

    Attributes
    ----------
    abnormal_ms, normal_ms : array of shape (threshold,)
        int64; modem time.
    abnormal_tickets, normal_tickets : array of shape (threshold,)
        int64.
    trr : array of shape (threshold,)
        float64; NaN where one side has no time.
    sure_trr : array of shape (threshold,)
        float64; what surely remains of the TRR; NaN where it is.
    """

    abnormal_ms: NDArray[np.int64]
    normal_ms: NDArray[np.int64]
    abnormal_tickets: NDArray[np.int64]
    normal_tickets: NDArray[np.int64]
    trr: NDArray[np.float64]
    sure_trr: NDArray[np.float64]


def rate_curve(
    exposure_ms: NDArray[np.int64],
    tickets: NDArray[np.int64],
    *,
    is_below: bool,
    smoothing: float = 0.5,
    sureness: float = 0.0,
) -> RateCurve:
    """Return the TRR of every threshold from one histogram of time and one of tickets.

    Parameters
    ----------
    exposure_ms, tickets : array of shape (bin,)
        Modem time and tickets.
    is_below : bool
        Whether what lies below the threshold is abnormal; else what reaches it.
    smoothing : float
        Tickets added on both sides.
    sureness : float
        Standard deviations taken off for `sure_trr`: those of the arcsine of the root of the share
        of tickets that are abnormal, which hardly depend on that share, however rare it is.

    Examples
    --------
    >>> curve = rate_curve(np.array([10, 0, 90]), np.array([4, 0, 4]), is_below=True, sureness=1)
    >>> curve.trr.round(2).tolist(), curve.sure_trr.round(2).tolist()
    ([9.0, 9.0], [4.56, 4.56])
    """
    time, count = np.cumsum(exposure_ms), np.cumsum(tickets)
    low_ms, low_tickets = time[:-1], count[:-1]
    high_ms, high_tickets = time[-1] - low_ms, count[-1] - low_tickets
    if is_below:
        abnormal_ms, abnormal, normal_ms, normal = low_ms, low_tickets, high_ms, high_tickets
    else:
        abnormal_ms, abnormal, normal_ms, normal = high_ms, high_tickets, low_ms, low_tickets
    trr, sure_trr = np.full(len(time) - 1, np.nan), np.full(len(time) - 1, np.nan)
    known = (abnormal_ms > 0) & (normal_ms > 0)
    odds = (abnormal[known] + smoothing) / (normal[known] + smoothing)
    times = normal_ms[known] / abnormal_ms[known]
    trr[known] = odds * times
    root = np.arctan(np.sqrt(odds))  # the arcsine of the root of the share
    error = 0.5 / np.sqrt(count[-1] + 2 * smoothing)
    sure_trr[known] = np.tan(np.maximum(root - sureness * error, 0.0)) ** 2 * times
    return RateCurve(abnormal_ms, normal_ms, abnormal, normal, trr, sure_trr)
