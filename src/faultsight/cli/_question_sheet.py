"""Questions of active learning as a sheet: asked windows are written, answers are read from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import polars as pl

from faultsight.cli._moments import moment_text
from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.files import write_atomic
from faultsight.core.spreadsheet import spreadsheet_csv, text_of
from faultsight.core.tables import read_table

if TYPE_CHECKING:
    from faultsight.detect.anotuner import Query

__all__ = ["QuestionSheet"]

_COLUMNS = ("entity", "time", "is_anomaly")
_ANSWERS = {"yes": True, "no": False, "": None}


@dataclass
class QuestionSheet:
    """What an operator was asked, and said.

    Attributes
    ----------
    path : Path
        A CSV of ``entity``, ``time`` (of the window's last row, UTC) and ``is_anomaly``: yes, no,
        or empty where nobody has answered yet.
    answers : dict of (str, str) to bool or None
        By entity and time, in the order of asking.
    """

    path: Path
    answers: dict[tuple[str, str], bool | None] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the sheet of a file; an empty one if there is none yet.

        Raises
        ------
        InputError
            If a column is missing, or an answer is neither yes nor no; names the row.
        """
        sheet = cls(path)
        if not path.exists():
            return sheet
        rows = read_table(path, as_text=True)
        for column in _COLUMNS:
            if column not in rows.columns:
                raise MissingColumnError(column, rows.columns, source=str(path))
        for number, cells in enumerate(rows.select(_COLUMNS).iter_rows(), start=1):
            entity, time, told = (text_of(cell or "").strip() for cell in cells)
            if told.lower() not in _ANSWERS:
                raise InputError(
                    f"{told!r} is no answer: yes, no, or nothing",
                    source=str(path), column="is_anomaly", row=number,
                )  # fmt: skip
            sheet.answers[entity, time] = _ANSWERS[told.lower()]
        return sheet

    @property
    def n_open(self) -> int:
        """Questions that nobody has answered."""
        return sum(answer is None for answer in self.answers.values())

    def ask(self, query: Query) -> bool | None:
        """Return what was said of a window; None, and a new line of the sheet, if nothing was."""
        return self.answers.setdefault((query.entity, moment_text(query.time_s)), None)

    def write(self) -> None:
        """Write all that was ever asked."""
        words = {answer: word for word, answer in _ANSWERS.items()}
        rows = [(*asked, words[answer]) for asked, answer in self.answers.items()]
        table = pl.DataFrame(rows, schema=dict.fromkeys(_COLUMNS, pl.String), orient="row")
        write_atomic(self.path, spreadsheet_csv(table))
