"""What importers of other tools' data share: totals become deltas, devices get their fiber node."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from faultsight.collectors._counters import delta
from faultsight.collectors._set_aside import SetAside, tally
from faultsight.core.polls import COUNTERS

__all__ = ["deltas_within", "with_fnodes"]

_POLL = ["device_id", "channel"]


def deltas_within(table: pl.DataFrame) -> pl.DataFrame:
    """Return running totals as deltas from poll to poll of a channel; the first has none.

    Without an uptime, a total that shrank may be that of a restart as well as one that went over
    its end, so it tells nothing.

    Examples
    --------
    >>> table = pl.DataFrame({"device_id": ["a"] * 3, "channel": ["1"] * 3,
    ...                       "timestamp": [0, 1, 2], "t3_timeouts": [7.0, 9.0, 1.0]})
    >>> deltas_within(table)["t3_timeouts"].to_list()
    [None, 2.0, None]
    """
    counters = [counter for counter in COUNTERS if counter in table.columns]
    order = table.with_row_index("_row").sort(*_POLL, "timestamp", "_row")
    order = order.with_columns(
        pl.col(c).forward_fill().shift(1).over(_POLL).alias(f"{c}_before") for c in counters
    )
    always, never = pl.lit(value=True), pl.lit(value=False)
    order = order.with_columns(
        delta(c, f"{c}_before", kept_running=always, may_wrap=never).alias(c) for c in counters
    )
    return order.sort("_row").drop("_row", *(f"{c}_before" for c in counters))


def with_fnodes(
    table: pl.DataFrame, fnodes: Mapping[str, str], everywhere: str = ""
) -> tuple[pl.DataFrame, list[SetAside]]:
    """Return the rows of devices whose fiber node is known, with it, and the others' count.

    Parameters
    ----------
    table : polars.DataFrame
        With ``device_id``; an ``fnode`` that it has counts where there is no better.
    fnodes : mapping
        By ``device_id``.
    everywhere : str
        Of all devices that the mapping does not name.

    Examples
    --------
    >>> table, aside = with_fnodes(pl.DataFrame({"device_id": ["a", "b"]}), {"a": "FN1"})
    >>> table["fnode"].to_list(), aside[0].count
    (['FN1'], 1)
    """
    mapped = pl.col("device_id").replace_strict(fnodes, default=None, return_dtype=pl.String)
    given = [pl.col("fnode").replace("", None)] if "fnode" in table.columns else []
    table = table.with_columns(
        pl.coalesce(mapped, *given, pl.lit(everywhere or None, pl.String)).alias("fnode")
    )
    lost = table.filter(pl.col("fnode").is_null())
    example = lost["device_id"][0] if lost.height else ""
    aside = tally("its fiber node is not known", lost.height, "fnode", example)
    return table.filter(pl.col("fnode").is_not_null()), aside
