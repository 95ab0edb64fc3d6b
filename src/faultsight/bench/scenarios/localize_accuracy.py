"""localize/accuracy: every localizer on every labelled set, all with their default parameters."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.stats import rankdata

from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.labelled import labelled_datasets
from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.errors import FaultSightError
from faultsight.localize import LOCALIZERS
from faultsight.localize.contract import Localization, Localizer
from faultsight.localize.data import LabelledCase
from faultsight.localize.metrics import (
    Counts,
    bootstrap_interval,
    count,
    f1_interval,
    leaf_jaccard,
    partial_credit,
    recall_at_k,
)

# The leaf labels among which the oracle picks the best one for each dataset, knowing the truth.
_ORACLE_LABELS = (0.1, 0.2, 0.3, 0.5)
_ORACLE = "rapminer-oracle-label"


class LocalizeAccuracy(Scenario):
    """Every localizer on every labelled set: F1, RC@k, partial credit, seconds, memory.

    A root counts when the combination is exactly equal; F1 is summed over cases first. RC@k looks
    at the method's ranking: what it reports, then the nearest losers it names. ``f1_told_number``
    is F1 when a case's ranking is cut at the true number of roots (a method whose settings have
    ``told_roots`` is told the number instead). A method that raises one of FaultSight's own errors
    has found nothing in that case; ``errors`` counts them. Memory is the peak of Python and numpy
    allocations while the first case is localized, in a run of its own that is not timed.
    """

    id: ClassVar[str] = "localize/accuracy"
    title: ClassVar[str] = "Every localizer on every labelled dataset"
    shown: ClassVar[tuple[str, ...]] = (
        "dataset", "method", "cases", "f1", "f1_low", "f1_high", "f1_told_number", "rc_at_1",
        "rc_at_3", "rc_at_5", "partial_credit", "leaf_jaccard", "seconds_median", "memory_mb",
    )  # fmt: skip

    def run(self, context: Context) -> Outcome:
        """Run every method on every dataset that is present, or on those asked for."""
        methods = _methods(context)
        notes = [f"each method may spend {context.seconds:g} s on a dataset"]
        rows: list[Row] = []
        for dataset in labelled_datasets(context, notes):
            limit = context.cases
            context.progress(f"{dataset.name}: {dataset.description}")
            tallies = [_Tally(method) for method in methods]
            total = 0
            for case in dataset.cases(limit):
                total += 1
                for tally in tallies:
                    if tally.spent < context.seconds:
                        tally.add(case)
            for tally in _with_best_oracle(tallies):
                rows += tally.rows(dataset.name, total, context.seed)
                context.progress(tally.line(dataset.name, total))
        return Outcome(rows, notes, _mean_ranks(rows))


@dataclass(frozen=True)
class _Method:
    """A localizer with the settings that differ from its defaults."""

    name: str
    member: Callable[..., Localizer]
    settings: tuple[tuple[str, float], ...] = ()

    @cached_property
    def takes_number_of_roots(self) -> bool:
        config = getattr(self.member(), "config", None)
        return is_dataclass(config) and "told_roots" in {f.name for f in fields(config)}

    def make(self, **more: float) -> Localizer:
        settings = dict(self.settings) | more
        localizer = self.member()
        if not settings:
            return localizer
        return self.member(config=replace(localizer.config, **settings))


@dataclass
class _Tally:
    """What one method did on one dataset, case by case."""

    method: _Method
    groups: list[str] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)
    told: list[Counts] = field(default_factory=list)
    means: list[list[float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    memory_mb: float = 0.0
    spent: float = 0.0

    def add(self, case: LabelledCase) -> None:
        start = time.perf_counter()
        localizer = self.method.make()
        if not self.seconds:
            # The first run also compiles what is compiled on demand, so it is never timed.
            self.memory_mb = _peak_memory_mb(localizer, case.cube)
        begin = time.perf_counter()
        answer = self._answer(localizer, case.cube)
        self.seconds.append(time.perf_counter() - begin)
        found = answer.combinations if answer else ()
        ranking = _ranking(answer)
        told = ranking[: len(case.truth)]
        if self.method.takes_number_of_roots and case.truth:
            again = self._answer(self.method.make(told_roots=len(case.truth)), case.cube)
            told = again.combinations if again else ()
        counts = count(found, case.truth)
        self.counts.append(counts)
        self.told.append(count(told, case.truth))
        self.means.append(
            [
                *(recall_at_k(ranking, case.truth, k) for k in (1, 3, 5)),
                counts.precision,
                counts.recall,
                partial_credit(found, case.truth),
                leaf_jaccard(case.cube, found, case.truth),
            ]
        )
        self.groups.append(case.group)
        self.spent += time.perf_counter() - start

    def _answer(self, localizer: Localizer, cube: KpiCube) -> Localization | None:
        try:
            return localizer.localize(cube)
        except FaultSightError:
            self.errors += 1
            return None

    @property
    def f1(self) -> float:
        return sum(self.counts, Counts()).f1

    def line(self, dataset: str, total: int) -> str:
        cut = "" if len(self.counts) == total else f" ({len(self.counts)} of {total} cases)"
        return f"  {dataset} {self.method.name}: F1 {self.f1:.3f}{cut}, {self.spent:.1f} s"

    def rows(self, dataset: str, total: int, seed: int) -> Iterator[Row]:
        """Yield the row of the whole set, then one for each group of cases."""
        yield self._row(dataset, range(len(self.counts)), total, seed)
        for group in sorted(set(self.groups) - {""}):
            inside = [i for i, name in enumerate(self.groups) if name == group]
            yield self._row(f"{dataset}/{group}", inside, len(inside), seed)

    def _row(self, dataset: str, cases: Sequence[int], total: int, seed: int) -> Row:
        counts = [self.counts[i] for i in cases]
        means = np.array([self.means[i] for i in cases])
        rc_at_1, rc_at_3, rc_at_5, precision, recall, partial, jaccard = means.mean(axis=0).tolist()
        low, high = f1_interval(counts, seed=seed)
        summed = sum(counts, Counts())
        row: Row = {
            "method": self.method.name,
            "dataset": dataset,
            "cases": len(counts),
            "cases_asked": total,
            "f1": summed.f1,
            "f1_low": low,
            "f1_high": high,
            "f1_told_number": sum((self.told[i] for i in cases), Counts()).f1,
            "rc_at_1": rc_at_1,
            "rc_at_3": rc_at_3,
            "rc_at_5": rc_at_5,
        }
        for position, name in ((0, "rc_at_1"), (1, "rc_at_3")):
            column = means[:, [position]]
            row[f"{name}_low"], row[f"{name}_high"] = bootstrap_interval(
                column, lambda drawn: drawn[:, 0], seed=seed
            )
        seconds = [self.seconds[i] for i in cases]
        return row | {
            "precision": precision,
            "recall": recall,
            "partial_credit": partial,
            "leaf_jaccard": jaccard,
            "tp": summed.tp,
            "fp": summed.fp,
            "fn": summed.fn,
            "seconds_median": float(np.median(seconds)),
            "seconds_mean": float(np.mean(seconds)),
            "memory_mb": self.memory_mb,
            "errors": self.errors,
        }


def _methods(context: Context) -> list[_Method]:
    for name in set(context.methods) - {_ORACLE}:
        LOCALIZERS.load(name)
    methods = [
        _Method(name, LOCALIZERS.load(name)) for name in LOCALIZERS.names() if context.wants(name)
    ]
    if context.wants(_ORACLE):
        rapminer = LOCALIZERS.load("rapminer")
        methods += [
            _Method(_ORACLE, rapminer, (("leaf_deviation_threshold", label),))
            for label in _ORACLE_LABELS
        ]
    return methods


def _ranking(answer: Localization | None) -> tuple[AttributeCombination, ...]:
    if answer is None:
        return ()
    losers = (dropped.combination for dropped in answer.dropped)
    return tuple(dict.fromkeys([*answer.combinations, *losers]))


def _with_best_oracle(tallies: Sequence[_Tally]) -> list[_Tally]:
    plain = [tally for tally in tallies if tally.method.name != _ORACLE]
    oracle = [tally for tally in tallies if tally.method.name == _ORACLE]
    return [*plain, max(oracle, key=lambda tally: tally.f1)] if oracle else plain


def _peak_memory_mb(localizer: Localizer, cube: KpiCube) -> float:
    tracemalloc.start()
    try:
        localizer.localize(cube)
    except FaultSightError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak / 1e6


def _mean_ranks(rows: Sequence[Row]) -> list[Row]:
    """Rank the methods by F1 within each whole set, equal ones alike; the oracle has no rank."""
    ranked = [r for r in rows if "/" not in str(r["dataset"]) and r["method"] != _ORACLE]
    ranks: dict[str, list[float]] = {}
    for dataset in dict.fromkeys(r["dataset"] for r in ranked):
        inside = [r for r in ranked if r["dataset"] == dataset]
        for row, rank in zip(inside, rankdata([-float(r["f1"] or 0) for r in inside]), strict=True):
            ranks.setdefault(str(row["method"]), []).append(float(rank))
    summary: list[Row] = [
        {"method": method, "mean_rank": float(np.mean(found)), "datasets": len(found)}
        for method, found in ranks.items()
    ]
    return sorted(summary, key=lambda row: (float(row["mean_rank"] or 0), str(row["method"])))
