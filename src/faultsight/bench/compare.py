"""What changed between two results of one scenario."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faultsight.bench.engine import BenchResult, Row
from faultsight.core.errors import InputError, SettingError

__all__ = ["Changes", "compare"]

Key = tuple[tuple[str, str | int], ...]

_FOUND_TEXTS = {"test": ("first",)}
"""By part of a summary: texts that are found, and may change, not names that tell rows apart."""


@dataclass(frozen=True)
class Changes:
    """What changed between two results.

    Attributes
    ----------
    about : list of Row
        What the runs were asked for, with and on, where it differs: ``part``, ``name``,
        ``before``, ``after``, as text.
    rows : list of Row
        A row's texts, ``figure``, ``before``, ``after`` and ``change`` (after - before; None where
        one of them is no number), for each figure that changed by more than the tolerance. Rows
        that one result alone has carry ``only_in``.
    summary : list of Row
        The same of what is said over all rows, such as mean ranks. ``figure`` has the row's own
        before it where it has one, as in ``average_precision: p_value``.
    notes : list of Row
        ``only_in`` and ``note``, of notes that one result alone has.
    compared, unchanged : int
        How many figures both have, of rows and over them, and how many of them did not change by
        more.
    """

    about: list[Row]
    rows: list[Row]
    summary: list[Row]
    notes: list[Row]
    compared: int
    unchanged: int


def compare(
    before: BenchResult,
    after: BenchResult,
    *,
    tolerance: float = 0.0,
    figures: Sequence[str] = (),
) -> Changes:
    """Return what changed from one result to another of the same scenario.

    Parameters
    ----------
    before, after : BenchResult
        Rows, and those of the summary, are matched by their values that are text; of those with
        equal texts, the first with the first, and so on. ``entity_`` lists of figures do not match
        rows, nor are they compared.
    tolerance : float
        Figures that changed by no more are not told.
    figures : sequence of str
        Only these; all if empty.

    Raises
    ------
    InputError
        If the results are of different scenarios.
    SettingError
        If the tolerance is below 0, or neither result has a figure of a name given.

    Examples
    --------
    >>> old, new = (
    ...     BenchResult("a/b", {"seed": seed}, {}, {}, [{"method": "scan", "f1": f1, "cases": 9}])
    ...     for seed, f1 in ((0, 0.5), (1, 0.75)))
    >>> found = compare(old, new)
    >>> found.rows
    [{'method': 'scan', 'figure': 'f1', 'before': 0.5, 'after': 0.75, 'change': 0.25}]
    >>> found.about, found.compared, found.unchanged
    ([{'part': 'parameters', 'name': 'seed', 'before': '0', 'after': '1'}], 2, 1)
    """
    if before.scenario != after.scenario:
        raise InputError(f"results of {before.scenario} and {after.scenario} cannot be compared")
    if not tolerance >= 0:
        raise SettingError(f"tolerance is at least 0, not {tolerance}")
    whole = (*before.rows, *after.rows, *before.summary, *after.summary)
    known = {name for row in whole for name in row}
    unknown = [name for name in figures if name not in known]
    if unknown:
        raise SettingError(f"neither result has a figure {unknown[0]!r}")
    of_rows = _changes(before.rows, after.rows, tolerance, figures)
    over_them = _changes(before.summary, after.summary, tolerance, figures)
    about = [
        row
        for part in ("parameters", "versions", "machine")
        for row in _differences(part, getattr(before, part), getattr(after, part))
    ]
    notes: list[Row] = [
        {"only_in": place, "note": note}
        for place, one, other in (
            ("before", before.notes, after.notes),
            ("after", after.notes, before.notes),
        )
        for note in one
        if note not in other
    ]
    return Changes(
        about, of_rows.told, over_them.told, notes,
        of_rows.compared + over_them.compared, of_rows.unchanged + over_them.unchanged,
    )  # fmt: skip


@dataclass(frozen=True)
class _Changed:
    told: list[Row]
    compared: int
    unchanged: int


def _changes(
    before: Sequence[Row], after: Sequence[Row], tolerance: float, figures: Sequence[str]
) -> _Changed:
    old, new = _by_key(before), _by_key(after)
    told: list[Row] = []
    compared = unchanged = 0
    for key in dict.fromkeys([*old, *new]):
        texts: Row = {name: value for name, value in key if name}
        if key not in old or key not in new:
            told.append(texts | {"only_in": "before" if key in old else "after"})
            continue
        for figure in dict.fromkeys([*old[key], *new[key]]):
            is_no_figure = figure in texts or figure.startswith("entity_")
            if is_no_figure or (figures and figure not in figures):
                continue
            first, second = old[key].get(figure), new[key].get(figure)
            compared += 1
            if _is_near(first, second, tolerance):
                unchanged += 1
                continue
            numbers = _is_number(first) and _is_number(second)
            change = float(second or 0) - float(first or 0) if numbers else None
            # A summary's row may say itself which figure it is of, such as of which its test is.
            name = f"{texts['figure']}: {figure}" if "figure" in texts else figure
            told.append(
                texts | {"figure": name, "before": first, "after": second, "change": change}
            )
    return _Changed(told, compared, unchanged)


def _by_key(rows: Sequence[Row]) -> dict[Key, Row]:
    """Return rows by their texts and, under an empty name, which of those with equal texts."""
    found: dict[Key, Row] = {}
    seen: dict[Key, int] = {}
    for row in rows:
        texts = tuple(
            (name, value)
            for name, value in row.items()
            if isinstance(value, str)
            and not name.startswith("entity_")
            and name not in _FOUND_TEXTS.get(str(row.get("part")), ())
        )
        seen[texts] = seen.get(texts, 0) + 1
        found[(*texts, ("", seen[texts]))] = row
    return found


def _differences(part: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Row]:
    return [
        {"part": part, "name": name, "before": _text(old.get(name)), "after": _text(new.get(name))}
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _text(value: Any) -> str:
    if value is None or value == []:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_near(first: object, second: object, tolerance: float) -> bool:
    if first == second:
        return True
    if not (_is_number(first) and _is_number(second)):
        return False
    difference = abs(float(first) - float(second))  # type: ignore[arg-type]
    # 0.3 - 0.2 is above 0.1 by rounding alone.
    return difference <= tolerance or math.isclose(difference, tolerance, rel_tol=1e-9)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
