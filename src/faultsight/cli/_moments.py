"""Moments on the command line: as an operator types them, and as they are shown; always UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from faultsight.core.errors import InputError, SettingError

__all__ = ["FARTHEST_S", "iso_moment", "moment_text", "parse_moment"]

FARTHEST_S = 62_135_596_800
"""Seconds from 1970 back to the year 1, where the calendar begins; as far ahead, to 3939."""


def parse_moment(option: str, text: str) -> int | None:
    """Return seconds since 1970 UTC; None for an empty text.

    Parameters
    ----------
    option : str
        Where the text was given, for messages.
    text : str
        An ISO time (UTC where no zone is told) or epoch seconds.

    Raises
    ------
    SettingError
        If it is neither.

    Examples
    --------
    >>> parse_moment("--since", "1970-01-02"), parse_moment("--since", "60")
    (86400, 60)
    """
    import polars as pl

    from faultsight.core.kpi_frame import epoch_seconds

    if not text.strip():
        return None
    try:
        seconds = float(epoch_seconds(pl.Series(option, [text]))[0])
    except InputError as error:
        raise SettingError(f"{option}: {error.problem}") from error
    if not abs(seconds) < FARTHEST_S:
        raise SettingError(f"{option}: {text!r} is no moment between the years 1 and 3939")
    return int(seconds)


def moment_text(seconds: int, *, after: int | None = None) -> str:
    """Return a moment as it is shown, in UTC; shorter after another one in the same line.

    Examples
    --------
    >>> moment_text(90_000), moment_text(90_000, after=86_400), moment_text(90_000, after=0)
    ('1970-01-02 01:00', '01:00', '01-02 01:00')
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    form = "%H:%M:%S" if seconds % 60 or (after or 0) % 60 else "%H:%M"
    if after is None:
        return f"{moment.date()} {moment:{form}}"
    first = datetime.fromtimestamp(after, UTC)
    if moment.date() == first.date():
        return f"{moment:{form}}"
    return f"{moment:%m-%d {form}}" if moment.year == first.year else moment_text(seconds)


def iso_moment(seconds: int) -> str:
    """Return a moment as it is written into files.

    Examples
    --------
    >>> iso_moment(86_400)
    '1970-01-02T00:00:00+00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat()
