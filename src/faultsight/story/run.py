"""The two weeks: telemetry comes in, the loop decides, an operator answers, models learn."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faultsight.app.application import Application
from faultsight.app.outbox_worker import OutboxWorker
from faultsight.app.roles import COMMAND_LINE
from faultsight.core.errors import FaultSightError
from faultsight.core.files import write_atomic
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.learn import LearnConfig, Learner, rejected_patterns
from faultsight.flow.loop import Loop
from faultsight.stores.operations import JobState
from faultsight.story.arrange import CABLE, CDN, STATIONS, arrange, tickets_csv
from faultsight.story.played_operator import PlayedOperator
from faultsight.story.provider import Provider

__all__ = ["Lived", "live_through"]

_DAY_S, _HOUR_S = 86_400, 3600
_OWNER = "demo"
FEEDS = (STATIONS, CDN, CABLE)


class _Clock:
    """Simulated time."""

    def __init__(self, now_s: int) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return float(self.now_s)


@dataclass(eq=False)
class Lived:
    """What came of two weeks.

    Attributes
    ----------
    provider : Provider
        What was simulated.
    application : Application
        The state, open.
    loop : Loop
        What watched.
    first_models : dict of str to str
        By feed, the model before any feedback.
    lessons : dict of str to list of dict
        By feed, the results of the jobs after the first week.
    answered : dict of str to int
        What the operator said, by kind.
    rows, notices : int
        Rows taken in, and notices sent.
    """

    provider: Provider
    application: Application
    loop: Loop
    first_models: dict[str, str] = field(default_factory=dict)
    lessons: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    notices: int = 0

    @property
    def folder(self) -> Path:
        """The state folder."""
        return self.application.folder.path


def live_through(
    folder: Path,
    provider: Provider,
    *,
    hours_per_tick: int = 6,
    progress: Callable[[str, float], None] = lambda _line, _share: None,
) -> Lived:
    """Run the loop over history and both weeks in a new state folder.

    What the loop decides does not depend on `hours_per_tick`.

    Parameters
    ----------
    folder : Path
        The state folder to be made.
    provider : Provider
        What is watched.
    hours_per_tick : int
        Telemetry of so many hours comes in at once; divides 24.
    progress : callable
        Told in a line what happens, and which share of all is done.

    Raises
    ------
    InputError
        If the folder holds a state already.
    """
    weeks = _Weeks(folder, provider, hours_per_tick, progress)
    weeks.take_history()
    weeks.live(provider.config.first_week, is_answered=True)
    weeks.learn()
    weeks.live(provider.config.second_week, is_answered=False)
    return weeks.lived


class _Weeks:
    def __init__(
        self,
        folder: Path,
        provider: Provider,
        hours_per_tick: int,
        progress: Callable[[str, float], None],
    ) -> None:
        self.provider, self.config = provider, provider.config
        self.clock = _Clock(provider.config.first_week.start_s)
        self.step_s = hours_per_tick * _HOUR_S
        application = arrange(folder, provider, clock=self.clock)
        self.application = application
        self.loop = Loop(
            application.ops,
            folder,
            [application.feeds.config(name) for name in FEEDS],
            clock=self.clock,
            rerank=functools.partial(rejected_patterns, application.ops),
        )
        self.lived = Lived(provider, application, self.loop)
        self.operator = PlayedOperator(application, provider)
        self.outbox = OutboxWorker(application, _OWNER)
        self.learner = Learner(application.ops, folder, self._learn_config(), lease_s=600)
        self._progress = progress

    def _learn_config(self) -> LearnConfig:
        # The default holds a week of polls out; here that would be all that is new.
        return LearnConfig(cable_held_out_s=max(self.config.week_days // 3, 1) * _DAY_S)

    def tell(self, line: str) -> None:
        begin_s = self.config.first_week.start_s
        whole_s = self.config.second_week.end_s - begin_s
        self._progress(line, (self.clock.now_s - begin_s) / whole_s)

    def take_history(self) -> None:
        """Take the history in, and give each feed its first model."""
        self.tell("taking in the history")
        self.take(TimeWindow(self.config.start_s, self.config.first_week.start_s))
        for feed in FEEDS:
            self.tell(f"{feed}: the first model is trained")
            self.do("tune_cable" if feed == CABLE else "retrain", feed)
            active = self.application.ops.models.active(feed)
            if active is not None:
                self.lived.first_models[feed] = active.id

    def live(self, week: TimeWindow, *, is_answered: bool) -> None:
        """Live through a week, some hours at a time."""
        number = "first" if is_answered else "second"
        for from_s in range(week.start_s, week.end_s, self.step_s):
            window = TimeWindow(from_s, min(from_s + self.step_s, week.end_s))
            self.clock.now_s = window.end_s
            self.take(window)
            day = (from_s - week.start_s) // _DAY_S + 1
            self.tell(f"{number} week, day {day}: {self._standing()}")
            for feed in FEEDS:
                if feed != CABLE or window.end_s % _DAY_S == 0:
                    self.lived.notices += self.loop.tick(feed).notices
            if window.end_s % _DAY_S == 0:
                self.end_day(TimeWindow(window.end_s - _DAY_S, window.end_s), is_answered)

    def end_day(self, day: TimeWindow, is_answered: bool) -> None:
        """Send what the shift is to be told, merge files, and let the operator answer."""
        while self.outbox.drain(lambda: False):
            pass
        stores = self.application.stores
        for feed in (STATIONS, CDN):  # as the service does once a day
            for store in (stores.kpi_or_none(feed), stores.scores(feed)):
                if store is not None:
                    store.compact(before_s=day.start_s)
        if is_answered:
            for kind, count in self.operator.answer_day(day).items():
                self.lived.answered[kind] = self.lived.answered.get(kind, 0) + count

    def learn(self) -> None:
        """Run the weekly step of each feed; where it asks, answer and run it once more."""
        for feed in FEEDS:
            self.tell(f"{feed}: learning from the first week")
            kind = "tune_cable" if feed == CABLE else "tune"
            self.lived.lessons[feed] = [self.do(kind, feed)]
            if self.operator.answer_tasks(feed):
                self.tell(f"{feed}: learning once more, with the questions answered")
                self.lived.lessons[feed].append(self.do(kind, feed))

    def do(self, kind: str, feed: str) -> dict[str, Any]:
        """Have a job done, and return its result."""
        jobs = self.application.jobs
        job = jobs.enqueue(kind, feed, COMMAND_LINE)
        done = self.learner.run_next(_OWNER)
        if done is None or done.id != job.id or done.state is not JobState.DONE:
            told = "" if done is None else done.error
            raise FaultSightError(f"the job {kind} of {feed} was not done: {told}")
        return dict(done.result)

    def take(self, window: TimeWindow) -> None:
        """Take in what lies in a window, through the same door as the service's collectors."""
        intake, key = self.application.intake, f"{window.start_s}-{window.end_s}"
        for feed, table in (
            (STATIONS, self.provider.station_rows(window)),
            (CDN, self.provider.cdn_rows(window)),
        ):
            if table.height:
                taken = intake.take(feed, table, key=key, source=f"simulated {key}")
                self.lived.rows += taken.n_rows
        polls = self.provider.polls(window)
        if polls.height:
            intake.polls_sink(CABLE).append(polls)
            self.lived.rows += polls.height
        write_atomic(
            self.application.folder.tickets(CABLE), tickets_csv(self.provider.tickets(window.end_s))
        )

    def _standing(self) -> str:
        said = sum(self.lived.answered.values())
        return f"{self.lived.rows:,} rows in, {self.lived.notices} notices, {said} answers"
