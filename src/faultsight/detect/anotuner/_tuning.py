"""Tuning in layers: history corrected, the network, the residual head, the deployed level."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.anotuner._kept import KeptDeviations
from faultsight.detect.anotuner._rows import RowBank, Windows
from faultsight.detect.anotuner.augmentation import Augmentation, augment, n_generated
from faultsight.detect.anotuner.conditions import CONDITIONS
from faultsight.detect.anotuner.fine_tuning import Examples, FineTuning, fine_tune
from faultsight.detect.contract import Progress
from faultsight.detect.scaling import Scaling
from faultsight.detect.thresholds import THRESHOLDS
from faultsight.detect.tuning.active_learning import ActiveLearning, Query, choose_history
from faultsight.detect.tuning.guard import CrossValidation
from faultsight.detect.tuning.history_like_anomalies import history_like_anomalies
from faultsight.detect.tuning.history_sample import sample_history
from faultsight.detect.tuning.layers import POOLED, POOLED_FROM, Layer, take_layers
from faultsight.detect.tuning.marked_rows import MarkedRows, MarkedSpan, rows_of_marks
from faultsight.detect.tuning.pattern_head import PatternConfig, fit_patterns
from faultsight.detect.tuning.recalibration import recalibrate
from faultsight.detect.tuning.residual_head import HeadConfig, fit_head
from faultsight.detect.tuning.tuning_report import TuningReport

if TYPE_CHECKING:
    from faultsight.detect.anotuner import AnoTuner

__all__ = ["TuningConfig", "TuningReport", "tune"]


@dataclass(frozen=True)
class TuningConfig:
    """Which layers learn from marks, and how.

    Parameters
    ----------
    fine_tuning : {"hinge", "laelbo", "none"}
        Loss that the network is fine-tuned with; see `FineTuning`.
    epochs, learning_rate : int, float
        Of fine-tuning.
    augmentation : {"none", "decoder", "rstl", "oversample"}
        How missed anomalies are multiplied before; see `Augmentation`.
    ratio, cap : float
        Missed windows wanted for each false alarm; most generated for each real one.
    least_marks : int
        With fewer marks the network is not fine-tuned, and no patterns are learned: they could not
        tell weights, or kinds of events, apart.
    history : {"uniform", "tsal"}
        How history is sampled: everywhere alike, or by two-stage active learning.
    most_history : int
        Windows of history at most, where they are sampled uniformly.
    correction, head, patterns, pooling, recalibration : bool
        Whether history is corrected by what was marked, whether the residual head and the
        pattern head learn, whether levels are pooled over the fleet (where the deployed rule is
        the quantile), and whether they learn.
    lowering : bool
        Whether all levels come down in the end, where alarms were confirmed and the guard says so.
    confirmed_weight : int
        Each row of a false alarm counts so many times among history.
    least_quantile : float
        How far a missed anomaly may bring a level down; see `recalibrate`.
    guard : bool
        Keep a layer only if cross-validation on the marks and sampled history says it helps.
    seed : int
        Of samples and draws.
    """

    fine_tuning: Literal["hinge", "laelbo", "none"] = "hinge"
    epochs: int = 10
    learning_rate: float = 5e-4
    augmentation: Literal["none", "decoder", "rstl", "oversample"] = "none"
    ratio: float = 1.0
    cap: float = 1.0
    least_marks: int = 30
    history: Literal["uniform", "tsal"] = "uniform"
    most_history: int = 2_000
    correction: bool = True
    head: bool = True
    patterns: bool = True
    pooling: bool = True
    recalibration: bool = True
    lowering: bool = True
    confirmed_weight: int = 3
    least_quantile: float = 0.98
    guard: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        choices = {
            "fine_tuning": ("hinge", "laelbo", "none"),
            "augmentation": ("none", "decoder", "rstl", "oversample"),
            "history": ("uniform", "tsal"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise SettingError(f"{name} is one of {', '.join(known)}")
        for name in ("epochs", "confirmed_weight", "most_history", "least_marks", "seed"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 0:
                raise SettingError(f"{name} must be a whole number, at least 0")
        for name in ("ratio", "cap"):
            if not getattr(self, name) >= 0:
                raise SettingError(f"{name} must be at least 0")
        if not self.learning_rate > 0:
            raise SettingError("learning_rate must be above 0")
        if not 0 <= self.least_quantile <= 1:
            raise SettingError("least_quantile lies between 0 and 1")

    @classmethod
    def paper(cls, **changes: Any) -> TuningConfig:
        """Return the paper's way: LAELBO, augmentation to one for one, active learning."""
        said: dict[str, Any] = {
            "fine_tuning": "laelbo", "augmentation": "decoder", "cap": float("inf"),
            "least_marks": 1,
            "history": "tsal", "correction": False, "head": False, "patterns": False,
            "pooling": False, "recalibration": False, "lowering": False, "guard": False,
        }  # fmt: skip
        return cls(**(said | changes))


