"""diagnose/cablemon: thresholds chosen by tickets against classifiers, fixed rules and chance."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.over_seeds import mean_and_spread
from faultsight.core.errors import UnknownMemberError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import LEVELS, NodePolls, PollTable
from faultsight.core.seed import random_stream
from faultsight.core.tickets import Tickets, read_tickets
from faultsight.diagnose.cablemon import (
    CableMonConfig,
    EventTally,
    RateTally,
    decide,
    events_of,
    fit_cablemon,
    tally_events,
    tally_rates,
)
from faultsight.diagnose.cablemon.generated_features import GeneratedFeature, feature_values
from faultsight.diagnose.cablemon.raw_metrics import raw_values
from faultsight.diagnose.preprocessing.collection_periods import collection_periods_s
from faultsight.diagnose.preprocessing.duplicates import without_duplicates
from faultsight.sim.cable_plant import CablePlantConfig, SimulatedNode, simulate_plant

Mask = NDArray[np.bool_]

_RUNS = 10
_LONGEST_S = 21_600.0
_USUAL = CableMonConfig()
_DATASETS: Mapping[str, CablePlantConfig] = {
    "sim_stress": CablePlantConfig.stress(n_fnodes=6, days=120, with_counters=True),
    "sim_realistic": CablePlantConfig.realistic(n_fnodes=8, days=180, with_counters=True),
}
_LEVELS_ONLY = replace(_USUAL, metrics=LEVELS)
_RAW_VALUES = replace(_USUAL, windows_polls=(1,), weights=())
_CABLEMON: Mapping[str, CableMonConfig] = {
    "cablemon": _USUAL,
    "cablemon-paper": CableMonConfig.paper(),
    "cablemon-levels": _LEVELS_ONLY,
    "cablemon-raw-values": _RAW_VALUES,
}
_CLASSIFIERS = ("decision_tree", "svm", "random_forest")
_RULES: Mapping[str, Mapping[str, tuple[bool, float]]] = {
    # Below or above, and where. What technicians are told to keep: transmit power up to 50 dBmV
    # (Volpe), and SNR from 30 dB on, as 64-QAM needs with some margin.
    "rules_levels": {"snr_db": (True, 30.0), "tx_power_dbmv": (False, 50.0)},
    # When a CMTS by its vendor's published default falls back to a sturdier modulation.
    "rules_cmts": {
        "snr_db": (True, 25.0),
        "codewords_corrected_ratio": (False, 0.03),
        "codewords_uncorrectable_ratio": (False, 0.01),
    },
}
_RANDOM = "random_events"
# Whether a classifier's worst channel is the lowest one.
_LOOKED_AT: Mapping[str, bool] = {
    "snr_db": True,
    "tx_power_dbmv": False,
    "rx_power_dbmv": True,
    "codewords_uncorrectable_ratio": False,
    "t3_timeouts": False,
}
_STATISTICS = (
    GeneratedFeature("AVG", 1),
    GeneratedFeature("AVG", 12),
    GeneratedFeature("WMA_DIFF", 12),
    GeneratedFeature("VAR", 12),
)
_BEFORE_TICKET_S = 48 * 3600.0
_SAMPLES = 3000
"""Polls of each class, at most, that a classifier learns from."""
_SCORED = 100_000
"""Training polls, at most, on which a classifier's level is set."""
_METHODS = (*_CABLEMON, *_CLASSIFIERS, *_RULES, _RANDOM)
_COUNTS = range(1, 13)
_WINDOWS = (1, 3, 6, 12, 24, 36, 54)


