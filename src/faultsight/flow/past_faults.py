"""The faults of a polls feed as they stood at a moment of the past: where a trial run begins."""

from __future__ import annotations

from dataclasses import replace

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.config import FeedConfig
from faultsight.flow.fault_states import FaultStates, MemoryStates
from faultsight.flow.loop import Loop
from faultsight.flow.records import MemoryRecords, ModelSpan
from faultsight.flow.trial import cable_trial

__all__ = ["diagnosed", "past_faults", "trial_records"]


def past_faults(loop: Loop, feed: str, start_s: int) -> tuple[int, MemoryStates]:
    """Return the last moment up to ``start_s`` at which the faults are known, and the faults.

    Before the feed's beginning there is none; then it is the beginning.

    Raises
    ------
    InputError
        If alarms of then are stored, and what is kept of the faults begins after them.
    """
    states = FaultStates(loop.folder / "faults" / feed)
    known_s = states.latest_s(start_s)
    if known_s is None:
        known_s = states.first_s()
    if known_s is None:  # nothing was diagnosed yet
        return start_s, MemoryStates(start_s, [])
    before = TimeWindow(start_s, max(known_s, start_s))
    if any(a.end_s is not None and a.end_s <= known_s for a in loop.records.alarms(feed, before)):
        raise InputError("what is asked for lies before what is kept of its faults", source=feed)
    return known_s, MemoryStates(known_s, states.read(known_s) or [])


def trial_records(loop: Loop, feed: str, until_s: int) -> MemoryRecords:
    """Return what a trial run needs to know: attributes, rules, and which models were at work."""
    stored = loop.records
    return MemoryRecords(
        attributes_of=stored.attributes(feed),
        mute_rules=stored.rules(feed, TimeWindow(0, until_s)),
        model_spans=[
            replace(span, path=str(loop.folder / span.path)) for span in stored.models(feed)
        ],
    )


def diagnosed(
    loop: Loop,
    config: FeedConfig,
    window: TimeWindow,
    *,
    models: list[ModelSpan] | None = None,
) -> MemoryRecords:
    """Return what the stages say of the faults of a window; nothing is written.

    Up to the window's start the faults are those that there were. Other rules and models count
    from then on.

    Parameters
    ----------
    loop : Loop
        Over the feed as it is.
    config : FeedConfig
        The rules for the window.
    window : TimeWindow
        Its end is the last moment that is diagnosed.
    models : list of ModelSpan, optional
        Those of the window; as they were at work, if not given.

    Raises
    ------
    InputError
        As `past_faults`.
    """
    feed = config.name
    known_s, states = past_faults(loop, feed, window.start_s)
    start_s = max(window.start_s // config.step_s * config.step_s, known_s)
    if start_s > known_s:
        before = trial_records(loop, feed, start_s)
        span = TimeWindow(known_s, start_s)
        cable_trial(loop.folder, loop.feeds[feed], before, span, loop.runner, states)
    records = trial_records(loop, feed, window.end_s)
    if models is not None:
        records.model_spans = models
    until_s = max(window.end_s // config.step_s * config.step_s, start_s)
    span = TimeWindow(start_s, until_s)
    return cable_trial(loop.folder, config, records, span, loop.runner, states)
