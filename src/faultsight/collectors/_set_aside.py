"""What was collected and could not be used: how often, why, and one example."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["SetAside", "by_reason", "merged", "tally"]


@dataclass(frozen=True)
class SetAside:
    """Values or rows that were not written.

    Attributes
    ----------
    reason : str
        What was wrong.
    count : int
        How many.
    column : str
        The column of telemetry that stays empty; no name where the whole row was left out.
    example : str
        The first of them.
    """

    reason: str
    count: int
    column: str = ""
    example: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what ``--json`` writes."""
        return vars(self).copy()


def tally(reason: str, count: int, column: str = "", example: object = "") -> list[SetAside]:
    """Return what was set aside for one reason; nothing where nothing was.

    Examples
    --------
    >>> tally("the value is of another type", 0)
    []
    """
    if not count:
        return []
    # An example comes from outside: it is cut, so that no answer can flood a report.
    return [SetAside(reason, count, column, str(example)[:80])]


def merged(told: Iterable[SetAside]) -> tuple[SetAside, ...]:
    """Return each reason and column once, with all counts and the first example.

    Examples
    --------
    >>> merged([SetAside("not a number", 2, "snr_db"), SetAside("not a number", 3, "snr_db")])
    (SetAside(reason='not a number', count=5, column='snr_db', example=''),)
    """
    found: dict[tuple[str, str], SetAside] = {}
    for one in told:
        before = found.get((one.reason, one.column))
        if before is not None:
            found[one.reason, one.column] = replace(before, count=before.count + one.count)
        else:
            found[one.reason, one.column] = one
    return tuple(found.values())


def by_reason(told: Iterable[SetAside]) -> dict[str, int]:
    """Return how many were set aside for each reason, whatever the column.

    Examples
    --------
    >>> by_reason([SetAside("not a number", 2, "snr_db"),
    ...            SetAside("not a number", 3, "tx_power_dbmv")])
    {'not a number': 5}
    """
    counts: dict[str, int] = {}
    for one in told:
        counts[one.reason] = counts.get(one.reason, 0) + one.count
    return counts
