"""localize/ablation: what each part of RAPMiner does, and how much its thresholds matter."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.labelled import labelled_datasets
from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.localize.contract import Localization
from faultsight.localize.data import LabelledCase
from faultsight.localize.leaves import Leaves
from faultsight.localize.metrics import Counts, count, recall_at_k
from faultsight.localize.rapminer import RAPMiner, RAPMinerConfig
from faultsight.localize.rapminer.labels import anomalous_leaves
from faultsight.localize.rapminer.power import classification_power

_METHOD = "rapminer"
_LEAF_LABELS = (0.1, 0.2, 0.3, 0.5)
_T_CP = (0.0, 0.01, 0.05, 0.1)
_T_CONF = (0.5, 0.6, 0.7, 0.8, 0.9)


class LocalizeAblation(Scenario):
    """RAPMiner taken apart: its two stages, its thresholds, and the insights it rests on.

    ``part`` says what a row is about. ``stages``: attribute deletion and early stop, with and
    without; ``cuboids_most`` is the largest share of the cuboids of the whole lattice that was
    visited in any case in which an attribute was deleted and the search was not stopped early
    (below one half, by the paper's claim). ``leaf label``, ``t_cp`` and ``t_conf``: one threshold
    at a time, the others at their defaults; the leaf labels beside the default one are an oracle's
    choice. ``insight 1``: the classification power of attributes that a root of the case fixes and
    of those that none does. ``insight 2``: how many children of a true root are anomalous, and
    how many roots have an anomalous parent.
    """

    id: ClassVar[str] = "localize/ablation"
    title: ClassVar[str] = "RAPMiner: attribute deletion, early stop, thresholds, insights"
    shown: ClassVar[tuple[str, ...]] = (
        "part", "setting", "dataset", "cases", "f1", "cuboids_mean", "combinations_mean",
        "seconds_median", "power_of_root_attributes", "power_of_other_attributes",
        "anomalous_children", "roots_below_anomalous_parent",
    )  # fmt: skip

    def run(self, context: Context) -> Outcome:
        """Run every setting on every dataset that is present, or on those asked for."""
        if not context.wants(_METHOD):
            raise SettingError(f"this scenario is about {_METHOD} alone")
        notes = [f"each setting may spend {context.seconds:g} s on a dataset"]
        rows: list[Row] = []
        for dataset in labelled_datasets(context, notes):
            tallies = [_Tally(part, setting, config) for part, setting, config in _settings()]
            insights = [_Insights(label) for label in _LEAF_LABELS]
            total = 0
            for case in dataset.cases(context.cases):
                total += 1
                for tally in tallies:
                    if tally.spent < context.seconds:
                        tally.add(case)
                for insight in insights:
                    insight.add(case)
            found = [tally.row(dataset.name, total) for tally in tallies]
            rows += found + [row for insight in insights for row in insight.rows(dataset.name)]
            best = max(found, key=lambda row: float(row["f1"] or 0))
            context.progress(
                f"{dataset.name}: F1 {found[0]['f1']:.3f} by default, {best['f1']:.3f} with "
                f"{best['part']} {best['setting']}"
            )
        return Outcome(rows, notes)


def _settings() -> Iterator[tuple[str, str, RAPMinerConfig]]:
    """Yield part, setting and configuration; the defaults come first."""
    for deletes, stops in ((True, True), (True, False), (False, True), (False, False)):
        setting = f"deletion {_yes(deletes)}, early stop {_yes(stops)}"
        yield (
            "stages",
            setting,
            RAPMinerConfig(delete_redundant_attributes=deletes, early_stop=stops),
        )
    for label in _LEAF_LABELS:
        yield "leaf label", f"{label:g}", RAPMinerConfig(leaf_deviation_threshold=label)
    for t_cp in _T_CP:
        yield "t_cp", f"{t_cp:g}", RAPMinerConfig(t_cp=t_cp)
    for t_conf in _T_CONF:
        yield "t_conf", f"{t_conf:g}", RAPMinerConfig(t_conf=t_conf)


def _yes(value: bool) -> str:
    return "on" if value else "off"


@dataclass
class _Tally:
    """What RAPMiner did with one configuration, case by case."""

    part: str
    setting: str
    config: RAPMinerConfig
    counts: list[Counts] = field(default_factory=list)
    figures: list[tuple[float, ...]] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    spent: float = 0.0

    def add(self, case: LabelledCase) -> None:
        miner = RAPMiner(config=self.config)
        if not self.counts:
            # The first run also compiles what is compiled on demand, so it is never timed.
            miner.localize(case.cube)
        begin = time.perf_counter()
        answer = miner.localize(case.cube)
        seconds = time.perf_counter() - begin
        cuboids = sum(step.cuboids for step in answer.trace)
        self.counts.append(count(answer.combinations, case.truth))
        self.figures.append(
            (
                *(recall_at_k(answer.combinations, case.truth, k) for k in (1, 3, 5)),
                cuboids,
                sum(step.combinations for step in answer.trace),
                len(answer.remarks),
                bool(answer.abstained),
                seconds,
            )
        )
        if answer.remarks and cuboids and not self.config.early_stop:
            self.shares.append(cuboids / _whole_lattice(case.cube, answer))
        self.spent += seconds

    def row(self, dataset: str, total: int) -> Row:
        summed = sum(self.counts, Counts())
        figures = np.array(self.figures)
        rc_at_1, rc_at_3, rc_at_5, cuboids, combinations, deleted, abstained, mean_s = figures.mean(
            axis=0
        ).tolist()
        return {
            "method": _METHOD,
            "dataset": dataset,
            "part": self.part,
            "setting": self.setting,
            "cases": len(self.counts),
            "cases_asked": total,
            "f1": summed.f1,
            "precision": summed.precision,
            "recall": summed.recall,
            "rc_at_1": rc_at_1,
            "rc_at_3": rc_at_3,
            "rc_at_5": rc_at_5,
            "cuboids_mean": cuboids,
            "cuboids_most": max(self.shares, default=None),
            "combinations_mean": combinations,
            "attributes_deleted_mean": deleted,
            "abstained_share": abstained,
            "seconds_median": float(np.median(figures[:, -1])),
            "seconds_mean": mean_s,
        }


def _whole_lattice(cube: KpiCube, answer: Localization) -> int:
    """Return how many cuboids there are, counted for each KPI that was searched."""
    searched = sum(step.title.endswith("layer 1") for step in answer.trace)
    return searched * ((1 << len(cube.attributes)) - 1)


@dataclass
class _Insights:
    """Insights 1 and 2 of the paper, measured with one leaf label.

    Classification powers of attributes that a root fixes (and of the others) are gathered over
    cases; so are, for each root with an anomalous leaf, the share of its children that are
    anomalous and whether any of its parents is.
    """

    label: float
    powers: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    children: list[float] = field(default_factory=list)
    parents: list[bool] = field(default_factory=list)

    def add(self, case: LabelledCase) -> None:
        fixed = {attribute for root in case.truth for attribute in root}
        for kpi in case.cube.kpis:
            leaves = Leaves(case.cube, kpi)
            is_anomalous = anomalous_leaves(leaves, self.label)
            n_anomalous = int(is_anomalous.sum())
            if 0 < n_anomalous < int(leaves.is_active.sum()):
                power = classification_power(
                    leaves.codes, leaves.cardinalities, leaves.is_active, is_anomalous
                )
                for attribute, value in zip(case.cube.attributes, power.tolist(), strict=True):
                    self.powers[attribute in fixed].append(value)
            for root in case.truth:
                self._look_around(leaves, is_anomalous, root)

    def _look_around(
        self, leaves: Leaves, is_anomalous: NDArray[np.bool_], root: AttributeCombination
    ) -> None:
        cube, t_conf = leaves.cube, RAPMinerConfig().t_conf
        inside = cube.leaves_of(root)
        inside = inside[leaves.is_active[inside]]
        if not inside.size:
            return
        confidences = [
            share
            for position, attribute in enumerate(cube.attributes)
            if attribute not in root
            for share in _confidences(cube.codes[inside, position], is_anomalous[inside])
        ]
        if confidences:
            self.children.append(float(np.mean(np.array(confidences) > t_conf)))
        if root.layer > 1:
            self.parents.append(
                any(
                    is_anomalous[around].sum() > t_conf * leaves.is_active[around].sum()
                    for around in map(cube.leaves_of, root.parents())
                )
            )

    def rows(self, dataset: str) -> Iterable[Row]:
        common: Row = {
            "method": _METHOD,
            "dataset": dataset,
            "setting": f"leaf label {self.label:g}",
        }
        t_cp = RAPMinerConfig().t_cp
        of_roots, of_others = self.powers[True], self.powers[False]
        yield common | {
            "part": "insight 1",
            "attributes_of_roots": len(of_roots),
            "attributes_of_none": len(of_others),
            "power_of_root_attributes": _median(of_roots),
            "power_of_other_attributes": _median(of_others),
            "root_attributes_deleted": _mean([power < t_cp for power in of_roots]),
            "other_attributes_deleted": _mean([power < t_cp for power in of_others]),
        }
        yield common | {
            "part": "insight 2",
            "roots_with_children": len(self.children),
            "anomalous_children": _mean(self.children),
            "roots_with_most_children_anomalous": _mean([share > 0.5 for share in self.children]),
            "roots_with_parents": len(self.parents),
            "roots_below_anomalous_parent": _mean(self.parents),
        }


def _confidences(codes: NDArray[np.int32], is_anomalous: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of anomalous leaves of each element that occurs."""
    leaves = np.bincount(codes)
    anomalous = np.bincount(codes[is_anomalous], minlength=len(leaves))
    return np.asarray(anomalous[leaves > 0] / leaves[leaves > 0])


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(np.mean(found)) if found else None


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None
