"""How clusterings of modems are compared: threshold chosen on training cases, judged on others.

The rule is the same for every method: of one grid of similarity thresholds, the one with the
highest mean adjusted Rand index on the faulty modems of the training cases.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from faultsight.bench.engine import Context, Row
from faultsight.bench.labelled_modems import LabelledModems, ModemCase, modem_cases
from faultsight.bench.modem_partitions import Partitions
from faultsight.bench.over_seeds import mean_and_spread
from faultsight.diagnose.metrics.rand_index import adjusted_rand_index, rand_index

__all__ = ["SCORES", "THRESHOLDS", "Methods", "compare_clusterings", "firsts"]

THRESHOLDS = np.round(np.arange(0.98, -0.41, -0.02), 2)
"""Of similarity; the same for every method, from the strictest on."""

N_CASES = 24
"""Training cases, and test cases."""

SCORES = ("ri_anomalous", "ari_anomalous", "ri_all", "ari_all")

Methods = Mapping[str, Callable[[ModemCase], Partitions]]
"""By name, what makes the partitions of a case."""


@dataclass
class _Tally:
    """One method on one set and feature, seed by seed."""

    make: Callable[[ModemCase], Partitions]
    thresholds: list[float] = field(default_factory=list)
    scores: list[NDArray[np.float64]] = field(default_factory=list)
    spent: float = 0.0

    def choose(self, cases: Sequence[ModemCase]) -> None:
        """Choose the threshold on training cases."""
        begin = time.perf_counter()
        found = np.mean([_training_scores(self.make(case), case) for case in cases], axis=0)
        best = np.flatnonzero(found >= found.max() - 1e-12)
        # Of equals the one in the middle: neither end is safer.
        self.thresholds.append(float(THRESHOLDS[best[len(best) // 2]]))
        self.spent += time.perf_counter() - begin

    def judge(self, cases: Sequence[ModemCase]) -> None:
        """Judge the threshold on test cases."""
        begin = time.perf_counter()
        threshold = self.thresholds[-1]
        judged = [_test_scores(self.make(case).at(threshold), case.label) for case in cases]
        self.scores.append(np.mean(judged, axis=0))
        self.spent += time.perf_counter() - begin


def compare_clusterings(
    context: Context,
    regime: LabelledModems,
    feature: str,
    methods: Methods,
    *,
    fault_days: int = 1,
) -> list[Row]:
    """Return a row for each method: means and standard deviations over seeds.

    Parameters
    ----------
    context : Context
        Its ``cases`` is the most of seeds, and of training and of test cases of each; no seed is
        begun after ``seconds`` were spent on a method.
    regime : LabelledModems
        Where cases come from.
    feature : str
        What is clustered.
    methods : Methods
        What is compared, all on the same cases.
    fault_days : int
        Faults act within so many last days.
    """
    n_seeds = min(regime.seeds, context.cases or regime.seeds)
    n_cases = min(N_CASES, context.cases or N_CASES)
    tallies = {name: _Tally(make) for name, make in methods.items()}
    for seed in range(context.seed, context.seed + n_seeds):
        running = [tally for tally in tallies.values() if tally.spent <= context.seconds]
        if not running:
            break
        for first, act in ((0, _Tally.choose), (N_CASES, _Tally.judge)):
            cases = list(
                modem_cases(
                    regime, feature, seed=seed, first=first, count=n_cases, fault_days=fault_days
                )
            )
            for tally in running:
                act(tally, cases)
    rows: list[Row] = []
    for name, tally in tallies.items():
        row: Row = {
            "regime": regime.name,
            "feature": feature,
            "method": name,
            "round_h": regime.round_h,
            "loss_share": regime.loss_share,
            "dwell_h": regime.dwell_h,
            "seeds": len(tally.scores),
            "seeds_asked": n_seeds,
            "train_cases": n_cases,
            "test_cases": n_cases,
        }
        by_score = np.reshape(tally.scores, (-1, len(SCORES))).T
        for score, values in zip(SCORES, by_score, strict=True):
            row |= mean_and_spread(score, values)
        row |= mean_and_spread("similarity", tally.thresholds)
        row["seconds_per_case"] = tally.spent / max(2 * n_cases * len(tally.scores), 1)
        rows.append(row)
        context.progress(
            f"{regime.name}, {feature}, {name}: RI and ARI on faulty modems "
            f"{row['ri_anomalous']:.3f}, {row['ari_anomalous']:.3f}"
        )
    return rows


def firsts(rows: Sequence[Row], keys: Sequence[str], *, dummies: Sequence[str]) -> list[Row]:
    """Return who is first in each score, among the rows that share their keys.

    Examples
    --------
    >>> rows = [{"set": "a", "method": method, **dict.fromkeys(SCORES, value)}
    ...         for method, value in (("x", 0.5), ("y", 0.7))]
    >>> firsts(rows, ("set",), dummies=())[1]
    {'set': 'a', 'score': 'ari_anomalous', 'first': 'y', 'value': 0.7, 'second': 'x',
     'ahead_by': 0.2}
    """
    found: list[Row] = []
    for key in dict.fromkeys(tuple(row[k] for k in keys) for row in rows):
        inside = [
            row
            for row in rows
            if tuple(row[k] for k in keys) == key and row["method"] not in dummies
        ]
        for score in SCORES:
            order = sorted(inside, key=lambda row: -float(row[score] or 0.0))
            if not order:
                continue
            row = dict(zip(keys, key, strict=True)) | {"score": score}
            row |= {"first": order[0]["method"], "value": order[0][score]}
            if len(order) > 1:
                row["second"] = order[1]["method"]
                row["ahead_by"] = round(
                    float(order[0][score] or 0.0) - float(order[1][score] or 0.0), 6
                )
            found.append(row)
    return found


def _training_scores(partitions: Partitions, case: ModemCase) -> NDArray[np.float64]:
    """Return the adjusted Rand index on faulty modems under every threshold."""
    is_faulty = case.label > 0
    truth = case.label[is_faulty]
    scores = np.empty(len(THRESHOLDS))
    before: NDArray[np.int64] | None = None
    for place, threshold in enumerate(THRESHOLDS):
        labels = partitions.at(float(threshold))[is_faulty]
        if before is not None and np.array_equal(labels, before):
            scores[place] = scores[place - 1]
        else:
            scores[place] = adjusted_rand_index(truth, labels)
        before = labels
    return scores


def _test_scores(labels: NDArray[np.int64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    is_faulty = truth > 0
    return np.array(
        [
            score(truth[mine], labels[mine])
            for mine in (is_faulty, np.ones_like(is_faulty))
            for score in (rand_index, adjusted_rand_index)
        ]
    )
