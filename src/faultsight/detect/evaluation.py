"""Versions of a model, judged on labelled KPIs beside a random score.

Every version scores the same rows. It is judged as it is deployed, by the level that it set
itself without a look at labels, and by metrics that no level has a part in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.contract import Score
from faultsight.detect.metrics import Counts, count_rows, summary
from faultsight.detect.peers.random_score import RandomScore

if TYPE_CHECKING:
    from faultsight.detect.anotuner import AnoTuner

__all__ = ["RANDOM", "Evaluation", "Verdict", "evaluate_versions"]

Row = dict[str, str | int | float | bool | None]

RANDOM = "random"
"""The name of the random score's row."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What one model says of every labelled frame.

    Attributes
    ----------
    name : str
        What the model is called.
    scores : mapping of str to Score
        Of all rows of each entity, also those that are only history.
    levels : mapping of str to float
        The level of each entity above which a row alarms.
    model : AnoTuner or None
        None for the random score.
    """

    name: str
    scores: Mapping[str, Score]
    levels: Mapping[str, float]
    model: AnoTuner | None = None

    def is_alarm(self, entity: str) -> NDArray[np.bool_]:
        """Return which rows of an entity alarm; a row of unknown score never does."""
        return np.asarray(self.scores[entity].total > self.levels[entity])


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The outcome of `evaluate_versions`.

    Attributes
    ----------
    rows : tuple of dict
        One for each model in the order given, the random score last: ``model``, ``entities``,
        ``rows``, ``anomalous_rows`` and every metric; None where a metric is not defined.
    since_s : int
        Rows from this moment on are judged; seconds since 1970 UTC.
    frames : mapping of str to KpiFrame
        The labelled frames by entity.
    verdicts : mapping of str to Verdict
        By model, in the order of `rows`.
    """

    rows: tuple[Row, ...]
    since_s: int
    frames: Mapping[str, KpiFrame]
    verdicts: Mapping[str, Verdict]

    @property
    def versions(self) -> tuple[Verdict, ...]:
        """The verdicts of the models that were given, without the random score."""
        return tuple(verdict for verdict in self.verdicts.values() if verdict.model is not None)

    @property
    def trade_off(self) -> str:
        """A sentence on what the last version does worse than the first one, and what better.

        Empty if there is one version alone.
        """
        first, last = self.versions[0].name, self.versions[-1].name
        if first == last:
            return ""
        told = {row["model"]: row for row in self.rows}
        counts = self.counts(first), self.counts(last)
        figures = [
            (key.replace("_", " "), [told[name][key] for name in (first, last)], 1)
            for key in ("event_recall", "average_precision")
        ]
        figures.append(("missed rows", [c.fn for c in counts], -1))
        figures.append(("false-alarm rows", [c.fp for c in counts], -1))
        worse: list[str] = []
        better: list[str] = []
        for noun, (old, new), sign in figures:
            if isinstance(old, int | float) and isinstance(new, int | float) and old != new:
                way = "rose" if new > old else "fell"
                change = f"{noun} {way} from {_shown(old)} to {_shown(new)}"
                (better if (new - old) * sign > 0 else worse).append(change)
        parts = [
            f"{name}: {', '.join(changes)}"
            for name, changes in (("worse", worse), ("better", better))
            if changes
        ]
        return f"{last} beside {first} is {'; '.join(parts) or 'the same in all that counts'}."

    def judged(self, entity: str) -> slice:
        """Return the rows of an entity that are judged."""
        return _rows_since(self.frames[entity], self.since_s)

    def truth(self, entity: str) -> NDArray[np.bool_]:
        """Return which rows of an entity lie in labelled anomalies, judged or not."""
        return _truth(self.frames[entity])

    def counts(self, name: str, entities: Sequence[str] | None = None) -> Counts:
        """Return a model's judged rows by outcome; of all entities if none are named."""
        verdict = self.verdicts[name]
        alarms, truths = [np.zeros(0, dtype=bool)], [np.zeros(0, dtype=bool)]
        for entity in self.frames if entities is None else entities:
            rows = self.judged(entity)
            is_told = _is_labelled(self.frames[entity][rows])
            alarms.append(verdict.is_alarm(entity)[rows][is_told])
            truths.append(self.truth(entity)[rows][is_told])
        return count_rows(np.concatenate(alarms), np.concatenate(truths))


