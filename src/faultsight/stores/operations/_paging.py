"""Pages of long lists: a cursor names the last row seen, so that new rows never shift a page."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from faultsight.core.errors import InputError, SettingError
from faultsight.stores.operations._database import Transaction

__all__ = ["Page", "read_page"]

T = TypeVar("T")

MOST_ROWS = 1000


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list.

    Attributes
    ----------
    items : tuple
        In order.
    next : str, optional
        Give it as ``after`` to read on; None at the end.
    """

    items: tuple[T, ...]
    next: str | None


def read_page(
    tx: Transaction,
    query: sa.Select[Any],
    keys: Sequence[sa.Column[Any]],
    make: Callable[[sa.Row[Any]], T],
    *,
    after: str | None,
    limit: int,
    newest_first: bool = True,
) -> Page[T]:
    """Return one page of a query.

    Parameters
    ----------
    keys : sequence of columns
        They order the list; the last one is unique. All are among the query's columns.
    make : callable
        Makes an item of a row.

    Raises
    ------
    InputError
        If the cursor is not one that a page gave.
    """
    if not 1 <= limit <= MOST_ROWS:
        raise SettingError(f"a page holds 1 to {MOST_ROWS} rows, not {limit}")
    if after is not None:
        place = sa.tuple_(*map(sa.literal, _decoded(after, keys)))
        here = sa.tuple_(*keys)
        query = query.where(here < place if newest_first else here > place)
    order = [key.desc() if newest_first else key.asc() for key in keys]
    rows = tx.execute(query.order_by(*order).limit(limit + 1)).all()
    more = len(rows) > limit
    rows = rows[:limit]
    cursor = _encoded([rows[-1]._mapping[key] for key in keys]) if more else None
    return Page(tuple(make(row) for row in rows), cursor)


def _encoded(values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _decoded(cursor: str, keys: Sequence[sa.Column[Any]]) -> list[Any]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        values = None
    types = [int if isinstance(key.type, sa.Integer) else str for key in keys]
    if not isinstance(values, list) or [type(value) for value in values] != types:
        raise InputError(f"{cursor[:40]!r} is not the cursor of a page")
    return values
