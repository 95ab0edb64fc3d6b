"""The guard: a tuning step is kept only if marks that it has not seen say that it helps.

The marks are dealt into folds, each a stretch of time of each entity: levels are learned per
entity, so an entity without marks left could not tell. The step learns without one fold and is
judged on it, and so on in turn. Marks next to the held-out ones are left out of learning, so that
one event cannot teach about itself. The loss adds up

- quiet: how many held-out false alarms are still raised, over what was raised before any step,
  and how many alarms sampled history raises, over what it raised then (the mean of the two); what
  hardly raised any is compared with one alarm, else a trace more or less would decide;
- misses: the share of held-out anomalies that raise no alarm;
- ranking: how many normal rows of its entity score as high as a held-out anomaly, and how much of
  history lies under a held-out false alarm, which should sink into it.

Few anomalies say little: n of them weigh n / (n + 2) in misses and in ranking, as what was seen
does by the rule of succession; here false alarms have the rest of ranking.

A step that moves levels alone gains nothing by a history quieter than before any step: higher
levels silence that, right or wrong. There history can only speak against it. Where any alarm
was confirmed, precision and recall can be told: such a step is judged by F1 on what was held out,
where history that alarms more than before any step counts as more false alarms.

An alarm is counted by a steep curve through 1/2 at the level, so that few marks tell more than
yes or no.

Where many false alarms sink, a few right ones that sink with them hardly show in the loss. So in
the end the guard says how far all levels should come down again: to the highest F1 on what was held
out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from faultsight.core.errors import SettingError
from faultsight.core.feedback import MarkKind
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.contract import Score
from faultsight.detect.tuning.marked_rows import MarkedRows, MarkedSpan

__all__ = ["CrossValidation", "Deployed", "Guard", "GuardVerdict"]

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

_JUST_AN_ALARM = 0.5
"""How a score right at its level counts."""
_SUCCESSION = 2
"""Trials that the rule of succession adds: n of ours have the weight n / (n + 2)."""
_TINY = float(np.finfo(np.float64).tiny)
_FACTORS = tuple(0.95**power for power in range(1, 60))
"""How far levels may come down, step by step."""


class Deployed(Protocol):
    """What the guard judges: scores, and levels above which they alarm."""

    def score(self, frames: Sequence[KpiFrame]) -> list[Score]:
        """Score every row."""

    def level_of(self, entity: str) -> float:
        """Return an entity's level."""


Model = TypeVar("Model", bound=Deployed)


@dataclass(frozen=True)
class Guard:
    """How steps are judged.

    Attributes
    ----------
    folds : int
        Parts that the marks are dealt into. With fewer than twice as many marks each is held
        out alone.
    least_marks : int
        With fewer marks than this nothing can be judged, and the step is not taken: what one
        mark says of another is chance.
    apart_rows : int
        Marks of the entity nearer than this to a held-out one are not learned from.
    steepness : float
        How steeply alarms are counted, in the logarithm of score over level. At 8 a score of
        1.5 times the level is 0.96 of an alarm, one of 2/3 of it 0.04.
    """

    folds: int = 4
    least_marks: int = 3
    apart_rows: int = 12
    steepness: float = 8.0

    def __post_init__(self) -> None:
        if self.folds < 2 or self.least_marks < 2:
            raise SettingError("folds and least_marks must be at least 2")
        if self.apart_rows < 0 or self.steepness <= 0:
            raise SettingError("apart_rows is at least 0 and steepness above 0")


@dataclass(frozen=True)
class GuardVerdict:
    """Whether a step was kept, and why.

    Attributes
    ----------
    step : str
        What it was.
    kept : bool
        Whether it was.
    before, after : float or None
        Loss on marks and history held out, without and with the step; None if not judged. Where
        it is judged by F1: 1 - F1. Where levels are lowered: the share of held-out anomalies that
        raise no alarm.
    n_marks : int
        Marks that were to be learned from.
    reason : str
        In words.
    """

    step: str
    kept: bool
    before: float | None
    after: float | None
    n_marks: int
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


