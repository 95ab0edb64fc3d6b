"""Trouble tickets: who called when, and what the operator took the trouble for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.kpi_frame import TimeWindow, entity_names, epoch_seconds
from faultsight.core.tables import as_polars

__all__ = ["Tickets", "read_tickets"]

_KINDS = {"maintenance": True, "service": False}


@dataclass(frozen=True, eq=False)
class Tickets:
    """Trouble tickets, in order of opening.

    Attributes
    ----------
    ticket_id, device_id : array of shape (ticket,)
        Text.
    opened_s, closed_s : array of shape (ticket,)
        float64, seconds since 1970 UTC; an open ticket closes at NaN.
    is_maintenance : array of shape (ticket,)
        Whether it is part of a primary ticket: the operator took it for the shared plant.
    primary_id : array of shape (ticket,)
        Text; empty where there is none.

    Examples
    --------
    >>> tickets = read_tickets(pl.DataFrame({"ticket_id": ["t1"], "device_id": ["a"],
    ...     "opened": ["2026-01-01T00:00Z"], "closed": [None], "kind": ["maintenance"]}))
    >>> len(tickets), bool(tickets.is_maintenance[0])
    (1, True)
    """

    ticket_id: NDArray[np.str_]
    device_id: NDArray[np.str_]
    opened_s: NDArray[np.float64]
    closed_s: NDArray[np.float64]
    is_maintenance: NDArray[np.bool_]
    primary_id: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.opened_s)

    def take(self, keep: NDArray[Any]) -> Tickets:
        """Return the tickets of a mask or of positions."""
        return Tickets(
            self.ticket_id[keep],
            self.device_id[keep],
            self.opened_s[keep],
            self.closed_s[keep],
            self.is_maintenance[keep],
            self.primary_id[keep],
        )

    def in_window(self, window: TimeWindow) -> Tickets:
        """Return the tickets opened inside a half-open window."""
        return self.take((self.opened_s >= window.start_s) & (self.opened_s < window.end_s))

    def of_devices(self, device_ids: Sequence[str]) -> tuple[Tickets, NDArray[np.int64]]:
        """Return the tickets of some devices (sorted names), and each one's device."""
        names = np.asarray(device_ids, dtype=np.str_)
        if not len(names) or not len(self):
            return self.take(np.zeros(len(self), np.bool_)), np.zeros(0, np.int64)
        place = np.minimum(np.searchsorted(names, self.device_id), len(names) - 1)
        mine = names[place] == self.device_id
        return self.take(mine), place[mine].astype(np.int64)


def read_tickets(table: Any, *, source: str | None = None) -> Tickets:
    """Return the tickets of a table.

    Parameters
    ----------
    table : any eager frame
        Columns ``ticket_id``, ``device_id``, ``opened``, ``closed`` (empty while it is open),
        ``kind`` (``maintenance`` or ``service``), optionally ``primary_id``. Of rows with one
        ticket id the last counts.
    source : str, optional
        The file, for messages.

    Raises
    ------
    InputError
        If a column is missing, a time cannot be read, a kind is unknown, or a ticket closes
        before it opens; names column and row.
    """
    rows = as_polars(table)
    for column in ("ticket_id", "device_id", "opened", "closed", "kind"):
        if column not in rows.columns:
            raise MissingColumnError(column, rows.columns, source=source)
    ids, devices = (entity_names(rows[c], source) for c in ("ticket_id", "device_id"))
    opened_s, closed_s = (epoch_seconds(rows[c], source) for c in ("opened", "closed"))
    kinds = rows["kind"].cast(pl.String).str.strip_chars().to_list()
    for row, kind in enumerate(kinds, start=1):
        if kind not in _KINDS:
            raise InputError(
                f"{kind!r} is not one of {', '.join(_KINDS)}", source=source, column="kind", row=row
            )
    _refuse(np.isnan(opened_s), "the time is missing", "opened", source)
    _refuse(closed_s < opened_s, "the ticket closes before it opens", "closed", source)
    primary = (
        rows["primary_id"].cast(pl.String).fill_null("")
        if "primary_id" in rows.columns
        else pl.Series([""] * rows.height, dtype=pl.String)
    )
    tickets = Tickets(
        np.asarray(ids.to_list(), dtype=np.str_),
        np.asarray(devices.to_list(), dtype=np.str_),
        opened_s,
        closed_s,
        np.array([_KINDS[kind] for kind in kinds], dtype=np.bool_),
        np.asarray(primary.to_list(), dtype=np.str_),
    )
    _, last = np.unique(tickets.ticket_id[::-1], return_index=True)
    tickets = tickets.take(len(tickets) - 1 - last)
    return tickets.take(np.lexsort((tickets.ticket_id, tickets.opened_s)))


def _refuse(wrong: NDArray[np.bool_], problem: str, column: str, source: str | None) -> None:
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0]) + 1
        raise InputError(problem, source=source, column=column, row=row)
