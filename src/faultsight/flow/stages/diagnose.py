"""Diagnose: windows of a cable plant are diagnosed and their faults followed, one alarm for each.

Windows end on a fixed grid. Each is diagnosed by itself and goes on from the faults after the one
before it, so that faults do not depend on how many windows a tick looks at. Late polls take the
fiber nodes that they are of back to the state before the first window that they touch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from faultsight.core.alarm import AlarmRecord
from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.plant import Plant
from faultsight.core.polls import LEVELS, NodePolls, PollTable, Telemetry
from faultsight.core.tables import read_table
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import read_tickets
from faultsight.diagnose.contract import DAY_S, Diagnoser, Diagnosis
from faultsight.diagnose.faults import (
    Dispatch,
    Fault,
    dispatch_list,
    tell_kinds,
    tell_recurrence,
    track_faults,
    with_tickets,
)
from faultsight.flow.config import FeedConfig
from faultsight.flow.fault_states import FaultStates, States
from faultsight.flow.learn.stored_diagnoser import load_diagnoser
from faultsight.flow.records import FOREVER_S, ModelSpan
from faultsight.flow.tick import Tick

__all__ = ["Diagnose", "first_window_s", "window_ends"]

_HISTORY_S = 8 * DAY_S
"""What telling a fault's kind and hours looks at before it, and a day to spare."""
_MOST_MEMBERS = 500


