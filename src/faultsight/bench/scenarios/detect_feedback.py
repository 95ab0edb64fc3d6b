"""detect/feedback: what an operator's marks of the first errors are worth on all later rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
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
from faultsight.bench.journal import Cell, run_cells
from faultsight.bench.untuned_rows import warm_up
from faultsight.core.feedback import MarkKind
from faultsight.detect.data import FEEDBACK_SHARE, open_fleets
from faultsight.detect.tuning.layers import POOLED

if TYPE_CHECKING:
    from faultsight.detect.anotuner import TuningConfig, TuningReport

_SEEDS = 5
_BUDGET_S = 10_000.0
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

    Each method on each set with each seed is a cell of its own; two are run at once, each in a
    process with one thread, so that times are those of a machine with both cores busy. With
    ``--journal FILE`` a run that was interrupted goes on where it stood. ``--budget`` is for the
    whole run (10,000 s if not given), ``--seconds`` for a cell: no tuning is begun after it.

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
    keeps_journal: ClassVar[bool] = True

    def run(self, context: Context) -> Outcome:
        """Run every method on every dataset that is present, or on those asked for."""
        notes: list[str] = []
        methods = detection_methods(context, notes, epochs=self.epochs)
        seeds = range(context.seed, context.seed + (context.cases or _SEEDS))
        cells: list[Cell] = []
        asked: dict[tuple[str, str, str], int] = {}
        for dataset in fleet_datasets(context, notes, feedback=True):
            is_simulated = dataset.kind == "simulated"
            for method in methods:
                for seed in seeds if method.takes_seed or is_simulated else seeds[:1]:
                    cells.append({"dataset": dataset.name, "method": method.name, "seed": seed})
                    tunings = _tunings(method, seed, is_first=seed == context.seed)
                    asked[dataset.name, method.name, str(seed)] = 1 + len(tunings)
        work = partial(
            work_cell, first_seed=context.seed, data_dir=context.data_dir,
            seconds=context.seconds, epochs=self.epochs,
        )  # fmt: skip
        rows, lost = run_cells(self.id, cells, work, context, budget_s=_BUDGET_S, told=_line)
        found = Counter((str(r["dataset"]), str(r["method"]), str(r["seed"])) for r in rows)
        notes += lost
        notes += [
            f"{method} on {dataset}, seed {seed}: {n_found} of {n_asked} rows, then its "
            f"{context.seconds:g} s were spent"
            for (dataset, method, seed), n_asked in asked.items()
            if 0 < (n_found := found[dataset, method, seed]) < n_asked
        ]
        return Outcome(rows, notes, _over_seeds(rows))


def work_cell(
    cell: Cell, *, first_seed: int, data_dir: Path | None, seconds: float, epochs: int | None
) -> list[Row]:
    """Return the rows of one method on one set with one seed: untuned, then tuning by tuning.

    When the seconds are spent no further tuning is begun.
    """
    start = time.perf_counter()
    name, seed = str(cell["method"]), int(cell["seed"])
    methods = detection_methods(Context(methods=(name,)), [], epochs=epochs)
    (method,) = (method for method in methods if method.name == name)
    fleets = labelled_fleets(open_fleets(str(cell["dataset"]), data_dir, seed=seed))
    warm_up(method, fleets[0])
    base = [deploy(method, fleet, seed=seed) for fleet in fleets]

    def row(
        tuning: str, layers: str, deployed: Sequence[Deployment], reports: Sequence[TuningReport]
    ) -> Row:
        return {
            "dataset": str(cell["dataset"]), "method": name, "tuning": tuning, "layers": layers,
            "seed": str(seed),
            **_errors(base), **_marks(base, tuning), **judge(deployed, seed=first_seed),
            "f1_pooled": f1_at(POOLED, deployed, share=FEEDBACK_SHARE),
            **report_figures(reports),
            "seconds_fit": sum(d.seconds_fit for d in base),
            "seconds_tune": sum(d.seconds_tune for d in deployed),
            "seconds_score": sum(d.seconds_score for d in deployed),
            "memory_mb": most_memory_mb(base),
        }  # fmt: skip

    rows = [row("none", "none", base, [])]
    for tuning, layers, config in _tunings(method, seed, is_first=seed == first_seed):
        if time.perf_counter() - start >= seconds:
            break
        tuned, reports = [], []
        for deployment in base:
            marks = marks_of_errors(
                deployment.fleet, deployment.scores, deployment.levels, TUNINGS[tuning]
            )
            found, report = tune_fleet(deployment, marks, config)
            tuned.append(found)
            reports.append(report)
        rows.append(row(tuning, layers, tuned, reports))
    return rows


def _tunings(method: Method, seed: int, *, is_first: bool) -> list[tuple[str, str, TuningConfig]]:
    """Return marks, layers and settings of each tuning."""
    if method.tuning is None:
        return []
    config = replace(method.tuning, seed=seed)
    found = [(tuning, "all", config) for tuning, kinds in TUNINGS.items() if kinds]
    if is_first and method.name == ANOTUNER:
        found += [(_BOTH, layer, only_layers(config, layer)) for layer in LAYERS]
    return found


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
