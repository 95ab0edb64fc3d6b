"""From residuals per KPI to one total."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from faultsight.core.errors import SettingError

__all__ = ["aggregate", "remember"]


def aggregate(
    residuals: NDArray[np.floating], *, largest: int | None = None
) -> NDArray[np.float64]:
    """Return the total of each row: the sum over its KPIs, or over the largest few.

    Parameters
    ----------
    residuals : array of shape (time, kpi)
        At least 0; NaN where a KPI is missing. What is missing is taken to be like what is
        known of the row: the sum is scaled by the KPIs it should have over those it has.
    largest : int, optional
        How many of a row's largest residuals are summed; all if not given. Few are better where
        a fault shows in few of many KPIs.

    Returns
    -------
    array of shape (time,)
        float64; NaN where every KPI is missing.

    Raises
    ------
    SettingError
        If `largest` is less than 1.

    Examples
    --------
    >>> rows = np.array([[1.0, 5.0, 3.0], [2.0, np.nan, 4.0], [np.nan] * 3])
    >>> aggregate(rows).tolist()
    [9.0, 9.0, nan]
    >>> aggregate(rows, largest=2).tolist()
    [8.0, 6.0, nan]
    """
    if largest is not None and largest < 1:
        raise SettingError(f"largest must be at least 1, not {largest}")
    known = ~np.isnan(residuals)
    n_kpis = residuals.shape[1]
    asked = n_kpis if largest is None else min(largest, n_kpis)
    filled = np.where(known, residuals, 0.0).astype(np.float64)
    if asked < n_kpis:
        filled = np.partition(filled, n_kpis - asked, axis=1)[:, n_kpis - asked :]
    summed = np.minimum(known.sum(axis=1), asked)
    total = np.full(len(residuals), np.nan)
    np.divide(filled.sum(axis=1) * asked, summed, out=total, where=summed > 0)
    return total


def remember(residuals: NDArray[np.float32], memory: float) -> NDArray[np.float32]:
    """Return each residual averaged over the rows so far, the older the less.

    What lasts is more often a fault than a spike of one row.

    Parameters
    ----------
    residuals : array of shape (time, kpi)
        NaN is missing, stays so, and does not count.
    memory : float
        Share of the last average that is kept from row to row; 0 changes nothing.

    Examples
    --------
    >>> remember(np.array([[0.0], [8.0], [np.nan], [0.0]], np.float32), 0.5).ravel().tolist()
    [0.0, 5.333333492279053, nan, 1.454545497894287]
    """
    if memory == 0:
        return residuals
    known = np.isfinite(residuals)
    weighted = lfilter([1.0], [1.0, -memory], np.where(known, residuals, 0.0), axis=0)
    weight = lfilter([1.0], [1.0, -memory], known.astype(np.float64), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):  # weights vanish where much is missing
        average = weighted / weight
    return np.where(known, average, np.nan).astype(np.float32)
