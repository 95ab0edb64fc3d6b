"""What reading polls set aside or noticed, counted by reason over any number of files."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from faultsight.core.cube import Quarantined

__all__ = ["Quarantine", "QuarantinedPolls"]


@dataclass(frozen=True)
class QuarantinedPolls(Quarantined):
    """Rows of polls that were set aside, repaired or noticed, and why.

    Attributes
    ----------
    reason, column, rows, first_row
        As in `faultsight.core.cube.Quarantined`; the row is one of `source`. No rows: a whole file
        was set aside.
    source : str
        The file with the first of them; empty for a table in memory.
    """

    source: str = ""


class Quarantine:
    """Collects what is set aside.

    Parameters
    ----------
    sources : sequence of str
        The files, in the order in which they are read.

    Examples
    --------
    >>> quarantine = Quarantine(["a.csv"])
    >>> quarantine.add("no stamp: row set aside", "timestamp", pl.Series([4, 9]))
    >>> quarantine.notes[0].rows, quarantine.notes[0].first_row
    (2, 4)
    """

    def __init__(self, sources: list[str]) -> None:
        self._sources = sources
        self._notes: dict[tuple[str, str], QuarantinedPolls] = {}

    @property
    def notes(self) -> list[QuarantinedPolls]:
        """What was set aside so far, in the order in which it was found."""
        return list(self._notes.values())

    def add(self, reason: str, column: str, rows: pl.Series, file: pl.Series | int = 0) -> None:
        """Count rows for a reason; nothing is noted where there are none.

        Parameters
        ----------
        reason, column : str
            What was wrong and what was done; and where.
        rows : polars.Series
            The rows, counted from 1 without the header.
        file : polars.Series or int
            Of each row or of all: its place in the sources.
        """
        if not len(rows):
            return
        if isinstance(file, int):
            first_file, first_row = file, int(str(rows.min()))
        else:
            first_file = int(str(file.min()))
            first_row = int(str(rows.filter(file == first_file).min()))
        note = QuarantinedPolls(reason, column, len(rows), first_row, self._sources[first_file])
        before = self._notes.get((reason, column))
        if before is not None:  # files come in order, so the first one stays the first
            note = replace(before, rows=before.rows + note.rows)
        self._notes[reason, column] = note

    def add_file(self, reason: str, file: int) -> None:
        """Note that a whole file was set aside."""
        source = self._sources[file]
        note = QuarantinedPolls(f"{reason}: file set aside", "", 0, 0, source)
        self._notes[note.reason, source] = note
