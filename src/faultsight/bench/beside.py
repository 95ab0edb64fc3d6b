"""Puts the rows of an earlier result beside those of the methods that were run now."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from faultsight.bench.engine import (
    BenchResult,
    Context,
    Row,
    read_result,
    run_parameters,
    told_by,
)
from faultsight.core.errors import InputError

__all__ = ["read_beside", "with_rows_beside"]

_ALIKE = ("datasets", "seed", "cases", "preset")
"""What a result must have been asked for alike; how long it might take is its own affair."""


def read_beside(path: Path, scenario: str, context: Context) -> BenchResult:
    """Return a result of the same scenario, datasets, seed, cases and preset as a run's.

    Raises
    ------
    InputError
        If the file is no result, or one of another scenario or run; names it and what differs.
    """
    earlier = read_result(path)
    asked = run_parameters(context)
    if earlier.scenario != scenario:
        raise InputError(f"is a result of {earlier.scenario}", source=str(path))
    for name in _ALIKE:
        if earlier.parameters.get(name) != asked[name]:
            raise InputError(
                f"is the result of another run: {name} is {earlier.parameters.get(name)!r}, not "
                f"{asked[name]!r}",
                source=str(path),
            )
    if any("dataset" not in row or "method" not in row for row in earlier.rows):
        raise InputError("has a row without a dataset or method", source=str(path))
    return earlier


def with_rows_beside(
    rows: Sequence[Row], methods: Collection[str], earlier: BenchResult, path: Path
) -> tuple[list[Row], list[str]]:
    """Return rows with those of all other methods of an earlier result, and what to say of it.

    Parameters
    ----------
    rows : sequence of Row
        What was found now, each with ``dataset`` and ``method``.
    methods : collection of str
        What was run now; its earlier rows are left out, even where there is no new one.
    earlier : BenchResult
        As `read_beside` gives it.
    path : path
        Where it was read.

    Returns
    -------
    rows : list of Row
        In the order of the earlier result; what it does not have comes last in its dataset.
    notes : list of str
        Whose rows are of then, of which versions, and the notes of then.
    """
    kept = [row for row in earlier.rows if row["method"] not in methods]
    order = {
        column: {name: place for place, name in enumerate(dict.fromkeys(
            str(row[column]) for row in (*earlier.rows, *rows)
        ))}
        for column in ("dataset", "method")
    }  # fmt: skip
    together = sorted(
        (*kept, *rows),
        key=lambda row: tuple(order[c][str(row[c])] for c in ("dataset", "method")),
    )
    others = ", ".join(dict.fromkeys(str(row["method"]) for row in kept))
    was = ", ".join(
        f"{package} {earlier.versions.get(package)}" for package in ("faultsight", "torch")
    )
    note = f"rows, times and memory of {others or 'no method'} are of {path.name} ({was})"
    return together, [note, *(told_by(path) + said for said in earlier.notes)]
