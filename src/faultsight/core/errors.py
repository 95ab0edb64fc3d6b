"""The error tree, drawn once.

::

    FaultSightError               everything that FaultSight raises on purpose
    ├── InputError                the data given cannot be used; names file, column and row
    │   ├── MissingColumnError    a column that was asked for is not there
    │   └── DuplicateLeafError    two rows of a cube describe the same leaf
    ├── SettingError              a parameter has a value that it cannot have
    ├── UnknownMemberError        no detector, localizer, scenario ... of that name
    ├── MissingDataError          a dataset is not on this machine; says how to get it
    └── MissingExtraError         an optional dependency is not installed; says which
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "DuplicateLeafError",
    "FaultSightError",
    "InputError",
    "MissingColumnError",
    "MissingDataError",
    "MissingExtraError",
    "SettingError",
    "UnknownMemberError",
]


class FaultSightError(Exception):
    """Everything that FaultSight raises on purpose."""


class InputError(FaultSightError):
    """The data given cannot be used.

    Parameters
    ----------
    problem : str
        What is wrong, in words an operator understands.
    source : str, optional
        The file or table that holds the problem.
    column : str, optional
        The column that holds it.
    row : int, optional
        The first row that holds it, counted from 1 without the header.

    Examples
    --------
    >>> print(InputError("the value is not finite", source="a.csv", column="real", row=3))
    a.csv, column 'real', row 3: the value is not finite
    """

    def __init__(
        self,
        problem: str,
        *,
        source: str | None = None,
        column: str | None = None,
        row: int | None = None,
    ) -> None:
        self.problem = problem
        self.source = source
        self.column = column
        self.row = row
        place = [part for part in (source,) if part]
        if column is not None:
            place.append(f"column {column!r}")
        if row is not None:
            place.append(f"row {row}")
        super().__init__(f"{', '.join(place)}: {problem}" if place else problem)


class MissingColumnError(InputError):
    """A column that was asked for is not in the table."""

    def __init__(self, column: str, available: Iterable[str], *, source: str | None = None) -> None:
        super().__init__(
            f"no such column; the table has {', '.join(map(repr, available))}",
            source=source,
            column=column,
        )


class DuplicateLeafError(InputError):
    """Two rows of a cube describe the same leaf."""


class SettingError(FaultSightError):
    """A parameter has a value that it cannot have."""


class UnknownMemberError(FaultSightError):
    """No member of that name.

    Examples
    --------
    >>> print(UnknownMemberError("localizer", "skan", ["rapminer", "scan"]))
    no localizer is called 'skan'; there are rapminer, scan
    """

    def __init__(self, family: str, name: str, members: Iterable[str]) -> None:
        super().__init__(f"no {family} is called {name!r}; there are {', '.join(members)}")


class MissingDataError(FaultSightError):
    """A dataset is not on this machine; the message says how to get it."""


class MissingExtraError(FaultSightError):
    """An optional dependency is not installed; the message says which extra brings it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional part: pip install 'faultsight[{extra}]'")
