"""The error tree, drawn once.

::

    FaultSightError               everything that FaultSight raises on purpose
    ├── InputError                the data given cannot be used; names file, column and row
    │   ├── MissingColumnError    a column that was asked for is not there
    │   └── DuplicateLeafError    two rows of a cube describe the same leaf
    ├── SettingError              a parameter has a value that it cannot have
    ├── UnknownMemberError        no detector, localizer, scenario ... of that name
    ├── StoreError                a store cannot be read or written: full, locked, damaged
    ├── NotFoundError             nothing is stored under that id
    ├── ConflictError             a change does not fit what is stored by now
    │   └── StaleVersionError     somebody else has changed it since it was read
    ├── DeliveryError             a receiver has not taken a notification
    ├── MissingDataError          a dataset is not on this machine; says how to get it
    └── MissingExtraError         an optional dependency is not installed; says which
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "ConflictError",
    "DeliveryError",
    "DuplicateLeafError",
    "FaultSightError",
    "InputError",
    "MissingColumnError",
    "MissingDataError",
    "MissingExtraError",
    "NotFoundError",
    "SettingError",
    "StaleVersionError",
    "StoreError",
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


class StoreError(FaultSightError):
    """A store cannot be read or written: full, read-only, locked for too long, damaged."""


class NotFoundError(FaultSightError):
    """Nothing is stored under that id.

    Examples
    --------
    >>> print(NotFoundError("alarm", "00ff"))
    there is no alarm '00ff'
    """

    def __init__(self, kind: str, key: object) -> None:
        self.kind = kind
        self.key = key
        super().__init__(f"there is no {kind} {key!r}")


class ConflictError(FaultSightError):
    """A change does not fit what is stored by now: the id is taken, the job is somebody else's."""


class StaleVersionError(ConflictError):
    """Somebody else has changed it since it was read; read it again, then decide.

    Examples
    --------
    >>> print(StaleVersionError("incident", "00ff", expected=1, current=3))
    incident '00ff' is at version 3 by now, not 1
    """

    def __init__(self, kind: str, key: object, *, expected: int, current: int) -> None:
        self.kind = kind
        self.key = key
        self.expected = expected
        self.current = current
        super().__init__(f"{kind} {key!r} is at version {current} by now, not {expected}")


class DeliveryError(FaultSightError):
    """A receiver has not taken a notification; it is tried again.

    Parameters
    ----------
    problem : str
        What went wrong; no secret of the receiver's settings.
    retry_after_s : float, optional
        How long the receiver asks to be left alone.
    """

    def __init__(self, problem: str, *, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(problem)


class MissingDataError(FaultSightError):
    """A dataset is not on this machine; the message says how to get it."""


class MissingExtraError(FaultSightError):
    """An optional dependency is not installed; the message says which extra brings it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional part: pip install 'faultsight[{extra}]'")
