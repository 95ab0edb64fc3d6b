"""detect/base: every detector on every labelled set, all with their default settings, unmarked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from scipy.stats import rankdata

from faultsight.bench.detect_runs import (
    HEADLINES,
    detection_methods,
    fleet_datasets,
    labelled_fleets,
)
from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.untuned_rows import row_in_words, untuned_row, warm_up
from faultsight.core.errors import FaultSightError


class DetectBase(Scenario):
    """Every detector on every labelled set, as it is deployed before any operator has said a word.

    The whole test part is judged, by every metric of `faultsight.detect.metrics.summary`. Levels
    are each entity's 0.995 quantile of its scores of history; ``f1_pot`` is ``f1_deployed`` with
    the level of peaks over threshold instead, ``f1_nonparametric_dynamic`` with that of LSTM-NDT's
    paper. The fleets of a set are fitted one by one and
    judged together. Memory is the highest that the process's resident memory stood above where
    it was before the fit, of any one fleet. A first run on a few rows, in neither time nor memory,
    loads and compiles what is loaded and compiled on demand. The random score is in every table,
    whichever methods are named. ``--cases`` is how many entities of each fleet are taken.

    The summary describes each set as it lies (``part`` is ``dataset``), then gives each method's
    mean figures over the sets that it was judged on and its mean rank in them (``method``).
    """

    id: ClassVar[str] = "detect/base"
    title: ClassVar[str] = "Every detector on every labelled dataset, without feedback"
    shown: ClassVar[tuple[str, ...]] = (
        "dataset", "method", "f1_point_adjusted", "f1_deployed", "f1_pot", "average_precision",
        "average_precision_low", "average_precision_high", "vus_pr", "event_precision",
        "event_recall", "false_alarms_per_entity_day", "seconds_fit", "seconds_score", "memory_mb",
    )  # fmt: skip
    epochs: ClassVar[int | None] = None
    """Of every network in place of its default; for tests."""

    def run(self, context: Context) -> Outcome:
        """Run every method on every dataset that is present, or on those asked for."""
        notes = [f"each method may spend {context.seconds:g} s on a dataset"]
        methods = detection_methods(context, notes, epochs=self.epochs)
        rows: list[Row] = []
        described: list[Row] = []
        for dataset in fleet_datasets(context, notes):
            described.append({"part": "dataset"} | dataset.describe())
            fleets = labelled_fleets(dataset, context.cases, notes=notes)
            for method in methods:
                warm_up(method, fleets[0])
                context.progress(f"{dataset.name}, {method.name}, seed {context.seed}")
                try:
                    row = untuned_row(dataset.name, method, fleets, seed=context.seed,
                                      seconds=context.seconds)  # fmt: skip
                except FaultSightError as error:
                    notes.append(f"{method.name} has no row for {dataset.name}: {error}")
                    context.progress(notes[-1])
                else:
                    rows.append(row)
                    context.progress("  " + row_in_words(row))
                    if row["fleets"] != row["fleets_asked"]:
                        notes.append(
                            f"{method.name} on {dataset.name}: {row['fleets']} of "
                            f"{row['fleets_asked']} fleets, then the time was spent"
                        )
        return Outcome(rows, notes, described + _over_sets(rows))


def _over_sets(rows: Sequence[Row]) -> list[Row]:
    """Return each method's mean figures and mean ranks, the best mean rank in VUS-PR first."""
    ranks: dict[tuple[str, str], list[float]] = {}
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        for name in HEADLINES:
            inside = [r for r in rows if r["dataset"] == dataset and r[name] is not None]
            placed = rankdata([-float(r[name] or 0) for r in inside])
            for row, rank in zip(inside, placed, strict=True):
                ranks.setdefault((str(row["method"]), name), []).append(float(rank))
    summary: list[Row] = []
    for method in dict.fromkeys(str(row["method"]) for row in rows):
        own = [row for row in rows if row["method"] == method]
        said: Row = {"part": "method", "method": method, "datasets": len(own)}
        for name in HEADLINES:
            known = [float(row[name] or 0) for row in own if row[name] is not None]
            said[name] = float(np.mean(known)) if known else None
            said[f"{name}_mean_rank"] = float(np.mean(ranks[method, name])) if known else None
        summary.append(said)
    return sorted(summary, key=lambda row: float(row["vus_pr_mean_rank"] or np.inf))
