"""A MAC address that an export writes in several ways: one modem, not several."""

from __future__ import annotations

from collections import defaultdict

import polars as pl

from faultsight.core.mac_addresses import in_one_notation
from faultsight.diagnose.reading._poll_rows import FILE, ROW
from faultsight.diagnose.reading._quarantine import Quarantine

__all__ = ["in_one_spelling"]


def in_one_spelling(rows: pl.DataFrame, quarantine: Quarantine) -> pl.DataFrame:
    """Return rows of polls in which each MAC address is written in one way.

    Addresses that are always written alike stay as they are. Of several spellings the last in
    alphabetical order counts, whatever the order of rows: small letters before capitals, colons
    before other signs.

    Examples
    --------
    >>> rows = pl.DataFrame({"device_id": ["AA0000000001", "aa:00:00:00:00:01", "AA0000000002"],
    ...                      ROW: [1, 2, 3], FILE: [0, 0, 0]})
    >>> in_one_spelling(rows, Quarantine([""]))["device_id"].to_list()
    ['aa:00:00:00:00:01', 'aa:00:00:00:00:01', 'AA0000000002']
    """
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in rows["device_id"].unique().sort().to_list():
        spellings[in_one_notation(name)].append(name)
    written = {name: names[-1] for names in spellings.values() for name in names[:-1]}
    if not written:
        return rows
    is_other = rows["device_id"].is_in(list(written))
    quarantine.add(
        "a MAC address written in several ways: one modem", "device_id",
        rows[ROW].filter(is_other), rows[FILE].filter(is_other),
    )  # fmt: skip
    return rows.with_columns(pl.col("device_id").replace(written))
