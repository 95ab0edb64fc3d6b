"""AlarmRecord: one span in which an entity misbehaved, as the operators' store keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from faultsight.core.errors import InputError

__all__ = ["AlarmKind", "AlarmRecord", "AlarmState", "six_digits", "stable_id"]


class AlarmKind(StrEnum):
    """What the alarm was raised on."""

    KPI = "kpi"
    """The KPIs of one entity."""
    CUBE = "cube"
    """The overall KPIs of a cube; the entity is named like the feed."""
    CABLE = "cable"
    """The modems of a fiber node."""


class AlarmState(StrEnum):
    """Where an alarm stands."""

    RAISED = "raised"
    """It has started and not ended."""
    CLEARED = "cleared"
    """It has ended."""
    WITHDRAWN = "withdrawn"
    """Later data show that it was none; kept, since operators may have seen it."""


def stable_id(*parts: str | int) -> str:
    """Return 16 hexadecimal digits that depend on the parts alone.

    Examples
    --------
    >>> stable_id("cells", "cell-1", 3600) == stable_id("cells", "cell-1", 3600)
    True
    >>> stable_id("a", "bc") == stable_id("ab", "c")
    False
    """
    # The length in front keeps parts apart, whatever characters they hold.
    text = "".join(f"{len(str(part))}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def six_digits(value: float) -> float:
    """Return a number rounded to 6 significant digits, so that last bits never count as changes.

    Examples
    --------
    >>> six_digits(1.23456789)
    1.23457
    """
    return float(f"{value:.6g}")


@dataclass(frozen=True, kw_only=True)
class AlarmRecord:
    """One alarm: who, when, how far over the level, which KPIs, and what became of it.

    Parameters
    ----------
    feed, entity : str
        Whose alarm it is.
    kind : AlarmKind
        What it was raised on.
    start_s : int
        The first second of the alarm, since 1970 UTC.
    end_s : int, optional
        The first second after it; None while it is raised.
    peak : float
        The highest score, relative to the level; at least 0. Kept to 6 significant digits.
    kpis : tuple of (str, float)
        The KPIs that explain it and their share, the largest first; 6 significant digits.
    state : AlarmState
        By default raised without an end, cleared with one.
    muted_by : str, optional
        The rule that mutes it; None if the shift is told.
    mute_reason : str
        Why that rule exists.
    flaps : int
        How many times it cleared and came back within the hold-down time.
    model_id : str, optional
        The model that scored.
    incident_id : str, optional
        The incident that it is part of.
    version : int
        From 1; one more with every change. The store counts it.
    payload : mapping
        What else is known, as JSON values: the verdict, fault id and members of a cable alarm.

    Attributes
    ----------
    id : str
        16 hexadecimal digits from feed, entity, start and kind: the same alarm has the same id
        whenever and wherever it is computed.

    Raises
    ------
    InputError
        If it ends before it starts, the peak is not a number of at least 0, or the state does
        not fit the end.

    Examples
    --------
    >>> alarm = AlarmRecord(feed="cells", entity="cell-1", kind=AlarmKind.KPI, start_s=3600,
    ...                     peak=2.5, kpis=(("drops", 0.8),))
    >>> alarm.state.value, alarm.id == AlarmRecord.from_dict(alarm.to_dict()).id
    ('raised', True)
    """

    id: str = field(init=False)
    feed: str
    entity: str
    kind: AlarmKind
    start_s: int
    end_s: int | None = None
    peak: float
    kpis: tuple[tuple[str, float], ...] = ()
    state: AlarmState = None  # type: ignore[assignment]  # from the end, where it is not told
    muted_by: str | None = None
    mute_reason: str = ""
    flaps: int = 0
    model_id: str | None = None
    incident_id: str | None = None
    version: int = 1
    payload: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        place = f"the alarm of {self.entity!r} from {self.start_s}"
        if self.end_s is not None and self.end_s <= self.start_s:
            raise InputError(f"{place} ends at {self.end_s}", source=self.feed)
        if not 0 <= self.peak < float("inf"):
            raise InputError(f"{place} has the peak {self.peak}", source=self.feed)
        by_end = AlarmState.RAISED if self.end_s is None else AlarmState.CLEARED
        state = AlarmState(self.state or by_end)
        if state not in (by_end, AlarmState.WITHDRAWN):
            raise InputError(
                f"{place} is {state.value} with the end {self.end_s}", source=self.feed
            )
        kind = AlarmKind(self.kind)
        for name, value in (
            ("kind", kind),
            ("state", state),
            ("peak", six_digits(self.peak)),
            ("kpis", tuple((str(name), six_digits(share)) for name, share in self.kpis)),
            ("id", stable_id(self.feed, self.entity, self.start_s, kind.value)),
        ):
            object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Return the alarm as JSON values."""
        return {
            "id": self.id,
            "feed": self.feed,
            "entity": self.entity,
            "kind": self.kind.value,
            "start_s": self.start_s,
            "end_s": self.end_s,
            "peak": self.peak,
            "kpis": [list(kpi) for kpi in self.kpis],
            "state": self.state.value,
            "muted_by": self.muted_by,
            "mute_reason": self.mute_reason,
            "flaps": self.flaps,
            "model_id": self.model_id,
            "incident_id": self.incident_id,
            "version": self.version,
            "payload": dict(self.payload),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AlarmRecord:
        """Return the alarm that `to_dict` wrote; its id is computed anew."""
        told = {name: value for name, value in values.items() if name != "id"}
        told["kpis"] = tuple((name, share) for name, share in told.get("kpis", ()))
        return cls(**told)
