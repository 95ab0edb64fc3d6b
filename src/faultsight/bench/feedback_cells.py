"""One cell of the tables of feedback: a method on a set with one seed, tuned by each kind of marks.

A method is tuned by its own mechanism (`Detector.tune`), and by ours, the same for all: the layers
of `DeployedDetector` on the scores that it gives. Whose mechanism wins what can then be told apart.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from faultsight.bench.detect_runs import (
    HEADLINES,
    Deployment,
    Method,
    deploy,
    detection_methods,
    evenly_chosen,
    fleet_datasets,
    labelled_fleets,
    levels_of_history,
    most_memory_mb,
    tune_fleet,
    unlabelled,
)
from faultsight.bench.engine import Context, Outcome, Row
from faultsight.bench.feedback_protocol import (
    TUNINGS,
    first_judged_rows,
    first_test_rows,
    judged_pairs,
    marks_of_errors,
)
from faultsight.bench.feedback_summary import COMPARED, over_cells
from faultsight.bench.journal import Cell, run_cells
from faultsight.bench.untuned_rows import warm_up
from faultsight.core.errors import InputError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.contract import Detector, Progress, Score
from faultsight.detect.data import Fleet, open_fleets
from faultsight.detect.deployed import DeployedDetector, LayersConfig
from faultsight.detect.metrics import best_f1, f1_of, summary
from faultsight.detect.tuning.active_learning import Query

__all__ = ["FeedbackPreset", "KnownScores", "run_feedback_table", "work_cell"]

_Figures = dict[str, dict[str, float]]
"""By entity and name."""
_COLUMNS = ("none", "fp", "fn", "fp+fn")
_BOTH = "fp+fn"
_ASKING = "+asked"
_ASKED = _BOTH + _ASKING
_FALSE_ALARMS = frozenset({MarkKind.FALSE_ALARM})
_EVERY_ERROR = frozenset({MarkKind.FALSE_ALARM, MarkKind.MISSED})
_LEARNS_FROM = {frozenset[MarkKind](): "none", _FALSE_ALARMS: "fp", _EVERY_ERROR: "fp+fn"}


@dataclass(frozen=True)
class FeedbackPreset:
    """How much of each set is run.

    Attributes
    ----------
    entities : int or None
        Of each fleet, evenly chosen among those with feedback; all if None.
    of_sets : mapping of str to int
        The same for sets of other sizes.
    most_windows : int or None
        Windows of an epoch at most, of every method that has such a setting, in place of its
        default if that is more.
    seeds, simulated_seeds : int
        Runs on each set that lies in files, and on each that is simulated.
    budget_s : float
        Of the whole run; see `run_cells`.
    """

    entities: int | None = None
    of_sets: Mapping[str, int] = field(default_factory=dict)
    most_windows: int | None = None
    seeds: int = 1
    simulated_seeds: int = 1
    budget_s: float = 1_800.0

    def in_words(self) -> list[str]:
        """Return what is less than all, for the notes of a result."""
        told = []
        if self.entities is not None:
            others = "".join(f", {n} of {name}" for name, n in self.of_sets.items())
            told.append(
                f"at most {self.entities} entities of each fleet{others}, evenly chosen among "
                "those with anomalies in both parts of the test"
            )
        if self.most_windows is not None:
            told.append(f"no method sees more than {self.most_windows:,} windows in an epoch")
        return told


def run_feedback_table(
    scenario: str,
    context: Context,
    preset: FeedbackPreset,
    *,
    usual: Sequence[str],
    epochs: int | None = None,
) -> Outcome:
    """Run every method on every set, and say what marks were worth to each.

    Parameters
    ----------
    scenario : str
        Its id.
    context : Context
        ``cases`` is the number of seeds in place of the preset's.
    preset : FeedbackPreset
        How much is run.
    usual : sequence of str
        The sets, if the context names none.
    epochs : int, optional
        Of training and of fine-tuning, in place of the defaults; for tests.

    Raises
    ------
    MissingDataError
        If none of the sets is on this machine.
    """
    notes = preset.in_words()
    methods = detection_methods(context, notes, epochs=epochs)
    datasets = fleet_datasets(context, notes, usual=usual, feedback=True)
    cells: list[Cell] = []
    most = max(preset.seeds, preset.simulated_seeds) if context.cases is None else context.cases
    for nth in range(most):
        for dataset in datasets:
            is_simulated = dataset.kind == "simulated"
            own = preset.simulated_seeds if is_simulated else preset.seeds
            for method in methods:
                # Neither other weights nor other data: the same again.
                is_same = nth and not (is_simulated or method.takes_seed)
                if nth < (context.cases or own) and not is_same:
                    name = {"dataset": dataset.name, "method": method.name}
                    cells.append({**name, "seed": context.seed + nth})
    work = partial(work_cell, data_dir=context.data_dir, preset=preset, epochs=epochs)
    rows, lost = run_cells(scenario, cells, work, context, budget_s=preset.budget_s, told=_told)
    return Outcome(rows, notes + lost, over_cells(rows, seed=context.seed))


def work_cell(
    cell: Cell, *, data_dir: Path | None, preset: FeedbackPreset, epochs: int | None
) -> list[Row]:
    """Return the rows of one method on one set with one seed."""
    name, seed = str(cell["method"]), int(cell["seed"])
    dataset = open_fleets(str(cell["dataset"]), data_dir, seed=seed)
    entities = preset.of_sets.get(dataset.name, preset.entities)
    fleets = [evenly_chosen(fleet, entities) for fleet in labelled_fleets(dataset)]
    methods = detection_methods(Context(methods=(name,)), [], epochs=epochs)
    (method,) = (method for method in methods if method.name == name)
    if preset.most_windows is not None and hasattr(method.config, "most_windows"):
        fewer = min(method.config.most_windows, preset.most_windows)
        method = method.with_settings(most_windows=fewer)
    warm_up(method, fleets[0])
    return _Cell(cell, method, [deploy(method, fleet, seed=seed) for fleet in fleets]).rows()


@dataclass(frozen=True, eq=False)
class _Cell:
    cell: Cell
    method: Method
    base: Sequence[Deployment]
    seen: dict[Any, tuple[Deployment, _Figures]] = field(default_factory=dict)
    """Deployments tuned by the same marks, and what is said of their entities."""

    def rows(self) -> list[Row]:
        rows = [self._row("own", tuning, self._tuned_by_its_own) for tuning in _COLUMNS]
        if getattr(self.method.member, "asks", False):
            rows.append(self._row("own", _ASKED, self._tuned_by_asking))
        return rows + [self._row("ours", tuning, _tuned_by_ours) for tuning in ("none", _BOTH)]

    def _row(
        self,
        mechanism: str,
        tuning: str,
        tune: Callable[[Deployment, Sequence[Mark], int], Deployment],
    ) -> Row:
        learns = _learned_kinds(self.method) if mechanism == "own" else _EVERY_ERROR
        marks: list[Mark] = []
        deployments: list[Deployment] = []
        entities: _Figures = {}
        for nth, base in enumerate(self.base):
            kinds = TUNINGS[tuning.removesuffix(_ASKING)]
            given = marks_of_errors(base.fleet, base.scores, base.levels, kinds)
            told = tuple(mark for mark in given if mark.kind in learns)
            teaches = bool(told) or tuning == _ASKED
            # What was taught the same, or nothing, is the same.
            key = (nth, told, tuning == _ASKED, mechanism if teaches else "")
            if key not in self.seen:
                found = tune(base, told, int(self.cell["seed"])) if teaches else base
                self.seen[key] = found, _entity_figures(found)
            found, figures = self.seen[key]
            marks += given
            deployments.append(found)
            entities |= figures
        return {
            "dataset": str(self.cell["dataset"]),
            "method": self.method.name,
            "mechanism": mechanism,
            "tuning": tuning,
            "seed": str(self.cell["seed"]),
            "learns_from": _LEARNS_FROM[learns],
            "marks": len(marks),
            "false_alarm_marks": sum(mark.kind is MarkKind.FALSE_ALARM for mark in marks),
            "missed_marks": sum(mark.kind is MarkKind.MISSED for mark in marks),
            "entities": len(entities),
            **_pooled(entities),
            "seconds_fit": sum(d.seconds_fit for d in deployments),
            "seconds_tune": sum(d.seconds_tune for d in deployments),
            "seconds_score": sum(d.seconds_score for d in deployments),
            "memory_mb": most_memory_mb(deployments),
            **_by_entity(entities),
        }

    def _tuned_by_its_own(self, base: Deployment, marks: Sequence[Mark], seed: int) -> Deployment:
        if self.method.tuning is not None:
            return tune_fleet(base, marks, replace(self.method.tuning, seed=seed))[0]
        return _tuned(base, marks)

    def _tuned_by_asking(self, base: Deployment, marks: Sequence[Mark], seed: int) -> Deployment:
        """Tune by marks and by what labels answer; of the rows before those judged alone."""
        first = first_test_rows(base.fleet)
        labels = {test.entity: test.labels for test in base.fleet.test}

        def ask(query: Query) -> bool | None:
            known = labels[query.entity]
            return None if known is None else bool(known[query.at - first[query.entity]])

        return _tuned(base, marks, ask=ask)


def _tuned(base: Deployment, marks: Sequence[Mark], **how: Any) -> Deployment:
    whole = unlabelled(base.fleet.whole())
    start = time.perf_counter()
    tuned, _ = base.detector.tune(  # type: ignore[attr-defined]
        _until_judged(base.fleet, whole), marks, **how
    )
    done = time.perf_counter()
    found = replace(
        base, detector=tuned, scores=tuple(tuned.score(whole)),
        seconds_tune=done - start, seconds_score=time.perf_counter() - done,
    )  # fmt: skip
    return replace(found, levels=levels_of_history(found))


def _learned_kinds(method: Method) -> frozenset[MarkKind]:
    """Return what a method's own mechanism can learn from."""
    if method.tuning is not None:
        return _EVERY_ERROR
    member: Any = method.member
    if not hasattr(member, "tune"):
        return frozenset()
    # A detector of others need not say: it is given all.
    return _EVERY_ERROR if getattr(member, "learns_missed", True) else _FALSE_ALARMS


