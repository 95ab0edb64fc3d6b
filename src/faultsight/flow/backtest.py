"""Back-test: what proposed rules would have said of the past; nothing is written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from faultsight.core.alarm import AlarmRecord
from faultsight.core.errors import InputError
from faultsight.core.feedback import Mark, fold
from faultsight.core.incident import IncidentRecord
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.deployed import DeployedConfig, DeployedDetector
from faultsight.detect.model_folder import save_detector
from faultsight.diagnose.telapart import TelApart
from faultsight.flow.agreement import Agreement, agreement
from faultsight.flow.alike_faults import as_known
from faultsight.flow.config import FeedConfig
from faultsight.flow.cubes.overall import overall_frame
from faultsight.flow.learn.stored_diagnoser import load_diagnoser, save_diagnoser
from faultsight.flow.learn.ticket_lesson import (
    fit_to_tickets,
    ticket_figures,
    told_thresholds,
    unfitted,
)
from faultsight.flow.loop import Loop
from faultsight.flow.past_faults import diagnosed
from faultsight.flow.records import MemoryRecords, ModelSpan
from faultsight.flow.score_store import ScoreStore
from faultsight.flow.trial import trial_run
from faultsight.stores.telemetry import KpiStore

__all__ = ["BackTest", "back_test"]

_DAY_S = 86_400
_WEEK_S = 7 * _DAY_S
_FIT_S = 28 * _DAY_S
_OF_THE_MODEL = {
    "kpi": ("detector", "detector_settings", "threshold"),
    "cube": ("detector", "detector_settings", "threshold"),
    "polls": ("diagnoser", "diagnoser_settings", "tickets"),
}


@dataclass(frozen=True)
class BackTest:
    """What proposed rules say of a window, beside what was said of it.

    Attributes
    ----------
    window : TimeWindow
        The rows that were looked at.
    alarms, incidents : tuple
        What there would have been.
    proposed, current : Agreement
        How these alarms, and those that are stored, agree with the feedback.
    is_fitted : bool
        Whether another model was fitted for it, on what lies before the window.
    tickets : mapping of str to mapping
        Of polls, for ``proposed`` and ``current``: how the verdicts in the window agree with the
        tickets opened there, as `ticket_figures` tells, and the model's ``thresholds``. Empty where
        there are no tickets. The model at work may have learned from tickets of the window.
    """

    window: TimeWindow
    alarms: tuple[AlarmRecord, ...]
    incidents: tuple[IncidentRecord, ...]
    proposed: Agreement
    current: Agreement
    is_fitted: bool = False
    tickets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def alarms_per_week(self) -> float:
        """How many alarms there would be in a week."""
        return self.proposed.alarms * _WEEK_S / max(self.window.end_s - self.window.start_s, 1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "window": [self.window.start_s, self.window.end_s],
            "alarms": [alarm.to_dict() for alarm in self.alarms],
            "incidents": [incident.to_dict() for incident in self.incidents],
            "proposed": self.proposed.to_dict(),
            "current": self.current.to_dict(),
            "alarms_per_week": self.alarms_per_week,
            "is_fitted": self.is_fitted,
            "tickets": {name: dict(told) for name, told in self.tickets.items()},
        }


def back_test(
    loop: Loop,
    proposed: FeedConfig,
    window: TimeWindow,
    *,
    model: str | None = None,
    refit: bool = False,
) -> BackTest:
    """Run proposed rules on the past, as if they had been in force; nothing is written.

    Parameters
    ----------
    loop : Loop
        Over the feed as it is.
    proposed : FeedConfig
        The rules to be tried out. Where they name another detector, threshold or diagnoser, or
        other settings or tickets for it, that is fitted on the four weeks before the window.
    window : TimeWindow
        The rows that count; of those not scored yet none do.
    model : str, optional
        The folder of a model to be tried out, in place of the one at work.
    refit : bool
        Fit anew also where the rules name what is at work: thresholds are learned again.

    Raises
    ------
    SettingError
        If the proposed rules cannot be.
    InputError
        If nothing was scored in the window, or there is nothing before it to fit on.
    """
    feed = proposed.name
    current = loop.feeds[feed]
    until_s = loop.ops.feeds.watermark(feed).scored_until_s
    if until_s is None or window.start_s >= until_s:
        raise InputError("nothing was scored in the window", source=feed)
    window = TimeWindow(window.start_s, min(window.end_s, until_s))
    names = _OF_THE_MODEL[proposed.kind]
    is_other = refit or any(getattr(proposed, n) != getattr(current, n) for n in names)
    is_fitted = is_other and model is None
    tickets: Mapping[str, Mapping[str, Any]] = {}
    with _models(loop, proposed, window, model, is_fitted=is_fitted) as models:
        if proposed.kind == "polls":
            records = diagnosed(loop, proposed, window, models=models)
            tickets = _tickets(loop, proposed, window, models[-1].path)
        else:
            records = _scored(loop, proposed, window, models, is_stored=not is_other and not model)
    marks = fold(loop.ops.feedback.events(feed)).marks
    alarms = tuple(records.alarms(feed, window))
    stored = loop.records.alarms(feed, window)
    return BackTest(
        window=window,
        alarms=alarms,
        incidents=tuple(records.incidents(feed, window)),
        proposed=_agreement(proposed, alarms, stored, marks, window),
        current=agreement(stored, marks, window),
        is_fitted=is_fitted,
        tickets=tickets,
    )


def _scored(
    loop: Loop,
    proposed: FeedConfig,
    window: TimeWindow,
    models: list[ModelSpan],
    *,
    is_stored: bool,
) -> MemoryRecords:
    feed = proposed.name
    records = MemoryRecords(
        attributes_of=loop.records.attributes(feed),
        mute_rules=loop.records.rules(feed, window),
        model_spans=models,
    )
    scores = ScoreStore(loop.folder / "scores" / feed, feed, loop.feeds[feed].interval_s)
    return trial_run(
        loop.folder, proposed, records, window, loop.runner, scores=scores,
        with_stored_scores=is_stored, rerank=loop.rerank,
    )  # fmt: skip


def _agreement(
    proposed: FeedConfig,
    alarms: tuple[AlarmRecord, ...],
    stored: list[AlarmRecord],
    marks: list[Mark],
    window: TimeWindow,
) -> Agreement:
    told = as_known(alarms, stored) if proposed.kind == "polls" else alarms
    return agreement(told, marks, window)


def _tickets(
    loop: Loop, proposed: FeedConfig, window: TimeWindow, path: str
) -> dict[str, dict[str, Any]]:
    """Return how the verdicts of the model tried out, and of the one at work, meet the tickets."""
    current = loop.feeds[proposed.name]
    active = loop.records.models(proposed.name)[-1]
    models = {
        "proposed": (proposed, load_diagnoser(path)),
        "current": (current, load_diagnoser(loop.folder / active.path)),
    }
    found: dict[str, dict[str, Any]] = {}
    for name, (rules, model) in models.items():
        if rules.tickets_in(loop.folder).is_file():
            told = told_thresholds(model.to_dict())
            figures = ticket_figures(model, loop.folder, rules, window)
            found[name] = {**figures, "thresholds": told}
    return found


@contextmanager
def _models(
    loop: Loop, proposed: FeedConfig, window: TimeWindow, model: str | None, *, is_fitted: bool
) -> Iterator[list[ModelSpan]]:
    """Give the models that score; one that is fitted for this lies in a folder of its own."""
    if model is not None:
        yield [ModelSpan(None, "", str(loop.folder / model), 1)]
        return
    if not is_fitted:
        stored = loop.records.models(proposed.name)
        yield [replace(span, path=str(loop.folder / span.path)) for span in stored]
        return
    fitted = _fitted(loop.folder, proposed, window.start_s)
    with tempfile.TemporaryDirectory() as folder:
        path, card = Path(folder) / "model", {"back_test": proposed.name}
        if isinstance(fitted, TelApart):
            save_diagnoser(fitted, path, card)
        else:
            save_detector(fitted, path, card)
        yield [ModelSpan(None, "", str(path), 1)]


def _fitted(folder: Path, config: FeedConfig, before_s: int) -> DeployedDetector | TelApart:
    """Return a new model, fitted on the four weeks before a moment."""
    if config.kind == "polls":
        unfitted(config)  # what cannot be is told before anything is read
        return fit_to_tickets(folder, config, TimeWindow(before_s - _FIT_S, before_s))
    detector = DeployedDetector(
        DeployedConfig(config.detector, dict(config.detector_settings), config.threshold)
    )
    detector.fit(_history(folder, config, before_s))
    return detector


def _history(folder: Path, config: FeedConfig, before_s: int) -> list[KpiFrame]:
    store = KpiStore(folder / "telemetry" / config.name)
    step = config.interval_s
    window = TimeWindow((before_s - _FIT_S) // step * step, before_s // step * step)
    if config.kind == "cube":
        told = overall_frame(store, window, config)
        return [] if told is None else [told]
    return store.frames(window)
