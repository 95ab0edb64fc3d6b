"""Which alarms of a trial run are of faults that are known: other rules give them other names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from faultsight.core.alarm import AlarmRecord

__all__ = ["as_known"]

_ALIKE_FROM = 0.5


def as_known(alarms: Iterable[AlarmRecord], stored: Iterable[AlarmRecord]) -> list[AlarmRecord]:
    """Return cable alarms under the entity of the stored one that is most alike, if one is.

    Two are alike if they are of one fiber node, share a second, and the modems of both are at least
    half of those of either: what an operator said of the one holds for the other.

    Parameters
    ----------
    alarms : iterable of AlarmRecord
        Of a trial run.
    stored : iterable of AlarmRecord
        Those that operators have seen.

    Examples
    --------
    >>> def fault(name, members):
    ...     return AlarmRecord(feed="plant", entity=f"F1/{name}", kind="cable", start_s=0, peak=1,
    ...                        payload={"fnode": "F1", "members": members})
    >>> [alarm.entity for alarm in as_known([fault("new", ["a", "b"]), fault("other", ["x"])],
    ...                                     [fault("old", ["a", "b", "c"])])]
    ['F1/old', 'F1/other']
    """
    of_fnode: dict[str, list[AlarmRecord]] = defaultdict(list)
    for known in stored:
        of_fnode[str(known.payload.get("fnode"))].append(known)
    found = []
    for alarm in alarms:
        near = of_fnode[str(alarm.payload.get("fnode"))]
        ranked = sorted((-_alike(alarm, known), known.id, known.entity) for known in near)
        is_known = bool(ranked) and -ranked[0][0] >= _ALIKE_FROM
        found.append(replace(alarm, entity=ranked[0][2]) if is_known else alarm)
    return found


def _alike(alarm: AlarmRecord, other: AlarmRecord) -> float:
    ends_before = alarm.end_s is not None and alarm.end_s <= other.start_s
    if ends_before or (other.end_s is not None and other.end_s <= alarm.start_s):
        return 0.0
    mine, theirs = (set(some.payload.get("members", ())) for some in (alarm, other))
    return len(mine & theirs) / max(len(mine | theirs), 1)