class Diagnose:
    """Brings the faults of every window that is new, or that late polls touch, up to date."""

    def run(self, tick: Tick) -> None:
        """Put the alarms of all faults into the tick."""
        config = tick.config
        states: States = tick.states or FaultStates(tick.folder / "faults" / config.name)
        telemetry = TelemetryFolder(tick.folder / "telemetry" / config.name)
        plant = _plant(tick.folder, config)
        self._restore(tick, states, telemetry, plant)
        self._catch_up(tick, states, telemetry, plant)
        faults = _faults_at(states, tick.from_s)
        told = {fault.fault_id: fault for fault in faults}
        for end_s in window_ends(config, tick.from_s, tick.until_s):
            faults = _after(tick, telemetry, plant, end_s, faults)
            states.write(end_s, faults)
            told.update((fault.fault_id, fault) for fault in faults)
        # Long since ended faults leave the states, and are told as they were then.
        self._tell(tick, sorted(told.values(), key=_in_order))
        states.thin(tick.until_s - config.horizon_s - 2 * config.step_s)

    def _restore(
        self, tick: Tick, states: States, telemetry: TelemetryFolder, plant: Plant | None
    ) -> None:
        """Follow the faults up to where the tick goes on, where the states from there are lost.

        Without them all faults that go on would be taken for over, and come back under new names.
        """
        known_s = states.latest_s(tick.from_s)
        if known_s is None:  # the feed begins, or all of them are lost
            known_s = min(first_window_s(tick.config, telemetry.window), tick.from_s)
            states.write(known_s, [])
        ends = window_ends(tick.config, known_s, tick.from_s)
        faults = _faults_at(states, known_s) if ends else []
        for end_s in ends:
            faults = _after(tick, telemetry, plant, end_s, faults)
            states.write(end_s, faults)

    def _catch_up(
        self, tick: Tick, states: States, telemetry: Telemetry, plant: Plant | None
    ) -> None:
        """Follow anew the fiber nodes with late polls."""
        config = tick.config
        if not tick.late:
            return
        start_s = min(window.start_s for window in tick.late.values())
        if config.since_s is not None:  # windows before it are history alone
            start_s = max(start_s, -(-config.since_s // config.step_s) * config.step_s)
        start_s = start_s // config.step_s * config.step_s
        fnodes = sorted(tick.late)
        known = [fault for fault in _faults_at(states, start_s) if fault.fnode in tick.late]
        known_s = states.latest_s(start_s)
        for end_s in window_ends(config, start_s if known_s is None else known_s, tick.from_s):
            known = _after(tick, telemetry, plant, end_s, known, fnodes)
            before = states.read(end_s)
            if before is not None:  # a state that was thinned out does not come back without others
                others = [fault for fault in before if fault.fnode not in tick.late]
                states.write(end_s, sorted([*others, *known], key=_in_order))

    def _tell(self, tick: Tick, faults: Sequence[Fault]) -> None:
        """Make the alarm of each fault that may have changed."""
        config = tick.config
        # No further back: a fault that ended before it has left the states, and its alarm, which
        # is not among the wanted ones any more, must not be taken back for that.
        begin_s = tick.from_s - config.horizon_s
        tick.scope = TimeWindow(begin_s, max(tick.until_s, begin_s))
        stored = tick.records.alarms(config.name, TimeWindow(begin_s, FOREVER_S))
        tick.stored = {alarm.id: alarm for alarm in stored}
        tickets = config.tickets_in(tick.folder)
        if tickets.is_file():
            read = read_tickets(read_table(tickets, as_text=True), source=str(tickets))
            faults = with_tickets(faults, read)
        for dispatch in dispatch_list(faults):
            fault = dispatch.fault
            if fault.is_ongoing or fault.end_s > begin_s:
                alarm = fault_alarm(dispatch, config, _model_at(tick.models, fault.end_s))
                tick.wanted[alarm.id] = alarm
                tick.touched[alarm.entity] = fault.start_s


def first_window_s(config: FeedConfig, polled: TimeWindow) -> int:
    """Return the moment from which on the windows of a feed are diagnosed.

    Parameters
    ----------
    config : FeedConfig
        The feed's rules.
    polled : TimeWindow
        From the first poll to the last.
    """
    start_s = polled.start_s if config.since_s is None else config.since_s
    return -(-start_s // config.step_s) * config.step_s


def window_ends(config: FeedConfig, from_s: int, until_s: int) -> range:
    """Return when the windows after a moment end, up to another one, on the feed's fixed grid.

    Examples
    --------
    >>> list(window_ends(FeedConfig("plant", kind="polls", step_s=100), 250, 500))
    [300, 400, 500]
    """
    return range((from_s // config.step_s + 1) * config.step_s, until_s + 1, config.step_s)


def fault_alarm(dispatch: Dispatch, config: FeedConfig, model_id: str | None) -> AlarmRecord:
    """Return the alarm of one fault.

    Its entity is the fiber node and the fault, for a node may have several at once. The peak is
    how much suffering a visit ends, as in the list of whom to send where.
    """
    fault = dispatch.fault
    weight = sum(told.modem_windows for told in fault.evidence) or 1
    lasting = sorted(fault.lasting_members)
    place = fault.place
    return AlarmRecord(
        feed=config.name,
        entity=f"{fault.fnode}/{fault.fault_id}",
        kind=config.alarm_kind,
        start_s=fault.start_s,
        end_s=None if fault.is_ongoing else fault.end_s,
        peak=dispatch.score,
        kpis=tuple((told.feature, told.modem_windows / weight) for told in fault.evidence),
        model_id=model_id,
        payload={
            "fnode": fault.fnode,
            "fault_id": fault.fault_id,
            "verdict": fault.verdict.name.lower(),
            "kind": fault.kind,
            "members": lasting[:_MOST_MEMBERS],
            "n_members": len(lasting),
            "n_node_modems": fault.n_node_modems,
            "place": None if place is None else _known(vars(place)),
            "confidence": fault.confidence,
            "channels": list(fault.channels),
            "recurrence": fault.recurrence,
            "tickets": [ticket.ticket_id for ticket in fault.tickets],
            "advice": dispatch.advice,
            "team": dispatch.team,
            "where": dispatch.where,
            "why": dispatch.why,
            "action": dispatch.action,
            "evidence": list(dispatch.evidence),
        },
    )


def _faults_at(states: States, time_s: int) -> list[Fault]:
    """Return the faults of the last state up to a moment; none before the first."""
    known_s = states.latest_s(time_s)
    return [] if known_s is None else states.read(known_s) or []


def _known(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _in_order(fault: Fault) -> tuple[str, int, str]:
    return fault.fnode, fault.start_s, fault.fault_id


def _after(
    tick: Tick,
    telemetry: Telemetry,
    plant: Plant | None,
    end_s: int,
    known: Sequence[Fault],
    fnodes: Sequence[str] | None = None,
) -> list[Fault]:
    """Return all faults after one more window."""
    config = tick.config
    model = _span_at(tick.models, end_s - 1)
    diagnoser = _diagnoser(model.path)
    diagnosis = _diagnosis(diagnoser, telemetry, end_s, config.step_s, fnodes)
    before = {fault.fault_id: fault for fault in known}
    faults = track_faults(diagnosis, known=known)
    changed = [
        place
        for place, fault in enumerate(faults)
        if fault.fault_id not in before or before[fault.fault_id].windows != fault.windows
    ]
    told = _told([faults[place] for place in changed], telemetry, plant)
    for place, fault in zip(changed, told, strict=True):
        faults[place] = fault
    gone_s = end_s - config.horizon_s - 2 * diagnoser.look_back_s
    return [fault for fault in faults if fault.is_ongoing or fault.end_s > gone_s]


def _diagnosis(
    diagnoser: Diagnoser,
    telemetry: Telemetry,
    end_s: int,
    step_s: int,
    fnodes: Sequence[str] | None,
) -> Diagnosis:
    """Diagnose one window; where windows overlap, with the one before, for tracking to see it."""
    back_s = diagnoser.look_back_s + (step_s if step_s != diagnoser.look_back_s else 0)
    window = TimeWindow(end_s - back_s, end_s)
    try:
        return diagnoser.diagnose(telemetry, window=window, step_s=step_s, fnodes=fnodes)
    except InputError:
        if _is_polled(telemetry, window):
            raise
        return Diagnosis(diagnoser.name, (), (TimeWindow(end_s - diagnoser.look_back_s, end_s),))


def _is_polled(telemetry: Telemetry, window: TimeWindow) -> bool:
    early = TimeWindow(window.start_s - DAY_S, window.end_s)
    return next(telemetry.nodes(early, metrics=()), None) is not None


def _told(faults: Sequence[Fault], telemetry: Telemetry, plant: Plant | None) -> list[Fault]:
    """Return faults with kind, place and hours, each from the polls up to its own end."""
    if not faults:
        return []
    first_s = min(fault.start_s for fault in faults) - _HISTORY_S
    span = TimeWindow(first_s, max(fault.end_s for fault in faults))
    fnodes = sorted({fault.fnode for fault in faults})
    told: dict[str, Fault] = {}
    for polls in telemetry.nodes(span, fnodes=fnodes, metrics=LEVELS):
        for fault in faults:
            if fault.fnode == polls.fnode:
                window = TimeWindow(fault.start_s - _HISTORY_S, fault.end_s)
                own = PollTable([heard(polls.in_window(window))])
                (known,) = tell_kinds([fault], telemetry=own, plant=plant)
                (told[fault.fault_id],) = tell_recurrence([known], own)
    return [told.get(fault.fault_id, fault) for fault in faults]


def heard(polls: NodePolls) -> NodePolls:
    """Return polls without modems that have none, and without channels that have no value.

    So what is cut from a longer span is the same as what is read for a shorter one.
    """
    counts = np.diff(polls.device_start)
    stays = np.flatnonzero(counts > 0)
    seen = np.zeros(len(polls.channels), np.bool_)
    for values in polls.values.values():
        seen |= np.isfinite(values).any(axis=0)
    used = np.flatnonzero(seen)
    return replace(
        polls,
        device_ids=tuple(polls.device_ids[i] for i in stays),
        channels=tuple(polls.channels[i] for i in used),
        device_start=np.concatenate([[0], np.cumsum(counts[stays])]),
        values={name: values[:, used] for name, values in polls.values.items()},
        pre_equalization=None,
    )


def _span_at(models: Sequence[ModelSpan], time_s: int) -> ModelSpan:
    fitting = [model for model in models if model.from_s is None or model.from_s <= time_s]
    return fitting[-1]


def _model_at(models: Sequence[ModelSpan], time_s: int) -> str | None:
    return _span_at(models, time_s - 1).id if models else None


@lru_cache(maxsize=4)
def _diagnoser(path: str) -> Diagnoser:
    return load_diagnoser(path)


def _plant(folder: Path, config: FeedConfig) -> Plant | None:
    path = config.topology_in(folder)
    if not (config.topology or path.is_file()):
        return None
    return Plant.from_table(read_table(path, as_text=True), source=str(path))
