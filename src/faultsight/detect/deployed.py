"""A detector as it is deployed: scores, a level for each entity, and what marks taught it.

Any member of `DETECTORS` whose state can be stored is wrapped. What an operator's marks teach comes
in the layers that AnoTuner has but for the network's own: history corrected, a residual head, the
levels. A detector without residuals per KPI learns its levels alone. It needs no torch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.contract import Detector, Progress, Score, silent
from faultsight.detect.levelled import LevelledDetector, level_of
from faultsight.detect.thresholds import THRESHOLDS, Threshold
from faultsight.detect.tuning.aggregation import aggregate
from faultsight.detect.tuning.guard import CrossValidation
from faultsight.detect.tuning.history_like_anomalies import history_like_anomalies
from faultsight.detect.tuning.history_sample import sample_history
from faultsight.detect.tuning.layers import POOLED, POOLED_FROM, Layer, take_layers
from faultsight.detect.tuning.marked_rows import MarkedRows, rows_of_marks
from faultsight.detect.tuning.pattern_head import PatternConfig, PatternHead, fit_patterns
from faultsight.detect.tuning.recalibration import recalibrate
from faultsight.detect.tuning.residual_head import HeadConfig, ResidualHead, fit_head
from faultsight.detect.tuning.tuning_report import TuningReport

__all__ = ["DeployedConfig", "DeployedDetector", "LayersConfig"]

Array = NDArray[np.float64]

_LEAST_USUAL = 1e-6


@dataclass(frozen=True)
class DeployedConfig:
    """Which detector, and how its levels are set.

    Parameters
    ----------
    detector : str
        A name of `DETECTORS`.
    settings : mapping
        Fields of its config; the others have their defaults.
    threshold : str
        How the level of each entity follows from its scores of history; a name of `THRESHOLDS`.
    """

    detector: str = "ridge_var"
    settings: Mapping[str, Any] = field(default_factory=dict)
    threshold: str = "quantile"


@dataclass(frozen=True)
class LayersConfig:
    """Which layers learn from marks, and how; the same words as AnoTuner's `TuningConfig`.

    Parameters
    ----------
    correction, head, patterns, pooling, recalibration : bool
        Whether usual errors are corrected by what was marked, whether the residual head and the
        pattern head learn, whether levels are pooled over the fleet (where the deployed rule is
        the quantile), and whether they learn.
    least_marks : int
        With fewer marks no patterns are learned: they could not tell kinds of events apart.
    confirmed_weight : int
        Each row of a false alarm counts so many times among history.
    least_quantile : float
        How far a missed anomaly may bring a level down; see `recalibrate`.
    most_history : int
        Rows of history at most that the guard takes for normal.
    guard : bool
        Keep a layer only if cross-validation on the marks and sampled history says it helps.
    seed : int
        Of samples.
    """

    correction: bool = True
    head: bool = True
    patterns: bool = True
    pooling: bool = True
    recalibration: bool = True
    least_marks: int = 30
    confirmed_weight: int = 3
    least_quantile: float = 0.98
    most_history: int = 2_000
    guard: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("confirmed_weight", "least_marks", "most_history", "seed"):
            if getattr(self, name) < 0:
                raise SettingError(f"{name} must be at least 0")
        if not 0 <= self.least_quantile <= 1:
            raise SettingError("least_quantile lies between 0 and 1")


class DeployedDetector(LevelledDetector):
    """A stored detector with levels, tuned by marks.

    Parameters
    ----------
    config : DeployedConfig, optional
        Which detector and threshold.
    detector : Detector, optional
        One to wrap, in place of a new one by the config's name.

    Attributes
    ----------
    detector : Detector
        What scores.
    levels : dict of str to float
        The deployed level of each entity: a row alarms when its score is above.
    usual : dict of str to array of shape (kpi,)
        What each residual is divided by before the head; entities that marks taught nothing of
        are not in it.
    head : ResidualHead or None
        What marks taught about KPIs and entities.
    patterns : PatternHead or None
        What marks look like, and how far that counts.
    spans : dict of str to TimeWindow
        From the first to the last row of each entity's history.
    marks : tuple of Mark
        What tuning has learned from.
    ancestor : DeployedDetector or None
        What a tuned detector was tuned from; not saved.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(300, 2))
    >>> rows[290] += 9.0
    >>> cell = KpiFrame("cell-1", ("drops", "load"), 0, 3600, rows)
    >>> deployed = DeployedDetector().fit([cell[:200]])
    >>> score, = deployed.score([cell])
    >>> max(deployed.alarms([score]), key=lambda alarm: alarm.peak).window.start_s // 3600
    290
    """

    def __init__(
        self, config: DeployedConfig | None = None, *, detector: Detector | None = None
    ) -> None:
        self.config = config or DeployedConfig()
        THRESHOLDS.load(self.config.threshold)  # an unknown one is told of before the fit
        if detector is None:
            from faultsight.detect import DETECTORS

            member = DETECTORS.load(self.config.detector)
            detector = member.with_settings(self.config.settings)
        self.detector: Detector = detector
        self.excused = detector.excused  # type: ignore[misc]
        self.levels: dict[str, float] = {}
        self.usual: dict[str, Array] = {}
        self.head: ResidualHead | None = None
        self.patterns: PatternHead | None = None
        self.spans: dict[str, TimeWindow] = {}
        self.marks: tuple[Mark, ...] = ()
        self.ancestor: DeployedDetector | None = None

    @classmethod
    def around(cls, detector: Detector, history: Sequence[KpiFrame]) -> DeployedDetector:
        """Return a fitted detector with levels from the history that it was fitted on.

        Raises
        ------
        InputError
            If the detector is not fitted, or the frames do not fit it.
        """
        settings: Mapping[str, Any] = {} if detector.config is None else asdict(detector.config)
        deployed = cls(DeployedConfig(detector.name, settings), detector=detector)
        history = detector._fitting(history)
        deployed.kpis, deployed.interval_s = detector.kpis, detector.interval_s
        deployed._set_levels(history)
        return deployed

    def _fit(self, frames: Sequence[KpiFrame], progress: Progress) -> None:
        self.detector.fit(frames, progress=progress)
        self._set_levels(frames)

    def _set_levels(self, frames: Sequence[KpiFrame]) -> None:
        self.spans = {frame.entity: frame.window for frame in frames}
        self.usual, self.head, self.patterns = {}, None, None
        self.marks, self.ancestor = (), None
        self.levels = self.threshold.levels(self.detector.score(frames))

    def _score(self, frames: Sequence[KpiFrame]) -> list[Score]:
        scores = self.detector.score(frames)
        return [_seen(score, self.usual, self.head, self.patterns) for score in scores]

    @property
    def threshold(self) -> Threshold:
        """The rule that levels follow from."""
        return THRESHOLDS.load(self.config.threshold)()

    def tune(
        self,
        frames: Sequence[KpiFrame],
        marks: Sequence[Mark],
        config: LayersConfig | None = None,
        *,
        ask: Callable[[Any], bool | None] | None = None,
        progress: Progress = silent,
    ) -> tuple[DeployedDetector, TuningReport]:
        """Return a tuned copy, and what was done and why; the detector itself stays as it is.

        Tuning a tuned detector starts again from what it was tuned from, with its marks and the
        new ones together. The same marks in another order give the same bytes.

        Parameters
        ----------
        frames : sequence of KpiFrame
            The history trained on, and the rows that the marks speak of.
        marks : sequence of Mark
            What operators said. Marks of unknown entities or outside the frames are counted in
            the report and left out; where marks contradict each other, the span counts as
            ``ignore``.
        config : LayersConfig, optional
            Which layers, and how.
        ask : callable, optional
            Not asked: there is no network here that could be led astray by few marks.
        progress : callable
            Told in a short line what happens.

        Raises
        ------
        InputError
            If the detector is not fitted, the frames do not fit it or hold none of its history,
            or it is tuned and was loaded without its ancestor.
        """
        self._refuse_without(self.ancestor)
        untuned = self.ancestor or self
        config = config or LayersConfig()
        frames = sorted(untuned._fitting(frames), key=_entity_of)
        frames = [untuned._since_history(frame) for frame in frames]
        together = tuple(sorted({*self.marks, *marks}))
        marked = rows_of_marks(frames, together)
        report = TuningReport.of(marked)
        tuned = copy.copy(untuned)
        tuned.marks, tuned.ancestor = together, untuned
        if not marked.spans:
            return tuned, report
        lesson = _Lesson.of(untuned, frames, marked, config)
        sampled = lesson.material.sampled
        guard = CrossValidation(lesson, marked, sampled, frames=frames) if config.guard else None
        learned, verdicts = take_layers(
            lesson, _layers(lesson, config, marked), marked, guard=guard, progress=progress,
            lowered=_lowered if config.recalibration else None,
        )  # fmt: skip
        tuned.detector, tuned.levels = learned.detector, learned.levels
        tuned.usual, tuned.head, tuned.patterns = learned.usual, learned.head, learned.patterns
        tuned.config = replace(untuned.config, threshold=learned.threshold)
        return tuned, replace(report, verdicts=verdicts)


def _entity_of(frame: KpiFrame) -> str:
    return frame.entity


@dataclass(frozen=True, eq=False)
class _Material:
    """What every layer learns from."""

    frames: Sequence[KpiFrame]
    history_rows: dict[str, int]
    sampled: dict[str, NDArray[np.int64]]
    is_whole: bool
    """Whether the frames hold all entities that the detector has learned from."""
    config: LayersConfig

    def history(self, unusual: Mapping[str, NDArray[np.bool_]]) -> list[KpiFrame]:
        """Return the history of every entity that has one; rows that are not usual are missing."""
        history = []
        for frame in self.frames:
            n_rows = self.history_rows[frame.entity]
            if n_rows:
                values = frame.values[:n_rows].copy()
                values[unusual[frame.entity]] = np.nan
                history.append(
                    KpiFrame(frame.entity, frame.kpis, frame.start_s, frame.interval_s, values)
                )
        return history


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What has been learned so far, and what it is learned from."""

    material: _Material
    detector: Detector
    plain: Sequence[Score]
    """The detector's own scores of the material."""
    levels: dict[str, float]
    threshold: str
    """The rule that levels follow from."""
    usual: dict[str, Array] = field(default_factory=dict)
    aside: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    """Rows of history like marked anomalies, where it was corrected."""
    head: ResidualHead | None = None
    patterns: PatternHead | None = None

    @classmethod
    def of(
        cls,
        model: DeployedDetector,
        frames: Sequence[KpiFrame],
        marked: MarkedRows,
        config: LayersConfig,
    ) -> _Lesson:
        history_rows = {
            frame.entity: frame.rows_in(model.spans[frame.entity]).stop
            if frame.entity in model.spans
            else 0
            for frame in frames
        }
        if not any(history_rows.values()):
            raise InputError("the frames hold no row of the history trained on")
        scores = model.detector.score(frames)
        sampled = sample_history(
            frames, history_rows, marked, _like_anomalies(scores, history_rows, marked),
            most=config.most_history, seed=config.seed,
        )  # fmt: skip
        is_whole = all(history_rows.get(entity) for entity in model.spans)
        material = _Material(frames, history_rows, sampled, is_whole, config)
        return cls(material, model.detector, scores, dict(model.levels), model.config.threshold)

    @property
    def has_residuals(self) -> bool:
        return all(score.residuals is not None for score in self.plain)

    @property
    def has_deviations(self) -> bool:
        return all(score.deviations is not None for score in self.plain)

    def score(self, frames: Sequence[KpiFrame] = ()) -> list[Score]:
        """Score the material; the frames are always its own."""
        return [_seen(score, self.usual, self.head, self.patterns) for score in self.plain]

    def level_of(self, entity: str) -> float:
        return level_of(self.levels, entity)

    def with_levels(self, marked: MarkedRows) -> _Lesson:
        """Return the lesson with levels of history and of what was marked."""
        material = self.material
        known = [score for score in self.score() if material.history_rows[score.entity]]
        levels = recalibrate(
            THRESHOLDS.load(self.threshold)(), known, material.history_rows, marked,
            weight=material.config.confirmed_weight,
            least_quantile=material.config.least_quantile,
            unlearned=replace(self, patterns=None).score() if self.patterns else None,
            # A fleet with many faults in its history would get levels above its faults.
            aside=self.aside if self.threshold == POOLED else None,
        )  # fmt: skip
        return replace(self, levels=self.levels | levels)


