"""Whether a fault comes back at the same hours, like the old television set of a Welsh village.

That set was switched on at seven every morning and took a village's broadband down for eighteen
months. Here the members' polls are laid out by day and by the hour at which the node is polled. If
bad polls gather at some hours beyond what chance does, the hours are named.

Chance means: each day's pattern stays as it is, and is turned around the clock by a random angle.
So a fault that simply lasts for hours at a time is not taken for one with a timetable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import LEVELS, NodePolls, Telemetry
from faultsight.core.seed import random_stream
from faultsight.diagnose.contract import DAY_S
from faultsight.diagnose.faults.fault import Fault
from faultsight.diagnose.faults.level_shifts import padded, polls_of
from faultsight.diagnose.preprocessing.duplicates import without_duplicates
from faultsight.diagnose.preprocessing.silence import poll_interval_s, silent_phase_s

__all__ = ["Recurrence", "recurrence", "recurrence_of_days", "tell_recurrence"]

_METRIC_OF = {"snr": "snr_db", "tx_power": "tx_power_dbmv"}
_LEAST_DAYS = 3
_SIGNIFICANT = 0.01
_N_TURNS = 4999
_LEAST_DB = 1.0
_OFTEN = 0.6
"""Share of days on which an hour must be bad to be named."""
_HISTORY_S = 7 * DAY_S


@dataclass(frozen=True, eq=False)
class Recurrence:
    """At which hours a fault acts.

    Attributes
    ----------
    hours : array of shape (slot,)
        float64; the hour of the day (UTC) at which the node is polled in each slot.
    bad_share : array of shape (slot,)
        float64; share of days on which the slot's polls are bad; NaN where it never was polled.
    n_days : int
        Days looked at.
    p_value : float
        How often chance gathers bad polls as much; 1 where there are fewer than three days.
    """

    hours: NDArray[np.float64]
    bad_share: NDArray[np.float64]
    n_days: int
    p_value: float

    @property
    def is_recurrent(self) -> bool:
        """Whether chance does not explain it, and some hour is bad on most days."""
        return self.p_value <= _SIGNIFICANT and bool(self._named().any())

    def _named(self) -> NDArray[np.bool_]:
        return np.nan_to_num(self.bad_share) >= _OFTEN

    def in_words(self) -> str:
        """Return the hours in words; empty where there are none.

        Examples
        --------
        >>> bad = np.array([[0, 1, 0, 0, 0, 0]] * 7, np.float64)
        >>> recurrence_of_days(bad, np.array([2.9, 6.9, 10.9, 14.9, 18.9, 22.9])).in_words()
        'every day around 07:00 UTC'
        """
        if not self.is_recurrent:
            return ""
        runs = _runs(self._named())
        parts = []
        for first, last in runs:
            start, end = self.hours[first], self.hours[last]
            parts.append(
                f"around {_clock(start)}" if first == last
                else f"from {_clock(start)} to {_clock(end)}"
            )  # fmt: skip
        shares = [self.bad_share[first] for first, _ in runs]
        often = "every day" if min(shares) > 0.9 else "on most days"
        return f"{often} {' and '.join(parts)} UTC"


def recurrence_of_days(bad: NDArray[np.float64], hours: NDArray[np.float64]) -> Recurrence:
    """Return whether bad polls gather at fixed hours.

    Parameters
    ----------
    bad : array of shape (day, slot)
        1 where polls were bad, 0 where they were good, NaN where there were none.
    hours : array of shape (slot,)
        The hour of the day of each slot.

    Notes
    -----
    The statistic is the sum over slots of the squared number of bad days; its distribution under
    chance comes from turning each day around the clock. The turns are the same at each call.
    """
    known = ~np.isnan(bad)
    days = known.any(axis=1)
    bad, known = bad[days], known[days]
    counts = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(known, bad, 0.0).sum(axis=0) / counts
    n_days, n_slots = bad.shape
    if n_days < _LEAST_DAYS or n_slots < 2:
        return Recurrence(hours, share, n_days, 1.0)
    filled = np.where(known, bad, 0.0)
    found = (filled.sum(axis=0) ** 2).sum()
    stream = random_stream(0, "recurrence", str(n_days), str(n_slots))
    sums = np.zeros((_N_TURNS, n_slots))
    slots = np.arange(n_slots)
    for day in filled:
        sums += day[(slots + stream.integers(n_slots, size=(_N_TURNS, 1))) % n_slots]
    as_much = ((sums**2).sum(axis=1) >= found - 1e-9).sum()
    return Recurrence(hours, share, n_days, float((1 + as_much) / (1 + _N_TURNS)))


def recurrence(
    polls: NodePolls, members: NDArray[np.bool_], metric: str, start_s: float, end_s: float
) -> Recurrence:
    """Return at which hours some modems' polls are bad between two moments.

    Parameters
    ----------
    polls : NodePolls
        Of the fiber node, from some days before the fault on.
    members : array of shape (device,)
        The modems that the fault touches.
    metric : str
        ``snr_db`` or ``tx_power_dbmv``: the median member is as far from its usual level as half
        of what the fault does at its worst. Or ``missing``: most members did not answer.
    start_s, end_s : float
        The fault's span.

    Examples
    --------
    >>> time_s = np.arange(90) * 14_400.0 + 10_000
    >>> snr_db = np.where((np.arange(90) % 6 == 1) & (time_s > 8 * 86_400), 30, 36)
    >>> polls = NodePolls("F", ("a",), ("1",), np.array([0, 90]), time_s,
    ...                   {"snr_db": snr_db.astype(np.float32)[:, None]})
    >>> recurrence(polls, np.array([True]), "snr_db", 8 * 86_400, 15 * 86_400).in_words()
    'every day around 06:45 UTC'
    """
    interval_s = poll_interval_s(polls)
    n_slots = max(int(DAY_S // interval_s), 1)
    # Slots begin in the silence between rounds, so that none cuts a round in two.
    shift_s = silent_phase_s(polls.time_s, interval_s) if DAY_S % interval_s == 0 else 0.0
    slot_s = DAY_S / n_slots
    first_day = int((start_s - shift_s) // DAY_S)
    n_days = int((end_s - shift_s - 1) // DAY_S) - first_day + 1
    devices = np.flatnonzero(members)
    at = polls_of(polls, devices, start_s, end_s)
    cell = np.floor((polls.time_s[at] - shift_s) / slot_s).astype(np.int64) - first_day * n_slots
    is_told = (at >= 0) & (cell >= 0) & (cell < n_days * n_slots)
    heard = np.zeros((len(devices), n_days * n_slots), np.bool_)
    rows = np.broadcast_to(np.arange(len(devices))[:, None], cell.shape)
    heard[rows[is_told], cell[is_told]] = True
    if metric == "missing":
        centre_s = shift_s + (first_day * n_slots + np.arange(n_days * n_slots) + 0.5) * slot_s
        inside = (centre_s >= start_s) & (centre_s < end_s)
        bad = np.where(inside, (heard.mean(axis=0) < 0.5).astype(np.float64), np.nan)
    else:
        harm_db = _harm_db(polls, devices, metric, start_s, end_s)
        bad = _bad_cells(harm_db, cell, is_told, n_days * n_slots)
    return recurrence_of_days(
        bad.reshape(n_days, n_slots), _hours(polls.time_s, shift_s, slot_s, n_slots)
    )


def tell_recurrence(faults: Sequence[Fault], telemetry: Telemetry) -> list[Fault]:
    """Return the faults, those of three days and more with the hours at which they come back."""
    places_of: dict[str, list[int]] = defaultdict(list)
    for place, fault in enumerate(faults):
        if fault.end_s - fault.start_s >= _LEAST_DAYS * DAY_S and fault.evidence:
            places_of[fault.fnode].append(place)
    told = list(faults)
    if not places_of:
        return told
    long = [faults[place] for places in places_of.values() for place in places]
    span = TimeWindow(
        min(fault.start_s for fault in long) - _HISTORY_S, max(fault.end_s for fault in long)
    )
    for node in telemetry.nodes(span, fnodes=sorted(places_of), metrics=LEVELS):
        polls = without_duplicates(node)
        for place in places_of[polls.fnode]:
            fault = faults[place]
            metric = _METRIC_OF.get(fault.features[0], "missing")
            if metric != "missing" and metric not in polls.values:
                continue
            lasting = fault.lasting_members
            mine = np.array([device in lasting for device in polls.device_ids], np.bool_)
            if mine.any():
                found = recurrence(polls, mine, metric, fault.start_s, fault.end_s)
                told[place] = replace(fault, recurrence=found.in_words())
    return told


def _harm_db(
    polls: NodePolls, devices: NDArray[np.int64], metric: str, start_s: float, end_s: float
) -> NDArray[np.float64]:
    """Return how far each poll's worst channel is from the modem's usual level: (device, poll).

    The usual level is the median of the days before and, for a fault that is rarely there, of its
    own days; the harmless of the two.
    """
    sign = 1.0 if metric == "tx_power_dbmv" else -1.0
    during = sign * padded(polls, devices, metric, start_s, end_s)
    before = sign * padded(polls, devices, metric, start_s - _HISTORY_S, start_s)
    usual = np.minimum(_known_median(before, np.inf), _known_median(during, np.inf))
    harm = during - usual[:, None, :]
    worst = np.where(np.isnan(harm), -np.inf, harm).max(axis=2)
    return np.asarray(np.where(np.isfinite(worst), worst, np.nan))


def _known_median(values: NDArray[np.float64], otherwise: float) -> NDArray[np.float64]:
    """Return the median over polls (axis 1); `otherwise` where nothing is known."""
    if not values.shape[1]:
        return np.full((values.shape[0], values.shape[2]), otherwise)
    ranked = np.sort(values, axis=1)
    known = (~np.isnan(values)).sum(axis=1)
    taken = np.take_along_axis(ranked, (np.maximum(known - 1, 0) // 2)[:, None, :], axis=1)[:, 0]
    return np.where(known > 0, taken, otherwise)


def _bad_cells(
    harm_db: NDArray[np.float64],
    cell: NDArray[np.int64],
    is_told: NDArray[np.bool_],
    n_cells: int,
) -> NDArray[np.float64]:
    """Return for each day and slot whether the median member's poll is bad; NaN without polls."""
    is_told = is_told & ~np.isnan(harm_db)
    order = np.argsort(cell[is_told], kind="stable")
    cells = cell[is_told][order]
    values = harm_db[is_told][order]
    median = np.full(n_cells, np.nan)
    places, first = np.unique(cells, return_index=True)
    if not len(places):
        return median
    for place, part in zip(places.tolist(), np.split(values, first[1:]), strict=True):
        median[place] = np.median(part)
    worst = np.nanquantile(median, 0.95, method="higher")
    return np.where(np.isnan(median), np.nan, median >= max(0.5 * worst, _LEAST_DB))