class DiagnoseCableMon(Scenario):
    """CableMon and its rivals of the NSDI paper on simulated plants, judged on later days.

    A run is one plant; thresholds and classifiers learn from the first half of its days and are
    judged on the second, with one decision for all: 5 of the last 12 polls abnormal.
    Figures are means over the runs, `_sd` their standard deviations.

    ====================  ========================================================================
    cablemon              as by default
    cablemon-paper        the highest TRR wins, and every metric has a voice
    cablemon-levels       with SNR, transmit and received power alone
    cablemon-raw-values   with no generated feature but the raw value
    decision_tree, svm,   scikit-learn's, on the worst channel's raw value, AVG, WMA_DIFF and VAR of
    random_forest         five metrics; a poll is positive if the modem's customer opens a ticket
                          within 48 h. Abnormal are the polls with the highest scores, as many of
                          the training part as are abnormal to `cablemon`, but 0.5 % at least
    rules_levels,         public fixed rules that stand for Comcast's and for the ISP's tool, whose
    rules_cmts            own thresholds are not public
    random_events         what is abnormal to `cablemon`, moved to other modems and moments
    ====================  ========================================================================

    ``part`` says what a row is about: ``methods``; ``count``, the least number of abnormal polls of
    the last 12 (the paper's Figure 5); ``window``, the length of the window at the same share of
    abnormal polls (Figure 6). The simulator knows what the paper could not: ``events_with_fault``
    is the share of events in which a fault acted on the modem, ``fault_time_found`` that of the
    time in which one acts that lies inside events. ``--cases`` is how many runs are made.
    """

    id: ClassVar[str] = "diagnose/cablemon"
    title: ClassVar[str] = "CableMon: thresholds by tickets, classifiers, fixed rules, decision"
    shown: ClassVar[tuple[str, ...]] = (
        "part", "dataset", "method", "setting", "runs", "trr", "accuracy", "coverage",
        "normalized_ticketing_rate", "lifetime_h_median", "waiting_h_median", "events_with_fault",
        "fault_time_found",
    )  # fmt: skip
    plants: ClassVar[Mapping[str, CablePlantConfig]] = _DATASETS
    """The datasets; smaller ones in tests."""

    def run(self, context: Context) -> Outcome:
        """Run every method on every dataset, or on those asked for."""
        for asked, known, kind in (
            (context.methods, _METHODS, "method"),
            (context.datasets, self.plants, "dataset"),
        ):
            for name in asked:
                if name not in known:
                    raise UnknownMemberError(kind, name, sorted(known))
        notes = [
            "Comcast's and the ISP tool's thresholds are not public: rules_levels and rules_cmts "
            "are public rules in their place",
            f"each method may spend {context.seconds:g} s on a dataset",
        ]
        methods = [method for method in _METHODS if context.wants(method)]
        if importlib.util.find_spec("sklearn") is None:
            left_out = [method for method in methods if method in _CLASSIFIERS]
            methods = [method for method in methods if method not in _CLASSIFIERS]
            notes.append(f"scikit-learn is not installed: {', '.join(left_out)} left out")
        rows: list[Row] = []
        for name, config in self.plants.items():
            if not context.datasets or name in context.datasets:
                rows += _Bench(name, config, methods, context, notes).rows()
        return Outcome(rows, notes)


@dataclass
class _Bench:
    """One dataset: all methods on each plant, then the plant is forgotten."""

    dataset: str
    config: CablePlantConfig
    methods: Sequence[str]
    context: Context
    notes: list[str]

    def rows(self) -> Iterator[Row]:
        figures: dict[tuple[str, str, str], list[dict[str, float]]] = {}
        spent: dict[str, float] = {}
        runs = _RUNS if self.context.cases is None else self.context.cases
        for i in range(runs):
            seed = self.context.seed + i
            self.context.progress(f"{self.dataset}: plant {i + 1} of {runs}")
            plant = _Plant(self.config, seed)
            for method in self.methods:
                if spent.get(method, 0.0) >= self.context.seconds:
                    continue
                begin = time.perf_counter()
                abnormal = _abnormal(plant, method)
                for part, setting, window, least in _decisions(method):
                    found = plant.judged(abnormal, window, least)
                    figures.setdefault((part, method, setting), []).append(found)
                spent[method] = spent.get(method, 0.0) + time.perf_counter() - begin
        for (part, method, setting), found_in_runs in sorted(
            figures.items(), key=lambda item: ("methods", "count", "window").index(item[0][0])
        ):
            row: Row = {
                "part": part,
                "dataset": self.dataset,
                "method": method,
                "setting": setting,
                "seed": str(self.context.seed),
                "runs": len(found_in_runs),
            }
            for name in found_in_runs[0]:
                row |= mean_and_spread(name, (found[name] for found in found_in_runs))
            yield row


