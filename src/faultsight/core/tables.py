"""Tables in: CSV and Parquet files, and the frames of other libraries, as polars frames."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.errors import InputError

__all__ = [
    "TABLE_SUFFIXES", "as_polars", "plain_headings", "read_table", "refuse_columns_told_twice",
    "table_batches",
]  # fmt: skip

TABLE_SUFFIXES = (".csv", ".parquet")
_LONGEST_HEADING = 1_000_000
_MOST_TEXT_BYTES = 500_000_000
"""Of one part of Parquet, which keeps a text once however often it is told."""


def read_table(
    path: Path | str, *, as_text: bool | Collection[str] = False, names: Collection[str] = ()
) -> pl.DataFrame:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path : path
        The file; its suffix tells the kind.
    as_text : bool or collection of str
        Read columns of a CSV as they are written, so that a name such as 007 stays a name: all of
        them, or those named here and every other that is not of floating-point numbers.
    names : collection of str
        Read these columns of a CSV as they are written, and find out the kinds of the others.

    Raises
    ------
    InputError
        If the file is missing, empty, not a table, or of an unknown kind; names the file.
    """
    path = Path(path)
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise InputError(f"not one of {', '.join(TABLE_SUFFIXES)}", source=str(path))
    if not path.is_file():
        raise InputError("no such file", source=str(path))
    with _named(path):
        if path.suffix.lower() == ".parquet":
            return pl.read_parquet(path, glob=False)
        if isinstance(as_text, bool):
            table = pl.read_csv(
                path,
                infer_schema=not as_text,
                infer_schema_length=None,
                glob=False,
                schema_overrides=_present(path, names),
            )
            return table.rename(plain_headings(table.columns))
        kinds = pl.scan_csv(path, infer_schema_length=None, glob=False).collect_schema()
        plain = plain_headings(kinds)
        texts = [
            c for c, kind in kinds.items() if plain.get(c, c) in as_text or not kind.is_float()
        ]
        table = pl.read_csv(
            path,
            infer_schema_length=None,
            schema_overrides=dict.fromkeys(texts, pl.String()),
            glob=False,
        )
        return table.rename(plain_headings(table.columns))


def table_batches(
    path: Path | str,
    *,
    as_text: bool = False,
    names: Collection[str] = (),
    most_cells: int = 8_000_000,
    most_bytes: int = 16_000_000,
) -> Iterator[pl.DataFrame]:
    r"""Yield a CSV or Parquet file in parts, so that memory does not grow with the file.

    Parameters
    ----------
    path : path
        The file; its suffix tells the kind.
    as_text : bool
        Read all columns of a CSV as they are written.
    names : collection of str
        Read these columns of a CSV as they are written, and find out the kinds of the others, in
        each part by itself: a column of numbers is one of texts where a part has a text in it.
    most_cells : int
        Of Parquet: a part has so many rows times columns at most, but at least a row.
    most_bytes : int
        Of CSV: a part is made of so many bytes.

    Raises
    ------
    InputError
        If the file cannot be read as a table, or a part of it has too much text; names it. Earlier
        parts have been told then.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "t.csv"
    >>> _ = path.write_text("entity,x\n1,2\n3,4\n5,6\n")
    >>> [part.rows() for part in table_batches(path, names=["entity"], most_bytes=10)]
    [[('1', 2), ('3', 4)], [('5', 6)]]
    """
    path = Path(path)
    if path.suffix.lower() == ".parquet":
        return _parquet_parts(path, most_cells)
    return _csv_parts(path, None if as_text else names, most_bytes)


