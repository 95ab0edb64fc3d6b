"""Alarms: made equal to what the loop computes, with every change kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from faultsight.core.alarm import AlarmRecord, AlarmState
from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._paging import Page, read_page
from faultsight.stores.operations._topic import Topic, touches, touching
from faultsight.stores.operations.schema import canonical_json

__all__ = ["AlarmFilter", "AlarmHistory", "Alarms", "Changes"]

_COMPUTED = (
    "end_s", "peak", "kpis", "state", "muted_by", "mute_reason", "flaps", "model_id", "incident_id",
    "payload",
)  # fmt: skip
"""What a later computation of the same alarm may change."""


@dataclass(frozen=True)
class AlarmFilter:
    """Which alarms; what is None or empty does not restrict.

    Parameters
    ----------
    feed, entity, kind, incident_id : str, optional
        Equal to this.
    states : collection of AlarmState
        In one of these; by default all but the withdrawn.
    window : TimeWindow, optional
        The alarm shares a second with it.
    is_muted : bool, optional
        Whether a rule mutes it.
    """

    feed: str | None = None
    entity: str | None = None
    kind: str | None = None
    incident_id: str | None = None
    states: Collection[AlarmState] = (AlarmState.RAISED, AlarmState.CLEARED)
    window: TimeWindow | None = None
    is_muted: bool | None = None


@dataclass(frozen=True)
class AlarmHistory:
    """One change of one alarm.

    Attributes
    ----------
    alarm_id : str
        Which one.
    version : int
        The version that the change made.
    at_s : int
        When.
    action : str
        ``new``, ``changed`` or ``withdrawn``.
    why : str
        What led to it.
    changes : mapping of str to (old, new)
        The values that changed; empty for a new alarm.
    """

    alarm_id: str
    version: int
    at_s: int
    action: str
    why: str
    changes: dict[str, list[Any]]


@dataclass(frozen=True)
class Changes:
    """What `Alarms.reconcile` did.

    Attributes
    ----------
    new, changed, withdrawn : tuple of AlarmRecord
        As they are stored now, in order of start, entity and kind.
    current : tuple of AlarmRecord
        Every wanted alarm as it is stored now, changed or not, in the same order.
    """

    new: tuple[AlarmRecord, ...]
    changed: tuple[AlarmRecord, ...]
    withdrawn: tuple[AlarmRecord, ...]
    current: tuple[AlarmRecord, ...]

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.withdrawn)


class Alarms(Topic):
    """The alarms of all feeds."""

    def reconcile(
        self,
        feed: str,
        window: TimeWindow,
        entities: Collection[str] | None,
        wanted: Iterable[AlarmRecord],
        *,
        why: str = "scored",
        tx: Transaction | None = None,
    ) -> Changes:
        """Make the stored alarms that touch a window equal to the wanted ones; idempotent.

        An alarm that is stored and not wanted is withdrawn, never deleted; one that is wanted
        again comes back. Every change counts the version up and is kept in the history. A wanted
        alarm without an incident keeps the incident that it has; the wanted versions are not
        looked at.

        Parameters
        ----------
        feed : str
            Whose alarms.
        window : TimeWindow
            What was scored.
        entities : collection of str, optional
            Whose alarms were computed; None for all of the feed.
        wanted : iterable of AlarmRecord
            All alarms of these entities that touch the window.
        why : str
            What led to it, such as ``scored`` or ``late data``.

        Raises
        ------
        InputError
            If a wanted alarm is of another feed or entity, does not touch the window, or comes
            twice.
        NotFoundError
            If there is no such feed.
        """
        among = None if entities is None else frozenset(entities)
        wanted_by_id = _checked(feed, window, among, wanted)
        with self._database.writing(tx) as tx:
            self._check_feed(tx, feed)
            stored = self._stored(tx, feed, window, among, wanted_by_id)
            now: dict[str, AlarmRecord] = {}
            actions: dict[str, list[AlarmRecord]] = {"new": [], "changed": [], "withdrawn": []}
            history = []
            for alarm in wanted_by_id.values():
                before = stored.get(alarm.id)
                after, action, changes = _next_version(before, alarm)
                now[alarm.id] = after
                if action:
                    actions[action].append(after)
                    history.append((after, action, changes))
            for alarm in stored.values():
                if alarm.id not in now and alarm.state is not AlarmState.WITHDRAWN:
                    after = replace(alarm, state=AlarmState.WITHDRAWN, version=alarm.version + 1)
                    actions["withdrawn"].append(after)
                    changes = {"state": [alarm.state.value, after.state.value]}
                    history.append((after, "withdrawn", changes))
            self._insert(tx, actions["new"])
            self._update(tx, [*actions["changed"], *actions["withdrawn"]])
            self._remember(tx, history, why)
        parts = {name: tuple(sorted(some, key=_in_order)) for name, some in actions.items()}
        return Changes(**parts, current=tuple(sorted(now.values(), key=_in_order)))

    def set_incident(
        self,
        alarm_ids: Iterable[str],
        incident_id: str | None,
        *,
        why: str = "grouped",
        tx: Transaction | None = None,
    ) -> tuple[AlarmRecord, ...]:
        """Say which incident alarms are part of; returns those that changed.

        Raises
        ------
        NotFoundError
            If there is no alarm of such an id.
        """
        with self._database.writing(tx) as tx:
            history = []
            for alarm_id in dict.fromkeys(alarm_ids):
                alarm = self.get(alarm_id, tx=tx)
                if alarm.incident_id != incident_id:
                    after = replace(alarm, incident_id=incident_id, version=alarm.version + 1)
                    changes = {"incident_id": [alarm.incident_id, incident_id]}
                    history.append((after, "changed", changes))
            self._update(tx, [after for after, _, _ in history])
            self._remember(tx, history, why)
        return tuple(after for after, _, _ in history)

    def get(self, alarm_id: str, *, tx: Transaction | None = None) -> AlarmRecord:
        """Return one alarm.

        Raises
        ------
        NotFoundError
            If there is none of that id.
        """
        with self._database.reading(tx) as tx:
            return _alarm(self._row(tx, schema.alarms, "alarm", id=alarm_id))

    def find(
        self, which: AlarmFilter | None = None, *, tx: Transaction | None = None
    ) -> list[AlarmRecord]:
        """Return all alarms of a kind, in order of start, entity and kind."""
        which = which or AlarmFilter()
        plain = _filtered(replace(which, window=None))
        query = touching(plain, schema.alarms, which.window)
        with self._database.reading(tx) as tx:
            return sorted(map(_alarm, tx.execute(query)), key=_in_order)

    def page(
        self,
        which: AlarmFilter | None = None,
        *,
        after: str | None = None,
        limit: int = 100,
        tx: Transaction | None = None,
    ) -> Page[AlarmRecord]:
        """Return alarms, those that started last first."""
        table = schema.alarms
        query = _filtered(which or AlarmFilter())
        with self._database.reading(tx) as tx:
            keys = (table.c.start_s, table.c.id)
            return read_page(tx, query, keys, _alarm, after=after, limit=limit)

    def history(self, alarm_id: str, *, tx: Transaction | None = None) -> list[AlarmHistory]:
        """Return every change of an alarm, the oldest first.

        Raises
        ------
        NotFoundError
            If there is none of that id.
        """
        table = schema.alarm_history
        query = sa.select(table).where(table.c.alarm_id == alarm_id).order_by(table.c.id)
        with self._database.reading(tx) as tx:
            self.get(alarm_id, tx=tx)
            return [
                AlarmHistory(row.alarm_id, row.version, row.at_s, row.action, row.why, row.changes)
                for row in tx.execute(query)
            ]

    def _stored(
        self,
        tx: Transaction,
        feed: str,
        window: TimeWindow,
        among: frozenset[str] | None,
        wanted: Collection[str],
    ) -> dict[str, AlarmRecord]:
        """Return the stored alarms that touch the window, and those of the wanted ids."""
        table = schema.alarms
        of_feed = sa.select(table).where(table.c.feed == feed)
        found = {row.id: row for row in tx.execute(touching(of_feed, table, window))}
        elsewhere = [alarm_id for alarm_id in wanted if alarm_id not in found]
        for some in _batches(elsewhere):
            found |= {
                row.id: row for row in tx.execute(sa.select(table).where(table.c.id.in_(some)))
            }
        rows = found.values()
        return {r.id: _alarm(r) for r in rows if among is None or r.entity in among}

    def _insert(self, tx: Transaction, alarms: Sequence[AlarmRecord]) -> None:
        if alarms:
            tx.execute(schema.alarms.insert(), [alarm.to_dict() for alarm in alarms])

    def _update(self, tx: Transaction, alarms: Sequence[AlarmRecord]) -> None:
        if not alarms:
            return
        table = schema.alarms
        names = (*_COMPUTED, "version")
        update = (
            table.update()
            .where(table.c.id == sa.bindparam("of_id"))
            .values({name: sa.bindparam(f"new_{name}") for name in names})
        )
        rows = []
        for alarm in alarms:
            values = alarm.to_dict()
            rows.append({"of_id": alarm.id} | {f"new_{name}": values[name] for name in names})
        tx.execute(update, rows)

    def _remember(
        self,
        tx: Transaction,
        history: Sequence[tuple[AlarmRecord, str, dict[str, list[Any]]]],
        why: str,
    ) -> None:
        at_s = self._database.now_s()
        rows = [
            {
                "alarm_id": alarm.id,
                "version": alarm.version,
                "at_s": at_s,
                "action": action,
                "why": why,
                "changes": changes,
            }
            for alarm, action, changes in history
        ]
        if rows:
            tx.execute(schema.alarm_history.insert(), rows)


def _checked(
    feed: str, window: TimeWindow, among: frozenset[str] | None, wanted: Iterable[AlarmRecord]
) -> dict[str, AlarmRecord]:
    by_id: dict[str, AlarmRecord] = {}
    for alarm in wanted:
        place = f"the alarm of {alarm.entity!r} from {alarm.start_s}"
        if alarm.feed != feed or (among is not None and alarm.entity not in among):
            raise InputError(f"{place} is not of the feed and entities given", source=alarm.feed)
        if alarm.start_s >= window.end_s or (
            alarm.end_s is not None and alarm.end_s <= window.start_s
        ):
            raise InputError(f"{place} does not touch the window given", source=feed)
        if alarm.id in by_id:
            raise InputError(f"{place} is wanted twice", source=feed)
        by_id[alarm.id] = alarm
    return by_id


def _next_version(
    before: AlarmRecord | None, wanted: AlarmRecord
) -> tuple[AlarmRecord, str, dict[str, list[Any]]]:
    if before is None:
        return replace(wanted, version=1), "new", {}
    if wanted.incident_id is None:
        wanted = replace(wanted, incident_id=before.incident_id)
    old, new = before.to_dict(), wanted.to_dict()
    changes = {
        name: [old[name], new[name]]
        for name in _COMPUTED
        # As text: what was stored came back as JSON values, lists for tuples.
        if canonical_json(old[name]) != canonical_json(new[name])
    }
    if not changes:
        return before, "", {}
    return replace(wanted, version=before.version + 1), "changed", changes


def _filtered(which: AlarmFilter) -> sa.Select[Any]:
    table = schema.alarms
    query = sa.select(table)
    states = {AlarmState(state) for state in which.states}
    if len(states) < len(AlarmState):
        query = query.where(table.c.state.in_(sorted(state.value for state in states)))
    for name in ("feed", "entity", "kind", "incident_id"):
        value = getattr(which, name)
        if value is not None:
            query = query.where(table.c[name] == value)
    if which.window is not None:
        query = query.where(touches(table, which.window))
    if which.is_muted is not None:
        is_none = table.c.muted_by.is_(None)
        query = query.where(sa.not_(is_none) if which.is_muted else is_none)
    return query


def _batches(ids: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    # Databases bound the number of parameters of a statement.
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _in_order(alarm: AlarmRecord) -> tuple[int, str, str]:
    return alarm.start_s, alarm.entity, alarm.kind.value


def _alarm(row: sa.Row[Any]) -> AlarmRecord:
    return AlarmRecord.from_dict(dict(row._mapping))
