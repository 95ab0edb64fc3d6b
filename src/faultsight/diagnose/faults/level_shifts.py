"""How far a fault moves a metric on each channel, for its members and for everybody else.

Each modem and channel is measured against itself: its level while the fault acts against its usual
level of the days before. Both are quantiles, for a fault that comes and goes acts on part of the
polls only, and a low share of them must not look like none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.polls import NodePolls
from faultsight.diagnose.contract import DAY_S

__all__ = ["LevelShift", "level_shift", "padded", "polls_of"]

_HISTORY_S = 7 * DAY_S
_LEAST_HISTORY = 12
_USUAL, _ACTING = 0.5, 0.9
"""Of the history, and of the polls during the fault counted towards harm."""
_LEAST_OTHERS = 5

_IS_HARM_UPWARD = {"tx_power_dbmv": True}


@dataclass(frozen=True, eq=False)
class LevelShift:
    """One metric of one fault.

    Attributes
    ----------
    metric : str
        Such as ``tx_power_dbmv``.
    channels : tuple of str
        The upstream channels.
    member_db, other_db : array of shape (channel,)
        float64; the median change over members, and over the node's other modems; NaN where it is
        not known.
    """

    metric: str
    channels: tuple[str, ...]
    member_db: NDArray[np.float64]
    other_db: NDArray[np.float64]

    @property
    def own_db(self) -> NDArray[np.float64]:
        """What members changed beyond the others (weather moves all); as it is without others."""
        common = np.where(np.isnan(self.other_db), 0.0, self.other_db)
        return np.asarray(self.member_db - common)


def level_shift(
    polls: NodePolls,
    members: NDArray[np.bool_],
    metric: str,
    start_s: float,
    end_s: float,
    *,
    with_others: bool = True,
) -> LevelShift | None:
    """Return how far a metric moved from the days before `start_s` to a fault's span.

    Parameters
    ----------
    polls : NodePolls
        Of the fiber node, from a week before the fault on.
    members : array of shape (device,)
        Who is touched.
    metric : str
        One of `faultsight.core.polls.LEVELS`.
    start_s, end_s : float
        The fault's span.
    with_others : bool
        Whether the other modems are looked at; few tell nothing.

    Returns
    -------
    LevelShift or None
        None where the metric was not collected.

    Examples
    --------
    >>> time_s = np.arange(80) * 3600.0
    >>> snr_db = np.where(time_s < 60 * 3600, 36, 30).astype(np.float32)[:, None]
    >>> polls = NodePolls("F", ("a",), ("1",), np.array([0, 80]), time_s, {"snr_db": snr_db})
    >>> shift = level_shift(polls, np.array([True]), "snr_db", 60 * 3600, 80 * 3600)
    >>> shift.member_db.tolist()
    [-6.0]
    """
    if metric not in polls.values:
        return None
    changes = np.full((2, len(polls.channels)), np.nan)
    for row, mine in enumerate((members, ~members)):
        devices = np.flatnonzero(mine)
        if row == 1 and (not with_others or len(devices) < _LEAST_OTHERS):
            continue
        changes[row] = _median(_changes(polls, devices, metric, start_s, end_s))
    return LevelShift(metric, polls.channels, changes[0], changes[1])


def _changes(
    polls: NodePolls, devices: NDArray[np.int64], metric: str, start_s: float, end_s: float
) -> NDArray[np.float64]:
    """Return the change of each modem and channel."""
    sign = 1.0 if _IS_HARM_UPWARD.get(metric, False) else -1.0
    before = sign * padded(polls, devices, metric, start_s - _HISTORY_S, start_s)
    during = sign * padded(polls, devices, metric, start_s, end_s)
    usual = _quantile(before, _USUAL, least=_LEAST_HISTORY)
    return np.asarray(sign * (_quantile(during, _ACTING, least=1) - usual))


def padded(
    polls: NodePolls, devices: NDArray[np.int64], metric: str, start_s: float, end_s: float
) -> NDArray[np.float64]:
    """Return the values of some modems in a span: (device, poll, channel), NaN where there is none.

    Examples
    --------
    >>> snr_db = np.array([[36.0], [35], [30]], np.float32)
    >>> polls = NodePolls("F", ("a", "b"), ("1",), np.array([0, 2, 3]), np.array([0.0, 9, 5]),
    ...                   {"snr_db": snr_db})
    >>> padded(polls, np.array([0, 1]), "snr_db", 0, 6)[:, :, 0].tolist()
    [[36.0], [30.0]]
    """
    at = polls_of(polls, devices, start_s, end_s)
    values = polls.values[metric][np.maximum(at, 0)].astype(np.float64)
    values[at < 0] = np.nan
    return np.asarray(values)


def polls_of(
    polls: NodePolls, devices: NDArray[np.int64], start_s: float, end_s: float
) -> NDArray[np.int64]:
    """Return which polls of the node some modems have in a span: (device, poll), -1 is none."""
    first = np.empty(len(devices), np.int64)
    last = np.empty(len(devices), np.int64)
    for row, device in enumerate(devices.tolist()):
        low, high = polls.device_start[device], polls.device_start[device + 1]
        ends = np.searchsorted(polls.time_s[low:high], [start_s, end_s])
        first[row], last[row] = low + ends
    at = first[:, None] + np.arange(int((last - first).max()) if len(devices) else 0)
    return np.where(at < last[:, None], at, -1)


def _quantile(values: NDArray[np.float64], share: float, *, least: int) -> NDArray[np.float64]:
    """Return a quantile over polls (axis 1) of the known values; NaN where there are too few."""
    if not values.shape[1]:
        return np.full((values.shape[0], values.shape[2]), np.nan)
    ranked = np.sort(values, axis=1)  # what is not known comes last
    known = (~np.isnan(values)).sum(axis=1)
    place = np.ceil(share * (known - 1)).astype(np.int64)  # of six polls the worst one counts
    taken = np.take_along_axis(ranked, np.maximum(place, 0)[:, None, :], axis=1)[:, 0, :]
    return np.asarray(np.where(known >= least, taken, np.nan))


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median over modems (axis 0) of what is known."""
    return np.asarray(_quantile(values[None], 0.5, least=1)[0])
