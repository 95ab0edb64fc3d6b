"""Incidents: what the loop groups, what the shift makes of it, and who did what, when and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from faultsight.core.errors import InputError
from faultsight.core.incident import IncidentRecord, IncidentState, Severity
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._paging import Page, read_page
from faultsight.stores.operations._topic import Topic, check_version, touches, touching
from faultsight.stores.operations.schema import canonical_json

__all__ = ["IncidentFilter", "IncidentHistory", "Incidents"]

_OF_THE_LOOP = (
    "title", "severity", "scope", "start_s", "end_s", "alarm_ids", "patterns", "verdict",
    "evidence",
)  # fmt: skip
"""What a later computation may change; the rest is the shift's."""


@dataclass(frozen=True)
class IncidentFilter:
    """Which incidents; what is None does not restrict.

    Parameters
    ----------
    feed, assigned_to : str, optional
        Equal to this.
    states : collection of IncidentState
        In one of these.
    severities : collection of Severity
        One of these.
    window : TimeWindow, optional
        The incident shares a second with it.
    """

    feed: str | None = None
    assigned_to: str | None = None
    states: Collection[IncidentState] = tuple(IncidentState)
    severities: Collection[Severity] = tuple(Severity)
    window: TimeWindow | None = None


@dataclass(frozen=True)
class IncidentHistory:
    """One thing that happened to an incident.

    Attributes
    ----------
    incident_id : str
        Which one.
    version : int
        The version that it made.
    at_s : int
        When.
    by : str
        Who; ``loop`` if nobody.
    action : str
        ``opened``, ``updated``, ``state``, ``assigned`` or ``comment``.
    why : str
        The reason, or the comment.
    changes : mapping of str to (old, new)
        The values that changed.
    """

    incident_id: str
    version: int
    at_s: int
    by: str
    action: str
    why: str
    changes: dict[str, list[Any]]


