"""The cells of one column of an export: as names, numbers, truth values or octets."""

from __future__ import annotations

import re

import numpy as np
import polars as pl

from faultsight.core.errors import InputError
from faultsight.diagnose.reading._quarantine import Quarantine

__all__ = ["names", "numbers", "octets", "truth"]

_YES = {"true": True, "t": True, "yes": True, "1": True, "1.0": True,
        "false": False, "f": False, "no": False, "0": False, "0.0": False}  # fmt: skip


def names(column: pl.Series, source: str | None) -> pl.Series:
    """Return names as text; whole numbers without a point, as pandas has them where one is missing.

    Raises
    ------
    InputError
        If the column holds neither text nor numbers.
    """
    kind = column.dtype
    is_name = kind.is_numeric() or kind in (pl.String, pl.Boolean, pl.Null)
    if not (is_name or isinstance(kind, pl.Categorical | pl.Enum)):
        raise InputError(f"{kind} is neither text nor number", source=source, column=column.name)
    if kind.is_float() and bool((column == column.round()).all()):
        column = column.cast(pl.Int64, strict=False)
    return column.cast(pl.String)


def numbers(
    column: pl.Series, rows: pl.Series, quarantine: Quarantine, file: int, source: str | None,
    *, keep: pl.Series,
) -> pl.Series:  # fmt: skip
    """Return finite numbers; what is none is set aside, or refused where most are none.

    Raises
    ------
    InputError
        If the column is not one of numbers; names file, column and row.
    """
    kind = column.dtype
    if not (kind.is_numeric() or kind in (pl.String, pl.Null, pl.Boolean)):
        raise InputError(f"{kind} is no number", source=source, column=column.name)
    told = column
    if kind == pl.String:
        told = column.str.strip_chars()
        told = pl.select(pl.when(told != "").then(told)).to_series()
    read = told.cast(pl.Float64, strict=False)
    wrong = read.is_null() & told.is_not_null()
    if wrong.any():
        first = int(wrong.arg_true()[0])
        if 2 * int(wrong.sum()) > told.count():
            text = str(told[first])
            is_comma = re.fullmatch(r"-?\d+,\d+", text) is not None
            hint = "; write decimals with a point" if is_comma else ""
            raise InputError(
                f"{text!r} is not a number{hint}", source=source, column=column.name, row=first + 1
            )
        quarantine.add(
            "not a number: value set aside", column.name, rows.filter(keep & wrong), file
        )
    not_finite = read.is_nan() | read.is_infinite()
    quarantine.add(
        "NaN or infinite: value set aside", column.name,
        rows.filter(keep & not_finite.fill_null(value=False)), file,
    )  # fmt: skip
    return pl.select(pl.when(~not_finite).then(read)).to_series().alias(column.name)


def truth(column: pl.Series, quarantine: Quarantine, file: int, source: str | None) -> pl.Series:
    """Return truth values; what is neither is null."""
    if column.dtype == pl.Boolean:
        return column
    texts = names(column, source).str.strip_chars().str.to_lowercase()
    read = texts.replace_strict(_YES, default=None, return_dtype=pl.Boolean)
    rows = pl.Series(np.arange(1, len(column) + 1, dtype=np.int64))
    wrong = read.is_null() & texts.is_not_null() & (texts != "")
    quarantine.add(
        "neither true nor false: taken as answered", "answered", rows.filter(wrong), file
    )
    return read


def octets(
    column: pl.Series, rows: pl.Series, quarantine: Quarantine, file: int, source: str | None
) -> pl.Series:
    """Return coefficients as bytes; texts are read as hexadecimal, as SNMP tools write them."""
    if column.dtype == pl.Binary:
        return column
    texts = names(column, source).str.replace_all(r"^0[xX]|[\s:.-]", "")
    read = texts.str.decode("hex", strict=False)
    wrong = read.is_null() & texts.is_not_null()
    quarantine.add("not hexadecimal: value set aside", "pre_equalization", rows.filter(wrong), file)
    return read
