"""The static ranges of what a cable plant can show; values outside them are not telemetry."""

from __future__ import annotations

import polars as pl

from faultsight.collectors._set_aside import SetAside, tally

__all__ = ["RANGES", "within_ranges"]

RANGES = {
    "tx_power_dbmv": (17.0, 61.0),
    "snr_db": (0.0, 50.0),
    "rx_power_dbmv": (-20.0, 20.0),
    "snr_std_db": (0.0, 50.0),
}
"""Lowest and highest value that is believed; both ends are."""


def within_ranges(table: pl.DataFrame) -> tuple[pl.DataFrame, list[SetAside]]:
    """Return the table with values outside `RANGES` taken out, and what was taken out.

    Examples
    --------
    >>> polls = pl.DataFrame({"device_id": ["a", "b"], "tx_power_dbmv": [45.0, 450.0]})
    >>> polls, aside = within_ranges(polls)
    >>> polls["tx_power_dbmv"].to_list(), aside[0].example
    ([45.0, None], '450 of b')
    """
    aside: list[SetAside] = []
    for metric, (low, high) in RANGES.items():
        if metric not in table.columns:
            continue
        # What is not a number is not between two: NaN and infinities go the same way.
        wrong = table.filter(pl.col(metric).is_not_null() & ~pl.col(metric).is_between(low, high))
        if not wrong.height:
            continue
        first = f"{wrong[metric][0]:g} of {wrong['device_id'][0]}"
        aside += tally(f"outside {low:g} to {high:g}", wrong.height, metric, first)
        inside = pl.col(metric).is_between(low, high)
        table = table.with_columns(pl.when(inside).then(pl.col(metric)).alias(metric))
    return table, aside