def _decisions(method: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield part, setting, and the decision's window and least number of abnormal polls."""
    window, least = _USUAL.decision_polls, _USUAL.decision_abnormal
    yield "methods", f"{least} of {window}", window, least
    if method in ("cablemon", _RANDOM):
        for count in _COUNTS:
            yield "count", f"{count} of {window}", window, count
        for length in _WINDOWS:
            at_least = -(-length * least // window)
            yield "window", f"{at_least} of {length}", length, at_least


class _Plant:
    """One simulated plant, cut in time into a training and a test half."""

    def __init__(self, config: CablePlantConfig, seed: int) -> None:
        nodes = list(simulate_plant(config, seed=seed))
        self.seed = seed
        middle_s = config.start_s + (config.end_s - config.start_s) // 2
        self.train = TimeWindow(config.start_s, middle_s)
        self.test = TimeWindow(middle_s, config.end_s)
        self.tickets = read_tickets(pl.concat([node.tickets for node in nodes]))
        self.polls = [without_duplicates(node.polls) for node in nodes]
        self.is_test = [polls.time_s >= middle_s for polls in self.polls]
        self.tested = [p.take(t) for p, t in zip(self.polls, self.is_test, strict=True)]
        self.acts = [_acting(node, polls) for node, polls in zip(nodes, self.tested, strict=True)]

    def called(self, config: CableMonConfig) -> list[Mask]:
        """Return what is abnormal to CableMon, in all polls, by what the training half teaches."""
        found = fit_cablemon(
            PollTable(self.polls), self.tickets, self.train, config=config, longest_s=_LONGEST_S
        )
        return [found.abnormal_in_any(polls) for polls in self.polls]

    @cached_property
    def usual(self) -> list[Mask]:
        """What is abnormal to CableMon by default."""
        return self.called(_USUAL)

    @cached_property
    def statistics(self) -> list[NDArray[np.float32]]:
        """What classifiers look at, by poll."""
        return [_statistics(polls) for polls in self.polls]

    def judged(self, abnormal: Sequence[Mask], window: int, least: int) -> dict[str, float]:
        """Return the figures of a decision over what is abnormal in the test half."""
        tickets = self.tickets.in_window(self.test)
        tally, rates = EventTally(), RateTally()
        true_events, acting_s, found_s = 0, 0.0, 0.0
        for polls, is_abnormal, acts in zip(self.tested, abnormal, self.acts, strict=True):
            is_event = decide(polls, is_abnormal, window_polls=window, least_abnormal=least)
            tally += tally_events(polls, tickets, is_event, _LONGEST_S)
            rates += tally_rates(polls, tickets, is_abnormal, _LONGEST_S)
            period_s = collection_periods_s(polls, _LONGEST_S)
            events = events_of(polls, is_event, period_s)
            so_far = np.concatenate([[0], np.cumsum(acts)])
            true_events += int((so_far[events.last_poll + 1] > so_far[events.first_poll]).sum())
            acting_s += float(period_s[acts].sum())
            found_s += float(period_s[acts & is_event].sum())
        return {
            "trr": rates.trr,
            "abnormal_time": rates.share_of_time,
            "accuracy": tally.accuracy,
            "coverage": tally.coverage,
            "normalized_ticketing_rate": tally.normalized_ticketing_rate,
            "events": float(tally.events),
            "lifetime_h_mean": _of(np.mean, tally.lifetimes_h),
            "lifetime_h_median": _of(np.median, tally.lifetimes_h),
            "waiting_h_mean": _of(np.mean, tally.waitings_h),
            "waiting_h_median": _of(np.median, tally.waitings_h),
            "events_with_fault": true_events / tally.events if tally.events else float("nan"),
            "fault_time_found": found_s / acting_s if acting_s else float("nan"),
        }


def _of(statistic: Callable[[Any], Any], values: Sequence[float]) -> float:
    return float(statistic(values)) if values else float("nan")


def _acting(node: SimulatedNode, polls: NodePolls) -> Mask:
    """Return at which polls a fault of the plant acts on the modem; benign changes are none."""
    place = {device: i for i, device in enumerate(polls.device_ids)}
    is_fault = {row[0]: row[1] != "benign" for row in node.faults["fault_id", "kind"].iter_rows()}
    members: dict[str, list[int]] = {}
    for fault, device in node.affected.iter_rows():
        members.setdefault(fault, []).append(place[device])
    acts = np.zeros(polls.n_polls, np.bool_)
    spans = node.activity.with_columns(pl.col("start", "end").dt.epoch("us") / 1e6)
    for fault, start_s, end_s in spans["fault_id", "start", "end"].iter_rows():
        for device in members.get(fault, []) if is_fault[fault] else ():
            first, last = polls.device_start[device : device + 2]
            span = np.searchsorted(polls.time_s[first:last], [start_s, end_s])
            acts[first + span[0] : first + span[1]] = True
    return acts


def _abnormal(plant: _Plant, method: str) -> list[Mask]:
    """Return which polls of the test half are abnormal to a method."""
    if method in _CABLEMON:
        everywhere = plant.usual if method == "cablemon" else plant.called(_CABLEMON[method])
        return [a[t] for a, t in zip(everywhere, plant.is_test, strict=True)]
    if method in _RULES:
        return [_broken(polls, _RULES[method]) for polls in plant.tested]
    if method == _RANDOM:
        stream = random_stream(plant.seed, "cablemon", _RANDOM)
        usual = [a[t] for a, t in zip(plant.usual, plant.is_test, strict=True)]
        return [_moved(p, a, stream) for p, a in zip(plant.tested, usual, strict=True)]
    return _classified(plant, method)


def _moved(polls: NodePolls, abnormal: Mask, stream: np.random.Generator) -> Mask:
    """Return each modem's abnormal polls on another modem and at another time.

    Each by itself: a fault of many modems moved as a whole could fall onto another as a whole.
    """
    starts, lengths = polls.device_start[:-1], np.diff(polls.device_start)
    moved = np.zeros(polls.n_polls, np.bool_)
    for to, source in enumerate(stream.permutation(polls.n_devices).tolist()):
        given = abnormal[starts[source] : starts[source] + lengths[source]]
        if len(given) and lengths[to]:
            fitting = np.resize(given, lengths[to])
            shift = int(stream.integers(lengths[to]))
            moved[starts[to] : starts[to] + lengths[to]] = np.roll(fitting, shift)
    return moved


def _broken(polls: NodePolls, rules: Mapping[str, tuple[bool, float]]) -> Mask:
    """Return which polls break a fixed rule on any channel."""
    broken = np.zeros(polls.n_polls, np.bool_)
    for metric, (is_below, limit) in rules.items():
        values = raw_values(polls, metric)
        if values is not None:
            with np.errstate(invalid="ignore"):
                broken |= ((values < limit) if is_below else (values > limit)).any(axis=1)
    return broken


def _statistics(polls: NodePolls) -> NDArray[np.float32]:
    """Return the worst channel's statistics of each poll, NaN where there are none."""
    columns = []
    for metric, is_below in _LOOKED_AT.items():
        told = feature_values(polls, metric, _STATISTICS, _USUAL)
        for feature, values in zip(_STATISTICS, told, strict=True):
            worst = np.fmin if is_below and feature.generated != "VAR" else np.fmax
            columns.append(worst.reduce(values, axis=1))
    return np.stack(columns, axis=1)


def _classified(plant: _Plant, method: str) -> list[Mask]:
    """Return which polls of the test half score highest with a classifier trained on tickets."""
    is_train = [~is_test for is_test in plant.is_test]
    rows = np.concatenate([x[t] for x, t in zip(plant.statistics, is_train, strict=True)])
    tickets = plant.tickets.in_window(plant.train)
    called = np.concatenate(
        [_before_tickets(p, tickets)[t] for p, t in zip(plant.polls, is_train, strict=True)]
    )
    stream = random_stream(plant.seed, "cablemon", method)
    chosen = np.concatenate(
        [stream.permutation(np.flatnonzero(label))[:_SAMPLES] for label in (called, ~called)]
    )
    model = _classifier(method, int(stream.integers(1 << 31)))
    model.fit(rows[chosen], called[chosen])
    usual = np.concatenate([a[t] for a, t in zip(plant.usual, is_train, strict=True)])
    some = stream.permutation(len(rows))[:_SCORED]
    level = _level(_scores(model, rows[some]), max(usual.mean(), _USUAL.least_time_share))
    return [
        _scores(model, x[t]) >= level for x, t in zip(plant.statistics, plant.is_test, strict=True)
    ]


def _before_tickets(polls: NodePolls, tickets: Tickets) -> Mask:
    """Return the polls that a ticket of the same modem follows soon."""
    mine, device = tickets.of_devices(polls.device_ids)
    follows = np.zeros(polls.n_polls, np.bool_)
    for opened_s, place in zip(mine.opened_s, device, strict=True):
        first, last = polls.device_start[place : place + 2]
        soon = [opened_s - _BEFORE_TICKET_S, opened_s]
        span = np.searchsorted(polls.time_s[first:last], soon)
        follows[first + span[0] : first + span[1]] = True
    return follows


def _classifier(method: str, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC
    from sklearn.tree import DecisionTreeClassifier

    model = {
        "decision_tree": DecisionTreeClassifier(min_samples_leaf=20, random_state=seed),
        "svm": LinearSVC(dual=False, random_state=seed),
        "random_forest": RandomForestClassifier(50, min_samples_leaf=20, random_state=seed),
    }[method]
    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), model
    )


def _scores(model: Any, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(rows), np.float64)
    return np.asarray(model.predict_proba(rows)[:, 1], np.float64)


def _level(scores: NDArray[np.float64], share: float) -> float:
    """Return the score that so large a share reaches, or as nearly as equal scores allow."""
    levels, counts = np.unique(scores, return_counts=True)
    reached = np.cumsum(counts[::-1])[::-1] / len(scores)
    return float(levels[np.argmin(np.abs(reached - share))])