def _hours(
    time_s: NDArray[np.float64], shift_s: float, slot_s: float, n_slots: int
) -> NDArray[np.float64]:
    """Return the hour of the day at which each slot is polled: the median of its polls."""
    slot = np.floor((time_s - shift_s) / slot_s).astype(np.int64) % n_slots
    hours = ((np.arange(n_slots) + 0.5) * slot_s + shift_s) / 3600.0 % 24.0
    for place in range(n_slots):
        inside = np.mod(time_s[slot == place] - shift_s - place * slot_s, DAY_S)
        if len(inside):
            hours[place] = (float(np.median(inside)) + shift_s + place * slot_s) / 3600.0 % 24.0
    return np.asarray(hours)


def _runs(named: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last slot of each run; a run may go over midnight.

    >>> _runs(np.array([True, False, True, True])), _runs(np.array([True, True]))
    ([(2, 0)], [(0, 1)])
    """
    n = len(named)
    if named.all():
        return [(0, n - 1)]
    starts = [i for i in range(n) if named[i] and not named[i - 1]]
    runs = []
    for start in starts:
        end = start
        while named[(end + 1) % n]:
            end = (end + 1) % n
        runs.append((start, end))
    return runs


def _clock(hour: float) -> str:
    minutes = round(hour * 4) * 15 % 1440  # to a quarter: polls of a round are spread over it
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
