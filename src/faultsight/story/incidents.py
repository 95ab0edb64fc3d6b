"""Three incidents of the first week, one of each feed, chosen by rule, however well they went.

Of the incidents that had a cause: of the base stations the one whose cause hit most stations, of
the CDN the one highest over its level, of the cable plant the one with most modems. Where a feed
has none with a cause, the first one there is; where it has none at all, none is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from faultsight.core.alarm import AlarmRecord
from faultsight.core.feedback import FeedbackEvent
from faultsight.core.incident import IncidentRecord
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.core.plant import Plant
from faultsight.core.tables import read_table
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import Tickets, read_tickets
from faultsight.detect.model_folder import load_detector
from faultsight.diagnose.faults import Dispatch, Fault, dispatch_list, with_tickets
from faultsight.diagnose.report.fault_polls import FaultPolls
from faultsight.flow.fault_states import FaultStates
from faultsight.stores.operations import IncidentFilter
from faultsight.story.arrange import CABLE, STATIONS
from faultsight.story.figures import frames_of
from faultsight.story.played_operator import TrueAnswers
from faultsight.story.provider import TrueFault
from faultsight.story.run import Lived

__all__ = ["CableCase", "Curve", "KpiCase", "told_cable_case", "told_kpi_case"]

_DAY_S = 86_400
_MOST_CURVES = 3


@dataclass(frozen=True, eq=False)
class Curve:
    """One entity around its alarm.

    Attributes
    ----------
    alarm : AlarmRecord
        Its alarm.
    frame : KpiFrame
        The KPIs that the alarm names, around it.
    before, after : array of shape (time,)
        Score over level, by the model before any feedback and by the one at work after it.
    """

    alarm: AlarmRecord
    frame: KpiFrame
    before: NDArray[np.float64]
    after: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class KpiCase:
    """An incident of stations or of the CDN.

    Attributes
    ----------
    feed : str
        Whose.
    incident : IncidentRecord
        As it is stored.
    alarms : tuple of AlarmRecord
        Its alarms, in order of start.
    faults : tuple of TrueFault
        What was behind them.
    events : tuple of FeedbackEvent
        What the operator said of it and of its alarms.
    curves : tuple of Curve
        Of its highest alarms.
    models : (str, str)
        Before and after.
    """

    feed: str
    incident: IncidentRecord
    alarms: tuple[AlarmRecord, ...]
    faults: tuple[TrueFault, ...]
    events: tuple[FeedbackEvent, ...]
    curves: tuple[Curve, ...]
    models: tuple[str, str]


@dataclass(frozen=True, eq=False)
class CableCase:
    """An incident of the cable plant.

    Attributes
    ----------
    incident, alarm, events
        As of `KpiCase`; a fault has one alarm.
    truth : (str, str, str)
        Kind, type and place of what most of its modems had; empty if nothing.
    dispatch : Dispatch or None
        Whom to send where, and the fault behind it; None where it is no longer kept.
    seen : FaultPolls or None
        The polls around it.
    plant : Plant
        Where modems hang.
    """

    incident: IncidentRecord
    alarm: AlarmRecord
    events: tuple[FeedbackEvent, ...]
    truth: tuple[str, str, str]
    dispatch: Dispatch | None
    seen: FaultPolls | None
    plant: Plant = field(repr=False)


def told_kpi_case(lived: Lived, feed: str) -> KpiCase | None:
    """Return the incident of stations or of the CDN to be told; None if there is none."""
    truth = TrueAnswers(lived.provider)
    week = lived.provider.config.first_week
    cases = [_kpi_case(lived, feed, incident, truth) for incident in _incidents(lived, feed, week)]
    if not cases:
        return None

    def rank(case: KpiCase) -> tuple[bool, int, float, int, str]:
        shared = {f.entity for f in case.faults if f.root is not None and feed == STATIONS}
        peak = max((alarm.peak for alarm in case.alarms), default=0.0)
        size = len(shared)
        return not case.faults, -size, -peak, case.incident.start_s, case.incident.id

    chosen = min(cases, key=rank)
    return _with_curves(lived, chosen)


def told_cable_case(lived: Lived) -> CableCase | None:
    """Return the incident of the cable plant to be told; None if there is none."""
    truth = TrueAnswers(lived.provider)
    week = lived.provider.config.first_week
    ops = lived.application.ops
    found = []
    for incident in _incidents(lived, CABLE, week):
        if not incident.alarm_ids:
            continue
        alarm = ops.alarms.get(incident.alarm_ids[0])
        found.append((incident, alarm, truth.plant_fault(alarm, week.end_s)))
    if not found:
        return None

    def rank(case: tuple[IncidentRecord, AlarmRecord, tuple[str, str, str]]
             ) -> tuple[bool, int, int, str]:  # fmt: skip
        incident, alarm, cause = case
        members = int(alarm.payload.get("n_members", 0))
        return not cause[0], -members, incident.start_s, incident.id

    incident, alarm, cause = min(found, key=rank)
    folder = lived.application.folder
    topology = folder.topology(CABLE)
    plant = Plant.from_table(read_table(topology, as_text=True), source=str(topology))
    tickets = read_tickets(lived.provider.tickets(lived.provider.config.second_week.end_s))
    dispatch = _dispatch(lived, alarm, tickets)
    seen = None if dispatch is None else _seen(lived, dispatch.fault)
    events = _events(lived, incident)
    return CableCase(incident, alarm, events, cause, dispatch, seen, plant)


def _incidents(lived: Lived, feed: str, week: TimeWindow) -> list[IncidentRecord]:
    found = lived.application.ops.incidents.find(IncidentFilter(feed=feed, window=week))
    return [incident for incident in found if incident.start_s < week.end_s]


def _kpi_case(lived: Lived, feed: str, incident: IncidentRecord, truth: TrueAnswers) -> KpiCase:
    ops = lived.application.ops
    alarms = tuple(ops.alarms.get(id_) for id_ in incident.alarm_ids)
    faults: dict[TrueFault, None] = {}
    for alarm in alarms:
        window = TimeWindow(alarm.start_s, alarm.end_s or alarm.start_s + 1)
        faults.update(dict.fromkeys(truth.faults(feed, alarm.entity, window)))
    active = ops.models.active(feed)
    models = lived.first_models[feed], "" if active is None else active.id
    events = _events(lived, incident)
    return KpiCase(feed, incident, alarms, tuple(faults), events, (), models)


def _events(lived: Lived, incident: IncidentRecord) -> tuple[FeedbackEvent, ...]:
    ids = set(incident.alarm_ids)
    events = lived.application.ops.feedback.events(incident.feed)
    return tuple(
        event for event in events if event.incident_id == incident.id or event.alarm_id in ids
    )


def _with_curves(lived: Lived, case: KpiCase) -> KpiCase:
    """Return the case with the curves of its highest alarms, a day to either side."""
    ops = lived.application.ops
    end_s = case.incident.end_s or max(a.end_s or a.start_s for a in case.alarms)
    around = TimeWindow(case.incident.start_s - _DAY_S, end_s + _DAY_S)
    frames = {frame.entity: frame for frame in frames_of(lived, case.feed, around)}
    models = [load_detector(lived.folder / ops.models.get(id_).path) for id_ in case.models]
    drawn: dict[str, AlarmRecord] = {}
    for alarm in sorted(case.alarms, key=lambda a: (-a.peak, a.start_s, a.id)):
        drawn.setdefault(alarm.entity, alarm)
    curves = []
    for entity, alarm in list(drawn.items())[:_MOST_CURVES]:
        frame = frames[entity]
        rows = frame.rows_in(around)
        before, after = (
            np.asarray(score.total[rows] / model.level_of(entity), np.float64)
            for model in models
            for score in model.score([frame])
        )
        shown = frame[rows]
        names = tuple(name for name, _ in alarm.kpis[:_MOST_CURVES] if name in shown.kpis)
        columns = [shown.kpis.index(name) for name in names]
        told = KpiFrame(entity, names, shown.start_s, shown.interval_s, shown.values[:, columns])
        curves.append(Curve(alarm, told, before, after))
    return KpiCase(
        case.feed, case.incident, case.alarms, case.faults, case.events, tuple(curves), case.models
    )


def _dispatch(lived: Lived, alarm: AlarmRecord, tickets: Tickets) -> Dispatch | None:
    """Return the fault as it stood when it ended, or now, with whom to send."""
    states = FaultStates(lived.folder / "faults" / CABLE)
    last_s = lived.provider.config.second_week.end_s
    found: Fault | None = None
    for end_s in range(lived.provider.config.first_week.start_s, last_s + 1, _DAY_S):
        for fault in states.read(end_s) or ():
            if fault.fault_id == alarm.payload.get("fault_id"):
                found = fault
    if found is None:
        return None
    told = with_tickets([found], tickets)
    return dispatch_list(told)[0]


def _seen(lived: Lived, fault: Fault) -> FaultPolls | None:
    telemetry = TelemetryFolder(lived.folder / "telemetry" / CABLE)
    span = TimeWindow(fault.start_s - 8 * _DAY_S, fault.end_s + 2 * _DAY_S)
    for polls in telemetry.nodes(span, fnodes=[fault.fnode]):
        return FaultPolls.of(fault, polls)
    return None
