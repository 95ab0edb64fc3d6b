"""Mute: planned work and suppressed scopes are not told to the shift; the reason is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from faultsight.core.alarm import AlarmRecord
from faultsight.core.kpi_frame import TimeWindow

if TYPE_CHECKING:
    from faultsight.flow.tick import Tick

__all__ = ["Mute", "Rule", "muted", "touched_by"]


@dataclass(frozen=True)
class Rule:
    """One suppression: where, when and why.

    Parameters
    ----------
    id : str
        Its name in the store.
    window : TimeWindow
        When.
    reason : str
        Why, for whoever asks later.
    scope : mapping of str to str
        Attributes that an entity must have; every entity if empty.
    entity : str, optional
        Only this one.

    Examples
    --------
    >>> rule = Rule("7", TimeWindow(0, 3600), "upgrade", {"region": "north"})
    >>> rule.covers("cell-1", {"region": "north", "band": "700"}), rule.covers("cell-2", {})
    (True, False)
    """

    id: str
    window: TimeWindow
    reason: str
    scope: Mapping[str, str] = field(default_factory=dict)
    entity: str | None = None

    def covers(self, entity: str, attributes: Mapping[str, str]) -> bool:
        """Whether an entity with these attributes is meant."""
        if self.entity is not None and self.entity != entity:
            return False
        return all(attributes.get(name) == value for name, value in self.scope.items())


def muted(
    alarm: AlarmRecord,
    entity: str,
    attributes: Mapping[str, str],
    rules: Sequence[Rule],
    *,
    until_s: int,
) -> AlarmRecord:
    """Return the alarm with the rule that mutes it, or with none.

    A rule mutes alarms that lie wholly within its window; one that is still raised, up to now. So
    what began before the work, and what outlasts it, is told.

    Parameters
    ----------
    alarm : AlarmRecord
        As earlier stages made it.
    entity, attributes
        Whose it is.
    rules : sequence of Rule
        Of several that apply the first one counts.
    until_s : int
        Now: the end of what has been scored.
    """
    end_s = until_s if alarm.end_s is None else alarm.end_s
    for rule in rules:
        inside = rule.window.start_s <= alarm.start_s and end_s <= rule.window.end_s
        if inside and rule.covers(entity, attributes):
            return replace(alarm, muted_by=rule.id, mute_reason=rule.reason, incident_id=None)
    return replace(alarm, muted_by=None, mute_reason="")


def touched_by(
    rules: Iterable[Rule], before: Iterable[Rule], window: TimeWindow
) -> list[TimeWindow]:
    """Return the windows of rules that came, went or changed, as far as they meet a window."""
    now, then = ({rule.id: rule for rule in some} for some in (rules, before))
    changed = [id_ for id_ in now.keys() | then.keys() if now.get(id_) != then.get(id_)]
    spans = {told[id_].window for told in (now, then) for id_ in changed if id_ in told}
    return sorted(span for span in spans if span.overlaps(window))


class Mute:
    """Mutes what planned work explains; keeps which rule and why."""

    def run(self, tick: Tick) -> None:
        """Mute the wanted alarms."""
        for id_, alarm in tick.wanted.items():
            entity = str(alarm.payload.get("fnode", alarm.entity))
            attributes = tick.attributes.get(entity, {})
            tick.wanted[id_] = muted(alarm, entity, attributes, tick.rules, until_s=tick.until_s)
