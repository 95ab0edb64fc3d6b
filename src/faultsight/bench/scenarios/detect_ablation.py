"""detect/ablation: what each piece of AnoTuner and of its tuning is worth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from faultsight.bench.detect_runs import (
    ANOTUNER,
    HEADLINES,
    LAYERS,
    RANDOM,
    Deployment,
    Method,
    deploy,
    detection_methods,
    fleet_datasets,
    judge,
    labelled_fleets,
    most_memory_mb,
    only_layers,
    report_figures,
    tune_fleet,
    without_layer,
)
from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.feedback_protocol import TUNINGS, marks_of_errors
from faultsight.bench.untuned_rows import warm_up
from faultsight.core.errors import FaultSightError, SettingError
from faultsight.core.feedback import Mark
from faultsight.core.seed import random_stream
from faultsight.detect.data import Fleet

if TYPE_CHECKING:
    from faultsight.detect.anotuner import AnoTunerConfig, TuningConfig

_USUAL = ("sim_stations", "ASD")
_BOTH = "fp+fn"
_CONFIRMED = "fp+fn+tp"
_AUGMENTATIONS = ("none", "decoder", "rstl", "oversample")
_RATIOS = (0.5, 1.0, 2.0, 4.0)
_MARKS = (5, 15, 50, 150, 500)
_NETWORKS: Mapping[str, Sequence[Any]] = {
    "condition": ("profile", "stl"),
    "form": ("streaming", "sliding"),
    "baseline_share": (0.0, 0.2, 0.5),
    "memory": (0.0, 0.4, 0.7),
}


class DetectAblation(Scenario):
    """AnoTuner with one piece changed at a time, under the protocol of detect/feedback.

    A row is one ``value`` of one ``setting``, judged on the last 70 % of the test; ``tuning`` is
    ``fp+fn`` where false alarms and missed anomalies of the first 30 % were marked, ``fp+fn+tp``
    where confirmed alarms were, too, else ``none``.

    ====================  ========================================================================
    setting               what changes, all else as by default
    ====================  ========================================================================
    detector              the random score and the untuned default, which all else is read beside
    layers                all layers, each left out, each alone, and all without the guard
    hinge, laelbo         the loss of fine-tuning; values are ways to multiply missed anomalies
    ratio                 missed windows to false alarms that the decoder fills up to, with laelbo
    history               how history is sampled for fine-tuning, with the hinge
    marks                 so many marks, drawn at random by the seed; a smaller draw is part of each
                          larger one
    confirmed             confirmed alarms are marked, too; all layers, and all levels left where
                          they then are
    condition             what the decoder is told of a row
    form                  a row read once, or in every window that holds it
    baseline_share        how much of a residual is measured from what is usual at that time of day
    memory                how much of a residual's last average is kept
    ====================  ========================================================================

    In ``hinge``, ``laelbo``, ``ratio`` and ``history`` fine-tuning is the only layer, it is not
    guarded, and as many windows are generated as the ratio asks for: what is measured is the piece
    itself, not how well the guard holds it back. ``gain`` is average precision minus that of the
    same model untuned. ``--cases`` is how many entities of each fleet are taken; ``--seconds`` is
    what one setting may take on one dataset.

    Memory is that of fitting and scoring before any mark, the highest of any one fleet. A first
    run on a few rows is in neither time nor memory.
    """

    id: ClassVar[str] = "detect/ablation"
    title: ClassVar[str] = "AnoTuner: layers, losses, augmentation, history, marks, conditions"
    shown: ClassVar[tuple[str, ...]] = (
        "dataset", "method", "setting", "value", "tuning", "marks", "f1_deployed",
        "f1_point_adjusted", "average_precision", "gain", "vus_pr", "generated_windows",
        "seconds_fit", "seconds_tune", "memory_mb",
    )  # fmt: skip
    epochs: ClassVar[int | None] = None
    """Of training and of fine-tuning in place of the defaults; for tests."""

    def run(self, context: Context) -> Outcome:
        """Run every setting on every dataset that is present, or on those asked for."""
        if not context.wants(ANOTUNER):
            raise SettingError(f"this scenario is about {ANOTUNER} alone")
        notes = [f"each setting may spend {context.seconds:g} s on a dataset"]
        methods = detection_methods(
            replace(context, methods=(ANOTUNER, RANDOM)), notes, epochs=self.epochs
        )
        by_name = {method.name: method for method in methods}
        rows: list[Row] = []
        for dataset in fleet_datasets(context, notes, usual=_USUAL, feedback=True):
            bench = _Bench(
                dataset.name, by_name, labelled_fleets(dataset, context.cases), context, notes
            )
            rows += bench.rows()
        return Outcome(rows, notes)


@dataclass(frozen=True)
class _Trial:
    """One row: a network, and how and by how many marks it is tuned.

    Attributes
    ----------
    tuning : TuningConfig or None
        None if it is left as it was trained.
    n_marks : int or None
        All if None.
    kinds : str
        What is marked; a name of `TUNINGS`.
    """

    setting: str
    value: str
    network: AnoTunerConfig
    tuning: TuningConfig | None
    n_marks: int | None = None
    kinds: str = _BOTH


def _trials(network: AnoTunerConfig, tuning: TuningConfig) -> Iterator[_Trial]:
    yield _Trial("detector", ANOTUNER, network, None)
    yield _Trial("layers", "all", network, tuning)
    for layer in LAYERS:
        yield _Trial("layers", f"without {layer}", network, without_layer(tuning, layer))
    for layer in LAYERS:
        yield _Trial("layers", f"only {layer}", network, only_layers(tuning, layer))
    yield _Trial("layers", "all, unguarded", network, replace(tuning, guard=False))
    alone = replace(
        only_layers(tuning, "fine_tuning"),
        guard=False, least_marks=1, cap=float("inf"), ratio=1.0,
    )  # fmt: skip
    hinge, laelbo = replace(alone, fine_tuning="hinge"), replace(alone, fine_tuning="laelbo")
    for loss in (hinge, laelbo):
        for way in _AUGMENTATIONS:
            changed = replace(loss, augmentation=way)  # type: ignore[arg-type]
            yield _Trial(loss.fine_tuning, way, network, changed)
    for ratio in _RATIOS:
        changed = replace(laelbo, augmentation="decoder", ratio=ratio)
        yield _Trial("ratio", f"{ratio:g}", network, changed)
    for history in ("uniform", "tsal"):
        changed = replace(hinge, history=history)
        yield _Trial("history", history, network, changed)
    for n_marks in _MARKS:
        yield _Trial("marks", str(n_marks), network, tuning, n_marks)
    yield _Trial("marks", "all", network, tuning)
    for value, changed in (
        ("all", tuning), ("without lowered levels", replace(tuning, lowering=False)),
    ):  # fmt: skip
        yield _Trial("confirmed", value, network, changed, kinds=_CONFIRMED)
    for setting, values in _NETWORKS.items():
        for value in values:
            other = replace(network, **{setting: value})
            for how in (None, tuning):
                yield _Trial(setting, str(value), other, how)


@dataclass
class _Bench:
    """One dataset. What two settings have in common is trained and tuned once."""

    dataset: str
    methods: dict[str, Method]
    fleets: list[Fleet]
    context: Context
    notes: list[str]
    untuned: dict[AnoTunerConfig, list[Deployment]] = field(default_factory=dict)
    figures: dict[_Trial, Row] = field(default_factory=dict)

    def rows(self) -> Iterator[Row]:
        seed = self.context.seed
        warm_up(self.methods[RANDOM], self.fleets[0])
        method = self.methods[ANOTUNER]
        yield self._heading(RANDOM, _Trial("detector", RANDOM, method.config, None)) | self._judged(
            [deploy(self.methods[RANDOM], fleet, seed=seed) for fleet in self.fleets]
        )
        tuning: Any = method.tuning
        spent: dict[str, float] = {}
        cut: set[str] = set()
        for trial in _trials(method.config, replace(tuning, seed=seed)):
            if spent.get(trial.setting, 0.0) >= self.context.seconds:
                if trial.setting not in cut:
                    self._note(f"{trial.setting}: the time was spent before {trial.value}")
                cut.add(trial.setting)
                continue
            begin = time.perf_counter()
            try:
                figures = self._figures(trial)
            except FaultSightError as error:
                self._note(f"{trial.setting} {trial.value} has no row: {error}")
            else:
                yield self._heading(ANOTUNER, trial) | figures
            spent[trial.setting] = spent.get(trial.setting, 0.0) + time.perf_counter() - begin

    def _heading(self, method: str, trial: _Trial) -> Row:
        return {
            "dataset": self.dataset,
            "method": method,
            "setting": trial.setting,
            "value": trial.value,
            "tuning": "none" if trial.tuning is None else trial.kinds,
            "seed": str(self.context.seed),
        }

    def _figures(self, trial: _Trial) -> Row:
        key = replace(trial, setting="", value="")
        if key not in self.figures:
            base = self._deployed(trial.network)
            if trial.tuning is None:
                self.figures[key] = self._judged(base)
            else:
                before = self._figures(_Trial("", "", trial.network, None))
                self.figures[key] = self._tuned(trial, trial.tuning, base, before)
        return self.figures[key]

    def _deployed(self, network: AnoTunerConfig) -> list[Deployment]:
        if network not in self.untuned:
            self.context.progress(f"{self.dataset}: fit {_changed(network, self.methods)}")
            method = replace(self.methods[ANOTUNER], config=network)
            warm_up(method, self.fleets[0])
            self.untuned[network] = [
                deploy(method, fleet, seed=self.context.seed) for fleet in self.fleets
            ]
        return self.untuned[network]

    def _tuned(
        self, trial: _Trial, config: TuningConfig, base: Sequence[Deployment], before: Row
    ) -> Row:
        marks = self._marks(base, trial)
        n_marks = sum(map(len, marks))
        self.context.progress(
            f"{self.dataset}: {trial.setting} {trial.value}, tuned by {n_marks} marks"
        )
        tuned, reports = [], []
        for deployment, own in zip(base, marks, strict=True):
            found, report = tune_fleet(deployment, own, config)
            tuned.append(found)
            reports.append(report)
        row = self._judged(tuned) | {"marks": n_marks} | report_figures(reports)
        after, first = row["average_precision"], before["average_precision"]
        row["gain"] = None if after is None or first is None else float(after) - float(first)
        self.context.progress("  " + ", ".join(f"{n} {row[n]}" for n in (*HEADLINES, "gain")))
        return row

    def _marks(self, base: Sequence[Deployment], trial: _Trial) -> list[list[Mark]]:
        """Return the marks of each fleet, all of them or a random part of all fleets' together."""
        kinds, n_marks = TUNINGS[trial.kinds], trial.n_marks
        marks = [marks_of_errors(d.fleet, d.scores, d.levels, kinds) for d in base]
        places = [(fleet, i) for fleet, own in enumerate(marks) for i in range(len(own))]
        if n_marks is None:
            return marks
        if n_marks > len(places):
            raise SettingError(f"there are {len(places)} marks")
        drawn = random_stream(self.context.seed, "marks").permutation(len(places))[:n_marks]
        kept = {places[i] for i in drawn}
        return [
            [mark for i, mark in enumerate(own) if (fleet, i) in kept]
            for fleet, own in enumerate(marks)
        ]

    def _judged(self, deployments: Sequence[Deployment]) -> Row:
        row = judge(deployments, seed=self.context.seed)
        return row | {
            "marks": 0,
            "seconds_fit": sum(d.seconds_fit for d in deployments),
            "seconds_tune": sum(d.seconds_tune for d in deployments),
            "memory_mb": most_memory_mb(deployments),
        }

    def _note(self, said: str) -> None:
        self.notes.append(f"{self.dataset}, {said}")
        self.context.progress(self.notes[-1])


def _changed(network: AnoTunerConfig, methods: dict[str, Method]) -> str:
    """Return what differs from the default network, in words."""
    usual = vars(methods[ANOTUNER].config)
    changed = [f"{name} {value}" for name, value in vars(network).items() if value != usual[name]]
    return ", ".join(changed) or "the default"
