"""IncidentRecord: alarms close in time and topology, where they lie and what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from faultsight.core.alarm import six_digits, stable_id
from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import InputError

__all__ = ["IncidentRecord", "IncidentState", "RootPattern", "Severity", "incident_id"]

VERDICTS = ("", "healthy", "maintenance", "service")


class Severity(StrEnum):
    """How bad it is, the worst first."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    WARNING = "warning"


class IncidentState(StrEnum):
    """Where an incident stands with the shift."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    """Somebody has taken it."""
    RESOLVED = "resolved"


def incident_id(feed: str, scope: tuple[tuple[str, str], ...], first_alarm_id: str) -> str:
    """Return the id of an incident: 16 hexadecimal digits from where and with what it began.

    Examples
    --------
    >>> len(incident_id("cells", (("region", "north"),), "00ff00ff00ff00ff"))
    16
    """
    flat = [part for pair in scope for part in pair]
    return stable_id(feed, len(scope), *flat, first_alarm_id)


@dataclass(frozen=True)
class RootPattern:
    """An attribute combination that an incident may come from.

    Parameters
    ----------
    combination : AttributeCombination
        The place in the cube.
    score : float
        How well it explains the incident; higher is better. 6 significant digits are kept.
    confidence : float
        How sure the localizer is, 0 to 1.
    impact : float
        The change of the KPI in this place, in the KPI's units.
    kpi : str
        Which KPI was localized; empty if all.
    note : str
        What an operator should know, such as that it was rejected here before.

    Examples
    --------
    >>> pattern = RootPattern(AttributeCombination({"site": "S1"}), score=0.9)
    >>> RootPattern.from_dict(pattern.to_dict()) == pattern
    True
    """

    combination: AttributeCombination
    score: float
    confidence: float = 0.0
    impact: float = 0.0
    kpi: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("score", "confidence", "impact"):
            object.__setattr__(self, name, six_digits(getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """Return the pattern as JSON values; the combination as pairs of names."""
        return {
            "combination": [list(pair) for pair in self.combination.items()],
            "score": self.score,
            "confidence": self.confidence,
            "impact": self.impact,
            "kpi": self.kpi,
            "note": self.note,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RootPattern:
        """Return the pattern that `to_dict` wrote."""
        pairs = ((attribute, element) for attribute, element in values["combination"])
        return cls(**{**values, "combination": AttributeCombination(pairs)})


@dataclass(frozen=True, kw_only=True)
class IncidentRecord:
    """Alarms that belong together.

    Parameters
    ----------
    id : str
        From `incident_id`; it stays when earlier alarms join later.
    feed : str
        Whose alarms these are.
    scope : tuple of (attribute, value)
        What the alarms have in common.
    title : str
        One line for the shift.
    severity : Severity
        How bad it is.
    state : IncidentState
        By default open without an end, resolved with one.
    start_s, end_s : int, optional end
        From the first alarm to the end of the last; None while one is raised.
    alarm_ids : tuple of str
        The alarms, in order of their start.
    patterns : tuple of RootPattern
        Where it comes from, the likeliest first.
    verdict : str
        Of the diagnosis: ``healthy``, ``maintenance``, ``service``, or empty if there is none.
    evidence : mapping
        What the verdict rests on, as JSON values.
    assigned_to : str, optional
        Who takes care of it.
    version : int
        From 1; one more with every change. The store counts it.

    Raises
    ------
    InputError
        If it ends before it starts or the verdict is none.

    Examples
    --------
    >>> incident = IncidentRecord(id=incident_id("cells", (), "a1"), feed="cells", title="cell-1",
    ...                           severity=Severity.MINOR, start_s=0, alarm_ids=("a1",))
    >>> incident.state.value, IncidentRecord.from_dict(incident.to_dict()) == incident
    ('open', True)
    """

    id: str
    feed: str
    scope: tuple[tuple[str, str], ...] = ()
    title: str
    severity: Severity
    state: IncidentState = None  # type: ignore[assignment]  # from the end, where it is not told
    start_s: int
    end_s: int | None = None
    alarm_ids: tuple[str, ...] = ()
    patterns: tuple[RootPattern, ...] = ()
    verdict: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    assigned_to: str | None = None
    version: int = 1

    def __post_init__(self) -> None:
        if self.end_s is not None and self.end_s < self.start_s:
            raise InputError(f"incident {self.id} ends before it starts", source=self.feed)
        if self.verdict not in VERDICTS:
            raise InputError(f"{self.verdict!r} is not a verdict", source=self.feed)
        by_end = IncidentState.OPEN if self.end_s is None else IncidentState.RESOLVED
        for name, value in (
            ("state", IncidentState(self.state or by_end)),
            ("severity", Severity(self.severity)),
            ("scope", tuple((str(attribute), str(value)) for attribute, value in self.scope)),
            ("alarm_ids", tuple(self.alarm_ids)),
            ("patterns", tuple(self.patterns)),
        ):
            object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Return the incident as JSON values."""
        return {
            "id": self.id,
            "feed": self.feed,
            "scope": [list(pair) for pair in self.scope],
            "title": self.title,
            "severity": self.severity.value,
            "state": self.state.value,
            "start_s": self.start_s,
            "end_s": self.end_s,
            "alarm_ids": list(self.alarm_ids),
            "patterns": [pattern.to_dict() for pattern in self.patterns],
            "verdict": self.verdict,
            "evidence": dict(self.evidence),
            "assigned_to": self.assigned_to,
            "version": self.version,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> IncidentRecord:
        """Return the incident that `to_dict` wrote."""
        patterns = tuple(RootPattern.from_dict(pattern) for pattern in values["patterns"])
        return cls(**{**values, "patterns": patterns})
