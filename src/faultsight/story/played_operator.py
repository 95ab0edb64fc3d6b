"""The operator of the story: answers every morning, and always as the truth says.

No real one is so diligent, and none always right. What the story shows is what the loop does with
such answers, not how many a shift would give.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from faultsight.app.application import Application
from faultsight.app.feedback import DispatchSaid, PatternSaid, SpanSaid
from faultsight.app.roles import Principal, Role
from faultsight.core.alarm import AlarmRecord, AlarmState
from faultsight.core.combination import AttributeCombination
from faultsight.core.feedback import FeedbackKind
from faultsight.core.incident import IncidentRecord
from faultsight.core.kpi_frame import TimeWindow
from faultsight.sim.cable_plant import SimulatedNode
from faultsight.stores.operations import AlarmFilter, Answer, IncidentFilter, TaskState
from faultsight.story.arrange import CABLE, CDN, STATIONS
from faultsight.story.provider import Provider, TrueFault

__all__ = ["OPERATOR", "PlayedOperator", "TrueAnswers"]

OPERATOR = Principal("operator (played)", Role.OPERATOR, "command line")


class TrueAnswers:
    """What is true of alarms, incidents and patterns; `figures` asks it too.

    Parameters
    ----------
    provider : Provider
        Who knows.
    """

    def __init__(self, provider: Provider) -> None:
        self._stations_of: dict[AttributeCombination, frozenset[str]] = {}
        self._sites = {
            row["entity"]: {**row, "site": row["entity"]}
            for row in provider.stations.sites.iter_rows(named=True)
        }
        self._faults: dict[tuple[str, str], list[TrueFault]] = {}
        for feed, faults in (
            (STATIONS, provider.station_faults),
            (CDN, provider.cdn_faults),
        ):
            for fault in faults:
                self._faults.setdefault((feed, fault.entity), []).append(fault)
        self._nodes = {node.fnode: node for node in provider.nodes}

    def faults(self, feed: str, entity: str, window: TimeWindow) -> list[TrueFault]:
        """Return the faults of an entity that share a row with a window."""
        known = self._faults.get((feed, entity), [])
        return [fault for fault in known if fault.window.overlaps(window)]

    def every(self, feed: str) -> list[TrueFault]:
        """Return all faults of a feed."""
        return [fault for own in self._faults.values() for fault in own if self._of(fault, feed)]

    def _of(self, fault: TrueFault, feed: str) -> bool:
        return fault in self._faults.get((feed, fault.entity), [])

    def root(self, feed: str, fault: TrueFault) -> AttributeCombination:
        """Return where a fault sits in the cube: its root, or the station alone."""
        if fault.root is not None:
            return fault.root
        name = "site" if feed == STATIONS else "cdn"
        return AttributeCombination({name: fault.entity})

    def is_same(self, feed: str, found: AttributeCombination, root: AttributeCombination) -> bool:
        """Whether a pattern names the root: in its words, or by naming the same stations."""
        if found == root:
            return True
        return feed == STATIONS and self._stations(found) == self._stations(root)

    def _stations(self, combination: AttributeCombination) -> frozenset[str]:
        if combination not in self._stations_of:
            self._stations_of[combination] = frozenset(
                entity
                for entity, own in self._sites.items()
                if all(own.get(a) == v for a, v in combination.items())
            )
        return self._stations_of[combination]

    def plant_fault(self, alarm: AlarmRecord, until_s: int) -> tuple[str, str, str]:
        """Return kind, type and place of the fault that most of an alarm's modems had.

        All are empty where none of them had one while the alarm lasted.
        """
        node: SimulatedNode | None = self._nodes.get(str(alarm.payload.get("fnode", "")))
        if node is None:
            return "", "", ""
        members = set(alarm.payload.get("members", ()))
        end_s = until_s if alarm.end_s is None else alarm.end_s
        acting = {
            fault_id
            for fault_id, start, end in node.activity.iter_rows()
            if start.timestamp() < end_s and end.timestamp() > alarm.start_s
        }
        shared: Counter[str] = Counter(
            fault_id
            for fault_id, device in node.affected.iter_rows()
            if fault_id in acting and device in members
        )
        told = {
            row["fault_id"]: row
            for row in node.faults.iter_rows(named=True)
            if row["kind"] != "benign" and shared[row["fault_id"]]
        }
        if not told:
            return "", "", ""
        most = min(told, key=lambda fault_id: (-shared[fault_id], fault_id))
        row = told[most]
        return str(row["kind"]), str(row["type"]), f"{row['element_kind']} {row['element']}"


class PlayedOperator:
    """Answers by the truth, through the application as a console would.

    Parameters
    ----------
    application : Application
        Where it answers.
    provider : Provider
        What is true.
    """

    def __init__(self, application: Application, provider: Provider) -> None:
        self._application = application
        self.truth = TrueAnswers(provider)
        self._answered: set[str] = set()

    def answer_day(self, day: TimeWindow) -> Counter[str]:
        """Answer what ended on a day; return what was said, by kind."""
        said: Counter[str] = Counter()
        for feed in (STATIONS, CDN):
            self._alarms(feed, day, said)
            self._missed(feed, day, said)
            self._incidents(feed, day, said)
        self._dispatches(day, said)
        return said

    def answer_tasks(self, feed: str) -> int:
        """Answer what a model asks; return how many questions there were."""
        open_tasks = self._application.tasks.page(
            feed=feed, state=TaskState.OPEN, after=None, limit=500
        ).items
        for task in open_tasks:
            is_fault = bool(self.truth.faults(feed, task.entity, task.window))
            answer = Answer.YES if is_fault else Answer.NO
            self._application.tasks.answer(task.id, answer, OPERATOR, expected_version=task.version)
        return len(open_tasks)

    def _find(self, feed: str, until_s: int) -> list[AlarmRecord]:
        return self._application.ops.alarms.find(
            AlarmFilter(feed=feed, window=TimeWindow(0, until_s))
        )

    def _alarms(self, feed: str, day: TimeWindow, said: Counter[str]) -> None:
        for alarm in self._find(feed, day.end_s):
            is_over = alarm.state is AlarmState.CLEARED and (alarm.end_s or 0) <= day.end_s
            if alarm.id in self._answered or not is_over:
                continue
            self._answered.add(alarm.id)
            faults = self.truth.faults(feed, alarm.entity, _window(alarm, day.end_s))
            kind = FeedbackKind.CONFIRM if faults else FeedbackKind.REJECT
            reason = _kinds(faults) if faults else "nothing was wrong"
            self._application.feedback.on_alarm(kind, alarm.id, OPERATOR, reason=reason)
            said[kind.value] += 1

    def _missed(self, feed: str, day: TimeWindow, said: Counter[str]) -> None:
        alarms = self._find(feed, day.end_s)
        for fault in self.truth.every(feed):
            if not day.start_s < fault.window.end_s <= day.end_s:
                continue
            if any(
                alarm.entity == fault.entity and _window(alarm, day.end_s).overlaps(fault.window)
                for alarm in alarms
            ):
                continue
            span = SpanSaid(feed, fault.entity, fault.window, fault.kpis)
            self._application.feedback.on_span(
                FeedbackKind.MISSED, span, OPERATOR, reason=fault.kind
            )
            said[FeedbackKind.MISSED.value] += 1

    def _incidents(self, feed: str, day: TimeWindow, said: Counter[str]) -> None:
        incidents = self._application.ops.incidents.find(
            IncidentFilter(feed=feed, window=TimeWindow(0, day.end_s))
        )
        for incident in incidents:
            is_over = incident.end_s is not None and incident.end_s <= day.end_s
            if incident.id in self._answered or not is_over:
                continue
            self._answered.add(incident.id)
            faults = self._faults_of(feed, incident)
            if faults:
                self._application.incidents.change(
                    incident.id, who=OPERATOR, why=_kinds(faults),
                    expected_version=incident.version, assigned_to=OPERATOR.name,
                )  # fmt: skip
                said["incident_confirmed"] += 1
                self._pattern(feed, incident, faults, said)

    def _faults_of(self, feed: str, incident: IncidentRecord) -> list[TrueFault]:
        found: dict[TrueFault, None] = {}
        for alarm_id in incident.alarm_ids:
            alarm = self._application.ops.alarms.get(alarm_id)
            end_s = incident.end_s or alarm.start_s + 1
            for fault in self.truth.faults(feed, alarm.entity, _window(alarm, end_s)):
                found[fault] = None
        return list(found)

    def _pattern(
        self, feed: str, incident: IncidentRecord, faults: Sequence[TrueFault], said: Counter[str]
    ) -> None:
        """Say of the first pattern whether it names a root, and if not what does."""
        if not incident.patterns:
            return
        first = incident.patterns[0]
        roots = sorted({self.truth.root(feed, fault) for fault in faults})
        correction = None
        if any(self.truth.is_same(feed, first.combination, root) for root in roots):
            kind = FeedbackKind.CONFIRM_PATTERN
        elif len(roots) == 1:
            kind = FeedbackKind.CORRECT_PATTERN
            correction = tuple(roots[0].items())
        else:
            kind = FeedbackKind.REJECT_PATTERN
        pattern = PatternSaid(tuple(first.combination.items()), correction, first.kpi)
        self._application.feedback.on_pattern(
            kind, incident.id, pattern, OPERATOR, reason=_kinds(faults)
        )
        said[kind.value] += 1

    def _dispatches(self, day: TimeWindow, said: Counter[str]) -> None:
        """Tell what the crews found that were sent on the day before."""
        for alarm in self._find(CABLE, day.end_s):
            incident_id = alarm.incident_id
            if incident_id is None or alarm.id in self._answered:
                continue
            if alarm.payload.get("advice") == "watch":
                continue
            self._answered.add(alarm.id)
            kind, name, place = self.truth.plant_fault(alarm, day.end_s)
            note = f"{name.replace('_', ' ')} at {place}" if kind else ""
            outcome = DispatchSaid(kind or "no_fault_found", note)
            self._application.feedback.on_dispatch(incident_id, outcome, OPERATOR)
            said[FeedbackKind.DISPATCH_OUTCOME.value] += 1


def _window(alarm: AlarmRecord, until_s: int) -> TimeWindow:
    end_s = max(until_s, alarm.start_s + 1) if alarm.end_s is None else alarm.end_s
    return TimeWindow(alarm.start_s, end_s)


def _kinds(faults: Sequence[TrueFault]) -> str:
    return ", ".join(sorted({fault.kind.replace("_", " ") for fault in faults}))
