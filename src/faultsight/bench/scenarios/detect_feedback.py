"""detect/feedback: what an operator's marks of the first errors are worth on all later rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from faultsight.bench.detect_runs import (
    ANOTUNER,
    HEADLINES,
    LAYERS,
    Deployment,
    Method,
    deploy,
    detection_methods,
    f1_at,
    fleet_datasets,
    judge,
    labelled_fleets,
    most_memory_mb,
    only_layers,
    report_figures,
    tune_fleet,
)
from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.feedback_protocol import TUNINGS, marks_of_errors
from faultsight.bench.untuned_rows import warm_up
from faultsight.core.errors import FaultSightError
from faultsight.core.feedback import MarkKind
from faultsight.detect.data import FEEDBACK_SHARE, Fleet, FleetDataset, open_fleets
from faultsight.detect.tuning.layers import POOLED

if TYPE_CHECKING:
    from faultsight.detect.anotuner import TuningConfig, TuningReport

_SEEDS = 5
_BOTH = "fp+fn"


class DetectFeedback(Scenario):
    """The paper's protocol (AnoTuner, WWW '24, 4.3) on every set that can carry it.

    Each method is fitted on history and deployed at each entity's 0.995 quantile of its scores.
    The errors of the first 30 % of the test are marked by the labels, AnoTuner is tuned by them,
    and the last 70 % are judged; the 30 % are never judged, tuned or not. ``tuning`` says which
    marks it was given: ``none``, ``fp`` (false alarms), ``fn`` (missed anomalies), both, or also
    ``tp`` (confirmed alarms). ``anotuner`` is tuned by default, ``anotuner-paper`` the paper's way.
    Methods that learn from no marks are there untuned, the random score always.

    ``layers`` is ``all`` for the method's own tuning and ``none`` for no tuning; with the first
    seed ``anotuner`` is also tuned by both kinds of marks with one layer alone, which that column
    then names. ``fp_rows`` and ``fn_rows`` are the rows of false alarms and of missed anomalies
    in the first 30 % at the deployed levels, before any tuning. ``kept_`` and a layer's name is the
    share of fleets in which the guard kept the layer.

    ``f1_pooled`` is ``f1_deployed`` at levels pooled over the fleet by the scores of history, which
    takes no mark: what of a gain is due to better levels alone.

    Memory is that of fitting and scoring before any mark, the highest of any one fleet. A first
    run on a few rows is in neither time nor memory.

    Each seed is one run: it seeds methods, tuning and simulations. A method without a seed runs
    once on a set that does not change with the seed. There are five seeds, or ``--cases``. The
    summary has means and standard deviations over seeds, and gains over the same seed untuned;
    ``gap_closed`` is the share of what average precision lacked to 1 that tuning won.
    """

    id: ClassVar[str] = "detect/feedback"
    title: ClassVar[str] = "Tuning by marks of the first 30 %, judged on the last 70 %"
    shown: ClassVar[tuple[str, ...]] = (
        "dataset", "method", "tuning", "layers", "seed", "fp_rows", "fn_rows", "marks",
        "f1_deployed", "f1_pooled", "f1_point_adjusted", "average_precision", "vus_pr",
        "false_alarms_per_entity_day", "seconds_fit", "seconds_tune", "memory_mb",
    )  # fmt: skip
    epochs: ClassVar[int | None] = None
    """Of every network and every fine-tuning in place of the default; for tests."""

    def run(self, context: Context) -> Outcome:
        """Run every method on every dataset that is present, or on those asked for."""
        notes = [
            f"each method may spend {context.seconds:g} s on a dataset; no run is begun after it"
        ]
        methods = detection_methods(context, notes, epochs=self.epochs)
        seeds = range(context.seed, context.seed + (context.cases or _SEEDS))
        rows: list[Row] = []
        for dataset in fleet_datasets(context, notes, feedback=True):
            fleets = _fleets_by_seed(dataset, context)
            for method in methods:
                series = _Series(dataset, method, context, notes)
                for row in series.rows(seeds, fleets):
                    rows.append(row)
                    context.progress(f"  {_line(row)}")
        return Outcome(rows, notes, _over_seeds(rows))


def _fleets_by_seed(dataset: FleetDataset, context: Context) -> Callable[[int], list[Fleet]]:
    """Return the fleets of a seed; those of a set that lies in files are read once."""

    @cache
    def of_seed(seed: int) -> list[Fleet]:
        return labelled_fleets(open_fleets(dataset.name, context.data_dir, seed=seed))

    return of_seed if _is_simulated(dataset) else lambda _seed: of_seed(context.seed)


def _is_simulated(dataset: FleetDataset) -> bool:
    return dataset.kind == "simulated"


@dataclass
class _Series:
    """One method on one dataset, seed by seed and tuning by tuning, until its time is spent."""

    dataset: FleetDataset
    method: Method
    context: Context
    notes: list[str]
    start: float = field(default_factory=time.perf_counter)

    def rows(self, seeds: Sequence[int], fleets: Callable[[int], list[Fleet]]) -> Iterator[Row]:
        if not (self.method.takes_seed or _is_simulated(self.dataset)):
            seeds = seeds[:1]
        for seed in seeds:
            # The first seed's untuned row is always there: a table needs every method.
            if seed != seeds[0] and self._is_spent(f"seed {seed}"):
                return
            try:
                yield from self._of_seed(seed, fleets(seed), is_first=seed == seeds[0])
            except FaultSightError as error:
                self.notes.append(f"{self._name} stopped at seed {seed}: {error}")
                self.context.progress(self.notes[-1])
                return

    @property
    def _name(self) -> str:
        return f"{self.method.name} on {self.dataset.name}"

    def _is_spent(self, what: str) -> bool:
        if time.perf_counter() - self.start < self.context.seconds:
            return False
        self.notes.append(f"{self._name}: the time was spent before {what}")
        return True

    def _of_seed(self, seed: int, fleets: Sequence[Fleet], *, is_first: bool) -> Iterator[Row]:
        if is_first:
            warm_up(self.method, fleets[0])
        self.context.progress(f"{self.dataset.name}, {self.method.name}, seed {seed}: fit")
        base = [deploy(self.method, fleet, seed=seed) for fleet in fleets]
        untuned = {"tuning": "none", "layers": "none", "seed": str(seed)}
        yield self._row(untuned, base, base, [])
        for tuning, layers, config in self._tunings(seed, is_first=is_first):
            what = f"seed {seed}, tuning {tuning}, layers {layers}"
            if self._is_spent(what):
                return
            self.context.progress(f"{self.dataset.name}, {self.method.name}, {what}")
            tuned, reports = [], []
            for deployment in base:
                marks = marks_of_errors(
                    deployment.fleet, deployment.scores, deployment.levels, TUNINGS[tuning]
                )
                found, report = tune_fleet(deployment, marks, config)
                tuned.append(found)
                reports.append(report)
            heading = {"tuning": tuning, "layers": layers, "seed": str(seed)}
            yield self._row(heading, base, tuned, reports)

    def _tunings(self, seed: int, *, is_first: bool) -> Iterator[tuple[str, str, TuningConfig]]:
        """Yield marks, layers and settings of each tuning."""
        if self.method.tuning is None:
            return
        config = replace(self.method.tuning, seed=seed)
        for tuning, kinds in TUNINGS.items():
            if kinds:
                yield tuning, "all", config
        if is_first and self.method.name == ANOTUNER:
            for layer in LAYERS:
                yield _BOTH, layer, only_layers(config, layer)

    def _row(
        self,
        heading: Mapping[str, str],
        base: Sequence[Deployment],
        deployed: Sequence[Deployment],
        reports: Sequence[TuningReport],
    ) -> Row:
        row: Row = {"dataset": self.dataset.name, "method": self.method.name, **heading}
        row |= _errors(base) | _marks(base, heading["tuning"])
        row |= judge(deployed, seed=self.context.seed)
        return row | {
            "f1_pooled": f1_at(POOLED, deployed, share=FEEDBACK_SHARE),
            **report_figures(reports),
            "seconds_fit": sum(d.seconds_fit for d in base),
            "seconds_tune": sum(d.seconds_tune for d in deployed),
            "seconds_score": sum(d.seconds_score for d in deployed),
            "memory_mb": most_memory_mb(base),
        }


def _errors(base: Sequence[Deployment]) -> Row:
    """Return the rows of errors in the first 30 %, and how many false ones to a missed one."""
    rows = {MarkKind.FALSE_ALARM: 0, MarkKind.MISSED: 0}
    for d in base:
        interval_s = d.fleet.train[0].interval_s
        for mark in marks_of_errors(d.fleet, d.scores, d.levels, tuple(rows)):
            rows[mark.kind] += (mark.window.end_s - mark.window.start_s) // interval_s
    fp_rows, fn_rows = rows.values()
    return {
        "fp_rows": fp_rows,
        "fn_rows": fn_rows,
        "fp_rows_per_fn_row": fp_rows / fn_rows if fn_rows else None,
    }


def _marks(base: Sequence[Deployment], tuning: str) -> Row:
    """Return how many marks were given, by kind."""
    given = [
        mark.kind
        for d in base
        for mark in marks_of_errors(d.fleet, d.scores, d.levels, TUNINGS[tuning])
    ]
    return {
        "marks": len(given),
        "false_alarm_marks": given.count(MarkKind.FALSE_ALARM),
        "missed_marks": given.count(MarkKind.MISSED),
        "confirmed_marks": given.count(MarkKind.CONFIRMED),
    }


def _line(row: Row) -> str:
    figures = (f"{name} {row[name]:.3f}" for name in HEADLINES if row[name] is not None)
    return f"{row['tuning']} ({row['marks']} marks): {', '.join(figures)}"


def _over_seeds(rows: Sequence[Row]) -> list[Row]:
    """Return mean and deviation over seeds, and the gains over the same seed untuned."""
    untuned = {
        (row["dataset"], row["method"], row["seed"]): row for row in rows if row["tuning"] == "none"
    }
    key_names = ("dataset", "method", "tuning", "layers")
    summary: list[Row] = []
    for key in dict.fromkeys(tuple(row[name] for name in key_names) for row in rows):
        own = [row for row in rows if tuple(row[name] for name in key_names) == key]
        before = [untuned[row["dataset"], row["method"], row["seed"]] for row in own]
        said: Row = dict(zip(key_names, key, strict=True)) | {"seeds": len(own)}
        for name in HEADLINES:
            known = _known(name, own)
            said[f"{name}_mean"] = float(np.mean(known)) if known else None
            said[f"{name}_std"] = float(np.std(known, ddof=1)) if len(known) > 1 else None
        pooled = _known("f1_pooled", own)
        said["f1_pooled_mean"] = float(np.mean(pooled)) if pooled else None
        if said["tuning"] != "none":
            for name in HEADLINES:
                pairs = _both_known(name, before, own)
                said |= _mean_and_least(f"{name}_gain", [new - old for old, new in pairs])
            pairs = _both_known("average_precision", before, own)
            closed = [(new - old) / (1.0 - old) for old, new in pairs if old < 1.0]
            said |= _mean_and_least("gap_closed", closed)
            for name in dict.fromkeys(n for row in own for n in row if n.startswith("kept_")):
                said[name] = float(np.mean([float(row.get(name) or 0) for row in own]))
        summary.append(said)
    return summary


def _known(name: str, rows: Sequence[Row]) -> list[float]:
    return [float(row[name] or 0) for row in rows if row.get(name) is not None]


def _both_known(
    name: str, before: Sequence[Row], after: Sequence[Row]
) -> list[tuple[float, float]]:
    return [
        (float(old[name] or 0), float(new[name] or 0))
        for old, new in zip(before, after, strict=True)
        if old[name] is not None and new[name] is not None
    ]


def _mean_and_least(name: str, values: Sequence[float]) -> Row:
    return {
        f"{name}_mean": float(np.mean(values)) if values else None,
        f"{name}_min": min(values) if values else None,
    }
