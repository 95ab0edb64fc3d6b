"""Names that no database can hold: polls under one are set aside before they are written."""

from __future__ import annotations

import polars as pl

from faultsight.collectors._set_aside import SetAside, tally

__all__ = ["with_storable_names"]

_NAMES = ("fnode", "device_id")


def with_storable_names(table: pl.DataFrame) -> tuple[pl.DataFrame, list[SetAside]]:
    r"""Return the polls whose names hold no NUL character, and what was taken out.

    One such name, once stored, would keep every other alarm of the feed from being stored with it.

    Examples
    --------
    >>> polls = pl.DataFrame({"fnode": ["F1", "F\0"], "device_id": ["a", "b"]})
    >>> polls, aside = with_storable_names(polls)
    >>> polls["device_id"].to_list(), aside[0].count
    (['a'], 1)
    """
    aside: list[SetAside] = []
    for column in _NAMES:
        if column not in table.columns:
            continue
        is_wrong = pl.col(column).cast(pl.String).str.contains("\0", literal=True)
        wrong = table.filter(is_wrong)
        if wrong.height:
            aside += tally("the name holds a NUL character", wrong.height, column, wrong[column][0])
            table = table.filter(~is_wrong.fill_null(value=False))
    return table, aside
