"""diagnose/features: which metrics group the modems of one fault, and which only raise alarms."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.bench.asked_for import asked_for
from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.fault_labels import fault_labels
from faultsight.bench.over_seeds import mean_and_spread
from faultsight.bench.seed_bootstrap import seed_intervals
from faultsight.bench.threshold_curves import ThresholdCurves
from faultsight.core.polls import COUNTERS, LEVELS, NodePolls, PollTable
from faultsight.core.seed import random_stream
from faultsight.core.tickets import read_tickets
from faultsight.diagnose.cablemon import (
    CableMonConfig,
    CableMonThresholds,
    RateTally,
    fit_cablemon,
    tally_rates,
)
from faultsight.diagnose.cablemon.raw_metrics import METRICS, RATIOS, raw_values
from faultsight.diagnose.contract import DAY_S, windows_of
from faultsight.diagnose.telapart import TelApart, TelApartConfig
from faultsight.diagnose.telapart.feature_window import FeatureWindow, per_device, slots_of
from faultsight.diagnose.telapart.prepared_node import prepare
from faultsight.diagnose.telapart.similarities import similarities, slot_values
from faultsight.diagnose.telapart.ticket_guided import TicketTotals
from faultsight.sim.cable_plant import CablePlantConfig, SimulatedNode, simulate_node

_FNODES, _DAYS, _SEEDS = 12, 28, 10
_LONGEST_S = 21_600.0
_LEAST_SHARE = CableMonConfig().least_time_share
"""Of all modem time, what each side of a TRR must hold, else the luckiest few days win."""
_CONFIG = TelApartConfig.paper(quorum=0.5)
_MISSING, _RANDOM = "missing", "random"
_RATES = ("detection_trr", "clustering_trr", "clustering_trr_same_alarms")
_ENDS = ("_low", "_high")
_PER_MILLION = 1e6

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Feature:
    """What modems are clustered by: a metric, as it is or as a logarithm."""

    metric: str
    is_log: bool = False

    def __str__(self) -> str:
        return f"log {self.metric}" if self.is_log else self.metric

    def values(self, polls: NodePolls, stream: np.random.Generator) -> NDArray[np.float32]:
        """Return the feature of each poll and channel; of chance, noise."""
        shape = polls.n_polls, len(polls.channels)
        if self.metric == _RANDOM:
            return stream.standard_normal(shape, np.float32)
        raw = raw_values(polls, self.metric)
        values = np.full(shape, np.nan, np.float32) if raw is None else raw
        if not self.is_log:
            return values
        scale = np.float32(_PER_MILLION if self.metric in RATIOS else 1.0)
        return np.asarray(np.log1p(values * scale), np.float32)


_FEATURES: Mapping[str, _Feature] = {
    str(feature): feature
    for feature in (
        *(_Feature(metric) for metric in LEVELS),
        _Feature(_MISSING),
        *(_Feature(metric) for metric in (*COUNTERS, *RATIOS)),
        *(_Feature(metric, is_log=True) for metric in (*COUNTERS, *RATIOS)),
        _Feature(_RANDOM),
    )
}


@dataclass
class _Tally:
    """One feature on one half of a plant."""

    own: ThresholdCurves = field(default_factory=lambda: ThresholdCurves(_CONFIG))
    shared: ThresholdCurves = field(default_factory=lambda: ThresholdCurves(_CONFIG))
    rates: RateTally = field(default_factory=RateTally)
    all_s: float = 0.0


class DiagnoseFeatures(Scenario):
    """TelApart's section IV-D: metrics as features of clusters, and as alarms of single modems.

    A seed is a plant of 12 fiber nodes over 28 days at the stress rates, with tickets and counters.
    All thresholds are chosen on six of them, those of all seeds together, for tickets are few; they
    are judged on the other six. Modems are clustered by average linkage on the correlation of a
    metric over a day (``missing``: by Hamming distance); counts and ratios also as logarithms.
    ``random`` is noise, with the alarms of SNR dealt out by chance.

    ``detection_trr`` is CableMon's: how much more often modems call while the metric is abnormal;
    it is empty where CableMon keeps no threshold. ``clustering_trr`` is TelApart's: how much more
    often maintenance tickets come from large anomalous clusters than from small ones. A cluster is
    anomalous if half of its members are, by the metric itself (under the paper's rule, any member,
    one noisy modem makes the healthy crowd a maintenance fault). In ``clustering_trr_same_alarms``
    a modem is anomalous by any metric that CableMon lets decide, so that features differ in their
    clusters alone. The similarity threshold has the highest TRR of training, of those that pass the
    guards of the paper's mode and leave both sides half a percent of all modem time, CableMon's own
    guard; if none does, there is no figure. All three are of all seeds together;
    ``_low`` and ``_high`` are their 95 % bootstrap interval over seeds.

    ``ari`` is the adjusted Rand index against the true faults of any type, on the faulty modems of
    days on which a maintenance fault acts beside another fault: mean over seeds, under the
    threshold with the highest of training.
    """

    id: ClassVar[str] = "diagnose/features"
    title: ClassVar[str] = "Metrics as features of clusters and as alarms"
    shown: ClassVar[tuple[str, ...]] = (
        "feature", "seeds",
        *(f"{column}{end}" for column in _RATES for end in ("", *_ENDS)),
        "ari", "ari_sd",
    )  # fmt: skip

    def run(self, context: Context) -> Outcome:
        """Cluster and raise alarms by every feature (``methods``) asked for."""
        features = asked_for("method", context.methods, _FEATURES)
        n_seeds = min(_SEEDS, context.cases or _SEEDS)
        seeds = range(context.seed, context.seed + n_seeds)
        n_fnodes = min(_FNODES, 4 * (context.cases or _FNODES))
        plant = CablePlantConfig(n_fnodes=n_fnodes, days=_DAYS, with_counters=True)
        context.progress("chooses the thresholds of alarms")
        alarms = _learned(plant, seeds)
        train = {name: _Tally() for name in features}
        test: list[dict[str, _Tally]] = []
        spent = 0.0
        for seed in seeds:
            if spent > context.seconds * len(features):
                break
            begin = time.perf_counter()
            test.append({name: _Tally() for name in features})
            for index in range(n_fnodes):
                bench = _Bench(simulate_node(plant, index, seed=seed), alarms, seed)
                bench.add_to(train if index < n_fnodes // 2 else test[-1], features)
            spent += time.perf_counter() - begin
            context.progress(f"seed {seed}: {spent:.0f} s so far")
        rows = [
            _row(name, train[name], [tallies[name] for tallies in test], n_seeds, context.seed)
            for name in features
        ]
        return Outcome(
            rows,
            [f"no further seed is begun after {context.seconds:g} s a feature, all taken together"],
        )


@dataclass(frozen=True, eq=False)
class _Alarms:
    """From what on a modem is anomalous by itself."""

    cablemon: CableMonThresholds
    least_misses: float


def _learned(plant: CablePlantConfig, seeds: Sequence[int]) -> _Alarms:
    """Return the alarms that the tickets of the first halves of all plants choose."""
    polls, tickets = [], []
    for seed in seeds:
        for index in range(plant.n_fnodes // 2):
            node = simulate_node(plant, index, seed=seed)
            # Plants call their fiber nodes and tickets alike; modems have names of their own.
            polls.append(replace(node.polls, fnode=f"{seed}-{node.fnode}"))
            tickets.append(
                node.tickets.with_columns(
                    pl.format("{}-{}", pl.lit(seed), "ticket_id").alias("ticket_id")
                )
            )
    telemetry, calls = PollTable(polls), read_tickets(pl.concat(tickets))
    cablemon = fit_cablemon(
        telemetry, calls, telemetry.window, config=CableMonConfig(metrics=METRICS),
        longest_s=_LONGEST_S,
    )  # fmt: skip
    misses = TelApart(TelApartConfig.paper(features=(_MISSING,))).fit(telemetry, calls, workers=1)
    return _Alarms(cablemon, misses.scores[_MISSING].value)


class _Bench:
    """One fiber node: its alarms, its true faults, and its days."""

    def __init__(self, node: SimulatedNode, alarms: _Alarms, seed: int) -> None:
        self.node = prepare(node.polls)
        self.tickets = read_tickets(node.tickets)
        self.alarms = alarms
        self.stream = random_stream(seed, "features by chance", node.fnode)
        polls = self.node.polls
        windows = windows_of(PollTable([polls]).window)
        self.windows = [self.node.quiet_window(window) for window in windows]
        self.sums = self.node.totals(self.windows, self.tickets)
        self.truth = fault_labels(node, self.windows)
        self.any_alarm = alarms.cablemon.abnormal_in_any(polls)

    def add_to(self, tallies: Mapping[str, _Tally], features: Mapping[str, _Feature]) -> None:
        """Add every day, feature by feature, and the rates of its alarms."""
        polls = self.node.polls
        levels = {n: f for n, f in features.items() if f.metric != _MISSING}
        values = {name: f.values(polls, self.stream) for name, f in levels.items()}
        alarms = {name: self._alarms(feature) for name, feature in levels.items()}
        for name, alarm in alarms.items():
            tallies[name].rates += tally_rates(polls, self.tickets, alarm, _LONGEST_S)
        for at, window in enumerate(self.windows):
            slots = self.node.slots(window, float(_CONFIG.gone_after_s))
            candidates = np.flatnonzero(slots.n_slots > 0)
            own = slots_of(slots, candidates)
            stacked = [slot_values(own, values[name]) for name in levels]
            alike = similarities(own, np.stack(stacked or [np.zeros((len(own.poll), 1))]))
            present = slots.poll >= 0
            polled = np.maximum(slots.poll, 0)
            shared = per_device(slots, self.any_alarm[polled] & present) > 0
            for place, name in enumerate(levels):
                is_own = per_device(slots, alarms[name][polled] & present) > 0
                self._add(tallies[name], at, candidates, alike.levels[place], is_own, shared)
            if _MISSING in tallies:
                tally = tallies[_MISSING]
                is_own = per_device(slots, ~present) >= self.alarms.least_misses
                self._add(tally, at, candidates, alike.missing, is_own, shared)
                tally.rates += self._window_rates(at, is_own)

    def _alarms(self, feature: _Feature) -> Mask:
        if feature.metric == _RANDOM:
            return self.stream.permutation(
                self.alarms.cablemon.abnormal(self.node.polls, LEVELS[0])
            )
        return self.alarms.cablemon.abnormal(self.node.polls, feature.metric)

    def _add(
        self,
        tally: _Tally,
        at: int,
        candidates: NDArray[np.int64],
        similarity: Floats,
        is_own: Mask,
        is_shared: Mask,
    ) -> None:
        nothing = np.zeros(len(is_own))
        sums = (
            self.sums.covered_s[at], self.sums.maintenance_tickets[at],
            self.sums.service_tickets[at],
        )  # fmt: skip
        tally.all_s += float(sums[0].sum())
        for curves, alarm in ((tally.own, is_own), (tally.shared, is_shared)):
            window = FeatureWindow("", candidates, alarm, similarity, nothing.astype(int), nothing)
            curves.add(
                window, self.truth.label[at], self.truth.is_maintenance[at], sums,
                with_truth=curves is tally.own,
            )  # fmt: skip

    def _window_rates(self, at: int, is_inside: Mask) -> RateTally:
        calls = self.sums.maintenance_tickets[at] + self.sums.service_tickets[at]
        covered_s = self.sums.covered_s[at]
        return RateTally(
            float(covered_s[is_inside].sum()), float(covered_s[~is_inside].sum()),
            int(calls[is_inside].sum()), int(calls[~is_inside].sum()),
        )  # fmt: skip


def _row(name: str, train: _Tally, test: Sequence[_Tally], n_seeds: int, seed: int) -> Row:
    """Return what thresholds chosen on one half are worth on the other."""
    least_days = _LEAST_SHARE * train.all_s / DAY_S
    guards = replace(_CONFIG.guards, least_days=least_days)
    own = train.own.totals.choose("trr", guards, default=float("nan"))
    shared = train.shared.totals.choose("trr", guards, default=float("nan"))

    runs = [
        _Run(tally.rates, [_sums(tally.own.totals, own.similarity),
             _sums(tally.shared.totals, shared.similarity)])
        for tally in test
    ]  # fmt: skip
    row: Row = {"feature": name, "seeds": len(test), "seeds_asked": n_seeds}
    for column, told in zip(_RATES, seed_intervals(_ratios, runs, seed=seed), strict=True):
        row |= dict(zip((column, *(column + end for end in _ENDS)), told, strict=True))
    row |= {"similarity": own.similarity, "similarity_same_alarms": shared.similarity}
    row["share_of_time"] = sum((tally.rates for tally in test), RateTally()).share_of_time
    aris = [float("nan")] * len(test)
    if train.own.n_judged:
        place = int(train.own.ari.argmax())
        row["ari_similarity"] = float(train.own.thresholds[place])
        aris = [float(t.own.ari[place]) if t.own.n_judged else float("nan") for t in test]
    return row | mean_and_spread("ari", aris)


@dataclass(frozen=True, eq=False)
class _Run:
    """One plant: time and tickets of alarms, seconds and maintenance tickets of verdicts.

    `verdicts` has one array for own alarms and one for the same: maintenance, then service.
    """

    rates: RateTally
    verdicts: Sequence[Floats]


def _sums(totals: TicketTotals, similarity: float) -> Floats:
    """Return seconds and maintenance tickets of maintenance and of service; NaN if unknown."""
    place = np.flatnonzero(TicketTotals.thresholds == similarity)
    return totals.table()[place[0], :, :2] if len(place) else np.full((2, 2), np.nan)


def _ratios(runs: Sequence[_Run]) -> list[float]:
    """Return the ratios of several plants together, in the order of `_RATES`."""
    found = [sum((run.rates for run in runs), RateTally()).trr]
    for which in range(2):
        maintenance, service = np.sum([run.verdicts[which] for run in runs], axis=0)
        found.append(_ratio(maintenance, service))
    return found


def _ratio(mine: Floats, other: Floats) -> float:
    """Return one ticketing rate over another; NaN where the latter is not known."""
    (time, calls), (other_time, other_calls) = mine, other
    if not (time > 0 and other_time > 0 and other_calls > 0):
        return float("nan")
    return float(calls / time / (other_calls / other_time))