def _parquet_parts(path: Path, most_cells: int) -> Iterator[pl.DataFrame]:
    with _named(path):
        lazy = pl.scan_parquet(path, glob=False)
        schema = lazy.collect_schema()
        rows = max(most_cells // max(len(schema), 1), 1)
        waiting, is_told = pl.DataFrame(schema=schema), False
        for batch in lazy.collect_batches(chunk_size=rows, maintain_order=True):
            waiting = pl.concat([waiting, batch])
            while waiting.height > rows:
                yield _bounded(waiting[:rows], path)
                waiting, is_told = waiting[rows:], True
        if waiting.height or not is_told:
            yield _bounded(waiting, path)


def _bounded(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Return a table whose texts are not too many to be copied.

    Raises
    ------
    InputError
        If they may not.
    """
    lengths = table.select(
        pl.col(pl.String).str.len_bytes().cast(pl.UInt64).sum(),
        pl.col(pl.Binary).bin.size().cast(pl.UInt64).sum(),
    )
    n_bytes = sum(lengths.row(0)) if lengths.width else 0
    if n_bytes > _MOST_TEXT_BYTES:
        raise InputError(
            f"the texts of {table.height:,} rows take {n_bytes:,} bytes, more than the "
            f"{_MOST_TEXT_BYTES:,} allowed",
            source=str(path),
        )
    return table


def _csv_parts(
    path: Path, names: Collection[str] | None, most_bytes: int
) -> Iterator[pl.DataFrame]:
    with _named(path), path.open("rb") as file:
        kinds = None if names is None else _present(path, names)
        heading = b""
        for part in _whole_rows(file, most_bytes):
            rows = part
            if not heading:
                ends = _row_ends(part)
                at = int(ends[0]) if len(ends) else len(part)
                heading, rows = part[:at], part[at:]
                if names is not None:
                    _refuse_told_twice(heading, path)
                if not rows and file.read(1):
                    file.seek(-1, 1)
                    continue
            table = _read_part(heading + rows, kinds)
            yield table.rename(plain_headings(table.columns))
        if not heading:
            raise InputError("cannot be read as a table: it is empty", source=str(path))


def _read_part(text: bytes, kinds: Mapping[str, pl.String] | None) -> pl.DataFrame:
    if kinds is None:
        return pl.read_csv(text, infer_schema=False)
    try:  # to find out kinds from all rows takes most of the time, and is seldom needed
        table = pl.read_csv(text, infer_schema_length=1000, schema_overrides=kinds)
    except pl.exceptions.ComputeError:
        return pl.read_csv(text, infer_schema_length=None, schema_overrides=kinds)
    return table.with_columns(
        _as_numbers(table[name])
        for name, kind in table.schema.items()
        if kind == pl.String and name not in kinds
    )


def _as_numbers(texts: pl.Series) -> pl.Series:
    """Return texts as numbers if all are and the rows that were looked at have none."""
    if texts.null_count() < len(texts) and texts[:1000].null_count() == min(len(texts), 1000):
        numbers = texts.cast(pl.Float64, strict=False)
        if numbers.null_count() == texts.null_count():
            return numbers
    return texts


def _whole_rows(file: BinaryIO, most_bytes: int) -> Iterator[bytes]:
    """Yield the bytes of a CSV in parts that end where a row does; the last one may end anyhow."""
    left = b""
    while block := file.read(most_bytes - len(left)):
        text = left + block
        ends = _row_ends(text)
        if not len(ends):
            left = text
            if len(text) < most_bytes:
                continue
            raise InputError(f"a row is longer than {most_bytes:,} bytes; is a quote not closed?")
        yield text[: ends[-1]]
        left = text[ends[-1] :]
    if left:
        yield left


def _row_ends(text: bytes) -> NDArray[np.intp]:
    """Return where whole rows of a CSV end; a line that ends within quotes goes on in the next."""
    codes = np.frombuffer(text, np.uint8)
    is_quoted = np.logical_xor.accumulate(codes == ord('"'))
    return np.flatnonzero((codes == ord("\n")) & ~is_quoted) + 1


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in what is raised when it cannot be read."""
    try:
        yield
    except (
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,  # what polars' Parquet reader does on some damaged files
        OSError,
        UnicodeDecodeError,
    ) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"cannot be read as a table: {reason}", source=str(path)) from error


def _present(path: Path, names: Collection[str]) -> dict[str, pl.String]:
    if not names:
        return {}
    columns = pl.scan_csv(path, infer_schema=False, glob=False).collect_schema().names()
    plain = plain_headings(columns)
    return {column: pl.String() for column in columns if plain.get(column, column) in names}


def plain_headings(columns: Collection[str]) -> dict[str, str]:
    """Return what headings of a CSV are without doubled quotes and the blanks around them.

    Only those are named that change. Where two would become one, none does.

    Examples
    --------
    >>> plain_headings(["entity", 'a""b', " load "])
    {'a""b': 'a"b', ' load ': 'load'}
    """
    plain = {column: column.replace('""', '"').strip() for column in columns}
    if len(set(plain.values())) < len(plain):
        return {}
    return {column: name for column, name in plain.items() if name != column}


def refuse_columns_told_twice(path: Path) -> None:
    """Refuse a CSV in which two columns have one name: nobody can tell which of them is meant.

    Raises
    ------
    InputError
        If there is such a file; names it and the column. Columns without a name do not count.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "t.csv"
    >>> _ = path.write_text("entity,drops,drops")
    >>> try:
    ...     refuse_columns_told_twice(path)
    ... except InputError as error:
    ...     error.problem, error.column
    ('two columns have this name; rename one or take it out', 'drops')
    """
    if path.suffix.lower() != ".csv" or not path.is_file():
        return
    with path.open("rb") as file:
        _refuse_told_twice(file.readline(_LONGEST_HEADING), path)


def _refuse_told_twice(heading: bytes, path: Path) -> None:
    seen: set[str] = set()
    text = heading.decode("utf-8-sig", errors="replace")
    for name in map(str.strip, next(csv.reader([text]), [])):
        if name and name in seen:
            raise InputError(
                "two columns have this name; rename one or take it out",
                source=str(path), column=name,
            )  # fmt: skip
        seen.add(name)


def as_polars(table: Any) -> pl.DataFrame:
    """Return any eager frame as a polars frame.

    Parameters
    ----------
    table : polars, pandas or pyarrow frame, or any object that exports an Arrow stream
        Such as the result of a DuckDB query.

    Raises
    ------
    InputError
        If the object is not a table.

    Examples
    --------
    >>> as_polars(pl.LazyFrame({"a": [1]})).columns
    ['a']
    """
    if isinstance(table, pl.DataFrame):
        return table
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    import narwhals as nw

    native = nw.from_native(table, pass_through=True, eager_only=True)
    if isinstance(native, nw.DataFrame):
        frame: pl.DataFrame = native.to_polars()
        return frame
    if hasattr(table, "__arrow_c_stream__"):
        return pl.DataFrame(table)
    raise InputError(f"a {type(table).__name__} is not a table")
