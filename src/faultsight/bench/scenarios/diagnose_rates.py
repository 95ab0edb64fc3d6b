"""diagnose/rates: do tickets of the right kind gather where a fault is diagnosed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from faultsight.bench.asked_for import asked_for
from faultsight.bench.diagnoses import (
    RANDOM,
    Diagnosed,
    MakeDiagnoser,
    diagnoses,
    every_diagnoser,
    n_seeds,
)
from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.modem_truth import modem_truth
from faultsight.bench.ticket_counts import difference_of_rates, joined_counts
from faultsight.diagnose.contract import Verdict
from faultsight.diagnose.metrics.ticketing_rates import (
    INVARIANTS,
    KINDS,
    Interval,
    TicketCounts,
    count_tickets,
    ticketing_rates,
)
from faultsight.diagnose.metrics.verdict_scores import VerdictScores
from faultsight.diagnose.telapart import FEATURES, TelApart, TelApartConfig
from faultsight.sim.cable_plant import CablePlantConfig

_FEATURES: Mapping[str, tuple[str, ...]] = {
    "combined": FEATURES,
    **{feature: (feature,) for feature in FEATURES},
}
_SHOWN = "snr"
"""The feature that the paper shows clusterings and preprocessing on."""
_PLANTS: Mapping[str, CablePlantConfig] = {
    name: rates(n_fnodes=40, days=70, with_pre_equalization=True)
    for name, rates in (
        ("sim_stress", CablePlantConfig.stress),
        ("sim_realistic", CablePlantConfig.realistic),
    )
}
_RIVALS: Mapping[str, Mapping[str, Any]] = {
    "dbscan": {"clustering": "dbscan"},
    "single_linkage": {"clustering": "single"},
    "complete_linkage": {"clustering": "complete"},
    "resampling": {"is_resampled": True},
}
"""The paper's mode with one choice replaced, as the diagnosers of these names have it."""
_PAPER = "telapart-paper"
_ALONE = ("pre_equalization_grouping", "spectrum_dbscan", "cablemon_alone", RANDOM, "majority")
"""Methods that have no such features."""
_LETTER = {Verdict.MAINTENANCE: "M", Verdict.SERVICE: "S", Verdict.HEALTHY: "H"}
_BEST = (("maintenance", Verdict.MAINTENANCE), ("service", Verdict.SERVICE))
"""The two rates that should be high."""


class DiagnoseRates(Scenario):
    """TelApart's normalized ticketing rates, its measure for lack of a truth (Figures 7 to 9).

    ``R_xY`` is how often tickets of kind x (m, s) are opened in modem windows diagnosed as Y
    (maintenance M, service S, healthy H), divided by how often they are on average: 1 is what
    verdicts reach that know nothing. Four differences should be above 0 (``R_mM-R_sM`` and so on),
    and the rates of healthy windows below 1.

    A plant has 40 fiber nodes and 70 days: thresholds come from the first 49, tickets are counted
    in the other 21. ``_low`` and ``_high`` are 95 % bootstrap intervals over the fiber nodes of all
    plants; that other thresholds might have been learned is not in them. ``holding`` says how many
    of the four differences are above 0, ``certain`` of how many the whole interval is, and
    ``plants_holding_all`` in how many plants all four hold. Beside what the paper measures stands
    what it could not: ``macro_f1``, that of ``diagnose/verdict``, of all plants together.

    ============================  ==============================================================
    telapart, telapart-paper      by default and as published, with each feature alone and with
                                  all (``combined``): Figure 7
    pre_equalization_grouping,    what looks at pre-equalization: Figure 7
    spectrum_dbscan
    dbscan, single_linkage,       as published but for the clustering, beside average linkage
    complete_linkage              (``telapart-paper``): Figure 8
    resampling                    as published but for the preprocessing: Figure 9
    cablemon_alone                what sends a service technician for every event
    random_verdict, majority      what looks at nothing
    ============================  ==============================================================

    The summary compares ``R_mM`` and ``R_sS`` of the paper's choices with those of their rivals, on
    the same fiber nodes. ``--cases`` is how many plants are made.
    """

    id: ClassVar[str] = "diagnose/rates"
    title: ClassVar[str] = "Normalized ticketing rates of diagnosed maintenance and service"
    shown: ClassVar[tuple[str, ...]] = (
        "dataset", "method", "features", "R_mM", "R_sM", "R_mS", "R_sS", "R_mH", "R_sH",
        *(
            f"{name.replace(' ', '')}{end}"
            for name in INVARIANTS
            for end in ("", "_low", "_high")
        ),
        "holding", "certain", "macro_f1",
    )  # fmt: skip
    plants: ClassVar[Mapping[str, CablePlantConfig]] = _PLANTS
    """The datasets; smaller ones in tests."""

    def run(self, context: Context) -> Outcome:
        """Count the tickets of every method on every dataset, or of those asked for."""
        wanted = asked_for("method", context.methods, _methods())
        keys = {
            f"{method}, {features}": (method, features)
            for method, of_features in wanted.items()
            for features in of_features
        }
        diagnosers = {key: wanted[method][features] for key, (method, features) in keys.items()}
        rows: list[Row] = []
        summary: list[Row] = []
        for dataset, config in asked_for("dataset", context.datasets, self.plants).items():
            tallies = {key: _Tally(dataset, *told) for key, told in keys.items()}
            for found in diagnoses(context, dataset, config, diagnosers):
                tallies[found.method].add(found)
            for key, tally in tallies.items():
                if tally.counts:
                    rows.append(tally.row(config, context.seed, n_seeds(context)))
                    context.progress(
                        f"{dataset}, {key}: {rows[-1]['holding']} of 4 invariants hold, "
                        f"{rows[-1]['certain']} for certain"
                    )
            summary += _comparisons(dataset, list(tallies.values()), context.seed)
        notes = [
            f"no further plant is begun after {context.seconds:g} s of a method on a dataset",
            "learned on the first 70 % of the days; tickets are counted in the others",
        ]
        return Outcome(rows, notes, summary)


