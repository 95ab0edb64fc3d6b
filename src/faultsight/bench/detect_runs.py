"""What the scenarios of detection share: sets, methods, one deployment, how it is judged.

A deployment is what an operator would run: fitted on history without labels, and each entity's
level the 0.995 quantile of its scores of history. Labels never reach a detector: they are taken
off every frame that one is given.
"""

from __future__ import annotations

import gc
import importlib.util
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faultsight.bench.engine import Context, Row
from faultsight.bench.feedback_protocol import Judged, first_judged_rows, judged_pairs
from faultsight.core.errors import InputError, MissingDataError, MissingExtraError, SettingError
from faultsight.core.feedback import Mark
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect import DETECTORS
from faultsight.detect.contract import Detector, Progress, Score, silent
from faultsight.detect.data import (
    FEEDBACK_SHARE,
    FLEET_DATASETS,
    Fleet,
    FleetDataset,
    carries_feedback,
    open_fleets,
)
from faultsight.detect.metrics import (
    average_precision,
    bootstrap_interval,
    count_rows,
    fleet_f1,
    point_adjusted,
    summary,
)
from faultsight.detect.thresholds import THRESHOLDS

if TYPE_CHECKING:
    from faultsight.detect.anotuner import Query, TuningConfig, TuningReport

__all__ = [
    "ANOTUNER",
    "HEADLINES",
    "LAYERS",
    "PAPER",
    "RANDOM",
    "Deployment",
    "Method",
    "deploy",
    "detection_methods",
    "evenly_chosen",
    "f1_at",
    "fleet_datasets",
    "judge",
    "labelled_fleets",
    "levels_of_history",
    "most_memory_mb",
    "only_layers",
    "report_figures",
    "tune_fleet",
    "unlabelled",
    "without_layer",
]

ANOTUNER, PAPER, RANDOM = "anotuner", "anotuner-paper", "random_score"

HEADLINES = ("f1_point_adjusted", "f1_deployed", "average_precision", "vus_pr")
"""The figures that summaries speak of; see `faultsight.detect.metrics.summary`."""

LAYERS: Mapping[str, tuple[Any, Any]] = {
    "correction": (True, False),
    "fine_tuning": ("hinge", "none"),
    "head": (True, False),
    "patterns": (True, False),
    "pooling": (True, False),
    "recalibration": (True, False),
}
"""The layers of `TuningConfig`: its field, and the values that switch it on and off."""

_LEAST_ENTITIES = 3
"""With fewer entities than this no interval over entities is given."""
_DAY_S = 86_400
_EXTRAS = ("torch", "safetensors")


def fleet_datasets(
    context: Context, notes: list[str], *, usual: Sequence[str] = (), feedback: bool = False
) -> list[FleetDataset]:
    """Return the sets to run on, and note those that are left out.

    Parameters
    ----------
    context : Context
        Names the sets; if none, all are taken.
    notes : list of str
        Is told what is left out.
    usual : sequence of str
        The sets to take if the context names none; all if empty.
    feedback : bool
        Whether the sets must be able to carry the feedback protocol.

    Raises
    ------
    MissingDataError
        If a named set is not on this machine.
    SettingError
        If a named set is in no table, or none of those named can carry feedback.
    UnknownMemberError
        If there is no set of that name.

    Examples
    --------
    >>> notes: list[str] = []
    >>> found = fleet_datasets(Context(datasets=("sim_stations", "MSL")), notes, feedback=True)
    >>> [dataset.name for dataset in found], notes
    (['sim_stations'], ['MSL is left out: 3 of 14 channels have an anomaly in the first ...'])
    """
    found, missing = [], []
    for name in context.datasets or usual or FLEET_DATASETS.names():
        dataset = open_fleets(name, context.data_dir, seed=context.seed)
        named = bool(context.datasets)
        if dataset.not_benchmarked and named:
            raise SettingError(f"{dataset.name} is in no table: {dataset.not_benchmarked}")
        problem = dataset.not_benchmarked or (dataset.no_feedback if feedback else "")
        if not problem and not dataset.is_present:
            if named:
                raise dataset.missing()
            problem = "it is not on this machine"
            missing.append(str(dataset.missing()))
        if not problem:
            found.append(dataset)
        else:
            notes.append(f"{dataset.name} is left out: {problem}")
            context.progress(notes[-1])
    if not found:
        if usual and not context.datasets:
            said = f"none of {', '.join(usual)} is on this machine"
            raise MissingDataError(". ".join([said, *missing]))
        raise SettingError("none of the datasets asked for can carry feedback")
    return found