_FINE_TUNING = "fine-tuning"


@dataclass(frozen=True, eq=False)
class _Material:
    """What every layer learns from."""

    frames: Sequence[KpiFrame]
    history_rows: dict[str, int]
    sampled: dict[str, NDArray[np.int64]]
    place: dict[str, int]
    threshold: str
    """The deployed rule."""
    ask: Callable[[Query], bool | None] | None
    answers: dict[tuple[str, int], bool | None] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    """What the latest fine-tuning learned from, for the report."""


_Learn = Callable[["AnoTuner", _Material, MarkedRows, TuningConfig], "AnoTuner"]


def tune(
    model: AnoTuner,
    frames: Sequence[KpiFrame],
    marks: Sequence[Mark],
    config: TuningConfig,
    *,
    ask: Callable[[Query], bool | None] | None,
    progress: Progress,
) -> tuple[AnoTuner, TuningReport]:
    """Return a tuned copy and what was done; see `AnoTuner.tune`."""
    frames = [model._since_history(frame) for frame in sorted(frames, key=lambda f: f.entity)]
    marked = rows_of_marks(frames, marks)
    report = TuningReport.of(marked)
    model = copy.copy(model)
    model.levels, model.usual = dict(model.levels), dict(model.usual)
    model.checkpoint = None
    if not marked.spans:
        return model, report
    model._kept = KeptDeviations()
    material = _material(model, frames, marked, config, ask)
    guard = (
        CrossValidation(model, marked, material.sampled, frames=frames) if config.guard else None
    )
    tuned, verdicts = take_layers(
        model, _layers(config, material, marked), marked, guard=guard, progress=progress,
        lowered=_lowered if config.lowering else None,
    )  # fmt: skip
    if any(verdict.step == _FINE_TUNING and verdict.kept for verdict in verdicts):
        report = replace(report, **material.counts)
    tuned = copy.copy(tuned)
    tuned._kept = None
    return tuned, replace(report, verdicts=verdicts)


def _layers(config: TuningConfig, material: _Material, marked: MarkedRows) -> list[Layer[AnoTuner]]:
    """Return the layers wanted, in order: each builds on those before."""
    many = len(marked.spans) >= config.least_marks
    kinds = {span.mark.kind for span in marked.spans}
    both = {MarkKind.FALSE_ALARM, MarkKind.MISSED}

    def layer(title: str, learn: _Learn, **what: bool) -> Layer[AnoTuner]:
        def of_marks(model: AnoTuner, told: MarkedRows) -> AnoTuner:
            return learn(model, material, told, config)

        return Layer(title, of_marks, **what)

    wanted = (
        (layer("history correction", _corrected), config.correction),
        (layer(_FINE_TUNING, _fine_tuned), many and config.fine_tuning != "none"),
        (layer("residual head", _with_head), config.head),
        (layer("pattern head", _with_patterns), many and config.patterns),
        (layer("pooled levels", _pooled, moves_levels=True),
         config.pooling and material.threshold == POOLED_FROM),
        (layer("recalibration", _recalibrated, moves_levels=True), config.recalibration),
        # What was missed need not come again.
        (layer("recalibration by false alarms", _raised, moves_levels=True, is_fallback=True),
         config.recalibration and both <= kinds),
    )  # fmt: skip
    return [layer for layer, is_wanted in wanted if is_wanted]


