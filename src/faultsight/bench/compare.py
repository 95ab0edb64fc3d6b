"""What differs between two results of one scenario."""

from __future__ import annotations

from collections.abc import Sequence

from faultsight.bench.engine import BenchResult, Row
from faultsight.core.errors import InputError

__all__ = ["compare"]


def compare(before: BenchResult, after: BenchResult) -> list[Row]:
    """Return one row for each figure that both results have.

    Parameters
    ----------
    before, after : BenchResult
        Two results of one scenario; rows are matched by their values that are text.

    Returns
    -------
    list of Row
        The row's texts, ``figure``, ``before``, ``after``, ``change`` (after - before) and
        ``ratio`` (after / before); rows that only one of them has carry ``only_in``.

    Raises
    ------
    InputError
        If the results are of different scenarios.

    Examples
    --------
    >>> old, new = (
    ...     BenchResult("a/b", {}, {}, {}, [{"method": "scan", "f1": f1}]) for f1 in (0.5, 0.75))
    >>> compare(old, new)
    [{'method': 'scan', 'figure': 'f1', 'before': 0.5, 'after': 0.75, 'change': 0.25, 'ratio': 1.5}]
    """
    if before.scenario != after.scenario:
        raise InputError(f"results of {before.scenario} and {after.scenario} cannot be compared")
    old, new = _by_key(before.rows), _by_key(after.rows)
    rows: list[Row] = []
    for key in dict.fromkeys([*old, *new]):
        texts: Row = dict(key)
        if key not in old or key not in new:
            rows.append(texts | {"only_in": "before" if key in old else "after"})
            continue
        for figure, value in old[key].items():
            other = new[key].get(figure)
            if _is_number(value) and _is_number(other):
                first, second = float(value or 0), float(other or 0)
                rows.append(
                    texts
                    | {
                        "figure": figure,
                        "before": first,
                        "after": second,
                        "change": second - first,
                        "ratio": second / first if first else None,
                    }
                )
    return rows


def _by_key(rows: Sequence[Row]) -> dict[tuple[tuple[str, str], ...], Row]:
    return {tuple((k, v) for k, v in row.items() if isinstance(v, str)): row for row in rows}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