def _tuned_by_ours(base: Deployment, marks: Sequence[Mark], seed: int) -> Deployment:
    whole = unlabelled(base.fleet.whole())
    start = time.perf_counter()
    known = KnownScores(base.detector, base.scores)
    deployed = DeployedDetector.around(known, unlabelled(base.fleet.train))
    # Corrected history would have each method fitted anew: that is not what is asked here.
    layers = LayersConfig(correction=False, seed=seed)
    tuned, _ = deployed.tune(_until_judged(base.fleet, whole), marks, layers)
    done = time.perf_counter()
    return replace(
        base, detector=tuned, scores=tuple(tuned.score(whole)),
        levels={entity: tuned.level_of(entity) for entity in base.levels},
        seconds_tune=done - start, seconds_score=time.perf_counter() - done,
    )  # fmt: skip


class KnownScores(Detector):
    """A fitted detector whose scores are known already: no row's score needs a later one.

    Parameters
    ----------
    detector : Detector
        Fitted.
    scores : sequence of Score
        Its scores of whole frames. The first rows of these can be asked for, and no other.

    Examples
    --------
    >>> from faultsight.detect import DETECTORS
    >>> frame = KpiFrame("a", ("x",), 0, 60, np.arange(9.0)[:, None])
    >>> detector = DETECTORS.load("input_norm")().fit([frame])
    >>> known = KnownScores(detector, detector.score([frame]))
    >>> len(known.score([frame[:4]])[0])
    4
    """

    def __init__(self, detector: Detector, scores: Sequence[Score]) -> None:
        self.config, self.name = detector.config, detector.name  # type: ignore[misc]
        self.excused = detector.excused  # type: ignore[misc]
        self.kpis, self.interval_s = detector.kpis, detector.interval_s
        self._known = {score.entity: score for score in scores}

    def _fit(self, frames: Sequence[KpiFrame], progress: Progress) -> None:
        raise InputError("is fitted already", source=self.name)

    def _score(self, frames: Sequence[KpiFrame]) -> list[Score]:
        found = []
        for frame in frames:
            score = self._known.get(frame.entity)
            if score is None or score.start_s != frame.start_s or len(score) < len(frame):
                raise InputError("its score is not known", source=frame.entity)
            found.append(score[: len(frame)])
        return found


