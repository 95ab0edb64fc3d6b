"""How alarms agree with what operators said of the past."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from faultsight.core.alarm import AlarmRecord
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import TimeWindow

__all__ = ["Agreement", "agreement"]


@dataclass(frozen=True)
class Agreement:
    """Marks in a window, and how many of them the alarms agree with.

    Attributes
    ----------
    anomalies, found : int
        Spans that operators confirmed or said were missed; those with an alarm.
    false_alarms, raised : int
        Spans that operators rejected; those that still have an alarm.
    unmarked : int
        Alarms of which nobody has said anything.
    alarms : int
        All of them; the muted are not among them.
    """

    anomalies: int
    found: int
    false_alarms: int
    raised: int
    unmarked: int
    alarms: int

    def to_dict(self) -> dict[str, int]:
        """Return plain values for JSON."""
        return asdict(self)


def agreement(
    alarms: Iterable[AlarmRecord], marks: Iterable[Mark], window: TimeWindow
) -> Agreement:
    """Return how alarms agree with the marks of a window.

    An alarm and a mark meet if they are of one entity (a cable alarm's is also its fiber node) and
    share a second. Marks to be ignored, and alarms that meet one, count nowhere.

    Examples
    --------
    >>> from faultsight.core.alarm import AlarmKind
    >>> alarm = AlarmRecord(feed="f", entity="a", kind=AlarmKind.KPI, start_s=0, end_s=60, peak=2)
    >>> marks = [Mark("a", TimeWindow(0, 60), MarkKind.FALSE_ALARM),
    ...          Mark("a", TimeWindow(600, 660), MarkKind.MISSED)]
    >>> agreement([alarm], marks, TimeWindow(0, 3600))
    Agreement(anomalies=1, found=0, false_alarms=1, raised=1, unmarked=0, alarms=1)
    """
    told = [mark for mark in marks if mark.window.overlaps(window)]
    by_entity: dict[str, list[Mark]] = {}
    for mark in told:
        by_entity.setdefault(mark.entity, []).append(mark)
    met: set[Mark] = set()
    n_alarms = unmarked = 0
    for alarm in alarms:
        end_s = max(window.end_s, alarm.start_s + 1) if alarm.end_s is None else alarm.end_s
        span = TimeWindow(alarm.start_s, end_s)
        if alarm.muted_by is not None or not span.overlaps(window):
            continue
        whose = {alarm.entity, str(alarm.payload.get("fnode", alarm.entity))}
        mine = [
            mark for entity in sorted(whose) for mark in by_entity.get(entity, ())
            if mark.window.overlaps(span)
        ]  # fmt: skip
        if any(mark.kind is MarkKind.IGNORE for mark in mine):
            continue
        n_alarms += 1
        unmarked += not mine
        met.update(mine)
    wrong = [mark for mark in told if mark.kind is MarkKind.FALSE_ALARM]
    right = [mark for mark in told if mark.kind.is_anomaly]
    return Agreement(
        anomalies=len(right),
        found=sum(mark in met for mark in right),
        false_alarms=len(wrong),
        raised=sum(mark in met for mark in wrong),
        unmarked=unmarked,
        alarms=n_alarms,
    )
