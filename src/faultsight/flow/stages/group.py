"""Group: alarms close in time, on entities that have attributes in common, are one incident."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from faultsight.core.alarm import AlarmRecord
from faultsight.core.incident import IncidentRecord, IncidentState, incident_id
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.records import FOREVER_S

if TYPE_CHECKING:
    from faultsight.flow.tick import Tick

__all__ = ["Cluster", "Group", "Scope", "clusters", "scope_of"]

_NAMED = 3

Scope: TypeAlias = tuple[tuple[str, str], ...]
"""What the alarms of an incident have in common, as pairs of attribute and value."""


@dataclass(frozen=True)
class Cluster:
    """The alarms of one incident.

    Attributes
    ----------
    id : str
        The incident's; from its feed, scope and first alarm.
    scope : Scope
        What they have in common.
    first_s, last_s : int
        When the first and the last one started.
    alarms : tuple of AlarmRecord
        In order of start and id.
    """

    id: str
    scope: Scope
    first_s: int
    last_s: int
    alarms: tuple[AlarmRecord, ...] = ()


def scope_of(entity: str, attributes: Mapping[str, str], group_by: Sequence[str]) -> Scope:
    """Return what an entity shares with others; itself, where it has none of the attributes.

    Examples
    --------
    >>> scope_of("cell-1", {"region": "north", "band": "700"}, ("region",))
    (('region', 'north'),)
    >>> scope_of("cell-1", {}, ("region",))
    (('entity', 'cell-1'),)
    """
    if not group_by:
        return ()
    shared = tuple((name, attributes[name]) for name in group_by if name in attributes)
    return shared or (("entity", entity),)


def clusters(
    alarms: Iterable[tuple[Scope, AlarmRecord]],
    *,
    gap_s: int,
    longest_s: int,
    seeds: Mapping[Scope, Cluster] | None = None,
) -> list[Cluster]:
    """Return the incidents that alarms make, in order of start and id.

    In order of start, an alarm joins the latest incident of its scope if it starts within `gap_s`
    after that one's last alarm and within `longest_s` after its first; else it begins a new one.
    Where an alarm belongs never depends on later ones, so incidents can be made as alarms come.

    Parameters
    ----------
    alarms : iterable of (Scope, AlarmRecord)
        In any order.
    gap_s, longest_s : int
        See above.
    seeds : mapping of Scope to Cluster, optional
        The latest incident of each scope before these alarms, with its earlier alarms.

    Examples
    --------
    >>> from faultsight.core.alarm import AlarmKind
    >>> def alarm(entity, hour):
    ...     return (), AlarmRecord(feed="f", entity=entity, kind=AlarmKind.KPI,
    ...                            start_s=hour * 3600, peak=2.0)
    >>> told = [alarm("a", 0), alarm("b", 1), alarm("c", 9)]
    >>> [len(c.alarms) for c in clusters(told, gap_s=3600, longest_s=7200)]
    [2, 1]
    """
    latest = dict(seeds or {})
    done: list[Cluster] = []
    for scope, alarm in sorted(alarms, key=lambda told: (told[1].start_s, told[1].id, told[0])):
        cluster = latest.get(scope)
        if (
            cluster is not None
            and alarm.start_s - cluster.last_s <= gap_s
            and alarm.start_s - cluster.first_s <= longest_s
        ):
            latest[scope] = replace(cluster, last_s=alarm.start_s, alarms=(*cluster.alarms, alarm))
            continue
        if cluster is not None and cluster.alarms:
            done.append(cluster)
        own = incident_id(alarm.feed, scope, alarm.id)
        latest[scope] = Cluster(own, scope, alarm.start_s, alarm.start_s, (alarm,))
    done += [cluster for cluster in latest.values() if cluster.alarms]
    return sorted(done, key=lambda cluster: (cluster.first_s, cluster.id))


class Group:
    """Brings incidents up to date with the alarms that changed."""

    def run(self, tick: Tick) -> None:
        """Put the incidents that changed into the tick, and into alarms whose they are."""
        moved = self._moved(tick)
        if moved:
            self._regroup(tick, moved)
        self._refresh(tick)

    def _moved(self, tick: Tick) -> dict[Scope, int]:
        """Return from which start on alarms came, went or changed whether they are muted."""
        moved: dict[Scope, int] = {}
        gone = {alarm.id: alarm for alarm in tick.withdrawn}
        for id_ in tick.wanted.keys() | gone.keys():
            before, after = tick.stored.get(id_), tick.wanted.get(id_)
            if _counts(before) != _counts(after):
                alarm = after or gone[id_]
                scope = self._scope(tick, alarm)
                moved[scope] = min(moved.get(scope, alarm.start_s), alarm.start_s)
        return moved

    def _scope(self, tick: Tick, alarm: AlarmRecord) -> Scope:
        attributes = tick.attributes.get(alarm.entity, {})
        return scope_of(alarm.entity, attributes, tick.config.group_by)

    def _regroup(self, tick: Tick, moved: Mapping[Scope, int]) -> None:
        config = tick.config
        first_s = min(moved.values())
        near = TimeWindow(first_s - config.longest_s - config.gap_s, FOREVER_S)
        told = tick.records.incidents(config.name, near)
        told = [incident for incident in told if incident.scope in moved]
        tick.stored_incidents.update((incident.id, incident) for incident in told)
        seeds, replaced = {}, {}
        for incident in told:
            from_s = moved[incident.scope]
            if incident.start_s >= from_s:
                replaced[incident.id] = incident
                continue
            seeds[incident.scope] = incident  # the latest one, for they come in order of start
        clusters_of = {
            scope: seed
            for scope, incident in seeds.items()
            if (seed := self._seed(tick, incident, moved[scope])) is not None
        }
        replaced |= {incident.id: incident for incident in seeds.values()}
        alarms = [
            (scope, alarm)
            for alarm in self._alarms(tick, first_s)
            if (scope := self._scope(tick, alarm)) in moved and alarm.start_s >= moved[scope]
        ]
        found = clusters(alarms, gap_s=config.gap_s, longest_s=config.longest_s, seeds=clusters_of)
        for cluster in found:
            replaced.pop(cluster.id, None)
            self._keep(tick, cluster)
        for incident in replaced.values():
            tick.incidents[incident.id] = emptied(incident)

    def _seed(self, tick: Tick, incident: IncidentRecord, from_s: int) -> Cluster | None:
        members = [alarm for alarm in self._members(tick, incident.id) if alarm.start_s < from_s]
        if not members:
            return None
        starts = [alarm.start_s for alarm in members]
        return Cluster(incident.id, incident.scope, min(starts), max(starts), tuple(members))

    def _members(self, tick: Tick, incident: str) -> list[AlarmRecord]:
        """Return the alarms of an incident as they are now, in order of start and id."""
        stored = tick.records.alarms_of(tick.config.name, incident)
        now = [
            tick.wanted.get(alarm.id, alarm)
            for alarm in stored
            if alarm.id in tick.wanted or alarm.id not in tick.stored
        ]
        return sorted((a for a in now if _counts(a)), key=lambda a: (a.start_s, a.id))

    def _alarms(self, tick: Tick, first_s: int) -> list[AlarmRecord]:
        """Return all alarms from a start on that are told."""
        found = {alarm.id: alarm for alarm in tick.wanted.values()}
        if first_s < tick.scope.start_s:
            everything = TimeWindow(first_s, FOREVER_S)
            for alarm in tick.records.alarms(tick.config.name, everything):
                if alarm.id not in tick.stored:
                    found.setdefault(alarm.id, alarm)
        return [alarm for alarm in found.values() if _counts(alarm)]

    def _refresh(self, tick: Tick) -> None:
        """Bring incidents up to date whose alarms changed in other ways."""
        done = {alarm_id for i in tick.incidents.values() for alarm_id in i.alarm_ids}
        ids = {
            str(tick.stored[alarm.id].incident_id)
            for alarm in tick.changed
            if alarm.id in tick.wanted and alarm.id not in done and alarm.id in tick.stored
            and tick.stored[alarm.id].incident_id
        } - tick.incidents.keys()  # fmt: skip
        if not ids:
            return
        near = tick.records.incidents(
            tick.config.name, TimeWindow(tick.scope.start_s - tick.config.longest_s, FOREVER_S)
        )
        for incident in near:
            if incident.id in ids:
                tick.stored_incidents[incident.id] = incident
                members = self._members(tick, incident.id)
                if members:
                    starts = [alarm.start_s for alarm in members]
                    self._keep(tick, Cluster(incident.id, incident.scope, min(starts),
                                             max(starts), tuple(members)))  # fmt: skip

    def _keep(self, tick: Tick, cluster: Cluster) -> None:
        before = tick.stored_incidents.get(cluster.id)
        tick.incidents[cluster.id] = incident_of(cluster, tick, before)
        for alarm in cluster.alarms:
            tick.members[alarm.id] = cluster.id
            if alarm.id in tick.wanted:
                tick.wanted[alarm.id] = replace(tick.wanted[alarm.id], incident_id=cluster.id)


def _counts(alarm: AlarmRecord | None) -> bool:
    """Whether an alarm is part of an incident: it is there, and told."""
    return alarm is not None and alarm.muted_by is None


def incident_of(cluster: Cluster, tick: Tick, before: IncidentRecord | None) -> IncidentRecord:
    """Return the incident that alarms make; what was localized before stays."""
    alarms = cluster.alarms
    ends = [alarm.end_s for alarm in alarms]
    known = [end for end in ends if end is not None]
    entities = sorted({alarm.entity for alarm in alarms})
    peak = max(alarm.peak for alarm in alarms)
    return IncidentRecord(
        id=cluster.id,
        feed=tick.config.name,
        scope=cluster.scope,
        title=_title(cluster, entities),
        severity=tick.config.severity.of(len(entities), peak),
        start_s=cluster.first_s,
        end_s=max(known) if len(known) == len(ends) else None,
        alarm_ids=tuple(alarm.id for alarm in alarms),
        patterns=() if before is None else before.patterns,
        evidence={
            **({} if before is None else before.evidence),
            "n_entities": len(entities),
            "peak": peak,
        },
    )


def emptied(incident: IncidentRecord) -> IncidentRecord:
    """Return what stays of an incident whose alarms were withdrawn or belong to another one."""
    return replace(
        incident,
        alarm_ids=(),
        patterns=(),
        end_s=incident.start_s if incident.end_s is None else incident.end_s,
        state=IncidentState.RESOLVED,
    )


def _title(cluster: Cluster, entities: Sequence[str]) -> str:
    weight: dict[str, float] = {}
    for alarm in cluster.alarms:
        for kpi, share in alarm.kpis:
            weight[kpi] = weight.get(kpi, 0.0) + share
    kpis = sorted(weight, key=lambda kpi: (-weight[kpi], kpi))[:_NAMED]
    who = entities[0] if len(entities) == 1 else f"{len(entities)} entities"
    where = ", ".join(f"{name} {value}" for name, value in cluster.scope if name != "entity")
    place = f" in {where}" if where and len(entities) > 1 else ""
    return f"{who}{place}: {', '.join(kpis)}" if kpis else f"{who}{place}"
