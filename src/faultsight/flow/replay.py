"""Replay: what the telemetry of a span says again, byte for byte what was decided then."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from faultsight.core.alarm import AlarmRecord
from faultsight.core.incident import IncidentRecord
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.loop import Loop
from faultsight.flow.past_faults import diagnosed, trial_records
from faultsight.flow.records import MemoryRecords
from faultsight.flow.score_store import ScoreStore
from faultsight.flow.trial import trial_run
from faultsight.stores.telemetry import KpiStore

__all__ = ["Replay", "replay"]


@dataclass(frozen=True)
class Replay:
    """What a replay decided, beside what is stored.

    Attributes
    ----------
    alarms, incidents : tuple
        Those that touch the span, as the replay decides them.
    stored_alarms, stored_incidents : tuple
        Those that are stored.
    """

    alarms: tuple[AlarmRecord, ...]
    incidents: tuple[IncidentRecord, ...]
    stored_alarms: tuple[AlarmRecord, ...]
    stored_incidents: tuple[IncidentRecord, ...]

    @property
    def is_same(self) -> bool:
        """Whether the replay says what is stored."""
        return not self.differences

    @property
    def differences(self) -> list[str]:
        """The ids of alarms and incidents of which the two say different things."""
        told = {i: _alarm_said(a) for a in self.alarms for i in (a.id,)}
        told |= {i.id: _incident_said(i) for i in self.incidents}
        stored = {a.id: _alarm_said(a) for a in self.stored_alarms}
        stored |= {i.id: _incident_said(i) for i in self.stored_incidents}
        return sorted(i for i in told.keys() | stored.keys() if told.get(i) != stored.get(i))


def replay(loop: Loop, feed: str, window: TimeWindow) -> Replay:
    """Score or diagnose a span again from its telemetry, and decide again; nothing is written.

    Every row is scored, and every window diagnosed, by the model that was in effect for it, and
    muted by the rules that stand now. What began before the span goes on from what is stored of it.

    Parameters
    ----------
    loop : Loop
        Over the feed.
    feed : str
        Which feed.
    window : TimeWindow
        The span; on from its start everything up to the last scored row is decided again.

    Raises
    ------
    InputError
        If the feed is one of polls, and those of the span are not kept any more.
    """
    scored_until_s = loop.ops.feeds.watermark(feed).scored_until_s
    until_s = window.start_s if scored_until_s is None else scored_until_s
    since = TimeWindow(min(window.start_s, until_s), until_s)
    if scored_until_s is None:
        records = MemoryRecords()
    elif loop.feeds[feed].kind == "polls":
        records = diagnosed(loop, loop.feeds[feed], since)
    else:
        records = _scored(loop, feed, since)
    stored = loop.records
    return Replay(
        tuple(records.alarms(feed, window)),
        tuple(records.incidents(feed, window)),
        tuple(stored.alarms(feed, window)),
        tuple(stored.incidents(feed, window)),
    )


def _scored(loop: Loop, feed: str, since: TimeWindow) -> MemoryRecords:
    """Return what the stages say of rows; alarms that began before go on from what is stored."""
    config, stored = loop.feeds[feed], loop.records
    context = TimeWindow(since.start_s - config.horizon_s - config.longest_s, since.end_s)
    records = trial_records(loop, feed, since.end_s)
    records.keep(
        (a for a in stored.alarms(feed, context) if a.start_s < since.start_s),
        (),
        (i for i in stored.incidents(feed, context) if i.start_s < since.start_s),
    )
    return trial_run(
        loop.folder, config, records, since, loop.runner,
        scores=_scores(loop.folder, feed, config.interval_s), rerank=loop.rerank,
    )  # fmt: skip


def _scores(folder: Path, feed: str, interval_s: int) -> ScoreStore | None:
    path = folder / "scores" / feed
    if not KpiStore.is_feed(path):
        return None
    return ScoreStore(path, feed, interval_s)


def _alarm_said(alarm: AlarmRecord) -> str:
    told = {key: value for key, value in alarm.to_dict().items() if key != "version"}
    return json.dumps(told, sort_keys=True)  # as bytes: what was stored has lists for tuples


def _incident_said(incident: IncidentRecord) -> str:
    """Return what the loop says of an incident; the rest is the shift's."""
    of_the_shift = ("version", "state", "assigned_to")
    told = {key: value for key, value in incident.to_dict().items() if key not in of_the_shift}
    return json.dumps(told, sort_keys=True)
