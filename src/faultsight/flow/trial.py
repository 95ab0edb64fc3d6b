"""A trial run: the stages over a span of the past, in memory; nothing is written."""

from __future__ import annotations

from pathlib import Path

from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.config import FeedConfig
from faultsight.flow.fault_states import States
from faultsight.flow.loop import Stage, run_stages
from faultsight.flow.records import MemoryRecords
from faultsight.flow.score_book import ScoreBook
from faultsight.flow.score_store import ScoreStore
from faultsight.flow.stages.diagnose import Diagnose
from faultsight.flow.stages.fault_incidents import FaultIncidents
from faultsight.flow.stages.group import Group
from faultsight.flow.stages.localize import Localize
from faultsight.flow.stages.mute import Mute
from faultsight.flow.stages.raise_alarms import RaiseAlarms
from faultsight.flow.stages.score import ScoreRows, Windows
from faultsight.flow.tick import Rerank, Tick
from faultsight.runners import Runner

__all__ = ["cable_trial", "trial_run"]

_OF_POLLS: tuple[Stage, ...] = (Diagnose(), Mute(), FaultIncidents())
_AFTER_SCORES: tuple[Stage, ...] = (RaiseAlarms(), Mute(), Group(), Localize())


def trial_run(
    folder: Path,
    config: FeedConfig,
    records: MemoryRecords,
    window: TimeWindow,
    runner: Runner,
    *,
    scores: ScoreStore | None = None,
    with_stored_scores: bool = False,
    rerank: Rerank | None = None,
) -> MemoryRecords:
    """Run the stages over a window, all at once, and return the records with what they decide.

    Parameters
    ----------
    folder : Path
        The state folder; telemetry is read from it.
    config : FeedConfig
        The rules to be tried out; of a ``kpi`` or ``cube`` feed.
    records : MemoryRecords
        What is known before; decisions are added to it.
    window : TimeWindow
        The rows that count.
    runner : Runner
        Who does the scoring.
    scores : ScoreStore, optional
        Scores before the window, for alarms that began before it.
    with_stored_scores : bool
        Whether scores in the window are read from there too, in place of scoring anew.
    rerank : callable, optional
        As `faultsight.flow.loop.Loop` has it.
    """
    step = config.interval_s
    window = TimeWindow(window.start_s // step * step, window.end_s // step * step)
    book = ScoreBook(step, window.start_s, config.level_factor)
    tick = Tick(
        config=config,
        folder=folder,
        records=records,
        runner=runner,
        book=book,
        scores=scores,
        rows=None,
        models=tuple(records.model_spans),
        from_s=window.start_s,
        until_s=window.end_s,
        rules=records.rules(config.name, TimeWindow(0, window.end_s)),
        attributes=records.attributes_of,
        rerank=rerank,
    )
    if with_stored_scores and scores is not None:
        scores.fill(book, window)
        tick.touched = dict.fromkeys(book.entities, window.start_s)
    else:
        run_stages(tick, (Windows(), ScoreRows()))
    run_stages(tick, _AFTER_SCORES)
    records.keep(tick.wanted.values(), tick.withdrawn, tick.incidents.values())
    return records


def cable_trial(
    folder: Path,
    config: FeedConfig,
    records: MemoryRecords,
    window: TimeWindow,
    runner: Runner,
    states: States,
) -> MemoryRecords:
    """Do the same for a feed of polls, from the faults as they stand in ``states``.

    Parameters
    ----------
    folder, config, records, runner
        As `trial_run` has them; of a ``polls`` feed.
    window : TimeWindow
        From the last window that is known to the end of the last one that is diagnosed.
    states : States
        Which faults go on; those after each window are added.
    """
    tick = Tick(
        config=config,
        folder=folder,
        records=records,
        runner=runner,
        book=ScoreBook(config.step_s, window.start_s),
        scores=None,
        rows=None,
        models=tuple(records.model_spans),
        from_s=window.start_s,
        until_s=window.end_s,
        rules=records.rules(config.name, TimeWindow(0, window.end_s)),
        attributes=records.attributes_of,
        states=states,
    )
    run_stages(tick, _OF_POLLS)
    records.keep(tick.wanted.values(), tick.withdrawn, tick.incidents.values())
    return records