def _material(
    model: AnoTuner,
    frames: Sequence[KpiFrame],
    marked: MarkedRows,
    config: TuningConfig,
    ask: Callable[[Query], bool | None] | None,
) -> _Material:
    """Lay out rows and sample history that no mark speaks of.

    Rows like a marked anomaly are left out, but not where active learning has its clusters
    labelled: there it is the operator who finds them.
    """
    history_rows = {
        frame.entity: frame.rows_in(model.spans[frame.entity]).stop
        if frame.entity in model.spans
        else 0
        for frame in frames
    }
    if not any(history_rows.values()):
        raise InputError("the frames hold no row of the history trained on")
    aside = (
        {entity: np.zeros(n_rows, dtype=bool) for entity, n_rows in history_rows.items()}
        if config.history == "tsal"
        else history_like_anomalies(_deviations(model, frames), history_rows, marked)
    )
    sampled = sample_history(
        frames, history_rows, marked, aside, most=config.most_history, seed=config.seed
    )
    place = {frame.entity: number for number, frame in enumerate(frames)}
    return _Material(frames, history_rows, sampled, place, model.config.threshold, ask)


def _corrected(
    model: AnoTuner,
    material: _Material,
    marked: MarkedRows,
    config: TuningConfig,
) -> AnoTuner:
    """Learn anew what is usual: without history like anomalies, with rows of false alarms."""
    tuned = copy.copy(model)
    deviations = _deviations(model, material.frames)
    tuned.aside = history_like_anomalies(deviations, material.history_rows, marked)
    if any(
        _unusual(tuned, frame.entity, marked, material.history_rows[frame.entity]).any()
        for frame in material.frames
    ):
        history = _history_of(tuned, material, marked)
        tuned.scaling = Scaling.fit(history).with_others(model.scaling)
        condition = CONDITIONS.load(model.config.condition)().fit(
            [tuned.scaling.apply(frame) for frame in history]
        )
        tuned.condition = condition.with_others(model.condition)
    return _with_usual(tuned, material, marked, config)


def _deviations(model: AnoTuner, frames: Sequence[KpiFrame]) -> dict[str, NDArray[np.float32]]:
    """Return what each row differs by from its reconstruction, in units of what is usual."""
    return {
        entity: (rows[:, 0] / np.sqrt(model._usual_of(entity)[0])).astype(np.float32)
        for entity, rows in model._deviations(frames)
    }


def _unusual(model: AnoTuner, entity: str, marked: MarkedRows, n_rows: int) -> NDArray[np.bool_]:
    """Return which rows of history tell nothing of what is usual: put aside, or marked so."""
    rows = marked.tells_nothing_usual(entity, n_rows)
    if entity in model.aside:
        rows |= model.aside[entity]
    return rows


def _history_of(model: AnoTuner, material: _Material, marked: MarkedRows) -> list[KpiFrame]:
    """Return the history of every entity that has one; rows that are not usual are missing."""
    history = []
    for frame in material.frames:
        n_rows = material.history_rows[frame.entity]
        if not n_rows:
            continue
        values = frame.values[:n_rows].copy()
        values[_unusual(model, frame.entity, marked, n_rows)] = np.nan
        history.append(KpiFrame(frame.entity, frame.kpis, frame.start_s, frame.interval_s, values))
    return history


def _with_usual(
    model: AnoTuner, material: _Material, marked: MarkedRows, config: TuningConfig
) -> AnoTuner:
    """Return the model with usual errors, then levels, of history as operators see it."""
    weights = {}
    for frame in material.frames:
        n_rows = material.history_rows[frame.entity]
        weights[frame.entity] = weight = np.zeros(len(frame))
        weight[:n_rows] = 1.0
        weight[:n_rows][_unusual(model, frame.entity, marked, n_rows)] = 0.0
    if config.correction:
        for span in marked.spans:
            if not span.is_anomaly:
                weights[span.mark.entity][span.rows] = config.confirmed_weight
    usual, elsewhere, levels = model.usual, model.usual_elsewhere, model.levels
    model._learn_usual(material.frames, weights)
    model.usual_elsewhere = elsewhere
    learned = {e: u for e, u in model.usual.items() if e in usual and weights[e].any()}
    model.usual = usual | learned
    model.levels = levels
    return _with_levels(model, material, marked.only(()), config)


def _with_levels(
    model: AnoTuner, material: _Material, marked: MarkedRows, config: TuningConfig
) -> AnoTuner:
    """Return the model with levels of history and of what was marked.

    Rows put aside count for a level of an entity's own: without its highest scores it would come
    down too far. They do not count for pooled levels: a fleet with many faults in its history
    would get levels above its faults.
    """
    scores = model.score(material.frames)
    known = [score for score in scores if material.history_rows[score.entity]]
    threshold = THRESHOLDS.load(model.config.threshold)()
    model.levels = model.levels | recalibrate(
        threshold, known, material.history_rows, marked,
        weight=config.confirmed_weight, least_quantile=config.least_quantile,
        unlearned=_without(model, "patterns").score(material.frames) if model.patterns else None,
        aside=model.aside if model.config.threshold == POOLED else None,
    )  # fmt: skip
    return model


