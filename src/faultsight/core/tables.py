"""Tables in: CSV and Parquet files, and the frames of other libraries, as polars frames."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import polars as pl

from faultsight.core.errors import InputError

__all__ = ["TABLE_SUFFIXES", "as_polars", "read_table"]

TABLE_SUFFIXES = (".csv", ".parquet")


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
    try:
        if path.suffix.lower() == ".parquet":
            return pl.read_parquet(path, glob=False)
        if isinstance(as_text, bool):
            return pl.read_csv(
                path,
                infer_schema=not as_text,
                infer_schema_length=None,
                glob=False,
                schema_overrides=_present(path, names),
            )
        kinds = pl.scan_csv(path, infer_schema_length=None, glob=False).collect_schema()
        texts = [c for c, kind in kinds.items() if c in as_text or not kind.is_float()]
        return pl.read_csv(
            path,
            infer_schema_length=None,
            schema_overrides=dict.fromkeys(texts, pl.String()),
            glob=False,
        )
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
    return {name: pl.String() for name in names if name in columns}


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
