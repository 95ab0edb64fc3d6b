"""Alarms for whoever looks at them: lists, single ones, their history, and what changed since."""

from __future__ import annotations

from dataclasses import dataclass

from faultsight.core.alarm import AlarmKind, AlarmRecord, AlarmState
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import AlarmFilter as StoredFilter
from faultsight.stores.operations import AlarmHistory, Operations, Page

__all__ = ["AlarmFilter", "Alarms"]

LAST_S = 253_402_300_800


@dataclass(frozen=True)
class AlarmFilter:
    """Which alarms; what is None does not restrict.

    Attributes
    ----------
    feed, entity, incident_id : str, optional
        Of this one only.
    state : AlarmState, optional
        In this state; all but the withdrawn if not given.
    kind : AlarmKind, optional
        Of this kind.
    is_muted : bool, optional
        Muted or not.
    from_s, to_s : int, optional
        Those that share a second with this span.
    """

    feed: str | None = None
    entity: str | None = None
    state: AlarmState | None = None
    kind: AlarmKind | None = None
    incident_id: str | None = None
    is_muted: bool | None = None
    from_s: int | None = None
    to_s: int | None = None

    def stored(self) -> StoredFilter:
        """Return it in the store's words."""
        states = {} if self.state is None else {"states": (self.state,)}
        return StoredFilter(
            feed=self.feed,
            entity=self.entity,
            kind=None if self.kind is None else self.kind.value,
            incident_id=self.incident_id,
            window=window_of(self.from_s, self.to_s),
            is_muted=self.is_muted,
            **states,
        )


def window_of(from_s: int | None, to_s: int | None) -> TimeWindow | None:
    """Return the window from and to some seconds; None where neither is given.

    Examples
    --------
    >>> window_of(None, 60), window_of(None, None)
    (TimeWindow(start_s=0, end_s=60), None)
    """
    if from_s is None and to_s is None:
        return None
    return TimeWindow(0 if from_s is None else from_s, LAST_S if to_s is None else to_s)


class Alarms:
    """The alarms of all feeds, to read."""

    def __init__(self, ops: Operations) -> None:
        self._ops = ops

    def page(self, wanted: AlarmFilter, *, after: str | None, limit: int) -> Page[AlarmRecord]:
        """Return alarms, the latest first."""
        return self._ops.alarms.page(wanted.stored(), after=after, limit=limit)

    def get(self, alarm_id: str) -> AlarmRecord:
        """Return one alarm."""
        return self._ops.alarms.get(alarm_id)

    def history(self, alarm_id: str) -> list[AlarmHistory]:
        """Return every change of an alarm, the first first."""
        self._ops.alarms.get(alarm_id)
        return self._ops.alarms.history(alarm_id)

    def last_event(self) -> int:
        """Return the number of the latest change of any alarm; 0 before the first."""
        return self._ops.watching.last_change()

    def events(
        self, after: int, feed: str | None, limit: int
    ) -> list[tuple[int, str, AlarmRecord | None]]:
        """Return changes after a number: number, action, and the alarm as it is now.

        The alarm is None where it is of another feed than the one asked for.
        """
        return [
            (
                change.number,
                change.action,
                change.alarm if feed in (None, change.alarm.feed) else None,
            )
            for change in self._ops.watching.changes_since(after, limit=limit)
        ]
