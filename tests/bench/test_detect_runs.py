"""What the scenarios of detection share: which sets and methods, how one is deployed and judged."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from faultsight.bench.detect_runs import (
    LAYERS,
    Deployment,
    deploy,
    detection_methods,
    f1_at,
    fleet_datasets,
    judge,
    labelled_fleets,
    most_memory_mb,
    only_layers,
    report_figures,
    tune_fleet,
    without_layer,
)
from faultsight.bench.engine import Context
from faultsight.bench.feedback_protocol import TUNINGS, marks_of_errors
from faultsight.core.errors import (
    InputError,
    MissingDataError,
    MissingExtraError,
    SettingError,
    UnknownMemberError,
)
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect import AnoTuner, AnoTunerConfig, TuningConfig
from faultsight.detect.anotuner import Query, TuningReport
from faultsight.detect.data import Fleet, open_fleets
from faultsight.detect.metrics import average_precision
from faultsight.detect.tuning.guard import GuardVerdict


def fleets(data: Path, name: str) -> list[Fleet]:
    return labelled_fleets(open_fleets(name, data))


def deployed(data: Path, name: str, method: str) -> list[Deployment]:
    (chosen, *_) = detection_methods(Context(methods=(method,)), [], epochs=1)
    assert chosen.name == method
    return [deploy(chosen, fleet, seed=0) for fleet in fleets(data, name)]


def test_sets_that_are_left_out_are_named_with_the_reason(tiny_sets: Path) -> None:
    notes: list[str] = []
    found = fleet_datasets(Context(data_dir=tiny_sets), notes)
    assert [dataset.name for dataset in found] == ["ASD", "CDN", "JS2", "MSL", "sim_stations"]
    assert "CELLPAD is left out: it has no labels" in notes
    assert "SMD is left out: it is not on this machine" in notes
    notes = []
    found = fleet_datasets(Context(data_dir=tiny_sets), notes, feedback=True)
    assert [dataset.name for dataset in found] == ["ASD", "CDN", "JS2", "sim_stations"]
    assert any(note.startswith("MSL is left out: 3 of 14 channels") for note in notes)


def test_sets_that_are_named_must_be_usable(tiny_sets: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="detect/ASD"):
        fleet_datasets(Context(data_dir=tmp_path, datasets=("ASD",)), [])
    with pytest.raises(SettingError, match="no labels"):
        fleet_datasets(Context(datasets=("CELLPAD",)), [])
    with pytest.raises(SettingError, match="feedback"):
        fleet_datasets(Context(data_dir=tiny_sets, datasets=("MSL",)), [], feedback=True)
    with pytest.raises(UnknownMemberError, match="nothing"):
        fleet_datasets(Context(datasets=("nothing",)), [])
    with pytest.raises(MissingDataError, match="ASD"):
        fleet_datasets(Context(data_dir=tmp_path), [], usual=("ASD",))


def test_entities_without_a_labelled_test_are_no_fleet(tiny_sets: Path) -> None:
    dataset = SimpleNamespace(name="empty", fleets=lambda: [Fleet("f", (), ())])
    with pytest.raises(InputError, match="empty"):
        labelled_fleets(dataset)  # type: ignore[arg-type]
    (fleet,) = labelled_fleets(open_fleets("ASD", tiny_sets), 3)
    assert [frame.entity for frame in fleet.test] == ["omi-1", "omi-2", "omi-3"]


def test_history_long_before_the_test_is_moved_by_whole_days() -> None:
    day = 86_400
    train = KpiFrame("a", ("x",), 3600, 3600, np.ones((24, 1)), labels=[1] + [0] * 23)
    far, near = (
        KpiFrame("a", ("x",), 3600 + day + gap_s, 3600, np.ones((9, 1)), labels=np.zeros(9))
        for gap_s in (30 * day + 7200, day - 3600)
    )
    notes: list[str] = []
    for test, moved_s, n_rows in ((far, 30 * day, 24 + 2 + 9), (near, 0, 24 + 23 + 9)):
        dataset = SimpleNamespace(
            name="set", fleets=lambda test=test: [Fleet("f", (train,), (test,))]
        )
        (fleet,) = labelled_fleets(dataset, notes=notes)  # type: ignore[arg-type]
        assert fleet.train[0].start_s == 3600 + moved_s
        assert fleet.train[0].labels is not None
        assert fleet.train[0].labels[0] == 1
        assert len(fleet.whole()[0]) == n_rows
        assert fleet.test == (test,)
    assert notes == ["set, f: history was moved to within a day of the test"]


def test_the_random_score_is_always_among_the_methods() -> None:
    names = {method.name for method in detection_methods(Context(), [])}
    assert names >= {"anotuner", "anotuner-paper", "pca", "ridge_var", "random_score"}
    only = detection_methods(Context(methods=("anotuner-paper",)), [], epochs=3)
    assert [method.name for method in only] == ["anotuner-paper", "random_score"]
    assert only[0].config == AnoTunerConfig.paper(epochs=3)
    assert only[0].tuning == TuningConfig.paper(epochs=3)
    assert [method.takes_seed for method in only] == [True, True]
    assert only[0].make(7).config.seed == 7
    with pytest.raises(UnknownMemberError, match="nobody"):
        detection_methods(Context(methods=("nobody",)), [])


def test_a_peer_whose_extra_is_missing_is_left_out_unless_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "faultsight.detect.peers.isolation_forest", raising=False)
    notes: list[str] = []
    assert "isolation_forest" not in {method.name for method in detection_methods(Context(), notes)}
    assert any("isolation_forest is left out" in n and "faultsight[peers]" in n for n in notes)
    with pytest.raises(MissingExtraError):
        detection_methods(Context(methods=("isolation_forest",)), [])


def test_levels_are_the_quantile_of_history_as_anotuner_sets_them_itself(tiny_sets: Path) -> None:
    (found,) = deployed(tiny_sets, "ASD", "anotuner")
    score, history = found.scores[1], found.of_history[1]
    assert (len(score), len(history)) == (320, 120)
    assert found.levels["omi-2"] == np.quantile(score.total[:120], 0.995)
    assert isinstance(found.detector, AnoTuner)
    for entity, level in found.levels.items():
        assert found.detector.level_of(entity) == pytest.approx(level, rel=1e-4)
    assert found.memory_mb is None or found.memory_mb >= 0


def test_the_memory_of_several_fleets_is_that_of_the_one_that_needed_most(tiny_sets: Path) -> None:
    (found,) = deployed(tiny_sets, "ASD", "input_norm")
    several = [replace(found, memory_mb=mb) for mb in (3.0, None, 7.5, 0.0)]
    assert most_memory_mb(several) == 7.5
    assert most_memory_mb(several[1:2]) is None


def test_the_fleets_of_a_set_are_judged_together_and_without_the_first_part(
    tiny_sets: Path,
) -> None:
    found = deployed(tiny_sets, "CDN", "input_norm")
    whole, later = judge(found, share=0.0), judge(found)
    assert (whole["entities"], whole["rows"], whole["anomalous_rows"]) == (3, 600, 3 * 18)
    assert (later["entities"], later["rows"], later["anomalous_rows"]) == (3, 420, 3 * 12)
    by_hand = [
        average_precision(score.total[180:], test.labels[60:])  # type: ignore[index]
        for d in found
        for score, test in zip(d.scores, d.fleet.test, strict=True)
    ]
    assert later["average_precision"] == pytest.approx(np.mean(by_hand))
    low, high = later["average_precision_low"], later["average_precision_high"]
    assert min(by_hand) - 1e-9 <= float(low or 0) <= float(high or 0) <= max(by_hand) + 1e-9
    assert judge(found[:1])["average_precision_low"] is None


def test_another_threshold_is_set_on_the_same_scores_of_history(tiny_sets: Path) -> None:
    found = deployed(tiny_sets, "ASD", "input_norm")
    assert f1_at("quantile", found, share=0.0) == judge(found, share=0.0)["f1_deployed"]
    pot = f1_at("pot", found, share=0.0)
    assert pot is not None
    assert 0 < pot <= 1


def test_tuning_sees_neither_labels_nor_rows_that_are_judged(tiny_sets: Path) -> None:
    seen: dict[str, Any] = {}
    (base,) = deployed(tiny_sets, "ASD", "anotuner")

    class Spy:
        def tune(self, frames: Any, marks: Any, config: Any, *, ask: Any, progress: Any) -> Any:
            seen.update(frames=frames, answer=ask(Query(0, 1, "omi-1", 5)))
            return base.detector, TuningReport({}, {})

    found, _ = tune_fleet(replace(base, detector=Spy()), [], TuningConfig())  # type: ignore[arg-type]
    assert [len(frame) for frame in seen["frames"]] == [120 + 60] * 4
    assert all(frame.labels is None for frame in seen["frames"])
    assert seen["answer"] is None  # the history of this set has no labels
    assert [len(score) for score in found.scores] == [320] * 4
    assert found.levels == base.detector.levels  # type: ignore[attr-defined]


def test_the_operator_who_is_asked_knows_the_labels_of_history() -> None:
    (fleet,) = labelled_fleets(open_fleets("sim_stations"))
    known = [frame.labels for frame in fleet.train]
    place = next(i for i, labels in enumerate(known) if labels is not None and labels.any())
    part = Fleet("f", fleet.train[place : place + 1], fleet.test[place : place + 1])
    pca = detection_methods(Context(methods=("pca",)), [])[0]
    base = deploy(pca, part, seed=0)
    answers: list[bool | None] = []

    class Spy:
        def tune(self, frames: Any, marks: Any, config: Any, *, ask: Any, progress: Any) -> Any:
            entity = frames[0].entity
            answers.extend(ask(Query(0, 1, entity, at)) for at in range(len(part.train[0])))
            tuned = AnoTuner(AnoTunerConfig(epochs=0)).fit(frames)
            return tuned, TuningReport({}, {})

    tune_fleet(replace(base, detector=Spy()), [], TuningConfig())  # type: ignore[arg-type]
    assert answers == (np.asarray(known[place]) != 0).tolist()


def test_the_table_of_layers_holds_every_layer(tiny_sets: Path) -> None:
    (base,) = deployed(tiny_sets, "JS2", "anotuner")
    marks = marks_of_errors(base.fleet, base.scores, base.levels, TUNINGS["fp+fn"])
    assert marks
    off = only_layers(TuningConfig(epochs=1, guard=False, least_marks=1))
    found, report = tune_fleet(base, marks, off)
    assert report.verdicts == ()
    assert found.scores[0].total.tolist() == base.scores[0].total.tolist()
    for layer in LAYERS:
        _, report = tune_fleet(base, marks, only_layers(off, layer))
        assert len(report.verdicts) == 1
    assert only_layers(TuningConfig(), *LAYERS) == TuningConfig()
    assert without_layer(TuningConfig(), "head") == TuningConfig(head=False)


def test_what_tuning_did_is_summed_over_fleets() -> None:
    def verdict(*, kept: bool) -> GuardVerdict:
        return GuardVerdict("fine-tuning", kept, None, None, 3, "")

    first = TuningReport({"missed": 2}, {"unknown": 1}, 4, 5, 6, (verdict(kept=True),))
    second = TuningReport({}, {}, 1, 1, 1, (verdict(kept=False),))
    assert report_figures([first, second, TuningReport({}, {})]) == {
        "dropped_marks": 1, "generated_windows": 5, "history_windows": 6, "asked_windows": 7,
        "kept_fine_tuning": 0.5,
    }  # fmt: skip
