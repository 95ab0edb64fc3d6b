"""diagnose/verdict: is it the plant, the home, or nothing: every diagnoser against the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from faultsight.bench.asked_for import asked_for
from faultsight.bench.diagnoses import (
    Diagnosed,
    MakeDiagnoser,
    diagnoses,
    every_diagnoser,
    n_seeds,
)
from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.modem_truth import modem_truth
from faultsight.bench.over_seeds import mean_and_spread
from faultsight.bench.seed_bootstrap import seed_intervals
from faultsight.bench.simulated_plants import PLANTS
from faultsight.diagnose.contract import DAY_S, Verdict
from faultsight.diagnose.metrics.verdict_scores import VerdictScores
from faultsight.diagnose.telapart import TelApart, TelApartConfig
from faultsight.diagnose.telapart.score_threshold import ScoreGuards
from faultsight.diagnose.telapart.ticket_guided import ThresholdGuards
from faultsight.sim.cable_plant import CablePlantConfig

_DEFAULT = "telapart"
_ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "telapart/evidence=paper": {"evidence": "paper"},
    "telapart/criterion=trr": {"criterion": "trr"},
    "telapart/milder_share=1": {"milder_share": 1.0},
    "telapart/reluctance=0": {
        "guards": ThresholdGuards(reluctance=0.0),
        "score_guards": ScoreGuards(reluctance=0.0),
    },
    "telapart/similarity_look_back=1d": {"similarity_look_back_s": DAY_S},
    "telapart/without-missing": {"features": ("snr", "tx_power")},
}
"""What differs from the default, one change each."""

_KINDS = {"maintenance": Verdict.MAINTENANCE, "service": Verdict.SERVICE}
_WINDOWS = ("", "_polled")
"""All judged windows, and those in which the fault was polled."""


class DiagnoseVerdict(Scenario):
    """Every diagnoser on simulated plants: precision, recall and F1 of modems and days.

    A plant has ten fiber nodes and 60 days. A method learns from the polls and tickets of the first
    42 and says of each modem on each of the other 18 days whether it is healthy, suffers from a
    fault of the plant (maintenance) or of its home (service).

    A modem window is maintenance if a maintenance fault acts on the modem within it, else service
    if a service fault does, else healthy. One in which a fault exists but rests is not judged
    (``not_judged_share``). A fault that acts for less than a poll interval may lie between two
    polls: columns with the suffix ``_polled`` judge only faults that act for longer within the
    window. A modem without an answer counts as missed (``insufficient_share``).

    Figures are means over seeds, ``_sd`` their standard deviations. ``macro_f1`` is the mean F1 of
    healthy, maintenance and service, of those that occur in the plant; ``_pooled`` is that of the
    modem windows of all plants together, in which rare faults weigh as the others do.

    ============================  ==============================================================
    telapart                      as by default
    telapart-paper                as published
    telapart/...                  the default with one thing changed: what brings the gain
    random_verdict, majority      what looks at nothing: drawn as often as tickets are opened; all
                                  healthy
    other names                   every other diagnoser, with its defaults
    ============================  ==============================================================

    The summary holds ``telapart`` less every other method, with bootstrap intervals over seeds.
    ``--cases`` is how many seeds are run.
    """

    id: ClassVar[str] = "diagnose/verdict"
    title: ClassVar[str] = "Maintenance, service or healthy: every diagnoser against the truth"
    shown: ClassVar[tuple[str, ...]] = (
        "dataset", "method", "seeds",
        "maintenance_precision", "maintenance_recall", "maintenance_f1",
        "service_precision", "service_recall", "service_f1",
        "macro_f1", "macro_f1_sd", "macro_f1_pooled", "macro_f1_polled", "macro_f1_polled_pooled",
        "insufficient_share",
    )  # fmt: skip
    plants: ClassVar[Mapping[str, CablePlantConfig]] = PLANTS
    """The datasets; smaller ones in tests."""

    def run(self, context: Context) -> Outcome:
        """Judge every method on every dataset, or those asked for."""
        methods = asked_for("method", context.methods, _methods())
        rows: list[Row] = []
        summary: list[Row] = []
        for dataset, config in asked_for("dataset", context.datasets, self.plants).items():
            tallies = {method: _Tally(dataset, method) for method in methods}
            for found in diagnoses(context, dataset, config, methods):
                tallies[found.method].add(found)
            for tally in tallies.values():
                rows.append(tally.row(config, context))
                context.progress(
                    f"{dataset}, {tally.method}: macro-F1 {_told(rows[-1]['macro_f1'])}, polled "
                    f"{_told(rows[-1]['macro_f1_polled'])}"
                )
            summary += _differences(tallies, context.seed)
        notes = [
            f"no further plant is begun after {context.seconds:g} s of a method on a dataset",
            "learned on the first 70 % of the days, judged on the others",
        ]
        return Outcome(rows, notes, summary)


def _methods() -> dict[str, MakeDiagnoser]:
    changed = {name: _changed(changes) for name, changes in _ABLATIONS.items()}
    return every_diagnoser() | changed


def _changed(changes: Mapping[str, Any]) -> MakeDiagnoser:
    return lambda _seed: TelApart(TelApartConfig(**changes))


@dataclass
class _Tally:
    """One method on one dataset, seed by seed."""

    dataset: str
    method: str
    scores: dict[str, dict[int, VerdictScores]] = field(
        default_factory=lambda: {windows: {} for windows in _WINDOWS}
    )
    not_judged: dict[str, list[float]] = field(
        default_factory=lambda: {windows: [] for windows in _WINDOWS}
    )
    seconds: list[tuple[float, float]] = field(default_factory=list)

    def add(self, found: Diagnosed) -> None:
        truth = modem_truth(found.diagnosis, found.plant)
        for windows in _WINDOWS:
            scores = truth.scores(polled=windows == "_polled")
            self.scores[windows][found.plant.seed] = scores
            self.not_judged[windows].append(1 - scores.n_judged / len(truth.true))
        self.seconds.append((found.seconds_fit, found.seconds_diagnose))

    def row(self, config: CablePlantConfig, context: Context) -> Row:
        row: Row = {
            "dataset": self.dataset,
            "method": self.method,
            "seed": str(context.seed),
            "seeds": len(self.seconds),
            "seeds_asked": n_seeds(context),
            "fiber_nodes": config.n_fnodes,
            "days": config.days,
        }
        for windows, of_seed in self.scores.items():
            row |= _figures(list(of_seed.values()), windows)
            row |= mean_and_spread(f"not_judged_share{windows}", self.not_judged[windows])
        # The first plant also pays for loading compiled code.
        fit, diagnose = np.median(self.seconds, axis=0) if self.seconds else (None, None)
        return row | {"seconds_fit": fit, "seconds_diagnose": diagnose}


def _figures(scores: Sequence[VerdictScores], windows: str) -> Row:
    """Return figures over seeds under their names with the suffix of the windows."""
    row: Row = {}
    for kind, verdict in _KINDS.items():
        told = [one.of(verdict) for one in scores]
        for k, name in enumerate(("precision", "recall", "f1")):
            row |= mean_and_spread(f"{kind}_{name}{windows}", (one[k] for one in told))
        true = (float(one.confusion[verdict].sum()) for one in scores)
        row |= mean_and_spread(f"{kind}_windows{windows}", true)
    row |= mean_and_spread(f"healthy_f1{windows}", (one.of(Verdict.HEALTHY).f1 for one in scores))
    row |= mean_and_spread(f"macro_f1{windows}", (one.macro_f1 for one in scores))
    row |= mean_and_spread(f"insufficient_share{windows}", (one.unanswered_share for one in scores))
    pooled = _together(scores) if scores else None
    for kind, verdict in _KINDS.items():
        row[f"{kind}_f1{windows}_pooled"] = None if pooled is None else pooled.of(verdict).f1
    row[f"macro_f1{windows}_pooled"] = None if pooled is None else pooled.macro_f1
    return row


def _together(scores: Sequence[VerdictScores]) -> VerdictScores:
    return sum(scores[1:], start=scores[0])


def _differences(tallies: Mapping[str, _Tally], seed: int) -> list[Row]:
    """Return the default's macro-F1 less that of each other method, on the seeds of both."""
    rows: list[Row] = []
    mine = tallies.get(_DEFAULT)
    for method, other in tallies.items() if mine is not None else ():
        if method == _DEFAULT or mine is None:
            continue
        row: Row = {"dataset": mine.dataset, "method": _DEFAULT, "minus": method}
        for windows in _WINDOWS:
            both = mine.scores[windows].keys() & other.scores[windows].keys()
            pairs = [(mine.scores[windows][s], other.scores[windows][s]) for s in sorted(both)]
            if not pairs:
                continue
            ahead = [a.macro_f1 - b.macro_f1 for a, b in pairs]
            mean, pooled = seed_intervals(_mean_and_pooled, pairs, seed=seed)
            row |= {
                "seeds": len(pairs),
                f"seeds_ahead{windows}": sum(value > 0 for value in ahead),
                f"macro_f1{windows}": mean.value,
                f"macro_f1{windows}_low": mean.low,
                f"macro_f1{windows}_high": mean.high,
                f"macro_f1{windows}_pooled": pooled.value,
                f"macro_f1{windows}_pooled_low": pooled.low,
                f"macro_f1{windows}_pooled_high": pooled.high,
            }
        rows.append(row)
    return rows


def _mean_and_pooled(
    pairs: Sequence[tuple[VerdictScores, VerdictScores]],
) -> tuple[float, float]:
    """Return the mean difference of macro-F1, and the difference of the pooled ones."""
    mine, other = zip(*pairs, strict=True)
    mean = float(np.mean([a.macro_f1 - b.macro_f1 for a, b in pairs]))
    return mean, _together(mine).macro_f1 - _together(other).macro_f1


def _told(value: str | float | bool | None) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "unknown"