def _layers(lesson: _Lesson, config: LayersConfig, marked: MarkedRows) -> list[Layer[_Lesson]]:
    """Return the layers wanted, in order."""
    kinds = {span.mark.kind for span in marked.spans}
    both = {MarkKind.FALSE_ALARM, MarkKind.MISSED}
    wanted = (
        (Layer("history correction", _corrected), config.correction and lesson.has_residuals),
        (Layer("residual head", _with_head), config.head and lesson.has_residuals),
        (Layer("pattern head", _with_patterns),
         config.patterns and lesson.has_deviations and len(marked.spans) >= config.least_marks),
        (Layer("pooled levels", _pooled, moves_levels=True),
         config.pooling and lesson.threshold == POOLED_FROM),
        (Layer("recalibration", _Lesson.with_levels, moves_levels=True), config.recalibration),
        # What was missed need not come again.
        (Layer("recalibration by false alarms", _raised, moves_levels=True, is_fallback=True),
         config.recalibration and both <= kinds),
    )  # fmt: skip
    return [layer for layer, is_wanted in wanted if is_wanted]


def _like_anomalies(
    scores: Sequence[Score], history_rows: Mapping[str, int], marked: MarkedRows
) -> dict[str, NDArray[np.bool_]]:
    """Return which rows of history are like marked anomalies; none without residuals."""
    if any(score.residuals is None for score in scores):
        return {s.entity: np.zeros(history_rows[s.entity], dtype=bool) for s in scores}
    deviations = {
        s.entity: np.sqrt(np.asarray(s.residuals)) if s.deviations is None else s.deviations
        for s in scores
    }
    return history_like_anomalies(deviations, history_rows, marked)


