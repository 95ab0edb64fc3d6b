"""Stamps as exports write them, to seconds since 1970 UTC: whole columns at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from faultsight.core.errors import InputError
from faultsight.diagnose.reading._units import STAMP_UNITS

__all__ = ["EARLIEST_S", "Stamps", "read_stamps"]

EARLIEST_S = 852_076_800.0
"""1997, when the first cable modem of this kind was certified: an earlier stamp is a wrong one."""

_ZONE = r":\d{2}(?:[.,]\d{1,9})?\s*(Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$"
"""After a time of day: a date ends like an offset."""

_FORMS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")

_MILLISECOND = 1000.0


@dataclass(frozen=True, eq=False)
class Stamps:
    """A column of stamps, read.

    Attributes
    ----------
    seconds : polars.Series
        Float64, since 1970 UTC, rounded to milliseconds; null where there is none.
    has_zone : polars.Series
        Boolean; whether a text tells its zone. Null where the question does not arise: in columns
        of times or of numbers.
    """

    seconds: pl.Series
    has_zone: pl.Series


def read_stamps(stamps: pl.Series, unit: str = "s", source: str | None = None) -> Stamps:
    """Return the moments of a column; null where a stamp is missing or cannot be read.

    Parameters
    ----------
    stamps : polars.Series
        Times, dates, ISO texts (UTC where no zone is told), or numbers since 1970.
    unit : str
        Of numbers: one of `STAMP_UNITS`.
    source : str, optional
        The file, for messages.

    Raises
    ------
    InputError
        If the column is of another kind, or its numbers are in another unit.

    Examples
    --------
    >>> read_stamps(pl.Series("t", ["2026-01-01 01:00", "2026-01-01T02:00+02:00", "soon"])).seconds
    shape: (3,)
    Series: 't' [f64]
    [
        1.7672e9
        1.7672e9
        null
    ]
    """
    if isinstance(stamps.dtype, pl.Categorical | pl.Enum):
        stamps = stamps.cast(pl.String)
    kind = stamps.dtype
    no_zones = pl.Series(stamps.name, [None], dtype=pl.Boolean).new_from_index(0, len(stamps))
    if kind == pl.Null:
        return Stamps(stamps.cast(pl.Float64), no_zones)
    if isinstance(kind, pl.Datetime | pl.Date):
        return Stamps(_rounded(stamps.cast(pl.Datetime("us")).dt.epoch("us") / 1e6), no_zones)
    if kind.is_numeric():
        seconds = _of_numbers(stamps.cast(pl.Float64), unit, source)
        return Stamps(_rounded(seconds), no_zones)
    if kind != pl.String:
        raise InputError(f"{kind} is no time", source=source, column=stamps.name)
    seconds, has_zone = _of_texts(stamps.str.strip_chars(), unit, source)
    return Stamps(_rounded(seconds), has_zone)


def _rounded(seconds: pl.Series) -> pl.Series:
    return (seconds * _MILLISECOND).round() / _MILLISECOND


def _of_numbers(
    numbers: pl.Series, unit: str, source: str | None, *, is_checked: bool = True
) -> pl.Series:
    """Return seconds; refuses numbers of another magnitude than the unit's."""
    finite = numbers.filter(numbers.is_finite())
    seconds = numbers / STAMP_UNITS[unit]
    if len(finite) and is_checked:
        median = float(str(finite.median()))
        latest_s = 4_102_444_800.0  # 2100
        if not EARLIEST_S <= median / STAMP_UNITS[unit] < latest_s:
            others = (u for u, n in STAMP_UNITS.items() if EARLIEST_S <= median / n < latest_s)
            likely = next(others, None)
            raise InputError(
                f"the median stamp, {median:.15g}, is read as {unit} since 1970 and lies outside "
                "1997 to 2100: "
                + (
                    f"it looks like {likely}; state its unit: timestamp={likely}"
                    if likely is not None
                    else "export times as ISO 8601, or as seconds since 1970"
                ),
                source=source,
                column=numbers.name,
            )
    return pl.select(pl.when(seconds.is_finite()).then(seconds)).to_series().alias(numbers.name)


def _of_texts(texts: pl.Series, unit: str, source: str | None) -> tuple[pl.Series, pl.Series]:
    """Return seconds and whether a zone is told, the usual forms by whole columns."""
    zone = texts.str.extract(_ZONE)
    n_zone = zone.str.len_chars().fill_null(0)
    bare = texts.str.head(texts.str.len_chars() - n_zone).str.strip_chars_end()
    moment = pl.Series(texts.name, [None] * len(texts), dtype=pl.Datetime("us"))
    for form in _FORMS:
        unread = pl.select(pl.when(moment.is_null()).then(bare)).to_series()
        if unread.count():
            moment = moment.fill_null(unread.str.to_datetime(form, time_unit="us", strict=False))
    digits = zone.str.replace_all(r"\D", "").str.pad_end(4, "0").cast(pl.Int64)
    minutes = digits // 100 * 60 + digits % 100
    east_s = pl.select(
        pl.when(zone.str.starts_with("-")).then(minutes * -60).otherwise(minutes * 60)
    ).to_series()
    seconds = moment.dt.epoch("us") / 1e6 - east_s.fill_null(0)
    is_told = moment.is_not_null()
    has_zone = pl.select(pl.when(is_told).then(zone.is_not_null())).to_series()
    rest = texts.filter(~is_told & texts.is_not_null() & (texts != ""))
    if len(rest):
        # A few numbers among texts are stray cells, not a column in another unit.
        are_most = 2 * len(rest) >= texts.count()
        others = _of_rare_texts(rest.unique(), unit, source, are_most=are_most)
        found = pl.DataFrame({"text": pl.select(pl.when(~is_told).then(texts)).to_series()}).join(
            others, on="text", how="left", maintain_order="left"
        )
        seconds, has_zone = seconds.fill_null(found["seconds"]), has_zone.fill_null(found["zone"])
    return seconds.alias(texts.name), has_zone.alias(texts.name)


def _of_rare_texts(
    texts: pl.Series, unit: str, source: str | None, *, are_most: bool
) -> pl.DataFrame:
    """Return text, seconds and zone of distinct texts: numbers, and rarer forms of ISO 8601."""
    numbers = texts.cast(pl.Float64, strict=False)
    is_checked = are_most and 2 * numbers.count() >= len(texts)
    seconds = _of_numbers(numbers, unit, source, is_checked=is_checked)
    told = [
        (None, None) if number is not None else _other(text)
        for text, number in zip(texts, numbers, strict=True)
    ]
    others = pl.Series([s for s, _ in told], dtype=pl.Float64)
    zones = pl.Series([z for _, z in told], dtype=pl.Boolean)
    return pl.DataFrame({"text": texts, "seconds": seconds.fill_null(others), "zone": zones})


def _other(text: str) -> tuple[float | None, bool | None]:
    """Return the moment of a text in one of the rarer forms of ISO 8601, and if it has a zone."""
    try:
        moment = datetime.fromisoformat(text)
        has_zone = moment.tzinfo is not None
        return (moment if has_zone else moment.replace(tzinfo=UTC)).timestamp(), has_zone
    except (ValueError, OverflowError):
        return None, None
