"""detect/table1 and detect/table4 on tiny sets, and what is said over all of their rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_ind

from faultsight.bench.detect_runs import (
    Deployment,
    Method,
    deploy,
    detection_methods,
    evenly_chosen,
    judge,
    labelled_fleets,
)
from faultsight.bench.engine import BenchResult, Context, Row, run_scenario
from faultsight.bench.feedback_cells import (
    FeedbackPreset,
    KnownScores,
    _learned_kinds,
    work_cell,
)
from faultsight.bench.feedback_summary import (
    COMPARED,
    few_entities_interval,
    mean_over_sets_interval,
    over_cells,
)
from faultsight.bench.journal import Cell
from faultsight.bench.scenarios.detect_table1 import DetectTable1
from faultsight.bench.scenarios.detect_table4 import DetectTable4
from faultsight.core.errors import InputError, MissingDataError, SettingError
from faultsight.core.feedback import MarkKind
from faultsight.core.kpi_frame import KpiFrame
from faultsight.core.seed import random_stream
from faultsight.detect import DETECTORS
from faultsight.detect.contract import Detector
from faultsight.detect.data import Fleet, open_fleets

TUNINGS = ["none", "fp", "fn", "fp+fn"]
NETWORKS = ("acvae_style", "anotuner", "lstm_forecaster")
METHODS = (*NETWORKS, "ridge_var")
FEW = FeedbackPreset(entities=1, most_windows=200)


@pytest.fixture(scope="module")
def result(tiny_sets: Path) -> BenchResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DetectTable1, "epochs", 1)
        context = Context(
            data_dir=tiny_sets, datasets=("JS2", "ASD"), methods=METHODS, seed=1000, workers=1
        )
        return run_scenario("detect/table1", context)


def rows_of(result: BenchResult, part: Any = None, **texts: str) -> list[Row]:
    rows = result.rows if part is None else [r for r in result.summary if r["part"] == part]
    return [row for row in rows if texts.items() <= row.items()]


def figures(row: Row) -> dict[str, object]:
    return {name: row[name] for name in (*COMPARED, "f1_point_adjusted", "recall_deployed")}


def test_every_method_has_four_columns_and_ours(result: BenchResult) -> None:
    for dataset in ("JS2", "ASD"):
        for method in (*METHODS, "random_score"):
            own = rows_of(result, dataset=dataset, method=method)
            asked = ["fp+fn+asked"] if method == "acvae_style" else []
            assert [(r["mechanism"], r["tuning"]) for r in own] == [
                *(("own", tuning) for tuning in TUNINGS + asked),
                ("ours", "none"), ("ours", "fp+fn"),
            ]  # fmt: skip
            assert {r["seed"] for r in own} == {"1000"}
    assert set(DetectTable1.shown) <= set(result.rows[0])
    assert result.parameters["preset"] == "small"
    assert result.notes == [
        "at most 4 entities of each fleet, 60 of sim_stations, 2 of SMD, evenly chosen among those "
        "with anomalies in both parts of the test",
        "no method sees more than 3,400 windows in an epoch",
        "no method is begun on a set after 1740 s",
    ]


def test_marks_are_of_the_methods_own_errors(result: BenchResult) -> None:
    for method in METHODS:
        rows = {
            str(r["tuning"]): r
            for r in rows_of(result, dataset="JS2", method=method, mechanism="own")
        }
        false, missed = (int(rows["fp+fn"][f"{k}_marks"] or 0) for k in ("false_alarm", "missed"))
        assert (rows["fp"]["marks"], rows["fn"]["marks"]) == (false, missed)
        assert rows["none"]["marks"] == 0
        assert rows["fp+fn"]["marks"] == false + missed > 0
    counts = [
        [r["false_alarm_marks"], r["missed_marks"]]
        for r in rows_of(result, dataset="JS2", tuning="fp+fn", mechanism="own")
    ]
    assert len({tuple(c) for c in counts}) > 1


def test_what_knows_no_anomalies_learns_from_false_alarms_alone(result: BenchResult) -> None:
    for method in ("lstm_forecaster", "ridge_var"):
        none, fp, fn, both = rows_of(result, dataset="ASD", method=method, mechanism="own")
        assert both["learns_from"] == "fp"
        assert figures(fn) == figures(none)
        assert figures(fp) == figures(both) != figures(none)
    for method, learns in (
        ("anotuner", "fp+fn"),
        ("acvae_style", "fp+fn"),
        ("random_score", "none"),
    ):
        rows = rows_of(result, dataset="ASD", method=method, mechanism="own")
        assert {r["learns_from"] for r in rows} == {learns}
        assert (len({str(figures(r)) for r in rows}) == 1) == (learns == "none")


def test_ours_is_given_to_all_and_starts_from_the_same(result: BenchResult) -> None:
    for method in METHODS:
        own, *_ = rows_of(result, dataset="JS2", method=method, mechanism="own")
        before, after = rows_of(result, dataset="JS2", method=method, mechanism="ours")
        assert figures(before) == figures(own)
        assert before["learns_from"] == "fp+fn"
        assert float(after["seconds_tune"] or 0) > 0
    tuned = rows_of(result, mechanism="ours", tuning="fp+fn", dataset="JS2")
    untuned = rows_of(result, mechanism="ours", tuning="none", dataset="JS2")
    assert any(figures(a) != figures(b) for a, b in zip(untuned, tuned, strict=True))


def test_the_first_30_percent_are_never_judged_and_pooled_figures_are_the_fleets(
    tiny_sets: Path, result: BenchResult
) -> None:
    assert {(r["rows"], r["anomalous_rows"]) for r in rows_of(result, dataset="JS2")} == {
        (2 * 140, 2 * 12)
    }
    (fleet,) = labelled_fleets(open_fleets("JS2", tiny_sets))
    _, method = detection_methods(Context(methods=("ridge_var",)), [])
    expected = judge([deploy(method, fleet, seed=1000)])
    row, *_ = rows_of(result, dataset="JS2", method="ridge_var")
    for name in ("precision_deployed", *figures(row)):
        assert row[name] == pytest.approx(expected[name], abs=1e-12)
    assert json.loads(str(row["entity_names"])) == ["service1", "service2"]
    told = json.loads(str(row["entity_average_precision"]))
    assert np.mean(told) == pytest.approx(row["average_precision"], abs=1e-5)


def test_the_summary_ranks_compares_and_takes_the_papers_ratio(result: BenchResult) -> None:
    ranked = rows_of(result, "method", mechanism="own", tuning="fp+fn")
    assert sum(float(r["vus_pr_mean_rank"] or 0) for r in ranked) == 5 * 6 / 2
    assert {r["datasets"] for r in ranked} == {2}
    assert all(isinstance(r["average_precision_gain"], float) for r in ranked)
    compared = {(r["method"], r["mechanism"]) for r in rows_of(result, "difference")}
    assert ("anotuner", "own") not in compared
    assert {("anotuner", "ours"), ("ridge_var", "own"), ("random_score", "ours")} <= compared
    for row in rows_of(result, "difference"):
        # The two entities of JS2 and the four of ASD, which all have anomalies that are judged.
        assert row["vus_pr_pairs"] == 2 + 4
        for what in ("more", "ahead"):
            low, value, high = (row[f"vus_pr_{what}{end}"] for end in ("_low", "", "_high"))
            assert float(low or 0) <= float(value or 0) <= float(high or 0)
    ratios = {r["figure"]: r["papers_ratio"] for r in rows_of(result, "ratio")}
    assert ratios["f1_point_adjusted"] == pytest.approx(5.209, abs=1e-3)
    assert ratios["vus_pr"] is None


def test_a_run_goes_on_from_its_journal(
    tiny_sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DetectTable1, "epochs", 1)
    context = Context(
        data_dir=tiny_sets, datasets=("JS2",), methods=("pca",), workers=1,
        journal=tmp_path / "table1.jsonl",
    )  # fmt: skip
    first = run_scenario("detect/table1", context)
    lines = (tmp_path / "table1.jsonl").read_text().splitlines()
    assert [json.loads(line).get("cell", {}).get("method") for line in lines] == [
        None, "pca", "random_score",
    ]  # fmt: skip
    again = run_scenario("detect/table1", context)
    assert (again.rows, again.summary) == (first.rows, first.summary)


def test_cases_are_seeds_and_what_would_be_the_same_is_run_once(tiny_sets: Path) -> None:
    context = Context(
        data_dir=tiny_sets, datasets=("JS2",), methods=("pca",), seed=1003, cases=2, workers=1
    )
    rows = run_scenario("detect/table1", context).rows
    assert list(dict.fromkeys((r["method"], r["seed"]) for r in rows)) == [
        ("pca", "1003"), ("random_score", "1003"), ("random_score", "1004"),
    ]  # fmt: skip


def test_fewer_entities_are_evenly_chosen_among_those_with_feedback() -> None:
    def frames(labels: dict[str, list[int]]) -> tuple[KpiFrame, ...]:
        return tuple(
            KpiFrame(name, ("x",), 0, 60, np.zeros((10, 1)), labels=told)
            for name, told in labels.items()
        )

    yes, no = [0, 1, 0, 0, 0, 0, 0, 0, 0, 1], [0] * 9 + [1]
    test = frames({"a": no, "b": yes, "c": yes, "d": no, "e": yes, "f": yes, "g": yes})
    fleet = Fleet("f", test, test)
    for most, names in ((None, "abcdefg"), (99, "bcefg"), (1, "e"), (2, "cf"), (3, "beg")):
        chosen = evenly_chosen(fleet, most)
        assert "".join(f.entity for f in chosen.test) == names
        assert [f.entity for f in chosen.train] == [f.entity for f in chosen.test]
    quiet = Fleet("f", test[:1], test[:1])
    assert evenly_chosen(quiet, 5).test == quiet.test


def test_a_preset_bounds_entities_and_windows(
    tiny_sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    def spied(method: Any, fleet: Fleet, *, seed: int) -> Deployment:
        seen.append((method.config.most_windows, len(fleet.test)))
        return deploy(method, fleet, seed=seed)

    monkeypatch.setattr("faultsight.bench.feedback_cells.deploy", spied)
    cell: Cell = {"dataset": "ASD", "method": "knn", "seed": 1000}
    work_cell(cell, data_dir=tiny_sets, preset=FEW, epochs=1)
    few = FeedbackPreset(entities=1, of_sets={"ASD": 3})
    work_cell(cell, data_dir=tiny_sets, preset=few, epochs=1)
    assert seen == [(200, 1), (2_000, 3)]


def test_known_scores_are_those_of_the_first_rows_and_no_others() -> None:
    frame = KpiFrame("a", ("x",), 0, 60, np.arange(9.0)[:, None])
    detector = DETECTORS.load("ridge_var")().fit([frame])
    known = KnownScores(detector, detector.score([frame]))
    assert known.name == "ridge_var"
    (part,) = known.score([frame[:4]])
    assert part.total.tobytes() == detector.score([frame[:4]])[0].total.tobytes()
    longer = KpiFrame("a", ("x",), 0, 60, np.zeros((10, 1)))
    other = KpiFrame("b", ("x",), 0, 60, np.zeros((3, 1)))
    for unknown in (frame[2:], longer, other):
        with pytest.raises(InputError, match="not known"):
            known.score([unknown])
    with pytest.raises(InputError, match="fitted already"):
        known.fit([frame])


def _row(method: str, tuning: str, dataset: str, value: float, entities: list[float]) -> Row:
    row: Row = {
        "dataset": dataset, "method": method, "mechanism": "own", "tuning": tuning, "seed": "0",
        "learns_from": "fp", "seconds_fit": 1.0, "seconds_tune": 0.0, "seconds_score": 0.0,
        "f1_point_adjusted": value, "entity_names": json.dumps(["a", "b"]),
    }  # fmt: skip
    for name in COMPARED:
        row |= {name: value, f"entity_{name}": json.dumps(entities)}
    return row


def test_sets_count_alike_and_gains_are_paired_by_entity() -> None:
    rows = [
        _row("anotuner", "none", "A", 0.2, [0.1, 0.3]),
        _row("anotuner", "fp+fn", "A", 0.6, [0.5, 0.7]),
        _row("anotuner", "none", "B", 0.5, [0.5, 0.5]),
        _row("anotuner", "fp+fn", "B", 0.5, [0.5, 0.5]),
        _row("acvae_style", "none", "A", 0.4, [0.4, 0.4]),
        _row("acvae_style", "fp+fn", "A", 0.5, [0.3, 0.7]),
        _row("acvae_style", "none", "B", 0.7, [0.7, 0.7]),
        _row("acvae_style", "fp+fn", "B", 0.7, [0.7, 0.7]),
    ]  # fmt: skip
    summary = over_cells(rows)
    (tuned,) = (r for r in summary if r.get("method") == "anotuner" and r.get("tuning") == "fp+fn")
    assert tuned["vus_pr"] == pytest.approx(0.55)
    assert tuned["vus_pr_gain"] == pytest.approx(0.2)
    assert tuned["vus_pr_mean_rank"] == 1.5
    (more,) = (r for r in summary if r["part"] == "difference")
    # Of A: 0.4 + 0.1 and 0.4 - 0.3; of B: 0, twice.
    assert more["vus_pr_more"] == pytest.approx(((0.5 + 0.1) / 2 + 0.0) / 2)
    assert (more["vus_pr_more_low"], more["vus_pr_more_high"]) == pytest.approx((0.05, 0.25))
    # With marks, of A: 0.5 - 0.3 and 0; of B: 0.5 - 0.7, twice.
    assert more["vus_pr_ahead"] == pytest.approx((0.1 - 0.2) / 2)
    assert (more["vus_pr_ahead_low"], more["vus_pr_ahead_high"]) == pytest.approx((-0.1, 0.0))
    ratio = {r["figure"]: r["ratio"] for r in summary if r["part"] == "ratio"}
    assert ratio["vus_pr"] == pytest.approx(0.2 / 0.05)
    worse = [r | {"vus_pr": 0.1} if r["method"] == "acvae_style" and r["tuning"] != "none" else r
             for r in rows]  # fmt: skip
    ratio = {r["figure"]: r["ratio"] for r in over_cells(worse) if r["part"] == "ratio"}
    assert ratio["vus_pr"] is None


def test_an_entity_is_one_draw_however_many_seeds_it_has() -> None:
    rows = [
        _row(method, tuning, "A", 0.5, entities) | {"seed": seed}
        for seed, gains in (("0", [0.1, 0.4]), ("1", [0.3, 0.2]))
        for method, more in (("anotuner", gains), ("acvae_style", [0.0, 0.0]))
        for tuning, entities in (("none", [0.5, 0.5]), ("fp+fn", [0.5 + gain for gain in more]))
    ]
    (more,) = (r for r in over_cells(rows) if r["part"] == "difference")
    assert more["vus_pr_pairs"] == 2
    # 0.1 and 0.3 of one, 0.4 and 0.2 of the other: as seeds differ, not entities.
    low, high = more["vus_pr_more_low"], more["vus_pr_more_high"]
    assert (low, more["vus_pr_more"], high) == pytest.approx((0.2, 0.25, 0.3))


def test_the_interval_draws_within_sets() -> None:
    values = {"A": [0.0] * 50 + [1.0] * 50, "B": [5.0]}
    mean, low, high = mean_over_sets_interval(values, seed=3)
    assert mean == pytest.approx(2.75)
    # Half of the standard error of A's mean, 0.05, to both sides.
    assert (low, high) == pytest.approx((2.75 - 0.05, 2.75 + 0.05), abs=0.015)
    assert mean_over_sets_interval(values, seed=3) == (mean, low, high)


def test_the_interval_for_few_entities_is_welchs() -> None:
    a, b = np.array([0.1, 0.5, 0.2]), np.array([0.3, 0.35, 0.1, 0.2, 0.4])
    # The mean of both means is half the difference of a and -b.
    known = ttest_ind(a, -b, equal_var=False).confidence_interval()
    found = few_entities_interval({"A": list(a), "B": list(b)})
    assert found == pytest.approx((known.low / 2, known.high / 2))
    _, low, high = mean_over_sets_interval({"A": list(a), "B": list(b)})
    assert None not in (*found, low, high)
    assert float(found[0] or 0) < float(low or 0) < float(high or 0) < float(found[1] or 0)


def write_plant(folder: Path, name: str) -> None:
    """Write a plant's two logs, as their owners lay them out, with ten rows for a point."""
    folder.mkdir(parents=True)
    stream = random_stream(0, name)
    n_train, n_test = 1_200, 2_000
    wave = np.sin(2 * np.pi * np.arange(n_train + n_test) / 480)[:, None]
    values = wave + 0.3 * stream.normal(size=(n_train + n_test, 2))
    labels = np.zeros(n_test, bool)
    for start, end in ((200, 230), (450, 480), (1_200, 1_260), (1_500, 1_560)):
        values[n_train + start : n_train + end] += 4.0
        labels[start:end] = True
    stamps = [f"28/12/2015 10:{i // 60 % 60:02d}:{i % 60:02d} AM" for i in range(n_train + n_test)]
    cells = [f"{a:.4f},{b:.4f}" for a, b in values]
    if name == "SWaT":
        said = ["Normal"] * n_train + ["Attack" if wrong else "Normal" for wrong in labels]
        lines = [f"{t},{c},{s}" for t, c, s in zip(stamps, cells, said, strict=True)]
        head = " Timestamp,FIT101, MV101,Normal/Attack"
        files = ("SWaT_Dataset_Normal_v1.csv", "SWaT_Dataset_Attack_v0.csv")
        heads = (head, head)
    else:
        said = [""] * n_train + [",-1" if wrong else ",1" for wrong in labels]
        lines = [
            f"{i},3/5/2018,{t.split()[1]},{c}{s}"
            for i, (t, c, s) in enumerate(zip(stamps, cells, said, strict=True))
        ]
        head = "Row,Date,Time,1_AIT_001_PV,1_AIT_002_PV"
        files = ("WADI_14days_new.csv", "WADI_attackdataLABLE.csv")
        # The owners' file has a line of nothing before that of names.
        heads = (head, ",,,,,\n" + head + ',"Attack LABLE (1:No Attack, -1:Attack)"')
    for file, top, part in zip(files, heads, (lines[:n_train], lines[n_train:]), strict=True):
        (folder / file).write_text("\n".join([top, *part]) + "\n")