def _fine_tuned(
    model: AnoTuner,
    material: _Material,
    marked: MarkedRows,
    config: TuningConfig,
) -> AnoTuner:
    """Fine-tune the network on marked windows and history, and learn anew what is usual."""
    if not marked.spans:
        return model
    bank = model._bank([model.scaling.apply(frame) for frame in material.frames])
    collect = _Collector(model, material, bank, marked)
    missed = collect.spans([s for s in marked.spans if s.mark.kind is MarkKind.MISSED])
    confirmed = collect.spans([s for s in marked.spans if s.mark.kind is MarkKind.CONFIRMED])
    normal = collect.spans([s for s in marked.spans if not s.is_anomaly])
    parts = [part for part in (missed, confirmed, normal) if part is not None]
    n_new = 0
    if missed is not None:
        n_normal = 0 if normal is None else len(normal)
        augmentation = Augmentation(config.augmentation, config.ratio, config.cap, config.seed)
        n_new = n_generated(len(missed), n_normal, augmentation)
        if n_new:
            parts.append(augment(model.network, missed, n_new, augmentation))
    history, n_asked = _history(collect, Examples.join(*parts), config)
    if history is not None:
        parts.append(history)
    tuned = copy.copy(model)
    tuned.network = fine_tune(
        model.network,
        Examples.join(*parts),
        FineTuning(
            config.fine_tuning if config.fine_tuning != "none" else "hinge",
            epochs=config.epochs,
            learning_rate=config.learning_rate,
            variance=model.config.variance,
            beta=model.config.beta,
            seed=config.seed,
        ),
    )
    n_history = 0 if history is None else len(history)
    material.counts.update(n_generated=n_new, n_history=n_history, n_asked=n_asked)
    return _with_usual(tuned, material, marked, config)


@dataclass(frozen=True, eq=False)
class _Collector:
    """Cuts windows out of the bank, each with what its entity's score is measured by."""

    model: AnoTuner
    material: _Material
    bank: RowBank
    marked: MarkedRows

    def spans(self, spans: Sequence[MarkedSpan]) -> Examples | None:
        """Return a window for each marked row, that row last."""
        if not spans:
            return None
        entities = [span.mark.entity for span in spans for _ in span.rows]
        rows = np.concatenate([span.rows for span in spans])
        label = np.concatenate([np.full(len(span.rows), span.is_anomaly) for span in spans])
        return self.ending(entities, rows, label)

    def ending(
        self, entities: Sequence[str], rows: NDArray[np.int64], label: NDArray[np.bool_]
    ) -> Examples:
        """Return the windows that end at these rows."""
        model, bank, window = self.model, self.bank, self.model.config.window
        places = np.array([self.material.place[entity] for entity in entities])
        starts = torch.from_numpy(bank.firsts[places] + rows - (window - 1))
        windows = bank.windows(starts, window)
        # Rows before the last that are marked as anomalies are nothing to be reconstructed.
        wrong = torch.zeros(len(bank.rows), dtype=torch.bool)
        for span in self.marked.spans:
            if span.is_anomaly:
                place = self.material.place[span.mark.entity]
                wrong[torch.from_numpy(bank.ends(place, span.rows))] = True
        before = wrong[starts[:, None] + torch.arange(window)]
        before[:, -1] = False
        known = windows.known * (~before)[:, :, None]
        usual = np.stack([model._unit_of_error(entity) for entity in entities])
        apart = {
            place: model._apart_from_network(self.material.frames[place])
            for place in sorted(set(places.tolist()))
        }
        level = np.array([model.level_of(entity) for entity in entities])
        return Examples(
            Windows(windows.rows, known, windows.conditions),
            torch.from_numpy(label.astype(bool)),
            torch.from_numpy(usual.astype(np.float32)),
            torch.tensor([apart[place][row] for place, row in zip(places, rows, strict=True)],
                         dtype=torch.float32),
            torch.from_numpy(np.maximum(level, 1e-6).astype(np.float32)),
        )  # fmt: skip


