"""Hold-down: an alarm needs so many rows above the level, and so many not above to be over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spell", "spells"]


@dataclass(frozen=True)
class Spell:
    """A run of rows in which one entity is in alarm.

    Attributes
    ----------
    start, stop : int
        From the first row above the level to the one after the last.
    is_open : bool
        Whether it is not over at the end of the rows.
    flaps : int
        How often it was over and came back.
    """

    start: int
    stop: int
    is_open: bool
    flaps: int = 0


def spells(
    ratio: NDArray[np.floating], *, factor: float = 1.0, raise_rows: int = 1, clear_rows: int = 1
) -> list[Spell]:
    """Return the spells of alarm of one entity, in order of time.

    Parameters
    ----------
    ratio : array of shape (time,)
        Score over level; NaN where it is not known.
    factor : float
        A row is above from so many times the level.
    raise_rows : int
        So many rows in a row above begin a spell, which starts with the first of them. A row
        that is not known breaks the run: what is missing is no evidence.
    clear_rows : int
        So many known rows in a row not above end it, with the last row above. A row that is not
        known is passed over.

    Examples
    --------
    >>> ratio = np.array([0.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0, 0.0, 0.0])
    >>> [(s.start, s.stop, s.is_open) for s in spells(ratio, raise_rows=2, clear_rows=2)]
    [(3, 7, False)]
    """
    known = np.isfinite(ratio)
    above = known & (np.nan_to_num(ratio) > factor)
    places = np.flatnonzero(above)
    if not places.size:
        return []
    # Runs of adjacent rows above; known rows between two of them decide whether they are one.
    parts = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    quiet = np.concatenate([[0], np.cumsum(known & ~above)])
    found: list[Spell] = []
    open_start, last = -1, -1
    for part in parts:
        first, stop = int(part[0]), int(part[-1]) + 1
        if open_start >= 0 and quiet[first] - quiet[last] >= clear_rows:
            found.append(Spell(open_start, last, is_open=False))
            open_start = -1
        if open_start >= 0:
            last = stop
        elif stop - first >= raise_rows:
            open_start, last = first, stop
    if open_start >= 0:
        is_open = bool(quiet[len(ratio)] - quiet[last] < clear_rows)
        found.append(Spell(open_start, last, is_open=is_open))
    return found
