"""The frozen back-test: what a new model must not do worse, on marks that no tuning sees.

Which marks these are is fixed by a rule before any is made: a mark belongs to the back-test if the
hash of its feed, entity and day says so (one day of an entity in five), or if it begins in the
quiet window, the last stretch of the data, which tuning does not see either. So the same mark is
always on the same side, whichever model is checked.

A model is not worse than the one at work if, on the marks held out, it makes no more errors (false
alarms that it still raises, anomalies that it does not), and if in the quiet window it raises at
most half as many alarms again that nobody has called right, or one more for every ten entities and
days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from faultsight.core.alarm import stable_id
from faultsight.core.errors import SettingError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.alarms import raise_alarms
from faultsight.detect.tuning.guard import Deployed

__all__ = ["BackTest", "BackTestFigures", "BackTestRule", "Split"]

_DAY_S = 86_400


@dataclass(frozen=True)
class Split:
    """Marks to learn from, and marks to be judged by.

    Attributes
    ----------
    learned, held_out : tuple of Mark
        Sorted. Marks to ignore are always on the learning side: they teach nothing.
    """

    learned: tuple[Mark, ...]
    held_out: tuple[Mark, ...]


@dataclass(frozen=True)
class BackTestRule:
    """How marks are split, and what counts as not worse.

    Parameters
    ----------
    one_in : int
        One day of an entity in so many is held out.
    apart_s : int
        Marks of the entity nearer than this to a held-out one are not learned from: one event
        must not teach about itself.
    quiet_s : int
        Length of the quiet window, the end of the data.
    most_growth : float
        Alarms in the quiet window may be so many times as many...
    spare_alarms : float
        ...or so many more for each entity and day, whichever is more.

    Examples
    --------
    >>> marks = [Mark(f"cell-{i}", TimeWindow(0, 3600), MarkKind.MISSED) for i in range(100)]
    >>> split = BackTestRule().split("cells", marks, TimeWindow(86400, 2 * 86400))
    >>> len(split.learned), len(split.held_out)
    (80, 20)
    """

    one_in: int = 5
    apart_s: int = 12 * 3600
    quiet_s: int = _DAY_S
    most_growth: float = 1.5
    spare_alarms: float = 0.1

    def __post_init__(self) -> None:
        if self.one_in < 2 or self.quiet_s < 0 or self.apart_s < 0:
            raise SettingError("one_in is at least 2, quiet_s and apart_s at least 0")
        if self.most_growth < 1 or self.spare_alarms < 0:
            raise SettingError("most_growth is at least 1 and spare_alarms at least 0")

    def split(self, feed: str, marks: Sequence[Mark], quiet: TimeWindow) -> Split:
        """Return which marks are learned from and which are held out."""
        held_out = {mark for mark in marks if self._is_held_out(feed, mark, quiet)}
        of_entity: dict[str, list[Mark]] = {}
        for mark in held_out:
            of_entity.setdefault(mark.entity, []).append(mark)

        def is_apart(mark: Mark) -> bool:
            return mark.kind is MarkKind.IGNORE or not any(
                mark.window.start_s - self.apart_s < other.window.end_s
                and other.window.start_s - self.apart_s < mark.window.end_s
                for other in of_entity.get(mark.entity, ())
            )

        learned = {mark for mark in marks if mark not in held_out and is_apart(mark)}
        return Split(tuple(sorted(learned)), tuple(sorted(held_out)))

    def _is_held_out(self, feed: str, mark: Mark, quiet: TimeWindow) -> bool:
        if mark.kind is MarkKind.IGNORE:
            return False
        day = mark.window.start_s // _DAY_S
        drawn = int(stable_id("back-test", feed, mark.entity, day), 16)
        return drawn % self.one_in == 0 or quiet.holds(mark.window.start_s)

    def judge(
        self, before: BackTestFigures, after: BackTestFigures, *, quiet_counts: bool = True
    ) -> BackTest:
        """Return whether the new model may take the place of the one at work, and why.

        Where the model at work was trained on the quiet window, its being quiet there proves
        nothing, and the window does not count.
        """
        days = max(after.entity_days, 1e-9)
        allowed = max(
            before.quiet_alarms * self.most_growth, before.quiet_alarms + self.spare_alarms * days
        )
        if after.errors > before.errors:
            why = (
                f"it makes {after.errors} errors on the {after.marks} marks held out, the model "
                f"at work {before.errors}"
            )
            return BackTest(False, why, before, after)
        if quiet_counts and after.quiet_alarms > allowed:
            why = (
                f"it raises {after.quiet_alarms} alarms in the quiet window, the model at work "
                f"{before.quiet_alarms}; {allowed:g} would be allowed"
            )
            return BackTest(False, why, before, after)
        why = (
            f"{after.errors} errors on the {after.marks} marks held out, the model at work "
            f"{before.errors}; {after.quiet_alarms} alarms in the quiet window, "
            f"before {before.quiet_alarms}"
        )
        if not quiet_counts:
            why += ", which does not count: the model at work was trained on it"
        return BackTest(True, why, before, after)


@dataclass(frozen=True)
class BackTestFigures:
    """What one model does in the back-test.

    Attributes
    ----------
    false_alarms, anomalies : int
        Marks held out that rows of the data belong to, by what they say.
    still_raised, not_raised : int
        False alarms that it raises, and anomalies that it does not.
    quiet_alarms : int
        Alarms in the quiet window that nobody has called right, or asked to ignore. Those marked
        as false count: the model at work was marked there, and a new one was not.
    entity_days : float
        Entities of the quiet window times its days.
    """

    false_alarms: int
    anomalies: int
    still_raised: int
    not_raised: int
    quiet_alarms: int
    entity_days: float

    @property
    def marks(self) -> int:
        """Marks held out."""
        return self.false_alarms + self.anomalies

    @property
    def errors(self) -> int:
        """Marks that it contradicts."""
        return self.still_raised + self.not_raised

    @classmethod
    def of(
        cls,
        model: Deployed,
        frames: Sequence[KpiFrame],
        split: Split,
        quiet: TimeWindow,
    ) -> BackTestFigures:
        """Score the frames, and count.

        Parameters
        ----------
        model : Deployed
            Scores and levels.
        frames : sequence of KpiFrame
            All data, the quiet window with it.
        split : Split
            The marks.
        quiet : TimeWindow
            The end of the data.
        """
        marks: dict[str, list[Mark]] = {}
        for mark in (*split.learned, *split.held_out):
            marks.setdefault(mark.entity, []).append(mark)
        held_out = set(split.held_out)
        counts = {"false": 0, "anomalies": 0, "raised": 0, "missed": 0, "quiet": 0}
        days = 0.0
        for score in model.score(frames):
            level = model.level_of(score.entity)
            own = marks.get(score.entity, [])
            told = [mark for mark in own if mark.kind is not MarkKind.FALSE_ALARM]
            for mark in own:
                rows = _rows(score.start_s, score.interval_s, len(score), mark.window)
                if mark not in held_out or rows.stop <= rows.start:
                    continue
                is_raised = bool((score.total[rows] > level).any())
                counts["anomalies" if mark.kind.is_anomaly else "false"] += 1
                counts["missed"] += mark.kind.is_anomaly and not is_raised
                counts["raised"] += not mark.kind.is_anomaly and is_raised
            last = _rows(score.start_s, score.interval_s, len(score), quiet)
            days += np.isfinite(score.total[last]).sum() * score.interval_s / _DAY_S
            counts["quiet"] += sum(
                not any(alarm.window.overlaps(mark.window) for mark in told)
                for alarm in raise_alarms(score[last], level)
            )
        return cls(
            counts["false"], counts["anomalies"], counts["raised"], counts["missed"],
            counts["quiet"], round(float(days), 6),
        )  # fmt: skip


@dataclass(frozen=True)
class BackTest:
    """Whether a model passed.

    Attributes
    ----------
    passed : bool
        Whether it did.
    why : str
        In words, with the figures.
    before, after : BackTestFigures
        Of the model at work and of the new one.
    """

    passed: bool
    why: str
    before: BackTestFigures
    after: BackTestFigures

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def _rows(start_s: int, interval_s: int, n_rows: int, window: TimeWindow) -> slice:
    first = -((start_s - window.start_s) // interval_s)
    last = -((start_s - window.end_s) // interval_s)
    return slice(min(max(first, 0), n_rows), min(max(last, 0), n_rows))
