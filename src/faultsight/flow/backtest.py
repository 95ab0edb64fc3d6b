"""Back-test: what proposed rules would have said of the past; nothing is written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from faultsight.core.alarm import AlarmRecord
from faultsight.core.errors import InputError, SettingError
from faultsight.core.feedback import fold
from faultsight.core.incident import IncidentRecord
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.deployed import DeployedConfig, DeployedDetector
from faultsight.detect.model_folder import save_detector
from faultsight.flow.agreement import Agreement, agreement
from faultsight.flow.config import FeedConfig
from faultsight.flow.cubes.overall import overall_frame
from faultsight.flow.loop import Loop
from faultsight.flow.records import MemoryRecords, ModelSpan
from faultsight.flow.score_store import ScoreStore
from faultsight.flow.trial import trial_run
from faultsight.stores.telemetry import KpiStore

__all__ = ["BackTest", "back_test"]

_DAY_S = 86_400
_WEEK_S = 7 * _DAY_S
_FIT_S = 28 * _DAY_S
_OF_THE_DETECTOR = ("detector", "detector_settings", "threshold")


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
        Whether another detector was fitted for it, on what lies before the window.
    """

    window: TimeWindow
    alarms: tuple[AlarmRecord, ...]
    incidents: tuple[IncidentRecord, ...]
    proposed: Agreement
    current: Agreement
    is_fitted: bool = False

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
        }


def back_test(
    loop: Loop, proposed: FeedConfig, window: TimeWindow, *, model: str | None = None
) -> BackTest:
    """Run proposed rules on the past, as if they had been in force; nothing is written.

    Parameters
    ----------
    loop : Loop
        Over the feed as it is.
    proposed : FeedConfig
        The rules to be tried out. Where they name another detector or threshold, that is fitted on
        the four weeks before the window.
    window : TimeWindow
        The rows that count; of those not scored yet none do.
    model : str, optional
        The folder of a model to be tried out, in place of the one at work.

    Raises
    ------
    SettingError
        If the feed is one of polls.
    InputError
        If nothing was scored in the window, or there is nothing before it to fit on.
    """
    feed = proposed.name
    current = loop.feeds[feed]
    if proposed.kind == "polls":
        raise SettingError(f"{feed} holds polls: its thresholds are tried out when they are tuned")
    until_s = loop.ops.feeds.watermark(feed).scored_until_s
    if until_s is None or window.start_s >= until_s:
        raise InputError("nothing was scored in the window", source=feed)
    window = TimeWindow(window.start_s, min(window.end_s, until_s))
    is_other = any(getattr(proposed, n) != getattr(current, n) for n in _OF_THE_DETECTOR)
    scores = ScoreStore(loop.folder / "scores" / feed, feed, current.interval_s)
    with _models(loop, proposed, window, model, is_fitted=is_other and model is None) as models:
        records = MemoryRecords(
            attributes_of=loop.records.attributes(feed),
            mute_rules=loop.records.rules(feed, window),
            model_spans=models,
        )
        trial_run(
            loop.folder, proposed, records, window, loop.runner, scores=scores,
            with_stored_scores=model is None and not is_other, rerank=loop.rerank,
        )  # fmt: skip
    marks = fold(loop.ops.feedback.events(feed)).marks
    alarms = tuple(records.alarms(feed, window))
    stored = loop.records.alarms(feed, window)
    return BackTest(
        window=window,
        alarms=alarms,
        incidents=tuple(records.incidents(feed, window)),
        proposed=agreement(alarms, marks, window),
        current=agreement(stored, marks, window),
        is_fitted=is_other and model is None,
    )


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
    detector = DeployedDetector(
        DeployedConfig(proposed.detector, dict(proposed.detector_settings), proposed.threshold)
    )
    detector.fit(_history(loop.folder, proposed, window.start_s))
    with tempfile.TemporaryDirectory() as folder:
        path = save_detector(detector, Path(folder) / "model", {"back_test": proposed.name})
        yield [ModelSpan(None, "", str(path), 1)]


def _history(folder: Path, config: FeedConfig, before_s: int) -> list[KpiFrame]:
    store = KpiStore(folder / "telemetry" / config.name)
    step = config.interval_s
    window = TimeWindow((before_s - _FIT_S) // step * step, before_s // step * step)
    if config.kind == "cube":
        told = overall_frame(store, window, config)
        return [] if told is None else [told]
    return store.frames(window)
