"""Trouble tickets: who called when, and what the operator took the trouble for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.cube import Quarantined
from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.exported_tables import with_plain_headings
from faultsight.core.kpi_frame import TimeWindow, epoch_seconds
from faultsight.core.mac_addresses import in_one_notation, spelled_like
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
    set_aside : tuple of Quarantined
        Rows that are no ticket to learn from, counted by reason; of what `read_tickets` returns.
    noticed : tuple of Quarantined
        Rows that are tickets and were read in a way to know of; likewise.

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
    set_aside: tuple[Quarantined, ...] = field(default=(), kw_only=True)
    noticed: tuple[Quarantined, ...] = field(default=(), kw_only=True)

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
        """Return the tickets of some devices (sorted names), and each one's device.

        A MAC address is the same in any notation.
        """
        if not len(device_ids) or not len(self):
            return self.take(np.zeros(len(self), np.bool_)), np.zeros(0, np.int64)
        names = np.array([in_one_notation(name) for name in device_ids], dtype=np.str_)
        order = np.argsort(names, kind="stable")
        place = np.minimum(np.searchsorted(names[order], self._keys), len(names) - 1)
        device = order[place]
        mine = names[device] == self._keys
        return self.take(mine), device[mine].astype(np.int64)

    def named_like(self, device_ids: Iterable[str]) -> Tickets:
        """Return the tickets, each MAC address written as some devices' names write it."""
        names, told = np.unique(self.device_id, return_inverse=True)
        spelling = spelled_like(names.tolist(), device_ids)
        if not spelling:
            return self
        written = np.array([spelling.get(name, name) for name in names.tolist()], dtype=np.str_)
        return replace(self, device_id=written[told])

    @cached_property
    def _keys(self) -> NDArray[np.str_]:
        names, told = np.unique(self.device_id, return_inverse=True)
        return np.array([in_one_notation(name) for name in names.tolist()], dtype=np.str_)[told]


def read_tickets(table: Any, *, source: str | None = None) -> Tickets:
    """Return the tickets of a table.

    Parameters
    ----------
    table : any eager frame
        Columns ``ticket_id``, ``device_id``, ``opened``, ``closed`` (empty while it is open),
        ``kind`` (``maintenance`` or ``service``, in small letters or capitals), optionally
        ``primary_id``. Of rows with one ticket id the last counts.
    source : str, optional
        The file, for messages.

    Returns
    -------
    Tickets
        Rows without a ticket, modem, known kind or time of opening, that close before they open, or
        whose ticket is told again below, are set aside and counted. Times without a zone beside
        ones with a zone are read as UTC and counted.

    Raises
    ------
    InputError
        If a column is missing or of another kind, or no row is left; names column and row.

    Examples
    --------
    >>> tickets = read_tickets(pl.DataFrame({"ticket_id": ["t1", "t2"], "device_id": ["a", "b"],
    ...     "opened": ["2026-01-01T00:00Z"] * 2, "closed": [None, None],
    ...     "kind": ["Service", "billing"]}))
    >>> len(tickets), tickets.set_aside[0].reason
    (1, "a kind that is neither maintenance nor service, such as 'billing': ticket set aside")
    """
    rows = with_plain_headings(as_polars(table))
    for column in ("ticket_id", "device_id", "opened", "closed", "kind"):
        if column not in rows.columns:
            raise MissingColumnError(column, rows.columns, source=source)
    ids, devices, kinds = (_texts(rows[c]) for c in ("ticket_id", "device_id", "kind"))
    kinds = kinds.str.to_lowercase()
    opened_s, is_opened_wrong = _moments(rows["opened"], source)
    closed_s, is_closed_wrong = _moments(rows["closed"], source)
    aside = _SetAside(rows.height)
    aside.add(ids == "", "no ticket id", "ticket_id")
    aside.add(devices == "", "no modem", "device_id")
    aside.add(kinds == "", "no kind", "kind")
    is_strange = ~kinds.is_in(list(_KINDS))
    aside.add(is_strange, f"a kind that is neither {' nor '.join(_KINDS)}", "kind", rows["kind"])
    aside.add(is_opened_wrong, "a time that cannot be read", "opened", rows["opened"])
    aside.add(np.isnan(opened_s), "no time of opening", "opened")
    aside.add(is_closed_wrong, "a time that cannot be read", "closed", rows["closed"])
    aside.add(closed_s < opened_s, "closed before it was opened", "closed")
    if rows.height and not aside.keep.any():
        first = aside.notes[0]
        why = "; ".join(f"{note.reason} ({note.rows:,})" for note in aside.notes)
        raise InputError(
            f"no ticket is left: {why}", source=source, column=first.column, row=first.first_row
        )
    # After the refusal: of a ticket told twice the last row is always left.
    aside.add(
        aside.keep & ~_is_last(ids, aside.keep),
        "an earlier row of a ticket that is told again",
        "ticket_id",
    )
    primary = (
        _texts(rows["primary_id"])
        if "primary_id" in rows.columns
        else pl.Series([""] * rows.height, dtype=pl.String)
    )
    tickets = Tickets(
        np.asarray(ids.to_list(), dtype=np.str_),
        np.asarray(devices.to_list(), dtype=np.str_),
        opened_s,
        closed_s,
        (kinds == "maintenance").to_numpy(),
        np.asarray(primary.to_list(), dtype=np.str_),
    ).take(aside.keep)
    tickets = tickets.take(np.lexsort((tickets.ticket_id, tickets.opened_s)))
    noticed = [
        Quarantined(
            "a stamp without a zone beside stamps with one: read as UTC",
            stamps.name, len(naive), int(naive[0]) + 1,
        )
        for stamps in (rows["opened"], rows["closed"])
        if len(naive := _naive_beside_zoned(stamps, aside.keep))
    ]  # fmt: skip
    return replace(tickets, set_aside=tuple(aside.notes), noticed=tuple(noticed))


