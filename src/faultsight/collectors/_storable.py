"""Names that no database can or should hold: polls under one are set aside before all else."""

from __future__ import annotations

import polars as pl

from faultsight.collectors._set_aside import SetAside, tally

__all__ = ["with_storable_names"]

_NAMES = ("fnode", "device_id")
_LONGEST_BYTES = 1024


def with_storable_names(table: pl.DataFrame) -> tuple[pl.DataFrame, list[SetAside]]:
    r"""Return the polls whose names hold no NUL character and are not too long, and the others.

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
        name = pl.col(column).cast(pl.String)
        for reason, is_wrong in (
            ("the name holds a NUL character", name.str.contains("\0", literal=True)),
            (
                f"the name is longer than {_LONGEST_BYTES} bytes",
                name.str.len_bytes() > _LONGEST_BYTES,
            ),
        ):
            wrong = table.filter(is_wrong)
            if wrong.height:
                aside += tally(reason, wrong.height, column, str(wrong[column][0])[:80])
                table = table.filter(~is_wrong.fill_null(value=False))
    return table, aside
