"""Where alarms and incidents stand: in the operations store, or in memory for a trial run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from faultsight.core.alarm import AlarmRecord, AlarmState
from faultsight.core.incident import IncidentRecord
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.stages.mute import Rule
from faultsight.stores.operations import AlarmFilter, IncidentFilter, Operations, Transaction

__all__ = ["FOREVER_S", "MemoryRecords", "ModelSpan", "Records", "StoredRecords", "models_key"]

FOREVER_S = 2**53
"""The end of what has none; no clock gets there."""


def models_key(feed: str) -> str:
    """Return the setting that says which model of a feed scores from when on.

    It is a list of [first row, model, its folder, its number]. The loop adds to it when it first
    sees another model active: rows scored before stay that model's, also when late data come.
    """
    return f"loop.{feed}.models"


@dataclass(frozen=True)
class ModelSpan:
    """From when on which model scores.

    Attributes
    ----------
    from_s : int or None
        The first row; None for all rows before the next span's.
    id, path : str
        The model and its folder.
    version : int
        Its number.
    """

    from_s: int | None
    id: str
    path: str
    version: int


class Records(Protocol):
    """What a tick needs to know of what was decided before."""

    def alarms(self, feed: str, window: TimeWindow) -> list[AlarmRecord]:
        """Return the alarms that touch a window, by start, without the withdrawn."""

    def incidents(self, feed: str, window: TimeWindow) -> list[IncidentRecord]:
        """Return the incidents that touch a window, by start, without the emptied."""

    def alarms_of(self, feed: str, incident_id: str) -> list[AlarmRecord]:
        """Return the alarms of an incident, by start, without the withdrawn."""

    def attributes(self, feed: str) -> Mapping[str, Mapping[str, str]]:
        """Return the attributes of each entity."""

    def rules(self, feed: str, window: TimeWindow) -> list[Rule]:
        """Return the suppressions that touch a window."""

    def models(self, feed: str) -> Sequence[ModelSpan]:
        """Return which model scores from when on; empty if none is active."""


@dataclass(frozen=True, eq=False)
class StoredRecords:
    """The operations store.

    Parameters
    ----------
    ops : Operations
        Opened.
    """

    ops: Operations

    def alarms(self, feed: str, window: TimeWindow) -> list[AlarmRecord]:
        """Return the alarms that touch a window, by start, without the withdrawn."""
        return self.ops.alarms.find(AlarmFilter(feed=feed, window=window))

    def incidents(self, feed: str, window: TimeWindow) -> list[IncidentRecord]:
        """Return the incidents that touch a window, by start, without the emptied."""
        found = self.ops.incidents.find(IncidentFilter(feed=feed, window=window))
        return [incident for incident in found if incident.alarm_ids]

    def alarms_of(self, feed: str, incident_id: str) -> list[AlarmRecord]:
        """Return the alarms of an incident, by start, without the withdrawn."""
        return self.ops.alarms.find(AlarmFilter(feed=feed, incident_id=incident_id))

    def attributes(
        self, feed: str, *, tx: Transaction | None = None
    ) -> Mapping[str, Mapping[str, str]]:
        """Return the attributes of each entity."""
        return self.ops.entities.attributes(feed, tx=tx)

    def rules(self, feed: str, window: TimeWindow, *, tx: Transaction | None = None) -> list[Rule]:
        """Return the suppressions that touch a window."""
        return [
            Rule(
                str(told.id),
                TimeWindow(told.start_s, FOREVER_S if told.end_s is None else told.end_s),
                told.reason,
                dict(told.scope),
                told.entity,
            )
            for told in self.ops.suppressions.active(window, feed=feed, tx=tx)
        ]

    def models(self, feed: str) -> Sequence[ModelSpan]:
        """Return which model scores from when on; empty if none is active."""
        setting = self.ops.settings.get(models_key(feed))
        return [] if setting is None else [ModelSpan(*span) for span in setting.value]


@dataclass(eq=False)
class MemoryRecords:
    """Nothing stored: what a trial run decides stays here.

    Parameters
    ----------
    attributes_of : mapping
        The attributes of each entity.
    mute_rules : sequence of Rule
        Suppressions.
    model_spans : sequence of ModelSpan
        Which model scores from when on.
    """

    attributes_of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    mute_rules: Sequence[Rule] = ()
    model_spans: Sequence[ModelSpan] = ()
    alarms_by_id: dict[str, AlarmRecord] = field(default_factory=dict)
    incidents_by_id: dict[str, IncidentRecord] = field(default_factory=dict)

    def alarms(self, feed: str, window: TimeWindow) -> list[AlarmRecord]:
        """Return the alarms that touch a window, by start, without the withdrawn."""
        return sorted(
            (a for a in self.alarms_by_id.values()
             if a.feed == feed and a.state is not AlarmState.WITHDRAWN
             and _touches(a.start_s, a.end_s, window)),
            key=lambda a: (a.start_s, a.entity, a.kind.value),
        )  # fmt: skip

    def incidents(self, feed: str, window: TimeWindow) -> list[IncidentRecord]:
        """Return the incidents that touch a window, by start, without the emptied."""
        return sorted(
            (i for i in self.incidents_by_id.values()
             if i.feed == feed and i.alarm_ids and _touches(i.start_s, i.end_s, window)),
            key=lambda i: (i.start_s, i.id),
        )  # fmt: skip

    def alarms_of(self, feed: str, incident_id: str) -> list[AlarmRecord]:
        """Return the alarms of an incident, by start, without the withdrawn."""
        found = (a for a in self.alarms_by_id.values() if a.incident_id == incident_id)
        return sorted(
            (a for a in found if a.feed == feed and a.state is not AlarmState.WITHDRAWN),
            key=lambda a: (a.start_s, a.entity, a.kind.value),
        )

    def attributes(self, feed: str) -> Mapping[str, Mapping[str, str]]:
        """Return the attributes of each entity."""
        return self.attributes_of

    def rules(self, feed: str, window: TimeWindow) -> list[Rule]:
        """Return the suppressions that touch a window."""
        return [rule for rule in self.mute_rules if rule.window.overlaps(window)]

    def models(self, feed: str) -> Sequence[ModelSpan]:
        """Return which model scores from when on; empty if none is active."""
        return self.model_spans

    def keep(
        self,
        wanted: Iterable[AlarmRecord],
        withdrawn: Iterable[AlarmRecord],
        incidents: Iterable[IncidentRecord],
    ) -> None:
        """Write down what a tick decided."""
        for alarm in wanted:
            self.alarms_by_id[alarm.id] = alarm
        for alarm in withdrawn:
            self.alarms_by_id[alarm.id] = replace(alarm, state=AlarmState.WITHDRAWN)
        for incident in incidents:
            self.incidents_by_id[incident.id] = incident


def _touches(start_s: int, end_s: int | None, window: TimeWindow) -> bool:
    return start_s < window.end_s and (end_s is None or end_s > window.start_s)
