"""Stamps become whole seconds since 1970 UTC; what cannot be told gets a reason instead."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.errors import InputError

__all__ = ["Stamps", "read_stamps"]

_LEAP = re.compile(r"(.*\d\d:\d\d):60((?:[.,]\d+)?(?:Z|[+-][\d:]+)?)")
# The year 9999 is the last that a calendar of this language knows.
_LAST_S = 253_402_300_799


class Stamps:
    """Seconds of each row, and for the rows without the reason why.

    Attributes
    ----------
    seconds : ndarray of int64, shape (n_rows,)
        Since 1970 UTC, rounded down; 0 where a reason is told.
    reasons : dict of str to ndarray of bool, shape (n_rows,)
        The rows that each reason concerns.
    """

    def __init__(self, n_rows: int) -> None:
        self.seconds: NDArray[np.int64] = np.zeros(n_rows, np.int64)
        self.reasons: dict[str, NDArray[np.bool_]] = {}

    def refuse(self, reason: str, rows: NDArray[np.bool_]) -> None:
        """Note a reason for rows."""
        if rows.any():
            self.reasons[reason] = self.reasons.get(reason, np.zeros_like(rows)) | rows


def read_stamps(column: pl.Series, time_zone: str) -> Stamps:
    """Return the seconds of a column of stamps.

    Parameters
    ----------
    column : polars.Series
        Times, dates, ISO texts or epoch seconds.
    time_zone : str
        Of times and texts that tell none.

    Raises
    ------
    InputError
        If the column's type is no time at all.

    Examples
    --------
    >>> told = pl.Series(["2026-03-29T01:30", "2026-03-29T02:30", "2026-03-29 02:30+02:00", "soon"])
    >>> stamps = read_stamps(told, "Europe/Berlin")
    >>> stamps.seconds.tolist()[::2]
    [1774744200, 1774744200]
    >>> {reason: np.flatnonzero(rows).tolist() for reason, rows in stamps.reasons.items()}
    {'not_a_time': [3], 'ambiguous_time': [1]}
    """
    stamps = Stamps(len(column))
    kind = column.dtype
    missing = column.is_null().to_numpy()
    if kind.is_numeric():
        seconds = column.cast(pl.Float64).fill_null(0.0).to_numpy()
        is_fine = np.isfinite(seconds) & (np.abs(np.nan_to_num(seconds)) <= _LAST_S)
        stamps.refuse("not_a_time", ~is_fine)
        stamps.seconds = np.floor(np.where(is_fine, seconds, 0.0)).astype(np.int64)
    elif isinstance(kind, pl.Datetime | pl.Date):
        _read_times(column, time_zone, stamps)
    elif kind == pl.String:
        missing = missing | (column.str.strip_chars() == "").fill_null(value=False).to_numpy()
        _read_texts(column, time_zone, stamps)
    elif kind != pl.Null:
        raise InputError(f"{kind} is no time", column=column.name)
    stamps.reasons = {reason: rows & ~missing for reason, rows in stamps.reasons.items()}
    stamps.refuse("no_timestamp", missing)
    return stamps


def _read_times(column: pl.Series, time_zone: str, stamps: Stamps) -> None:
    moments = column.cast(pl.Datetime("us")) if column.dtype == pl.Date else column
    zone = moments.dtype.time_zone if isinstance(moments.dtype, pl.Datetime) else None
    if zone is None:
        told = moments.dt.replace_time_zone(time_zone, ambiguous="null", non_existent="null")
        stamps.refuse("ambiguous_time", (told.is_null() & moments.is_not_null()).to_numpy())
        moments = told
    microseconds = moments.dt.epoch("us").fill_null(0).to_numpy()
    stamps.seconds = microseconds // 1_000_000


def _read_texts(column: pl.Series, time_zone: str, stamps: Stamps) -> None:
    """Read each text once: stamps are shared by many rows."""
    texts = column.drop_nulls().unique()
    zone: tzinfo = UTC if time_zone == "UTC" else ZoneInfo(time_zone)
    seconds: dict[str, int] = {}
    wrong: dict[str, list[str]] = {"not_a_time": [], "ambiguous_time": []}
    for text in texts:
        told = _second(text, zone)
        if isinstance(told, str):
            wrong[told].append(text)
            told = 0
        seconds[text] = told
    stamps.seconds = column.replace_strict(seconds, default=0, return_dtype=pl.Int64).to_numpy()
    for reason, refused in wrong.items():
        if refused:
            stamps.refuse(reason, column.is_in(refused).fill_null(value=False).to_numpy())


def _second(text: str, zone: tzinfo) -> int | str:
    text = text.strip().upper()  # RFC 3339 allows a small z
    leap = _LEAP.fullmatch(text)
    if leap is not None:
        # Seconds since 1970 do not count a leap second: it is the one after it.
        before = _second(f"{leap[1]}:59{leap[2]}", zone)
        return before if isinstance(before, str) else before + 1
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            number = float(text)
        except ValueError:
            return "not_a_time"
        return int(np.floor(number)) if abs(number) <= _LAST_S else "not_a_time"
    if moment.tzinfo is None:
        first, second = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        # An hour that comes twice has two offsets, and so has one that is left out.
        if first.utcoffset() != second.utcoffset():
            return "ambiguous_time"
        moment = first
    return int(np.floor(moment.timestamp()))