class CrossValidation(Generic[Model]):
    """Judges one step after the other, each on marks that nothing before it has seen either.

    For each fold there is a model that has taken the kept steps without the fold's marks. A new
    step starts from these, or what earlier steps learned from the held-out marks would count
    against it.

    Parameters
    ----------
    model : Deployed
        Before any step; alarms count as a multiple of its.
    marked : MarkedRows
        All marks.
    history : mapping of str to array of int
        Rows of each entity's frame that are taken for normal.
    frames : sequence of KpiFrame
        History and the rows that the marks speak of.
    guard : Guard, optional
        The settings.
    """

    def __init__(
        self,
        model: Model,
        marked: MarkedRows,
        history: Mapping[str, Rows],
        *,
        frames: Sequence[KpiFrame],
        guard: Guard | None = None,
    ) -> None:
        self._guard = guard or Guard()
        self._marked, self._history, self._frames = marked, history, frames
        self._n_marks = len(marked.spans)
        self._one_row = 1.0 / max(sum(map(len, history.values())), 1)
        self._folds: list[tuple[list[MarkedSpan], MarkedRows]] = []
        if self._n_marks >= self._guard.least_marks:
            for held_out in _folds(marked.spans, self._guard):
                apart = self._guard.apart_rows
                rest = [span for span in marked.spans if _is_apart(span, held_out, apart)]
                self._folds.append((held_out, marked.only(rest)))
            first = self._judged(model)
            self._judgements = [first] * len(self._folds)
            self._reference = self._tally(self._judgements)
        self._knows_f1 = any(span.mark.kind is MarkKind.CONFIRMED for span in marked.spans)
        self._models = [model] * len(self._folds)

    def judge(
        self,
        step: str,
        learn: Callable[[Model, MarkedRows], Model],
        *,
        moves_levels: bool = False,
    ) -> GuardVerdict:
        """Judge a step; if it is kept, the next one builds on it.

        Parameters
        ----------
        step : str
            What to call it.
        learn : callable
            Returns what the step makes of a model and some of the marks.
        moves_levels : bool
            Whether it moves levels and leaves scores as they are.

        Returns
        -------
        GuardVerdict
            Kept if the loss on what was held out is lower with the step; where it moves levels and
            alarms were confirmed, if F1 is higher.
        """
        if not self._folds:
            return self._too_few(step)
        learned = [
            learn(model, rest) for model, (_, rest) in zip(self._models, self._folds, strict=True)
        ]
        judgements = [self._judged(model) for model in learned]
        before, after = self._tally(self._judgements), self._tally(judgements)
        first, one_row = self._reference, self._one_row
        if moves_levels and self._knows_f1:
            figure, word = "F1", "rise"
            was, now = (tally.soft_f1(first, one_row) for tally in (before, after))
            lost, gained = 1.0 - was, 1.0 - now
        else:
            figure, word = "loss", "fall"
            lost, gained = (
                tally.loss(first, one_row, rewards_quiet_history=not moves_levels)
                for tally in (before, after)
            )
            was, now = lost, gained
        # What differs by rounding alone is no gain.
        kept = gained < lost - 1e-9
        if kept:
            self._models, self._judgements = learned, judgements
        reason = (
            f"held-out {figure} {f'{word}s' if kept else f'does not {word}'}, "
            f"from {was:.3f} to {now:.3f}, over {len(self._folds)} folds"
        )
        return GuardVerdict(step, kept, lost, gained, self._n_marks, reason)

    def lower(self, step: str) -> tuple[float, GuardVerdict]:
        """Say by what to multiply all levels, so that little of what was right is lost.

        It is the factor with the highest F1 on the held-out marks, among those with which it is
        not as loud as before any step.

        Parameters
        ----------
        step : str
            What to call it.

        Returns
        -------
        factor : float
            At most 1.
        verdict : GuardVerdict
            Kept if the factor is below 1.
        """
        if not self._folds:
            return 1.0, self._too_few(step)
        first, now = self._reference, self._tally(self._judgements)
        loud = first.quiet(first, self._one_row)
        tried = {1.0: now}
        for factor in _FACTORS:
            lower = self._tally([judged.lowered(factor) for judged in self._judgements])
            if lower.quiet(first, self._one_row) >= loud:
                break
            tried[factor] = lower
        factor = max(tried, key=lambda f: (tried[f].f1(first, self._one_row), f))
        best = tried[factor]
        reason = (
            f"{now.found} of {len(now.misses)} held-out anomalies raise an alarm, {first.found} "
            "before tuning"
        )
        if factor < 1.0:
            reason += (
                f"; with levels times {factor:.2f} {best.found} do, and {best.raised} of "
                f"{len(best.false_alarms)} false alarms"
            )
        before, after = (1.0 - tally.found / len(tally.misses) for tally in (now, best))
        return factor, GuardVerdict(step, factor < 1.0, before, after, self._n_marks, reason)

    def _too_few(self, step: str) -> GuardVerdict:
        least = self._guard.least_marks
        reason = f"{self._n_marks} marks are too few to tell; {least} are needed"
        return GuardVerdict(step, False, None, None, self._n_marks, reason)

    def _judged(self, model: Model) -> _Judged:
        return _Judged.of(model, self._frames, self._history, self._marked, self._guard)

    def _tally(self, judgements: Sequence[_Judged]) -> _Tally:
        tally = _Tally()
        for judged, (held_out, _) in zip(judgements, self._folds, strict=True):
            tally.history.append(judged.history_alarms())
            for span in held_out:
                tally.add(span, judged)
        return tally


