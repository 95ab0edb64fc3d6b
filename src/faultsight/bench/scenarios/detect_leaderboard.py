"""detect/leaderboard: every detector on every labelled set, with ranks and a test over the sets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from faultsight.bench.detect_runs import (
    HEADLINES,
    detection_methods,
    fleet_datasets,
    labelled_fleets,
)
from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.journal import Cell, run_cells
from faultsight.bench.mean_ranks import Ranking, rank_methods
from faultsight.bench.untuned_rows import row_in_words, untuned_row, warm_up
from faultsight.detect.data import Fleet, open_fleets
from faultsight.detect.metrics import n_segments

_BUDGET_S = 2400.0
# Of a set; and windows of an epoch. The small ones keep a run on two cores within the budget.
_MOST_TEST_ROWS = {"small": 60_000, "large": None}
_MOST_WINDOWS = {"small": 4_000, "large": None}


class DetectLeaderboard(Scenario):
    """Every detector on every labelled set, and which of them are told apart by all sets together.

    Rows are those of `detect/base`: no feedback, the whole test part judged by every metric of
    `faultsight.detect.metrics.summary`, levels at the 0.995 quantile of scores of history.
    All methods of `faultsight.detect.DETECTORS` are run, ``anotuner-paper`` and the random score
    among them, with one setting for all sets.

    Each method on each set is a cell of its own; two are run at once, each in a process with one
    thread, so that times are those of a machine with both cores busy. With ``--journal FILE`` a run
    that was interrupted goes on where it stood. ``--budget`` is for the whole run (2400 s if not
    given). With ``--preset small`` a set of more than 60,000 test rows is cut to every second,
    third ... entity until it has no more, the same for all methods, and every method that has a
    setting ``most_windows`` learns from 4,000 of them in an epoch at most; where entities are left
    out, the next ``--seed`` takes the next ones. ``large`` takes all entities, and the default
    settings. ``--cases`` is how many entities of each fleet are taken at most.

    The summary describes each set as it was run (``part`` is ``dataset``); gives each method's mean
    figures over the sets that it has a row for, its mean ranks over all sets (``method``; without
    a row it ranks last), and whether it is told apart from the first; and gives for each figure
    Friedman's test and Nemenyi's critical difference of mean ranks at 5 % (``test``; Demšar,
    JMLR 7, 2006).
    """

    id: ClassVar[str] = "detect/leaderboard"
    title: ClassVar[str] = "Every detector on every labelled dataset: mean ranks and their test"
    shown: ClassVar[tuple[str, ...]] = (
        "dataset", "method", "average_precision", "average_precision_low",
        "average_precision_high", "vus_pr", "f1_deployed", "f1_pot", "f1_point_adjusted",
        "event_precision", "event_recall", "false_alarms_per_entity_day", "seconds_fit",
        "seconds_score", "memory_mb",
    )  # fmt: skip
    keeps_journal: ClassVar[bool] = True
    epochs: ClassVar[int | None] = None
    """Of every network in place of its default; for tests."""

    def run(self, context: Context) -> Outcome:
        """Run every method on every dataset that is present, or those asked for."""
        notes: list[str] = []
        methods = detection_methods(context, notes, epochs=self.epochs)
        most = _MOST_WINDOWS[context.preset]
        if most is not None:
            notes.append(f"methods with the setting most_windows: at most {most:,} in an epoch; "
                         "--preset large takes their defaults")  # fmt: skip
        described: list[Row] = []
        for dataset in fleet_datasets(context, notes):
            told: list[str] = []
            fleets = leaderboard_fleets(
                dataset.name, context.data_dir, context.seed, context.cases, context.preset, told
            )
            notes += told
            described.append(_described(dataset.name, fleets))
        cells: list[Cell] = [
            {"dataset": str(of_set["dataset"]), "method": method.name}
            for of_set in described
            for method in methods
        ]
        work = partial(
            run_cell, data_dir=context.data_dir, seed=context.seed, cases=context.cases,
            preset=context.preset, seconds=context.seconds, epochs=self.epochs,
        )  # fmt: skip
        rows, failed = run_cells(
            self.id, cells, work, context, budget_s=_BUDGET_S, told=row_in_words
        )
        notes += failed
        notes += [
            f"{row['method']} on {row['dataset']}: {row['fleets']} of {row['fleets_asked']} "
            f"fleets, then its {context.seconds:g} s were spent"
            for row in rows
            if row["fleets"] != row["fleets_asked"]
        ]
        return Outcome(rows, notes, described + over_sets(rows))


def run_cell(
    cell: Cell,
    *,
    data_dir: Path | None,
    seed: int,
    cases: int | None,
    preset: str,
    seconds: float,
    epochs: int | None = None,
) -> list[Row]:
    """Return the row of one method on one set; see `faultsight.bench.journal.run_cells`."""
    dataset, name = str(cell["dataset"]), str(cell["method"])
    known = detection_methods(Context(methods=(name,)), [], epochs=epochs)
    method = next(method for method in known if method.name == name)
    most = _MOST_WINDOWS[preset]
    if most is not None and hasattr(method.config, "most_windows"):
        method = method.with_settings(most_windows=min(method.config.most_windows, most))
    fleets = _kept_fleets(dataset, data_dir, seed, cases, preset)
    warm_up(method, fleets[0])
    return [untuned_row(dataset, method, fleets, seed=seed, seconds=seconds)]


def leaderboard_fleets(
    dataset: str,
    data_dir: Path | None,
    seed: int,
    cases: int | None,
    preset: str,
    notes: list[str],
) -> list[Fleet]:
    """Return the fleets of a set with the entities that are run, and note what was left out."""
    fleets = labelled_fleets(open_fleets(dataset, data_dir, seed=seed), cases, notes=notes)
    most = _MOST_TEST_ROWS[preset]
    n_entities = sum(len(fleet.test) for fleet in fleets)
    every = 1
    while (
        most is not None and _test_rows(_thinned(fleets, every, seed)) > most and every < n_entities
    ):
        every += 1
    if every > 1:
        fleets = _thinned(fleets, every, seed)
        kept = sum(len(fleet.test) for fleet in fleets)
        notes.append(
            f"{dataset}: one entity of {every}, {kept} of {n_entities} in all, so that there are "
            f"no more than {most:,} test rows; --preset large takes all"
        )
    return fleets


def over_sets(rows: Sequence[Row]) -> list[Row]:
    """Return a row for each method, the best mean rank in average precision first, and each test.

    Examples
    --------
    >>> rows = [{"dataset": "ASD", "method": m, "average_precision": v, "vus_pr": v,
    ...          "f1_deployed": v, "f1_point_adjusted": None} for m, v in (("a", 0.2), ("b", 0.3))]
    >>> for found in over_sets(rows):
    ...     print(found["part"], found.get("method"), found.get("average_precision_mean_rank"))
    method b 1.0
    method a 2.0
    test None None
    test None None
    test None None
    test None None
    """
    if not rows:
        return []
    rankings = {name: ranking_of(rows, name) for name in HEADLINES}
    summary: list[Row] = []
    for method in rankings["average_precision"].methods:
        own = [row for row in rows if row["method"] == method]
        said: Row = {"part": "method", "method": method, "datasets": len(own)}
        for name, ranking in rankings.items():
            known = [float(row[name] or 0) for row in own if row[name] is not None]
            said[name] = float(np.mean(known)) if known else None
            said[f"{name}_mean_rank"] = ranking.rank_of[method]
            said[f"{name}_like_first"] = method in ranking.like_first
        summary.append(said)
    return summary + [
        {
            "part": "test",
            "figure": name,
            "first": ranking.methods[0],
            "methods": len(ranking.methods),
            "datasets": ranking.datasets,
            "friedman": ranking.statistic,
            "p_value": ranking.p_value,
            "critical_difference": ranking.difference,
            "like_first": len(ranking.like_first),
        }
        for name, ranking in rankings.items()
    ]


def ranking_of(rows: Sequence[Row], figure: str) -> Ranking:
    """Rank all methods over all sets that the rows speak of, by one figure."""
    methods = dict.fromkeys(str(row["method"]) for row in rows)
    figures: dict[str, dict[str, float | None]] = {}
    for row in rows:
        of_set = figures.setdefault(str(row["dataset"]), dict.fromkeys(methods))
        value = row[figure]
        of_set[str(row["method"])] = None if value is None else float(value)
    return rank_methods(figures)


# A worker runs the cells of one set one after another.
@lru_cache(maxsize=1)
def _kept_fleets(
    dataset: str, data_dir: Path | None, seed: int, cases: int | None, preset: str
) -> list[Fleet]:
    return leaderboard_fleets(dataset, data_dir, seed, cases, preset, [])


def _thinned(fleets: Sequence[Fleet], every: int, seed: int) -> list[Fleet]:
    """Return one entity of so many, evenly over all fleets; fleets that lose all are left out."""
    first, kept = 0, []
    for fleet in fleets:
        places = range((seed - first) % every, len(fleet.test), every)
        if places:
            kept.append(Fleet(fleet.name, tuple(fleet.train[p] for p in places),
                              tuple(fleet.test[p] for p in places)))  # fmt: skip
        first += len(fleet.test)
    return kept


def _test_rows(fleets: Sequence[Fleet]) -> int:
    return sum(len(frame) for fleet in fleets for frame in fleet.test)


def _described(dataset: str, fleets: Sequence[Fleet]) -> Row:
    test = [frame for fleet in fleets for frame in fleet.test]
    n_rows = _test_rows(fleets)
    labels = [frame.labels for frame in test if frame.labels is not None]
    kpis = sorted({len(frame.kpis) for frame in test})
    return {
        "part": "dataset",
        "dataset": dataset,
        "entities": len(test),
        "fleets": len(fleets),
        "kpis": "-".join(map(str, dict.fromkeys([kpis[0], kpis[-1]]))),
        "interval_s": test[0].interval_s,
        "train_points": sum(len(frame) for fleet in fleets for frame in fleet.train),
        "test_points": n_rows,
        "anomaly_percent": 100 * sum(int(known.sum()) for known in labels) / n_rows,
        "anomalies": sum(n_segments(known) for known in labels),
    }