class Incidents(Topic):
    """The incidents of all feeds."""

    def upsert(
        self,
        record: IncidentRecord,
        *,
        why: str = "grouped",
        tx: Transaction | None = None,
    ) -> IncidentRecord:
        """Add an incident, or bring what the loop knows of it up to date; idempotent.

        Who it is assigned to and what the shift said of its state stay: an incident that is over
        is resolved, and opened again if it goes on after all, but one that an operator has
        acknowledged or resolved stays so while it lasts.

        Returns
        -------
        IncidentRecord
            As it is stored now.
        """
        table = schema.incidents
        with self._database.writing(tx) as tx:
            self._check_feed(tx, record.feed)
            query = sa.select(table).where(table.c.id == record.id)
            row = tx.execute(query).first()
            if row is None:
                new = replace(record, version=1)
                tx.execute(table.insert().values(state_by=None, **new.to_dict()))
                self._remember(tx, new, "loop", "opened", why, {})
                return new
            before = _incident(row)
            if before.feed != record.feed:
                raise InputError(
                    f"incident {record.id} is of feed {before.feed}, not {record.feed}"
                )
            state, state_by = _state_after(before, record, row.state_by)
            after = replace(
                record, state=state, assigned_to=before.assigned_to, version=before.version
            )
            changes = _changes(before, after, (*_OF_THE_LOOP, "state"))
            if not changes:
                return before
            return self._change(tx, after, "loop", "updated", why, changes, state_by=state_by)

    def get(self, incident_id: str, *, tx: Transaction | None = None) -> IncidentRecord:
        """Return one incident.

        Raises
        ------
        NotFoundError
            If there is none of that id.
        """
        with self._database.reading(tx) as tx:
            return _incident(self._row(tx, schema.incidents, "incident", id=incident_id))

    def find(
        self, which: IncidentFilter | None = None, *, tx: Transaction | None = None
    ) -> list[IncidentRecord]:
        """Return all incidents of a kind, in order of start and id."""
        table = schema.incidents
        which = which or IncidentFilter()
        query = touching(_filtered(replace(which, window=None)), table, which.window)
        with self._database.reading(tx) as tx:
            found = [_incident(row) for row in tx.execute(query)]
        return sorted(found, key=lambda one: (one.start_s, one.id))

    def page(
        self,
        which: IncidentFilter | None = None,
        *,
        after: str | None = None,
        limit: int = 100,
        tx: Transaction | None = None,
    ) -> Page[IncidentRecord]:
        """Return incidents, those that started last first."""
        table = schema.incidents
        query = _filtered(which or IncidentFilter())
        with self._database.reading(tx) as tx:
            keys = (table.c.start_s, table.c.id)
            return read_page(tx, query, keys, _incident, after=after, limit=limit)

    def set_state(
        self,
        incident_id: str,
        state: IncidentState,
        *,
        by: str,
        why: str = "",
        expected_version: int | None = None,
        tx: Transaction | None = None,
    ) -> IncidentRecord:
        """Acknowledge, resolve or reopen an incident.

        Raises
        ------
        NotFoundError, StaleVersionError
            If there is no such incident, or it was changed since that version.
        """
        with self._database.writing(tx) as tx:
            before = self._to_edit(tx, incident_id, expected_version)
            after = replace(before, state=IncidentState(state))
            changes = _changes(before, after, ("state",))
            return self._change(tx, after, by, "state", why, changes, state_by=by)

    def assign(
        self,
        incident_id: str,
        to: str | None,
        *,
        by: str,
        why: str = "",
        expected_version: int | None = None,
        tx: Transaction | None = None,
    ) -> IncidentRecord:
        """Say who takes care of an incident; None for nobody.

        Raises
        ------
        NotFoundError, StaleVersionError
            If there is no such incident, or it was changed since that version.
        """
        with self._database.writing(tx) as tx:
            before = self._to_edit(tx, incident_id, expected_version)
            after = replace(before, assigned_to=to)
            changes = _changes(before, after, ("assigned_to",))
            return self._change(tx, after, by, "assigned", why, changes)

    def comment(
        self, incident_id: str, text: str, *, by: str, tx: Transaction | None = None
    ) -> IncidentHistory:
        """Add a comment to the history; the incident and its version stay as they are."""
        with self._database.writing(tx) as tx:
            record = self._to_edit(tx, incident_id, None)
            self._remember(tx, record, by, "comment", text, {})
            return self.history(incident_id, tx=tx)[-1]

    def history(self, incident_id: str, *, tx: Transaction | None = None) -> list[IncidentHistory]:
        """Return everything that happened to an incident, the oldest first.

        Raises
        ------
        NotFoundError
            If there is none of that id.
        """
        table = schema.incident_history
        query = sa.select(table).where(table.c.incident_id == incident_id).order_by(table.c.id)
        with self._database.reading(tx) as tx:
            self.get(incident_id, tx=tx)
            return [
                IncidentHistory(
                    row.incident_id, row.version, row.at_s, row.by, row.action, row.why, row.changes
                )
                for row in tx.execute(query)
            ]

    def _to_edit(
        self, tx: Transaction, incident_id: str, expected_version: int | None
    ) -> IncidentRecord:
        record = self.get(incident_id, tx=tx)
        check_version("incident", incident_id, record.version, expected_version)
        return record

    def _change(
        self,
        tx: Transaction,
        after: IncidentRecord,
        by: str,
        action: str,
        why: str,
        changes: dict[str, list[Any]],
        **also: Any,
    ) -> IncidentRecord:
        table = schema.incidents
        after = replace(after, version=after.version + 1)
        values = {name: value for name, value in after.to_dict().items() if name != "id"} | also
        tx.execute(table.update().where(table.c.id == after.id).values(**values))
        self._remember(tx, after, by, action, why, changes)
        return after

    def _remember(
        self,
        tx: Transaction,
        record: IncidentRecord,
        by: str,
        action: str,
        why: str,
        changes: dict[str, list[Any]],
    ) -> None:
        tx.execute(
            schema.incident_history.insert().values(
                incident_id=record.id,
                version=record.version,
                at_s=self._database.now_s(),
                by=by,
                action=action,
                why=why,
                changes=changes,
            )
        )


def _state_after(
    before: IncidentRecord, record: IncidentRecord, state_by: str | None
) -> tuple[IncidentState, str | None]:
    """Return the state, and who set it, when the loop brings a record."""
    if record.state is IncidentState.RESOLVED:
        is_over = before.state is IncidentState.RESOLVED
        return IncidentState.RESOLVED, state_by if is_over else None
    if state_by is not None:
        return before.state, state_by
    return record.state, None


def _changes(
    before: IncidentRecord, after: IncidentRecord, names: tuple[str, ...]
) -> dict[str, list[Any]]:
    old, new = before.to_dict(), after.to_dict()
    return {
        name: [old[name], new[name]]
        for name in names
        if canonical_json(old[name]) != canonical_json(new[name])
    }


def _filtered(which: IncidentFilter) -> sa.Select[Any]:
    table = schema.incidents
    query = sa.select(table)
    states = {IncidentState(state) for state in which.states}
    if len(states) < len(IncidentState):
        query = query.where(table.c.state.in_(sorted(state.value for state in states)))
    severities = {Severity(severity) for severity in which.severities}
    if len(severities) < len(Severity):
        query = query.where(table.c.severity.in_(sorted(one.value for one in severities)))
    for name in ("feed", "assigned_to"):
        value = getattr(which, name)
        if value is not None:
            query = query.where(table.c[name] == value)
    if which.window is not None:
        query = query.where(touches(table, which.window))
    return query


def _incident(row: sa.Row[Any]) -> IncidentRecord:
    columns = {name: value for name, value in row._mapping.items() if name != "state_by"}
    return IncidentRecord.from_dict(columns)