def _corrected(lesson: _Lesson, marked: MarkedRows) -> _Lesson:
    """Learn anew what is usual: without history like anomalies, with rows of false alarms."""
    material = lesson.material
    aside = _like_anomalies(lesson.plain, material.history_rows, marked)
    unusual = {
        entity: rows | marked.tells_nothing_usual(entity, len(rows))
        for entity, rows in aside.items()
    }
    if material.is_whole and any(rows.any() for rows in unusual.values()):
        detector = type(lesson.detector)(config=lesson.detector.config)  # type: ignore[call-arg]
        detector.fit(material.history(unusual))
        lesson = replace(lesson, detector=detector, plain=detector.score(material.frames))
    usual = {}
    for score in lesson.plain:
        n_rows = material.history_rows[score.entity]
        if not n_rows:
            continue
        weight = np.zeros(len(score))
        weight[:n_rows] = ~unusual[score.entity]
        for span in marked.spans:
            if span.mark.entity == score.entity and not span.is_anomaly:
                weight[span.rows] = material.config.confirmed_weight
        residuals = np.asarray(score.residuals, dtype=np.float64)
        known = np.isfinite(residuals) * weight[:, None]
        counts = known.sum(axis=0)
        sums = (np.nan_to_num(residuals) * known).sum(axis=0)
        mean = np.where(counts > 0, sums / np.maximum(counts, 1e-12), 1.0)
        usual[score.entity] = np.maximum(mean, _LEAST_USUAL)
    return replace(lesson, usual=usual, aside=aside).with_levels(marked.only(()))


