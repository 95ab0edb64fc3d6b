"""Rows of one poll that bear different stamps: joined, before they are taken for several polls.

A poller that stamps each channel, or the CMTS's answer (SNR) and the modem's (transmit power) each
by itself, tells one poll in rows seconds apart. Two polls so close are taken for one told twice,
and the last counts: without joining, all channels but one would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.polls import COUNTERS, LEVELS
from faultsight.diagnose.reading._poll_rows import FILE, ROW
from faultsight.diagnose.reading._quarantine import Quarantine

__all__ = ["joined"]

_PAYLOAD = (*LEVELS, *COUNTERS, "pre_equalization")


def joined(rows: pl.DataFrame, quarantine: Quarantine, *, within_s: float) -> pl.DataFrame:
    """Return rows in which those that complete each other share the last one's stamp.

    Parameters
    ----------
    rows : polars.DataFrame
        Sorted by fiber node, modem, time and channel; no two of one key.
    quarantine : Quarantine
        Told how many stamps were moved.
    within_s : float
        A row belongs to the poll of the modem's row before if it is less than this later. Polls
        that tell something twice are left as they are: those are duplicates, and the last counts.

    Returns
    -------
    polars.DataFrame
        Sorted as before.
    """
    time_s = rows["timestamp"].to_numpy()
    modem = _changes(rows["fnode"]) | _changes(rows["device_id"])
    gap_s = np.diff(time_s, prepend=-np.inf)
    poll = np.cumsum(modem | (gap_s >= within_s)) - 1
    if not ((gap_s != 0) & ~modem & (gap_s < within_s)).any():
        return rows
    payload = [column for column in _PAYLOAD if column in rows.columns]
    part = _Parts(rows, poll, payload)
    is_joined = part.completes[poll]
    last_s = np.zeros(part.n_polls)
    last_s[poll] = time_s  # rows come in order of time: the last one stays
    moved = is_joined & (time_s != last_s[poll])
    if not moved.any():
        return rows
    quarantine.add(
        f"stamped less than {within_s / 60:g} minutes before the rest of the modem's poll: "
        "joined with it",
        "timestamp", rows[ROW].filter(pl.Series(moved)), rows[FILE].filter(pl.Series(moved)),
    )  # fmt: skip
    stamps = np.where(is_joined, last_s[poll], time_s)
    # Of joined rows of one channel one stays, with whatever any of them tells.
    whole = rows.with_columns(
        pl.Series("timestamp", stamps), *(part.filled(column) for column in payload)
    )
    stays = part.is_last | ~is_joined
    order = np.lexsort((part.channel, stamps, poll))
    joined_rows: pl.DataFrame = whole[order[stays[order]]]
    return joined_rows


class _Parts:
    """Rows grouped by poll and channel."""

    def __init__(self, rows: pl.DataFrame, poll: NDArray[np.int64], payload: Sequence[str]) -> None:
        self.rows = rows
        self.n_polls = int(poll[-1]) + 1
        codes = rows["channel"].to_physical().cast(pl.Int64)
        n_channels = 1 + len(rows["channel"].unique())
        self.channel = codes.fill_null(n_channels - 1).to_numpy()  # none comes last
        key = poll * n_channels + self.channel
        self._order = np.argsort(key, kind="stable")
        ordered = key[self._order]
        self._first = np.flatnonzero(np.diff(ordered, prepend=-1))
        group = np.cumsum(np.diff(ordered, prepend=-1) > 0) - 1
        self._group = np.empty(len(key), np.int64)
        self._group[self._order] = group
        self.is_last = np.zeros(len(key), np.bool_)
        self.is_last[self._order[np.append(self._first[1:], len(key)) - 1]] = True
        self.completes = self._completes(poll, payload)

    def _completes(self, poll: NDArray[np.int64], payload: Sequence[str]) -> NDArray[np.bool_]:
        """Return which polls tell nothing twice, are one round's, and were answered."""
        fails = np.zeros(self.n_polls, np.bool_)
        tells = np.zeros(len(poll), np.bool_)
        for column in payload:
            is_told = self.rows[column].is_not_null().to_numpy()
            tells |= is_told
            n_told = np.add.reduceat(is_told[self._order].astype(np.int64), self._first)
            fails[poll[self._order[self._first[n_told > 1]]]] = True
        fails[poll[~tells]] = True  # where nothing is told, a row is not a part of anything
        if "round_id" in self.rows.columns:
            is_other = _changes(self.rows["round_id"])
            is_other[1:] &= poll[1:] == poll[:-1]
            is_other[0] = False
            fails[poll[is_other]] = True
        if "answered" in self.rows.columns:
            fails[poll[~self.rows["answered"].fill_null(value=True).to_numpy()]] = True
        return ~fails

    def filled(self, column: str) -> pl.Series:
        """Return a column in which each row has what any row of its poll and channel tells."""
        told = self.rows[column].is_not_null().to_numpy()[self._order]
        at = np.where(told, np.arange(len(told)), -1)
        source = np.maximum.reduceat(at, self._first)
        row = np.where(source < 0, 0, self._order[source])[self._group]
        is_known = (source >= 0)[self._group]
        filled = self.rows[column].gather(row)
        return pl.select(pl.when(pl.Series(is_known)).then(filled)).to_series().alias(column)


def _changes(column: pl.Series) -> NDArray[np.bool_]:
    """Return where a column differs from the row before; the first row does."""
    changed = np.ones(len(column), np.bool_)
    changed[1:] = column[1:].ne_missing(column[:-1]).to_numpy()
    return changed