@dataclass(frozen=True, eq=False)
class _Judged:
    """Every row's alarm, 0 to 1 and 1/2 at the level; rising with the score."""

    margins: Mapping[str, Array]
    """The logarithm of each row's score over its level."""
    alarms: Mapping[str, Array]
    history: Mapping[str, Rows]
    false_alarms: Mapping[str, Rows]
    steepness: float

    @classmethod
    def of(
        cls,
        deployed: Deployed,
        frames: Sequence[KpiFrame],
        history: Mapping[str, Rows],
        marked: MarkedRows,
        guard: Guard,
    ) -> _Judged:
        margins = {}
        for score in deployed.score(frames):
            level = max(deployed.level_of(score.entity), _TINY)
            total = np.maximum(np.nan_to_num(score.total), _TINY)
            margins[score.entity] = np.log(total) - np.log(level)
        quiet: dict[str, Rows] = {}
        for span in marked.spans:
            if not span.is_anomaly:
                seen = quiet.get(span.mark.entity, np.empty(0, dtype=np.int64))
                quiet[span.mark.entity] = np.concatenate([seen, span.rows])
        alarms = _alarms(margins, guard.steepness)
        return cls(margins, alarms, history, quiet, guard.steepness)

    def lowered(self, factor: float) -> _Judged:
        """Return the same with all levels times a factor."""
        margins = {entity: margin - np.log(factor) for entity, margin in self.margins.items()}
        return replace(self, margins=margins, alarms=_alarms(margins, self.steepness))

    def history_alarms(self) -> Array:
        """Return the share of each entity's history in alarm."""
        return np.array([
            self.alarms[entity][rows].mean() for entity, rows in self.history.items() if len(rows)
        ])  # fmt: skip

    def passed(self, entity: str, peak: float, among: Mapping[str, Rows]) -> float | None:
        """Return the share of an entity's rows that score at least so high; None without any."""
        rows = among.get(entity)
        if rows is None or not len(rows):
            return None
        return float(np.mean(self.alarms[entity][rows] >= peak))