def _methods() -> dict[str, dict[str, MakeDiagnoser]]:
    """Return by method and features what makes a diagnoser."""
    alone = every_diagnoser()
    return {
        "telapart": {name: _of(TelApartConfig(features=f)) for name, f in _FEATURES.items()},
        _PAPER: {name: _of(TelApartConfig.paper(features=f)) for name, f in _FEATURES.items()},
        **{
            name: {_SHOWN: _of(TelApartConfig.paper(features=(_SHOWN,), **choice))}
            for name, choice in _RIVALS.items()
        },
        **{name: {"": alone[name]} for name in _ALONE},
    }


def _of(config: TelApartConfig) -> MakeDiagnoser:
    return lambda _seed: TelApart(config)


@dataclass
class _Tally:
    """One method on one dataset, plant by plant."""

    dataset: str
    method: str
    features: str
    counts: dict[int, TicketCounts] = field(default_factory=dict)
    scores: list[VerdictScores] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, found: Diagnosed) -> None:
        self.counts[found.plant.seed] = count_tickets(found.diagnosis, found.plant.tickets)
        self.scores.append(modem_truth(found.diagnosis, found.plant).scores())
        self.seconds.append(found.seconds_fit + found.seconds_diagnose)

    @property
    def joined(self) -> TicketCounts:
        return joined_counts(list(self.counts.values()), [str(seed) for seed in self.counts])

    def row(self, config: CablePlantConfig, seed: int, seeds_asked: int) -> Row:
        counts = self.joined
        rates = ticketing_rates(counts, seed=seed)
        device_s = counts.device_s.sum(axis=0)
        tickets = counts.tickets.sum(axis=0)
        row: Row = {
            "dataset": self.dataset,
            "method": self.method,
            "features": self.features,
            "seed": str(seed),
            "seeds": len(self.counts),
            "seeds_asked": seeds_asked,
            "fiber_nodes": len(counts.fnodes),
            "days": config.days,
        }
        for (kind, verdict), told in rates.rates.items():
            row |= _interval(f"R_{kind[0]}{_LETTER[verdict]}", told)
        for name, told in rates.invariants.items():
            row |= _interval(name.replace(" ", ""), told)
        alone = [ticketing_rates(one, n=1).n_holding for one in self.counts.values()]
        row |= {
            "holding": rates.n_holding,
            "certain": rates.n_certain,
            "plants_holding_all": alone.count(len(INVARIANTS)),
        }
        for x, kind in enumerate(KINDS):
            row[f"{kind}_tickets"] = int(tickets[x].sum())
            row[f"{kind}_tickets_in_M"] = int(tickets[x, Verdict.MAINTENANCE])
            row[f"{kind}_tickets_in_S"] = int(tickets[x, Verdict.SERVICE])
        for verdict in (Verdict.MAINTENANCE, Verdict.SERVICE):
            row[f"{verdict.name.lower()}_time_share"] = float(device_s[verdict] / device_s.sum())
        row["macro_f1"] = sum(self.scores[1:], start=self.scores[0]).macro_f1
        return row | {"seconds_per_plant": float(np.median(self.seconds))}


def _interval(column: str, told: Interval) -> Row:
    return {column: told.value, f"{column}_low": told.low, f"{column}_high": told.high}


def _comparisons(dataset: str, tallies: list[_Tally], seed: int) -> list[Row]:
    """Return the rates of the paper's choices less those of their rivals."""
    paper = {tally.features: tally for tally in tallies if tally.method == _PAPER}
    rows: list[Row] = []
    for other in tallies:
        mine = paper.get(other.features)
        if other.method not in _RIVALS or mine is None:
            continue
        both = sorted(mine.counts.keys() & other.counts.keys())
        if not both:
            continue
        names = [str(each) for each in both]
        first, second = (
            joined_counts([tally.counts[each] for each in both], names) for tally in (mine, other)
        )
        row: Row = {
            "dataset": dataset,
            "features": other.features,
            "method": _PAPER,
            "minus": other.method,
            "seeds": len(both),
        }
        for kind, verdict in _BEST:
            column = f"R_{kind[0]}{_LETTER[verdict]}"
            told = difference_of_rates(first, second, kind, verdict, seed=seed)
            row |= _interval(column, told)
        rows.append(row)
    return rows
