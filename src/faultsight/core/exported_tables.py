"""Tables that other tools exported: what spreadsheets make of a CSV is refused with what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from faultsight.core.errors import InputError, SettingError
from faultsight.core.polls import COUNTERS, LEVELS
from faultsight.core.tables import plain_headings, read_table

__all__ = ["read_export", "refuse_other_separators", "refuse_shared_columns", "with_plain_headings"]

_LONGEST_HEADER = 65_536
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_export(path: Path | str) -> pl.DataFrame:
    r"""Return a table of an export as texts, its headings without blanks around them.

    Parameters
    ----------
    path : path
        CSV with commas, or Parquet.

    Raises
    ------
    InputError
        If it cannot be read, or is separated by something else than commas; names the file.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "t.csv"
    >>> _ = file.write_text("id, name\n007,x\n")
    >>> read_export(file).to_dicts()
    [{'id': '007', 'name': 'x'}]
    """
    path = Path(path)
    refuse_other_separators(path)
    return with_plain_headings(read_table(path, as_text=True))


def refuse_other_separators(path: Path) -> None:
    """Refuse what spreadsheets write beside CSV with commas, before a worse message comes of it.

    Raises
    ------
    InputError
        If a CSV has semicolons or tabs for commas, or is UTF-16; names the file and what to do.
    """
    if path.suffix.lower() != ".csv" or not path.is_file():
        return
    with path.open("rb") as lines:
        header = lines.readline(_LONGEST_HEADER)
    problem = None
    if header.startswith(_BYTE_ORDER_MARKS) or b"\0" in header:
        problem = (
            "the text is UTF-16, such as a spreadsheet's 'Unicode text'; save it as CSV in UTF-8, "
            "with commas"
        )
    elif header.count(b";") > header.count(b","):
        problem = (
            "columns are separated by semicolons; export with commas, and decimals with a point"
        )
    elif header.count(b"\t") > header.count(b","):
        problem = "columns are separated by tabs; export with commas"
    if problem is not None:
        raise InputError(problem, source=str(path))


def refuse_shared_columns(columns: Mapping[str, str]) -> None:
    """Refuse a mapping in which one column is to be two things.

    Parameters
    ----------
    columns : mapping of str to str
        By our name, the column of an export.

    Raises
    ------
    SettingError
        If one column has two names, also where one is that of a measured value and its own; tells
        both.

    Examples
    --------
    >>> refuse_shared_columns({"snr_db": "tx", "tx_power_dbmv": "tx"})
    Traceback (most recent call last):
    ...
    faultsight.core.errors.SettingError: column 'tx' cannot be both snr_db and tx_power_dbmv
    """
    named = {name: name for name in (*LEVELS, *COUNTERS) if name not in columns}
    for name, column in columns.items():
        if column in named:
            raise SettingError(f"column {column!r} cannot be both {named[column]} and {name}")
        named[column] = name


def with_plain_headings(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose headings have no blanks around them, unless two would become one.

    Examples
    --------
    >>> with_plain_headings(pl.DataFrame({" a": [1], "b ": [2]})).columns
    ['a', 'b']
    """
    return table.rename(plain_headings(table.columns))