def labelled_fleets(
    dataset: FleetDataset, most_entities: int | None = None, *, notes: list[str] | None = None
) -> list[Fleet]:
    """Return a set's fleets that have a test part, each cut to its first entities.

    History that ends more than a day before the test is moved nearer by whole days: time of day
    stays, and no month of missing rows is scored in between.

    Parameters
    ----------
    dataset : FleetDataset
        The set.
    most_entities : int, optional
        Of each fleet.
    notes : list of str, optional
        Is told if history was moved.

    Raises
    ------
    InputError
        If no fleet has a test part.

    Examples
    --------
    >>> (fleet,) = labelled_fleets(open_fleets("sim_stations"), 2)
    >>> len(fleet.train), len(fleet.test)
    (2, 2)
    """
    fleets = []
    for fleet in dataset.fleets():
        if fleet.test:
            test = fleet.test[:most_entities]
            moved = tuple(map(_moved_near, fleet.train, test))
            fleets.append(Fleet(fleet.name, moved, test))
            if notes is not None and any(
                old.start_s != new.start_s for old, new in zip(fleet.train, moved, strict=False)
            ):
                notes.append(f"{dataset.name}, {fleet.name}: history was moved to within a day "
                             "of the test")  # fmt: skip
    if not fleets:
        raise InputError("has no labelled test part", source=dataset.name)
    return fleets