def evaluate_versions(
    models: Mapping[str, AnoTuner], frames: Sequence[KpiFrame], *, since_s: int | None = None
) -> Evaluation:
    """Score labelled frames with each model and a random score, and judge them by the labels.

    Parameters
    ----------
    models : mapping of str to AnoTuner
        By name, the oldest first; fitted on one interval.
    frames : sequence of KpiFrame
        One for each entity. Frames without labels are put aside, and so are rows whose label is
        empty. Rows before `since_s` are
        scored as history, and not judged.
    since_s : int, optional
        Judge rows from here on, in seconds since 1970 UTC; from the end of the first model's
        training window if not given. Choose it past the rows that were marked for tuning, or a
        tuned version is judged on what it was told.

    Returns
    -------
    Evaluation
        The random score alarms as often as the first model: its level is the quantile of
        uniform scores that leaves so many rows above.

    Raises
    ------
    SettingError
        If no model is given, or one is called ``"random"``.
    InputError
        If no frame has labels, or no labelled row or no value is left to judge.

    Examples
    --------
    >>> from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig
    >>> rows = np.random.default_rng(0).normal(size=(300, 2))
    >>> rows[250:254] += 9.0
    >>> labels = np.zeros(300)
    >>> labels[250:254] = 1
    >>> cell = KpiFrame("cell-1", ("drops", "load"), 0, 3600, rows, labels=labels)
    >>> model = AnoTuner(AnoTunerConfig(epochs=2)).fit([cell[:200]])
    >>> found = evaluate_versions({"version 1": model}, [cell])
    >>> [row["model"] for row in found.rows], found.counts("version 1").fn
    (['version 1', 'random'], 0)
    """
    if not models:
        raise SettingError("there is no model to evaluate")
    if RANDOM in models:
        raise SettingError(f"a model cannot be called {RANDOM!r}: that is the random score's name")
    first = next(iter(models.values()))
    since_s = first.trained.end_s if since_s is None else since_s
    labelled = {frame.entity: frame for frame in frames if frame.labels is not None}
    if not labelled:
        raise InputError("no frame has labels to judge by")
    late = [frame[_rows_since(frame, since_s)] for frame in labelled.values()]
    if not any(_is_labelled(frame).any() for frame in late):
        raise InputError("no labelled row is as late as the rows to judge; are they all history?")
    if not any(np.isfinite(frame.values).any() for frame in late):
        raise InputError("not one value of the rows to judge is known; there is nothing to judge")
    verdicts = {name: _verdict(name, model, labelled) for name, model in models.items()}
    verdicts[RANDOM] = _random(next(iter(verdicts.values())), labelled, since_s)
    rows = tuple(_row(verdict, labelled, since_s) for verdict in verdicts.values())
    return Evaluation(rows, since_s, labelled, verdicts)


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _verdict(name: str, model: AnoTuner, frames: Mapping[str, KpiFrame]) -> Verdict:
    scores = {score.entity: score for score in model.score(list(frames.values()))}
    return Verdict(name, scores, {entity: model.level_of(entity) for entity in scores}, model)


def _random(like: Verdict, frames: Mapping[str, KpiFrame], since_s: int) -> Verdict:
    """Return random scores whose level is passed as often as that of another verdict."""
    judged = {entity: _rows_since(frame, since_s) for entity, frame in frames.items()}
    n_rows = sum(len(frames[entity][rows]) for entity, rows in judged.items())
    n_alarms = sum(int(like.is_alarm(entity)[rows].sum()) for entity, rows in judged.items())
    fleet = list(frames.values())
    scores = {score.entity: score for score in RandomScore().fit(fleet).score(fleet)}
    return Verdict(RANDOM, scores, dict.fromkeys(scores, 1.0 - n_alarms / n_rows))


def _row(verdict: Verdict, frames: Mapping[str, KpiFrame], since_s: int) -> Row:
    pairs = {}
    for entity, frame in frames.items():
        rows = _rows_since(frame, since_s)
        is_told = _is_labelled(frame[rows])
        if is_told.any():
            pairs[entity] = (
                verdict.scores[entity].total[rows][is_told],
                _truth(frame)[rows][is_told],
            )
    interval_s = next(iter(frames.values())).interval_s
    levels = {entity: verdict.levels[entity] for entity in pairs}
    row: Row = {
        "model": verdict.name,
        "entities": len(pairs),
        "rows": sum(len(truth) for _, truth in pairs.values()),
        "anomalous_rows": sum(int(truth.sum()) for _, truth in pairs.values()),
    }
    for key, value in summary(pairs, levels, interval_s=interval_s).items():
        # JSON has no NaN: what is not defined is not there.
        row[key] = float(value) if math.isfinite(value) else None
    return row


def _rows_since(frame: KpiFrame, since_s: int) -> slice:
    first = -((frame.start_s - since_s) // frame.interval_s)
    return slice(min(max(first, 0), len(frame)), len(frame))


def _is_labelled(frame: KpiFrame) -> NDArray[np.bool_]:
    if frame.unlabelled is None:
        return np.ones(len(frame), dtype=bool)
    return ~frame.unlabelled


def _truth(frame: KpiFrame) -> NDArray[np.bool_]:
    if frame.labels is None:
        return np.zeros(len(frame), dtype=bool)
    return np.asarray(frame.labels != 0)
