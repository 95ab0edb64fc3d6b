"""The second week against the truth: by the models before any feedback, and by those at work.

Nobody answers in the second week, so nothing that is judged was learned from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultsight.bench.modem_truth import modem_truth
from faultsight.bench.simulated_plants import SimulatedPlant
from faultsight.core.alarm import AlarmRecord
from faultsight.core.incident import IncidentRecord
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.core.polls import PollTable
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import read_tickets
from faultsight.detect.metrics import summary
from faultsight.detect.model_folder import load_detector
from faultsight.diagnose.contract import Verdict
from faultsight.diagnose.metrics.verdict_scores import ANSWERS, VerdictScores
from faultsight.flow.backtest import back_test
from faultsight.flow.cubes.overall import overall_frame
from faultsight.flow.learn import load_diagnoser
from faultsight.flow.loop import Loop
from faultsight.stores.operations import AlarmFilter, IncidentFilter
from faultsight.stores.telemetry import KpiStore
from faultsight.story.arrange import CABLE, CDN, STATIONS
from faultsight.story.played_operator import TrueAnswers
from faultsight.story.provider import TrueFault
from faultsight.story.run import Lived

__all__ = ["DETECTION", "frames_of", "second_week"]

_DAY_S = 86_400
DETECTION = (
    "f1_deployed", "precision_deployed", "recall_deployed", "average_precision",
    "event_recall", "false_alarms_per_entity_day",
)  # fmt: skip
"""The figures of detection that are told, as `faultsight.detect.metrics.summary` has them."""


def second_week(lived: Lived) -> dict[str, Any]:
    """Return all figures, JSON values rounded to three decimals."""
    told: dict[str, Any] = {feed: _watched(lived, feed) for feed in (STATIONS, CDN)}
    told[CABLE] = _cable(lived)
    return told


def frames_of(lived: Lived, feed: str, window: TimeWindow) -> list[KpiFrame]:
    """Return what a detector sees of a feed in a window, its history before it included."""
    config = lived.loop.feeds[feed]
    store = KpiStore(lived.folder / "telemetry" / feed)
    wide = TimeWindow(window.start_s - config.history_s, window.end_s)
    if config.kind == "kpi":
        return store.frames(wide)
    whole = overall_frame(store, wide, config)
    return [] if whole is None else [whole]


def _watched(lived: Lived, feed: str) -> dict[str, Any]:
    week = lived.provider.config.second_week
    frames = frames_of(lived, feed, week)
    labels = lived.provider.station_labels if feed == STATIONS else lived.provider.cdn_labels
    truth = {frame.entity: labels(frame[frame.rows_in(week)]) for frame in frames}
    ops = lived.application.ops
    active = ops.models.active(feed)
    models = {"before": lived.first_models[feed], "after": "" if active is None else active.id}
    told: dict[str, Any] = {
        "entities": len(frames),
        "rows": sum(len(rows) for rows in truth.values()),
        "anomalous_share": _rounded(float(np.concatenate(list(truth.values())).mean())),
        "faults": len(_judged(lived, feed)),
    }
    for when, model_id in models.items():
        path = ops.models.get(model_id).path
        told[when] = {"model": model_id, **_detection(lived, path, frames, truth, week)}
        told[when]["localization"] = _localization(lived, feed, week, path, when)
    return told


def _detection(
    lived: Lived,
    path: str,
    frames: Sequence[KpiFrame],
    truth: dict[str, NDArray[np.bool_]],
    week: TimeWindow,
) -> dict[str, float | None]:
    model = load_detector(lived.folder / path)
    pairs, levels = {}, {}
    for frame, score in zip(frames, model.score(frames), strict=True):
        pairs[frame.entity] = (score.total[frame.rows_in(week)], truth[frame.entity])
        levels[frame.entity] = model.level_of(frame.entity)
    found = summary(pairs, levels, interval_s=frames[0].interval_s)
    return {name: _rounded(found[name]) for name in DETECTION}


@dataclass(frozen=True)
class _Judged:
    """A fault of the second week, once however many stations it hit."""

    faults: tuple[TrueFault, ...]

    def is_met_by(self, alarm: AlarmRecord) -> bool:
        end_s = alarm.start_s + 1 if alarm.end_s is None else alarm.end_s
        window = TimeWindow(alarm.start_s, end_s)
        return any(f.entity == alarm.entity and f.window.overlaps(window) for f in self.faults)


def _judged(lived: Lived, feed: str) -> list[_Judged]:
    week = lived.provider.config.second_week
    faults = lived.provider.station_faults if feed == STATIONS else lived.provider.cdn_faults
    groups: dict[tuple[Any, ...], list[TrueFault]] = {}
    for fault in faults:
        if week.start_s <= fault.window.start_s < week.end_s:
            root = fault.root if fault.root is not None else fault.entity
            groups.setdefault((str(root), fault.kind, fault.window), []).append(fault)
    return [_Judged(tuple(group)) for group in groups.values()]


def _localization(
    lived: Lived, feed: str, week: TimeWindow, path: str, when: str
) -> dict[str, int]:
    """Return of how many faults an incident was made, and in how many the root was named."""
    if when == "before":
        # Without what the operator said of patterns, too.
        loop = Loop(lived.application.ops, lived.folder, [lived.loop.feeds[feed]])
        found = back_test(loop, loop.feeds[feed], week, model=path)
        alarms: Sequence[AlarmRecord] = found.alarms
        incidents: Sequence[IncidentRecord] = found.incidents
    else:
        ops = lived.application.ops
        alarms = ops.alarms.find(AlarmFilter(feed=feed, window=week))
        incidents = ops.incidents.find(IncidentFilter(feed=feed, window=week))
    truth = TrueAnswers(lived.provider)
    counts = {"alarmed": 0, "localized": 0, "root_first": 0, "root_among": 0}
    for judged in _judged(lived, feed):
        met = {alarm.id for alarm in alarms if judged.is_met_by(alarm)}
        own = [incident for incident in incidents if met & set(incident.alarm_ids)]
        root = truth.root(feed, judged.faults[0])

        def names(pattern: Any, root: Any = root) -> bool:
            return truth.is_same(feed, pattern.combination, root)

        counts["alarmed"] += bool(met)
        counts["localized"] += any(incident.patterns for incident in own)
        counts["root_first"] += any(names(i.patterns[0]) for i in own if i.patterns)
        counts["root_among"] += any(names(p) for i in own for p in i.patterns)
    return counts


def _cable(lived: Lived) -> dict[str, Any]:
    provider, week = lived.provider, lived.provider.config.second_week
    ops = lived.application.ops
    active = ops.models.active(CABLE)
    after = "" if active is None else active.id
    telemetry = TelemetryFolder(lived.folder / "telemetry" / CABLE)
    plant = SimulatedPlant(
        provider.config.seed, provider.plant_config, provider.nodes, PollTable([]),
        read_tickets(provider.tickets(week.end_s)), provider.config.first_week, week,
    )  # fmt: skip
    told: dict[str, Any] = {"modems": sum(node.polls.n_devices for node in provider.nodes)}
    for when, model_id in (("before", lived.first_models[CABLE]), ("after", after)):
        if when == "after" and model_id == lived.first_models[CABLE]:
            told[when] = dict(told["before"])
            continue
        model = load_diagnoser(lived.folder / ops.models.get(model_id).path)
        diagnosis = model.diagnose(telemetry, window=week, step_s=_DAY_S)
        told[when] = {"model": model_id, **_verdicts(modem_truth(diagnosis, plant).scores())}
    told["incidents"] = _dispatches(lived, week)
    return told


def _verdicts(scores: VerdictScores) -> dict[str, Any]:
    """Return modem days by whether the verdict was right."""
    table = scores.confusion
    ill = [Verdict.MAINTENANCE, Verdict.SERVICE]
    right = sum(int(table[v, v]) for v in ill)
    said = sum(int(table[t, v]) for t in ANSWERS for v in ill)
    true = sum(int(table[v].sum()) for v in ill)
    return {
        "modem_days": scores.n_judged,
        "faulty_modem_days": true,
        "right": right,
        "wrong_kind": sum(int(table[t, v]) for t in ill for v in ill if t != v),
        "not_seen": true - sum(int(table[t, v]) for t in ill for v in ill),
        "for_nothing": said - sum(int(table[t, v]) for t in ill for v in ill),
        "macro_f1": _rounded(scores.macro_f1),
    }


def _dispatches(lived: Lived, week: TimeWindow) -> dict[str, int]:
    """Return how many incidents of the week that somebody is sent for were right."""
    truth = TrueAnswers(lived.provider)
    counts = {"sent": 0, "right": 0, "wrong_team": 0, "for_nothing": 0}
    for alarm in lived.application.ops.alarms.find(AlarmFilter(feed=CABLE, window=week)):
        if alarm.start_s < week.start_s - _DAY_S or alarm.payload.get("advice") == "watch":
            continue
        kind, _, _ = truth.plant_fault(alarm, week.end_s)
        counts["sent"] += 1
        is_right = kind == alarm.payload.get("verdict")
        counts["right" if is_right else "wrong_team" if kind else "for_nothing"] += 1
    return counts


def _rounded(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
