"""Tables as CSV that people open in a spreadsheet: no cell and no heading is a formula there."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

import polars as pl

__all__ = ["cell", "csv_line", "spreadsheet_csv", "text_of"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def cell(value: Any) -> Any:
    """Return a value as a cell that a spreadsheet shows and never runs.

    A text that begins as a formula does gets an apostrophe in front, the spreadsheets' own sign
    for text; so does one that begins with apostrophes before such a sign, so that every text can
    be read back by taking one off: see `text_of`.

    Examples
    --------
    >>> cell("=1+1"), cell("'=1"), cell("cell-1"), cell(-1.5), cell(None)
    ("'=1+1", "''=1", 'cell-1', -1.5, '')
    """
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and _is_formula(value):
        return f"'{value}"
    return value


def text_of(shown: str) -> str:
    """Return the text that `cell` made a cell of.

    Examples
    --------
    >>> text_of("'=1+1"), text_of("'twas"), text_of("cell-1")
    ('=1+1', "'twas", 'cell-1')
    """
    return shown[1:] if shown.startswith("'") and _is_formula(shown[1:]) else shown


def csv_line(cells: Iterable[Any]) -> str:
    r"""Return cells as one line of CSV.

    Examples
    --------
    >>> csv_line(['a"b', 1, "x,y"])
    '"a""b",1,"x,y"\r\n'
    """
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()


def spreadsheet_csv(table: pl.DataFrame) -> str:
    r"""Return a table as CSV with every text and heading as `cell` makes it.

    Examples
    --------
    >>> spreadsheet_csv(pl.DataFrame({"entity": ["=cmd()"], "-x": [-1.5]}))
    "entity,'-x\r\n'=cmd(),-1.5\n"
    """
    texts = [name for name, kind in table.schema.items() if kind == pl.String]
    safe = table.with_columns(
        pl.Series(name, [None if text is None else cell(text) for text in table[name]], pl.String)
        for name in texts
    )
    return csv_line(map(cell, table.columns)) + safe.write_csv(include_header=False)


def _is_formula(text: str) -> bool:
    return text.lstrip("' ").startswith(_FORMULA)