def _with_head(lesson: _Lesson, marked: MarkedRows) -> _Lesson:
    """Learn the residual head on what the detector leaves over."""
    material = lesson.material
    levels = {score.entity: lesson.level_of(score.entity) for score in lesson.plain}
    head = fit_head(
        replace(lesson, head=None).score(), levels, material.history_rows, marked,
        config=HeadConfig(memory=0.0, seed=material.config.seed),
    )  # fmt: skip
    # Weighted residuals have another scale; the deployed rule is applied to it anew.
    return replace(lesson, head=head).with_levels(marked.only(()))


def _with_patterns(lesson: _Lesson, marked: MarkedRows) -> _Lesson:
    """Learn what marks look like, and how far that counts."""
    material = lesson.material
    before = replace(lesson, patterns=None)
    levels = {score.entity: lesson.level_of(score.entity) for score in lesson.plain}
    patterns = fit_patterns(
        before.score(), replace(before, head=None).score(), levels, material.history_rows, marked,
        PatternConfig(seed=material.config.seed),
    )  # fmt: skip
    return replace(lesson, patterns=patterns).with_levels(marked.only(()))


def _pooled(lesson: _Lesson, marked: MarkedRows) -> _Lesson:
    """Let the fleet's scores help where an entity's own are too few for its level."""
    return replace(lesson, threshold=POOLED).with_levels(marked.only(()))


def _raised(lesson: _Lesson, marked: MarkedRows) -> _Lesson:
    """Recalibrate by false alarms alone."""
    return lesson.with_levels(marked.only([s for s in marked.spans if not s.is_anomaly]))


def _lowered(lesson: _Lesson, factor: float) -> _Lesson:
    """Multiply all levels."""
    return replace(lesson, levels={e: level * factor for e, level in lesson.levels.items()})


def _seen(
    score: Score,
    usual: Mapping[str, Array],
    head: ResidualHead | None,
    patterns: PatternHead | None,
) -> Score:
    """Return a score as what was learned from marks sees it."""
    if score.entity in usual and score.residuals is not None:
        residuals = (score.residuals / usual[score.entity]).astype(np.float32)
        score = replace(score, total=aggregate(residuals), residuals=residuals)
    deviations = score.deviations
    score = score if head is None else head.apply(score)
    return score if patterns is None else patterns.apply(score, deviations)