class _SetAside:
    """Which rows are left; a row counts for the first reason that speaks against it."""

    def __init__(self, n_rows: int) -> None:
        self.keep = np.ones(n_rows, np.bool_)
        self.notes: list[Quarantined] = []

    def add(
        self,
        wrong: pl.Series | NDArray[np.bool_],
        reason: str,
        column: str,
        told: pl.Series | None = None,
    ) -> None:
        """Set rows aside, with the first one's value as an example."""
        found = np.flatnonzero(np.asarray(wrong, np.bool_) & self.keep)
        if not len(found):
            return
        first = int(found[0])
        example = "" if told is None else f", such as {str(told[first]).strip()!r}"
        self.notes.append(
            Quarantined(f"{reason}{example}: ticket set aside", column, len(found), first + 1)
        )
        self.keep[found] = False


def _is_last(ids: pl.Series, keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of the rows that are left is the last one of its ticket."""
    is_last = np.zeros(len(ids), np.bool_)
    is_last[keep] = ids.filter(pl.Series(keep)).is_last_distinct().to_numpy()
    return is_last


def _texts(column: pl.Series) -> pl.Series:
    return column.cast(pl.String).str.strip_chars().fill_null("")


def _moments(
    column: pl.Series, source: str | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the moments of a column, NaN where there is none, and which cannot be read."""
    try:
        return epoch_seconds(column, source), np.zeros(len(column), np.bool_)
    except InputError:
        if column.dtype != pl.String:
            raise
    # One of them is wrong: each is read alone, and those that cannot be are set aside.
    known = {text: _moment(text) for text in column.unique().to_list()}
    seconds = [known[text] for text in column.to_list()]
    return (
        np.array([np.nan if s is None else s for s in seconds], np.float64),
        np.array([s is None for s in seconds], np.bool_),
    )


def _naive_beside_zoned(column: pl.Series, keep: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return which rows that are left tell no zone, if others that are left tell one."""
    if column.dtype != pl.String:
        return np.zeros(0, np.intp)  # the question does not arise
    zone_of = {text: _has_zone(text) for text in column.unique().to_list()}
    has_zone = [zone_of[text] for text in column.to_list()]
    is_zoned, is_naive = (
        np.array([has is told for has in has_zone], np.bool_) & keep for told in (True, False)
    )
    return np.flatnonzero(is_naive & is_zoned.any())


def _has_zone(text: str | None) -> bool | None:
    """Return whether a time tells its zone; None where it is no such text."""
    try:
        return datetime.fromisoformat((text or "").strip().upper()).tzinfo is not None
    except ValueError:
        return None


def _moment(text: str | None) -> float | None:
    try:
        return float(epoch_seconds(pl.Series([text], dtype=pl.String))[0])
    except InputError:
        return None