def _history(
    collect: _Collector, feedback: Examples, config: TuningConfig
) -> tuple[Examples | None, int]:
    """Return windows of history with labels, and how many the operator was asked about."""
    model, material = collect.model, collect.material
    pairs = [(entity, row) for entity, rows in material.sampled.items() for row in rows.tolist()]
    if not pairs:
        return None, 0
    entities = [entity for entity, _ in pairs]
    rows = np.array([row for _, row in pairs], dtype=np.int64)
    label = np.zeros(len(rows), dtype=bool)
    windows = collect.ending(entities, rows, label)
    if config.history == "uniform":
        return windows, 0
    n_asked = 0

    def ask(query: Query) -> bool | None:
        nonlocal n_asked
        if material.ask is None:
            return None
        n_asked += 1
        entity, at = place = entities[query.row], int(rows[query.row])
        if place not in material.answers:
            # Folds of the guard cluster alike: nobody is asked twice about one window.
            frame = material.frames[material.place[entity]]
            time_s = frame.start_s + at * frame.interval_s
            material.answers[place] = material.ask(
                replace(query, entity=entity, at=at, time_s=time_s)
            )
        return material.answers[place]

    chosen, is_anomaly = choose_history(
        _features(model, windows), _features(model, feedback), ask, ActiveLearning(seed=config.seed)
    )
    if not chosen.size:
        return None, n_asked
    picked = windows[torch.from_numpy(chosen)]
    return replace(picked, is_anomaly=torch.from_numpy(is_anomaly)), n_asked


def _features(model: AnoTuner, examples: Examples) -> NDArray[np.float64]:
    """Return what the encoder sees in each window: the mean of its latent Gaussian."""
    with torch.no_grad():
        mean, _ = model.network.encode(examples.windows.rows)
    last = mean if mean.dim() == 2 else mean[:, -1]
    return last.numpy().astype(np.float64)


def _with_head(
    model: AnoTuner,
    material: _Material,
    marked: MarkedRows,
    config: TuningConfig,
) -> AnoTuner:
    """Learn the residual head on what the network leaves over."""
    tuned = copy.copy(model)
    tuned.head = None
    levels = {frame.entity: model.level_of(frame.entity) for frame in material.frames}
    tuned.head = fit_head(
        tuned.score(material.frames), levels, material.history_rows, marked,
        config=HeadConfig(memory=0.0, seed=config.seed), largest=model.config.largest,
    )  # fmt: skip
    # Weighted residuals have another scale; the deployed rule is applied to it anew.
    return _with_levels(tuned, material, marked.only(()), config)


def _with_patterns(
    model: AnoTuner,
    material: _Material,
    marked: MarkedRows,
    config: TuningConfig,
) -> AnoTuner:
    """Learn what marks look like, and how far that counts."""
    tuned = _without(model, "patterns")
    levels = {frame.entity: model.level_of(frame.entity) for frame in material.frames}
    scores, plain = (m.score(material.frames) for m in (tuned, _without(tuned, "head")))
    tuned.patterns = fit_patterns(
        scores, plain, levels, material.history_rows, marked, PatternConfig(seed=config.seed)
    )
    return _with_levels(tuned, material, marked.only(()), config)


def _without(model: AnoTuner, *heads: str) -> AnoTuner:
    """Return the model without some of its heads."""
    bare = copy.copy(model)
    for head in heads:
        setattr(bare, head, None)
    return bare


def _pooled(
    model: AnoTuner,
    material: _Material,
    marked: MarkedRows,
    config: TuningConfig,
) -> AnoTuner:
    """Let the fleet's scores help where an entity's own are too few for its level."""
    tuned = copy.copy(model)
    tuned.config = replace(model.config, threshold=POOLED)
    return _with_levels(tuned, material, marked.only(()), config)


def _recalibrated(
    model: AnoTuner,
    material: _Material,
    marked: MarkedRows,
    config: TuningConfig,
) -> AnoTuner:
    """Count false alarms among the history of levels; come down to what was missed."""
    return _with_levels(copy.copy(model), material, marked, config)


def _raised(
    model: AnoTuner,
    material: _Material,
    marked: MarkedRows,
    config: TuningConfig,
) -> AnoTuner:
    """Recalibrate by false alarms alone: what was missed need not come again."""
    normal = marked.only([span for span in marked.spans if not span.is_anomaly])
    return _with_levels(copy.copy(model), material, normal, config)


def _lowered(model: AnoTuner, factor: float) -> AnoTuner:
    """Multiply all levels."""
    tuned = copy.copy(model)
    tuned.levels = {entity: level * factor for entity, level in model.levels.items()}
    return tuned
