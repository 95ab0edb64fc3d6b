"""diagnose/missing: how well missing polls are inferred where the poller numbers no rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.bench.asked_for import asked_for
from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.over_seeds import mean_and_spread
from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls
from faultsight.core.seed import random_stream
from faultsight.diagnose.contract import DAY_S
from faultsight.diagnose.preprocessing.collection_rounds import (
    DEFAULT_THRESHOLD,
    collection_rounds,
    round_of_poll,
    tune_missing_threshold,
)
from faultsight.diagnose.preprocessing.duplicates import is_told_again
from faultsight.sim.cable_plant import CablePlantConfig, simulate_node

_TRAINING_DAYS, _DAYS = 30, 60
_PLANTS: Mapping[str, CablePlantConfig] = {
    f"{round_h:g}h-{loss:.0%}": CablePlantConfig(
        days=_DAYS, round_s=round(round_h * 3600), loss_share=loss, with_round_ids=True
    )
    for round_h in (0.3, 0.5, 1.0, 2.0, 3.0, 3.6)
    for loss in (0.05, 0.10, 0.20)
}
"""By how long a round takes and what is lost at random."""
_SEEDS = 10
_FIGURES = ("accuracy", "precision", "recall", "threshold", "rounds_found_share", "truth_accuracy")

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Node:
    """What one fiber node knows of itself, and what is true of its last half.

    Attributes
    ----------
    before : NodePolls
        The first half, for tuning.
    gap_s, missed : array of shape (gap,)
        Between a modem's polls one after the other in the last half: how long, and how many polls
        are truly missing.
    rounds_found_share : float
        Rounds that were found over rounds of which a poll came; above 1 if one was cut in two.
    truth_accuracy : float
        Share of the gaps in which the rounds that were found say as many missing polls as true.
    """

    before: NodePolls
    gap_s: Array
    missed: Counts
    rounds_found_share: float
    truth_accuracy: float


Infer = Callable[[_Node, float, int], tuple[Counts, float]]
"""From a node, the interval and a seed: what each gap misses, and the threshold in intervals."""
Methods = Mapping[str, Infer]


@dataclass
class _Tally:
    infer: Infer
    figures: list[tuple[float, ...]] = field(default_factory=list)
    spent: float = 0.0


class DiagnoseMissing(Scenario):
    """Missing polls, inferred from times alone, against the numbers of the rounds.

    A seed is one fiber node of the default plant over 60 days, with its faults. The poller's round
    numbers are the truth and are hidden from every method. ``tuned`` chooses the threshold on the
    first 30 days as the paper's appendix B does, without the truth; ``fixed`` has 1.5 intervals;
    ``none`` infers nothing; ``random`` deals the true numbers of missing polls out to gaps by
    chance. All are judged on the last 30 days.

    ``accuracy`` is the paper's: each missing point and each gap without any is one judgement.
    ``precision`` and ``recall`` are of missing points alone. ``threshold`` is in intervals.
    ``rounds_found_share`` and ``truth_accuracy`` judge the rounds that appendix B finds in the last
    30 days: how many of the true ones, and the share of gaps in which they tell the truth.
    """

    id: ClassVar[str] = "diagnose/missing"
    title: ClassVar[str] = "Missing polls inferred from times"
    shown: ClassVar[tuple[str, ...]] = (
        "round_h", "loss_share", "method", "seeds", "threshold", "accuracy", "accuracy_sd",
        "precision", "recall", "rounds_found_share", "truth_accuracy",
    )  # fmt: skip

    def run(self, context: Context) -> Outcome:
        """Infer with every method, for every length of a round and share of lost polls."""
        methods = asked_for("method", context.methods, _INFER)
        n_seeds = min(_SEEDS, context.cases or _SEEDS)
        rows: list[Row] = []
        for regime, plant in asked_for("dataset", context.datasets, _PLANTS).items():
            rows += _rows(context, regime, plant, methods, n_seeds)
        return Outcome(
            rows,
            [f"no further seed is begun after {context.seconds:g} s of a method in a regime"],
        )


def _rows(
    context: Context, regime: str, plant: CablePlantConfig, methods: Methods, n_seeds: int
) -> Iterator[Row]:
    tallies = {name: _Tally(infer) for name, infer in methods.items()}
    for seed in range(context.seed, context.seed + n_seeds):
        running = [tally for tally in tallies.values() if tally.spent <= context.seconds]
        if not running:
            break
        node = _node(plant, seed)
        for tally in running:
            begin = time.perf_counter()
            inferred, threshold = tally.infer(node, float(plant.interval_s), seed)
            tally.figures.append(
                (*_judged(node.missed, inferred), threshold, node.rounds_found_share,
                 node.truth_accuracy)
            )  # fmt: skip
            tally.spent += time.perf_counter() - begin
    for method, tally in tallies.items():
        row: Row = {
            "regime": regime,
            "method": method,
            "round_h": plant.round_s / 3600,
            "loss_share": plant.loss_share,
            "seeds": len(tally.figures),
            "seeds_asked": n_seeds,
        }
        by_figure = np.reshape(tally.figures, (-1, len(_FIGURES))).T
        for figure, values in zip(_FIGURES, by_figure, strict=True):
            row |= mean_and_spread(figure, values)
        context.progress(f"{regime}, {method}: accuracy {row['accuracy']:.4f}")
        yield row


def _node(plant: CablePlantConfig, seed: int) -> _Node:
    told = simulate_node(plant, 0, seed=seed).polls
    if told.round_id is None:
        raise InputError("the plant does not number its rounds", source=told.fnode)
    hidden = replace(told, round_id=None)
    keep = ~is_told_again(hidden)
    polls, rounds = hidden.take(keep), told.round_id[keep]
    half_s = plant.start_s + _TRAINING_DAYS * DAY_S
    before = polls.in_window(TimeWindow(plant.start_s, half_s))
    is_after = polls.time_s >= half_s
    after, rounds = polls.take(is_after), rounds[is_after]
    is_gap = np.diff(after.device_of_poll) == 0
    true_steps = np.diff(rounds)[is_gap]
    centres = collection_rounds(after.time_s, float(plant.interval_s))
    truth_accuracy = 0.0
    if len(centres):
        found = round_of_poll(after.time_s, centres, float(plant.interval_s))
        truth_accuracy = float(np.mean(np.diff(found)[is_gap] == true_steps))
    return _Node(
        before,
        np.diff(after.time_s)[is_gap],
        np.maximum(true_steps - 1, 0),
        len(centres) / len(np.unique(rounds)),
        truth_accuracy,
    )


def _judged(truth: Counts, inferred: Counts) -> tuple[float, float, float]:
    """Return accuracy, precision and recall; see appendix B."""
    found = np.minimum(truth, inferred).sum()
    wrong, lost = np.maximum(inferred - truth, 0).sum(), np.maximum(truth - inferred, 0).sum()
    right = np.sum((truth == 0) & (inferred == 0))
    return (
        float((found + right) / max(found + right + wrong + lost, 1)),
        float(found / (found + wrong)) if found + wrong else float("nan"),
        float(found / (found + lost)) if found + lost else float("nan"),
    )


def _by_threshold(gap_s: Array, threshold_s: float, interval_s: float) -> Counts:
    """Return Algorithm 1's count of each gap."""
    return np.maximum(np.ceil((gap_s - threshold_s) / interval_s), 0).astype(np.int64)


def _tuned(node: _Node, interval_s: float, _seed: int) -> tuple[Counts, float]:
    threshold_s = tune_missing_threshold(node.before, interval_s).threshold_s
    return _by_threshold(node.gap_s, threshold_s, interval_s), threshold_s / interval_s


def _fixed(node: _Node, interval_s: float, _seed: int) -> tuple[Counts, float]:
    threshold_s = DEFAULT_THRESHOLD * interval_s
    return _by_threshold(node.gap_s, threshold_s, interval_s), DEFAULT_THRESHOLD


def _none(node: _Node, _interval_s: float, _seed: int) -> tuple[Counts, float]:
    return np.zeros_like(node.missed), float("nan")


def _random(node: _Node, _interval_s: float, seed: int) -> tuple[Counts, float]:
    stream = random_stream(seed, "missing polls by chance")
    return stream.permutation(node.missed), float("nan")


_INFER: Methods = {"tuned": _tuned, "fixed": _fixed, "none": _none, "random": _random}