class _Tally:
    """What held-out marks add up to."""

    def __init__(self) -> None:
        self.history: list[Array] = []
        self.false_alarms: list[float] = []
        self.misses: list[float] = []
        self.misplaced: list[float] = []
        self.not_sunk: list[float] = []
        self.fooled: list[float] = []

    def add(self, span: MarkedSpan, judged: _Judged) -> None:
        entity = span.mark.entity
        alarms = judged.alarms[entity][span.rows]
        peak = float(alarms.max())
        over = judged.passed(entity, peak, judged.history)
        if span.is_anomaly:
            self.misses.append(1.0 - peak)
            shares = [over, judged.passed(entity, peak, judged.false_alarms)]
            self.misplaced.append(_mean([share for share in shares if share is not None]))
        else:
            self.fooled.append(peak)
            self.false_alarms.append(float(alarms.sum()))
            self.not_sunk.append(0.0 if over is None else 1.0 - over)

    @property
    def found(self) -> int:
        """Anomalies that raise an alarm."""
        return sum(miss < 1.0 - _JUST_AN_ALARM for miss in self.misses)

    @property
    def raised(self) -> int:
        """False alarms that are still raised."""
        return sum(peak > _JUST_AN_ALARM for peak in self.fooled)

    def f1(self, standing: _Tally, one_row: float) -> float:
        """Return F1, of marks and of the alarms that history lets expect, each counted as one."""
        raised = self.raised + self.new_alarms(standing, one_row)
        return _f1(self.found, raised, len(self.misses))

    def soft_f1(self, standing: _Tally, one_row: float) -> float:
        """Return the same with the alarms of marks counted by the steep curve."""
        raised = sum(self.fooled) + self.new_alarms(standing, one_row)
        return _f1(len(self.misses) - sum(self.misses), raised, len(self.misses))

    def new_alarms(self, standing: _Tally, one_row: float) -> float:
        """Return the false alarms to expect where history alarms more often than it did.

        Nobody could mark them. They are the excess of the entities whose history alarms more, as a
        share of all that history alarmed before, times the false alarms marked, or one.
        """
        now, then = np.concatenate(self.history), np.concatenate(standing.history)
        more = np.maximum(now - then, 0.0).sum() / max(then.sum(), one_row * max(len(then), 1))
        return max(sum(standing.fooled), 1.0) * float(more)

    def quiet(
        self, standing: _Tally, one_row: float, *, rewards_quiet_history: bool = True
    ) -> float:
        """Return how loud it is, as a multiple of the standing alarms, or of one alarm.

        One row of history in alarm is `one_row` of it.
        """
        now, then = ([_mean(shares) for shares in tally.history] for tally in (self, standing))
        if not rewards_quiet_history:
            now = [max(pair) for pair in zip(now, then, strict=True)]
        return _mean([
            sum(is_so) / max(sum(was_so), least)
            for is_so, was_so, least in (
                (self.false_alarms, standing.false_alarms, _JUST_AN_ALARM),
                (now, then, one_row * len(then)),
            )
            if any(was_so) or any(is_so)
        ])  # fmt: skip

    def loss(
        self, standing: _Tally, one_row: float, *, rewards_quiet_history: bool = True
    ) -> float:
        """Return the loss; see the module."""
        weight = len(self.misses) / (len(self.misses) + _SUCCESSION)
        quiet = self.quiet(standing, one_row, rewards_quiet_history=rewards_quiet_history)
        anomalies = _mean(self.misses) + _mean(self.misplaced)
        return quiet + weight * anomalies + (1.0 - weight) * _mean(self.not_sunk)


def _f1(found: float, raised: float, anomalies: int) -> float:
    judged = found + raised + anomalies
    return 2.0 * found / judged if judged else 0.0


def _alarms(margins: Mapping[str, Array], steepness: float) -> dict[str, Array]:
    return {entity: expit(steepness * margin) for entity, margin in margins.items()}


def _mean(values: Sequence[float] | Array) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _folds(spans: Sequence[MarkedSpan], guard: Guard) -> list[list[MarkedSpan]]:
    """Deal the marks: each fold gets a stretch of time of each entity and kind."""
    if len(spans) < 2 * guard.folds:
        return [[span] for span in spans]
    groups: dict[tuple[bool, str], list[MarkedSpan]] = {}
    for span in sorted(spans, key=lambda span: span.mark):
        groups.setdefault((span.is_anomaly, span.mark.entity), []).append(span)
    folds: list[list[MarkedSpan]] = [[] for _ in range(guard.folds)]
    dealt = 0
    for group in groups.values():
        # A group with fewer marks than folds starts where the one before it ended.
        n_parts = min(guard.folds, len(group))
        for place, span in enumerate(group):
            folds[(dealt + place * n_parts // len(group)) % guard.folds].append(span)
        dealt += n_parts
    return [fold for fold in folds if fold]


def _is_apart(span: MarkedSpan, held_out: Sequence[MarkedSpan], apart_rows: int) -> bool:
    return not any(
        span.mark.entity == other.mark.entity
        and span.rows[0] - apart_rows <= other.rows[-1]
        and other.rows[0] - apart_rows <= span.rows[-1]
        for other in held_out
    )