def evenly_chosen(fleet: Fleet, most_entities: int | None) -> Fleet:
    """Return a fleet with at most so many entities, evenly chosen among those with feedback.

    These have anomalies both in the first 30 % of the test and in the rest. Of a fleet that has
    none of them, all are chosen from.

    Examples
    --------
    >>> (fleet,) = labelled_fleets(open_fleets("sim_stations"))
    >>> few = evenly_chosen(fleet, 3)
    >>> len(few.train), all(carries_feedback(frame.labels) for frame in few.test)
    (3, True)
    """
    if most_entities is None:
        return fleet
    places = [i for i, frame in enumerate(fleet.test) if carries_feedback(frame.labels)]
    places = places or list(range(len(fleet.test)))
    n = min(most_entities, len(places))
    kept = [places[(2 * i + 1) * len(places) // (2 * n)] for i in range(n)]
    return Fleet(
        fleet.name, tuple(fleet.train[i] for i in kept), tuple(fleet.test[i] for i in kept)
    )


def _moved_near(train: KpiFrame, test: KpiFrame) -> KpiFrame:
    days = (test.start_s - train.window.end_s) // _DAY_S
    if days < 1 or _DAY_S % train.interval_s:
        return train
    return KpiFrame(
        train.entity, train.kpis, train.start_s + days * _DAY_S, train.interval_s, train.values,
        labels=train.labels,
    )  # fmt: skip


@dataclass(frozen=True)
class Method:
    """A detector as it is benchmarked.

    Attributes
    ----------
    name : str
        In the tables.
    member : callable
        The detector's class.
    config : frozen dataclass, optional
        Its settings; the seed, if it has one, is set for each run.
    tuning : TuningConfig, optional
        How it learns from marks; None if it does not.
    """

    name: str
    member: Callable[..., Detector]
    config: Any = None
    tuning: TuningConfig | None = None

    @property
    def takes_seed(self) -> bool:
        """Whether another seed makes another detector."""
        return _has(self.config, "seed")

    def with_settings(self, **values: int) -> Method:
        """Return the method with those of the settings that it has."""
        return replace(self, config=_with(self.config, **values))

    def make(self, seed: int) -> Detector:
        """Return a new detector."""
        if self.config is None:
            return self.member()
        return self.member(config=_with(self.config, seed=seed))


def detection_methods(
    context: Context, notes: list[str], *, epochs: int | None = None
) -> list[Method]:
    """Return the methods asked for, and always the random score, by which all are read.

    Every member of `DETECTORS` has its defaults; ``anotuner-paper`` is the paper's model and the
    paper's tuning.

    Parameters
    ----------
    context : Context
        Names the methods; all if none.
    notes : list of str
        Is told which methods need an extra that is not installed.
    epochs : int, optional
        Of training and of fine-tuning, in place of the defaults.

    Raises
    ------
    UnknownMemberError
        If there is no such method.
    MissingExtraError
        If a named method needs one that is not installed.

    Examples
    --------
    >>> [method.name for method in detection_methods(Context(methods=("pca",)), [])]
    ['pca', 'random_score']
    """
    for name in set(context.methods) - {ANOTUNER, PAPER}:
        DETECTORS.load(name)
    has_extra = all(importlib.util.find_spec(module) for module in _EXTRAS)
    methods = []
    for name in DETECTORS.names():
        if name != ANOTUNER:
            if context.wants(name) or name == RANDOM:
                try:
                    methods.append(_plain(name, epochs))
                except MissingExtraError as error:
                    if context.methods:
                        raise
                    notes.append(f"{name} is left out: {error}")
        elif context.wants(ANOTUNER) or context.wants(PAPER):
            if has_extra:
                methods += [m for m in _anotuners(epochs) if context.wants(m.name)]
            elif context.methods:
                raise MissingExtraError("AnoTuner", "detect")
            else:
                notes.append("AnoTuner is left out: the extra 'detect' is not installed")
    return methods


def _plain(name: str, epochs: int | None) -> Method:
    member: Callable[..., Detector] = DETECTORS.load(name)
    config = getattr(member(), "config", None)
    return Method(name, member, config if epochs is None else _with(config, epochs=epochs))


def _anotuners(epochs: int | None) -> list[Method]:
    from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig, TuningConfig

    methods = [
        Method(ANOTUNER, AnoTuner, AnoTunerConfig(), TuningConfig()),
        Method(PAPER, AnoTuner, AnoTunerConfig.paper(), TuningConfig.paper()),
    ]
    if epochs is None:
        return methods
    return [
        replace(m, config=_with(m.config, epochs=epochs), tuning=_with(m.tuning, epochs=epochs))
        for m in methods
    ]


@dataclass(frozen=True, eq=False)
class Deployment:
    """A detector on one fleet, with the scores and levels that an operator would see.

    Attributes
    ----------
    fleet : Fleet
        What it runs on.
    detector : Detector
        Fitted on history.
    scores : tuple of Score
        Of history and test, in the fleet's order.
    levels : mapping of str to float
        Of each entity; a row alarms when its score is above.
    seconds_fit, seconds_score, seconds_tune : float
        Wall time of fitting, of scoring history and test, and of tuning.
    memory_mb : float or None
        By how much the process's resident memory rose at most above where it stood before the
        fit, until all was scored. What the process had freed but kept counts as nothing, so that
        small methods may show 0. None where the system does not tell (it is read from
        ``/proc/self``).
    """

    fleet: Fleet
    detector: Detector
    scores: tuple[Score, ...]
    levels: Mapping[str, float]
    seconds_fit: float = 0.0
    seconds_score: float = 0.0
    seconds_tune: float = 0.0
    memory_mb: float | None = None

    @property
    def of_history(self) -> list[Score]:
        """The scores of the rows trained on."""
        trains = self.fleet.train
        return [score[: len(train)] for score, train in zip(self.scores, trains, strict=True)]


def deploy(method: Method, fleet: Fleet, *, seed: int) -> Deployment:
    """Fit a method on history, score history and test, and set the levels.

    Examples
    --------
    >>> (fleet,) = labelled_fleets(open_fleets("sim_stations"), 2)
    >>> pca, _ = detection_methods(Context(methods=("pca",)), [])
    >>> found = deploy(pca, fleet, seed=0)
    >>> [len(score) for score in found.scores], sorted(found.levels) == [
    ...     train.entity for train in fleet.train]
    ([336, 336], True)
    """
    detector = method.make(seed)
    train, whole = unlabelled(fleet.train), unlabelled(fleet.whole())
    before = _memory_now_mb()
    start = time.perf_counter()
    detector.fit(train)
    fitted = time.perf_counter()
    scores = tuple(detector.score(whole))
    scored = time.perf_counter()
    peak = _memory_mb("VmHWM")
    found = Deployment(
        fleet, detector, scores, {},
        seconds_fit=fitted - start, seconds_score=scored - fitted,
        memory_mb=None if before is None or peak is None else max(peak - before, 0.0),
    )  # fmt: skip
    return replace(found, levels=levels_of_history(found))


def levels_of_history(deployment: Deployment) -> dict[str, float]:
    """Return the level of each entity: the 0.995 quantile of its scores of history."""
    return THRESHOLDS.load("quantile")().levels(deployment.of_history)


def most_memory_mb(deployments: Sequence[Deployment]) -> float | None:
    """Return the memory of the deployment that needed most; None where none is known."""
    known = [d.memory_mb for d in deployments if d.memory_mb is not None]
    return max(known) if known else None


def tune_fleet(
    deployment: Deployment,
    marks: Sequence[Mark],
    config: TuningConfig,
    *,
    progress: Progress = silent,
) -> tuple[Deployment, TuningReport]:
    """Tune a deployed AnoTuner by marks; it sees no row that is judged.

    Where it asks whether a window of history is an anomaly, it is told the label of the window's
    last row, and nothing where history has no labels.
    """
    fleet, model = deployment.fleet, deployment.detector
    judged = first_judged_rows(fleet)
    whole = unlabelled(fleet.whole())
    labels = {train.entity: train.labels for train in fleet.train}

    def ask(query: Query) -> bool | None:
        known = labels[query.entity]
        return bool(known[query.at]) if known is not None and query.at < len(known) else None

    start = time.perf_counter()
    tuned, report = model.tune(  # type: ignore[attr-defined]
        [frame[: judged[frame.entity]] for frame in whole], marks, config,
        ask=ask, progress=progress,
    )  # fmt: skip
    done = time.perf_counter()
    scores = tuple(tuned.score(whole))
    found = replace(
        deployment,
        detector=tuned,
        scores=scores,
        levels={score.entity: tuned.level_of(score.entity) for score in scores},
        seconds_score=time.perf_counter() - done,
        seconds_tune=done - start,
    )
    return found, report


def judge(
    deployments: Sequence[Deployment], *, share: float = FEEDBACK_SHARE, seed: int = 0
) -> Row:
    """Return the figures of a set: the entities of all its fleets together.

    Parameters
    ----------
    deployments : sequence of Deployment
        One for each fleet.
    share : float
        The first part of the test that is not judged.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Row
        ``entities``, ``rows`` and ``anomalous_rows`` that were judged, all of
        `faultsight.detect.metrics.summary`, and the 95 % interval of average precision over
        entities drawn anew (``average_precision_low``, ``_high``) where at least three have
        anomalies. None where a figure is not defined.
    """
    pairs, levels = _pooled(deployments, share)
    interval_s = deployments[0].fleet.train[0].interval_s
    row: Row = {
        "entities": len(pairs),
        "rows": sum(len(truth) for _, truth in pairs.values()),
        "anomalous_rows": sum(int(truth.sum()) for _, truth in pairs.values()),
    }
    for name, value in summary(pairs, levels, interval_s=interval_s).items():
        row[name] = _known(value)
    known = [average_precision(*pair) for pair in pairs.values()]
    known = [value for value in known if not math.isnan(value)]
    low = high = math.nan
    if len(known) >= _LEAST_ENTITIES:
        low, high = bootstrap_interval(known, lambda drawn: sum(drawn) / len(drawn), seed=seed)
    row["average_precision_low"], row["average_precision_high"] = _known(low), _known(high)
    return row


def f1_at(threshold: str, deployments: Sequence[Deployment], *, share: float) -> float | None:
    """Return the point-adjusted F1 with another threshold on the same scores of history."""
    pairs, _ = _pooled(deployments, share)
    rule = THRESHOLDS.load(threshold)()
    levels = {
        entity: level
        for deployment in deployments
        for entity, level in rule.levels(deployment.of_history).items()
    }
    counts = [
        count_rows(point_adjusted(score > levels[entity], truth), truth)
        for entity, (score, truth) in pairs.items()
    ]
    return _known(fleet_f1(counts).f1)


def only_layers(config: TuningConfig, *layers: str) -> TuningConfig:
    """Return the tuning with these layers on, if they were not, and all others off.

    Examples
    --------
    >>> from faultsight.detect import TuningConfig
    >>> only_layers(TuningConfig(), "head").head, only_layers(TuningConfig(), "head").fine_tuning
    (True, 'none')
    >>> only_layers(TuningConfig.paper(), "fine_tuning").fine_tuning
    'laelbo'
    """
    switched = {}
    for layer, (on, off) in LAYERS.items():
        set_to = getattr(config, layer)
        switched[layer] = off if layer not in layers else on if set_to == off else set_to
    return replace(config, **switched)


def without_layer(config: TuningConfig, layer: str) -> TuningConfig:
    """Return the tuning with one layer off."""
    return replace(config, **{layer: LAYERS[layer][1]})


def report_figures(reports: Sequence[TuningReport]) -> Row:
    """Return what tuning did on the fleets of a set together.

    ``dropped_marks``, ``generated_windows``, ``history_windows``, ``asked_windows`` are sums;
    ``kept_`` and a layer's name is the share of fleets with marks in which the layer was kept.
    """
    row: Row = {
        "dropped_marks": sum(sum(report.dropped.values()) for report in reports),
        "generated_windows": sum(report.n_generated for report in reports),
        "history_windows": sum(report.n_history for report in reports),
        "asked_windows": sum(report.n_asked for report in reports),
    }
    kept: dict[str, list[bool]] = {}
    for report in reports:
        for verdict in report.verdicts:
            name = "kept_" + re.sub(r"\W", "_", verdict.step)
            kept.setdefault(name, []).append(verdict.kept)
    return row | {name: sum(found) / len(found) for name, found in kept.items()}


def _pooled(deployments: Sequence[Deployment], share: float) -> tuple[Judged, dict[str, float]]:
    pairs: Judged = {}
    levels: dict[str, float] = {}
    for deployment in deployments:
        pairs |= judged_pairs(deployment.scores, deployment.fleet, share=share)
        levels |= deployment.levels
    return pairs, levels


def unlabelled(frames: Sequence[KpiFrame]) -> list[KpiFrame]:
    """Return frames as detectors are given them."""
    return [KpiFrame(f.entity, f.kpis, f.start_s, f.interval_s, f.values) for f in frames]


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _has(config: Any, name: str) -> bool:
    return is_dataclass(config) and name in {field.name for field in fields(config)}


def _with(config: Any, **values: int) -> Any:
    """Return the settings with those of the values that they have."""
    return replace(config, **{k: v for k, v in values.items() if _has(config, k)})


def _memory_now_mb() -> float | None:
    """Return the resident memory, and let its peak be counted from here on."""
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _memory_mb("VmRSS")


def _memory_mb(name: str) -> float | None:
    try:
        said = Path("/proc/self/status").read_text()
    except OSError:
        return None
    found = re.search(rf"^{name}:\s*(\d+) kB", said, re.M)
    return int(found.group(1)) * 1024 / 1e6 if found else None
