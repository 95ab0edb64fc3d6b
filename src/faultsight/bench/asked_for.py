"""Which of the things that exist a run was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from faultsight.core.errors import UnknownMemberError

__all__ = ["asked_for"]

T = TypeVar("T")


def asked_for(kind: str, asked: Sequence[str], known: Mapping[str, T]) -> dict[str, T]:
    """Return those that were asked for, in their own order; all if none was.

    Raises
    ------
    UnknownMemberError
        If one does not exist.

    Examples
    --------
    >>> asked_for("method", ["b"], {"a": 1, "b": 2})
    {'b': 2}
    """
    for name in asked:
        if name not in known:
            raise UnknownMemberError(kind, name, list(known))
    return {name: value for name, value in known.items() if not asked or name in asked}
