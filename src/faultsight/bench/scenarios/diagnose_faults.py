"""diagnose/faults: what tracked faults look like, and whether they are the true ones."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar

from faultsight.bench.asked_for import asked_for
from faultsight.bench.diagnoses import n_seeds
from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.fault_tallies import KINDS, FaultTally, figures, tally_faults
from faultsight.bench.fault_tellers import TELLERS, PlantRun, Teller
from faultsight.bench.seed_bootstrap import seed_intervals
from faultsight.bench.simulated_plants import simulated_plant
from faultsight.diagnose import Verdict
from faultsight.diagnose.faults import with_tickets
from faultsight.diagnose.faults.metrics import PAPER
from faultsight.sim.cable_plant import CablePlantConfig

_DRAWS = 400

_DATASETS: Mapping[str, CablePlantConfig] = {
    name: rates(n_fnodes=10, days=100, with_counters=True, with_pre_equalization=True)
    for name, rates in (
        ("sim_stress", CablePlantConfig.stress),
        ("sim_realistic", CablePlantConfig.realistic),
    )
}


class DiagnoseFaults(Scenario):
    """Faults tracked from day to day: TelApart's Figures 10 to 12, and what only truth can tell.

    A plant has ten fiber nodes and 100 days: thresholds come from the first half, faults from the
    daily windows of the second. A row is about the maintenance or the service faults of a method.
    Figures are those of the faults of all plants together, ``_low`` and ``_high`` their 95 %
    bootstrap intervals over plants.

    The paper's figures: ``duration_h_...``; ``reported_within_..._h``, the share of faults whose
    first ticket of any member came so soon; ``at_most_10_percent_call`` and
    ``reporting_share_...``, members who called of all members; ``wrong_ticket_share``, tickets
    opened in a fault that ask for the wrong team, the dispatches that a look at the diagnosis
    avoids. ``wrong_ticket_right``: of those, where the simulator agrees with the diagnosis.

    What truth tells: a tracked fault *is* the true fault that agrees best with its modem windows,
    if that acts on half of them at least. Of the tracked faults of this verdict, ``no_fault_share``
    are none, and ``right_kind_share`` are true faults of this kind. Of the true faults of this kind
    that act on the test days, ``found_share`` are some tracked fault of whatever verdict,
    ``found_right_share`` one of the right verdict; ``_polled`` leaves out those that never act for
    longer than a poll interval in a window. ``tracked_per_found`` says into how many tracked faults
    one is cut, and ``detection_delay_h_median`` how long after its beginning the first window that
    shows it ends (of faults that begin on the test days).

    ============================  ==============================================================
    truth                         the simulator's faults that begin on the test days, from
                                  beginning to repair
    truth-tracked                 a diagnoser that knows all: what daily windows make of the truth
    telapart, telapart-paper      by default and as published
    telapart/bridged=1            the default, where one day without a sign does not end a fault
    other names                   every other diagnoser that names groups, with its defaults
    tickets                       no diagnosis: each ticket is a fault of its modem from its
                                  opening to its closing, of the kind that the operator wrote
    random_faults                 those of ``telapart``, told of another fiber node and of modems
                                  drawn from it
    ============================  ==============================================================

    The summary holds what the paper reports of its own network. ``--cases`` is how many plants are
    made.
    """

    id: ClassVar[str] = "diagnose/faults"
    title: ClassVar[str] = "Tracked faults: duration, calls, wrong dispatches, identity"
    shown: ClassVar[tuple[str, ...]] = (
        "dataset", "method", "kind", "faults", "duration_h_median", "duration_h_p80",
        "reported_within_24_h", "at_most_10_percent_call", "wrong_ticket_share",
        "wrong_ticket_right", "no_fault_share", "right_kind_share", "found_share",
        "found_right_share", "tracked_per_found", "detection_delay_h_median",
    )  # fmt: skip
    plants: ClassVar[Mapping[str, CablePlantConfig]] = _DATASETS
    """The datasets; smaller ones in tests."""

    def run(self, context: Context) -> Outcome:
        """Track the faults of every method on every dataset, or of those asked for."""
        tellers = asked_for("method", context.methods, TELLERS)
        rows: list[Row] = []
        for dataset, config in asked_for("dataset", context.datasets, self.plants).items():
            rows += _rows(context, dataset, config, tellers)
        notes = [
            f"no further plant is begun after {context.seconds:g} s of a method on a dataset",
            "learned on the first half of the days; faults are those of the second",
            "a fault that lasts at the end of the days counts with what it lasted so far, but in "
            "the rows of truth",
        ]
        return Outcome(rows, notes, _papers())


def _papers() -> list[Row]:
    return [
        {"source": "TelApart, section V-D", "kind": verdict.name.lower(), **told}
        for verdict, told in PAPER.items()
    ]


def _rows(
    context: Context, dataset: str, config: CablePlantConfig, tellers: Mapping[str, Teller]
) -> list[Row]:
    tallies: dict[str, list[dict[Verdict, FaultTally]]] = {method: [] for method in tellers}
    spent = dict.fromkeys(tellers, 0.0)
    count = n_seeds(context)
    for number in range(count):
        running = [method for method in tellers if spent[method] < context.seconds]
        if not running:
            break
        seed = context.seed + number
        context.progress(f"{dataset}: plant {number + 1} of {count} is made, seed {seed}")
        run = PlantRun(simulated_plant(config, seed=seed, train_share=0.5))
        for method in running:
            begin = time.perf_counter()
            teller = tellers[method]
            faults = with_tickets(teller.faults(run), run.plant.tickets)
            tallies[method].append(
                tally_faults(
                    run.plant, faults, known_s=teller.known_s, is_identified=teller.is_identified
                )
            )
            spent[method] += time.perf_counter() - begin
            context.progress(f"{dataset}, seed {seed}: {method}, {len(faults)} faults")
    rows: list[Row] = []
    for method, of_plants in tallies.items():
        for kind in KINDS if of_plants else ():
            heading: Row = {
                "dataset": dataset,
                "method": method,
                "kind": kind.name.lower(),
                "seed": str(context.seed),
                "seeds": len(of_plants),
                "seeds_asked": count,
                "fiber_nodes": config.n_fnodes,
                "days": config.days,
            }
            mine = [told[kind] for told in of_plants]
            is_identified = tellers[method].is_identified
            rows.append(heading | _row(mine, context.seed, is_identified=is_identified))
    return rows


def _row(tallies: list[FaultTally], seed: int, *, is_identified: bool) -> Row:
    row: Row = {
        "faults": sum(tally.metrics.n_faults for tally in tallies),
        "true_faults": sum(len(tally.n_tracked) for tally in tallies) if is_identified else None,
        "tickets": sum(tally.metrics.n_tickets for tally in tallies),
        "wrong_tickets": sum(tally.metrics.n_wrong_tickets for tally in tallies),
    }
    told = seed_intervals(
        lambda some: list(figures(some).values()), tallies, draws=_DRAWS, seed=seed
    )
    for name, interval in zip(figures(tallies), told, strict=True):
        row |= {
            name: interval.value,
            f"{name}_low": interval.low,
            f"{name}_high": interval.high,
        }
    return row
