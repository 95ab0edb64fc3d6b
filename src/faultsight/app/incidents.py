"""Incidents for the shift: lists, details, and its decisions on them."""

from __future__ import annotations

from typing import Any

from faultsight.app.alarms import window_of
from faultsight.app.roles import Principal
from faultsight.core.errors import InputError
from faultsight.core.incident import IncidentRecord, IncidentState, Severity
from faultsight.stores.operations import IncidentFilter, IncidentHistory, Operations, Page

__all__ = ["Incidents"]


class Incidents:
    """The incidents of all feeds."""

    def __init__(self, ops: Operations) -> None:
        self._ops = ops

    def page(
        self,
        *,
        feed: str | None = None,
        state: IncidentState | None = None,
        severity: Severity | None = None,
        from_s: int | None = None,
        to_s: int | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[IncidentRecord]:
        """Return incidents, the latest first."""
        chosen: dict[str, Any] = {}
        if state is not None:
            chosen["states"] = (state,)
        if severity is not None:
            chosen["severities"] = (severity,)
        wanted = IncidentFilter(feed=feed, window=window_of(from_s, to_s), **chosen)
        return self._ops.incidents.page(wanted, after=after, limit=limit)

    def get(self, incident_id: str) -> IncidentRecord:
        """Return one incident."""
        return self._ops.incidents.get(incident_id)

    def history(self, incident_id: str) -> list[IncidentHistory]:
        """Return every change and comment, the first first."""
        self._ops.incidents.get(incident_id)
        return self._ops.incidents.history(incident_id)

    def change(
        self,
        incident_id: str,
        *,
        who: Principal,
        why: str,
        expected_version: int,
        state: IncidentState | None = None,
        assigned_to: str | None = None,
    ) -> IncidentRecord:
        """Change the state or who takes care, or both at once; an empty name means nobody.

        Raises
        ------
        StaleVersionError
            If somebody else was faster.
        NotFoundError
            If there is no such incident, or no such user to assign it to.
        """
        if state is None and assigned_to is None:
            raise InputError("nothing to change: give a state or whom it is assigned to")
        ops = self._ops
        with ops.transaction() as tx:
            version: int = expected_version
            record = ops.incidents.get(incident_id, tx=tx)
            if assigned_to is not None:
                if assigned_to and assigned_to != who.name:
                    ops.users.get(assigned_to, tx=tx)
                record = ops.incidents.assign(
                    incident_id, assigned_to or None, by=who.name, why=why,
                    expected_version=version, tx=tx,
                )  # fmt: skip
                version = record.version
            if state is not None:
                record = ops.incidents.set_state(
                    incident_id, state, by=who.name, why=why, expected_version=version, tx=tx
                )
        return record

    def comment(self, incident_id: str, text: str, who: Principal) -> IncidentHistory:
        """Add a remark."""
        return self._ops.incidents.comment(incident_id, text, by=who.name)