def test_the_plants_are_tuned_and_the_missing_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DetectTable4, "epochs", 1)
    write_plant(tmp_path / "detect" / "SWaT", "SWaT")
    context = Context(data_dir=tmp_path, methods=("anotuner", "pca"), seed=1000, workers=1)
    found = run_scenario("detect/table4", context)
    assert found.notes == [
        "no method sees more than 3,400 windows in an epoch",
        "WADI is left out: it is not on this machine",
        "no method is begun on a set after 3600 s",
    ]
    assert {r["dataset"] for r in found.rows} == {"SWaT"}
    own = rows_of(found, method="anotuner", mechanism="own")
    assert [r["tuning"] for r in own] == TUNINGS
    assert {(r["rows"], r["anomalous_rows"]) for r in found.rows} == {(140, 12)}
    assert set(DetectTable4.shown) <= set(found.rows[0])
    write_plant(tmp_path / "detect" / "WADI", "WADI")
    context = Context(data_dir=tmp_path, methods=("pca",), workers=1)
    both = run_scenario("detect/table4", context)
    assert {r["dataset"] for r in both.rows} == {"SWaT", "WADI"}


def test_without_files_it_is_said_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError) as caught:
        run_scenario("detect/table4", Context(data_dir=tmp_path))
    for said in (
        "SWaT", "WADI", "apply to iTrust", "https://itrust.sutd.edu.sg", "--data",
        str(tmp_path / "detect" / "WADI"), "SWaT_Dataset_Normal_v1.csv", "WADI_attackdataLABLE.csv",
    ):  # fmt: skip
        assert said in str(caught.value)
    assert str(caught.value).isprintable()  # in one line, as the command line shows it
    with pytest.raises(MissingDataError, match="WADI is not in"):
        run_scenario("detect/table4", Context(data_dir=tmp_path, datasets=("WADI",)))


def test_a_named_set_that_cannot_carry_feedback_is_not_called_missing() -> None:
    for scenario in ("detect/table1", "detect/table4"):
        with pytest.raises(SettingError, match="can carry feedback"):
            run_scenario(scenario, Context(datasets=("MSL",), methods=("pca",)))


def test_a_detector_of_others_that_does_not_say_what_it_learns_from_is_given_all() -> None:
    class Own(Detector):
        def tune(self, frames: Any, marks: Any) -> Any: ...

    every = {MarkKind.FALSE_ALARM, MarkKind.MISSED}
    assert _learned_kinds(Method("own", Own)) == every
    assert _learned_kinds(Method("pca", DETECTORS.load("pca"))) == {MarkKind.FALSE_ALARM}
    assert _learned_kinds(Method("random_score", DETECTORS.load("random_score"))) == set()