def _until_judged(fleet: Fleet, whole: Sequence[KpiFrame]) -> list[KpiFrame]:
    judged = first_judged_rows(fleet)
    return [frame[: judged[frame.entity]] for frame in whole]


def _entity_figures(deployment: Deployment) -> _Figures:
    """Return the figures of each entity's judged rows."""
    interval_s = deployment.fleet.train[0].interval_s
    found = {}
    for entity, pair in judged_pairs(deployment.scores, deployment.fleet).items():
        best = best_f1(*pair)
        found[entity] = {
            **summary({entity: pair}, deployment.levels, interval_s=interval_s),
            "precision_point_adjusted": best.precision,
            "recall_point_adjusted": best.recall,
            "rows": len(pair[1]),
            "anomalous_rows": int(pair[1].sum()),
        }
    return found


def _pooled(entities: Mapping[str, Mapping[str, float]]) -> Row:
    """Return the figures of all entities: means, and F1 of the means, as in `fleet_f1`."""

    def mean(name: str) -> float:
        known = [figures[name] for figures in entities.values() if np.isfinite(figures[name])]
        return float(np.mean(known)) if known else float("nan")

    row: Row = {
        name: sum(int(figures[name]) for figures in entities.values())
        for name in ("rows", "anomalous_rows")
    }
    for way in ("point_adjusted", "deployed"):
        precision, recall = mean(f"precision_{way}"), mean(f"recall_{way}")
        row |= {
            f"precision_{way}": precision, f"recall_{way}": recall,
            f"f1_{way}": f1_of(precision, recall),
        }  # fmt: skip
    return row | {name: mean(name) for name in HEADLINES if name not in row}


def _by_entity(entities: Mapping[str, Mapping[str, float]]) -> Row:
    """Return names and figures of entities as JSON lists: what intervals are made of."""
    row: Row = {"entity_names": json.dumps(list(entities))}
    for name in COMPARED:
        values = [figures[name] for figures in entities.values()]
        told = [round(value, 6) if np.isfinite(value) else None for value in values]
        row[f"entity_{name}"] = json.dumps(told)
    return row


def _told(row: Row) -> str:
    figures = ", ".join(f"{n} {row[n]:.3f}" for n in COMPARED if row[n] is not None)
    return f"{row['mechanism']} {row['tuning']} ({row['marks']} marks): {figures}"
