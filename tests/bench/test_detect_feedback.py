"""detect/feedback on tiny sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultsight.bench.detect_runs import LAYERS
from faultsight.bench.engine import BenchResult, Context, Row, run_scenario
from faultsight.bench.scenarios.detect_feedback import DetectFeedback, _over_seeds

_KINDS = ("false_alarm_marks", "missed_marks", "confirmed_marks")
_TUNINGS = ["none", "fp", "fn", "fp+fn", "fp+fn+tp"]


@pytest.fixture(scope="module")
def result(tiny_sets: Path) -> BenchResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DetectFeedback, "epochs", 1)
        context = Context(data_dir=tiny_sets, datasets=("JS2", "MSL"), cases=1, workers=1)
        return run_scenario("detect/feedback", context)


def rows_of(result: BenchResult, **texts: str) -> list[Row]:
    return [row for row in result.rows if texts.items() <= row.items()]


def test_every_tuning_has_a_row_and_peers_have_one(result: BenchResult) -> None:
    for method in ("anotuner", "anotuner-paper"):
        own = rows_of(result, method=method)
        assert [r["tuning"] for r in own if r["layers"] in ("none", "all")] == _TUNINGS
    alone = [r for r in result.rows if r["layers"] in LAYERS]
    assert [(r["method"], r["tuning"], r["layers"]) for r in alone] == [
        ("anotuner", "fp+fn", layer) for layer in LAYERS
    ]
    for method in ("input_norm", "pca", "random_score", "ridge_var"):
        (row,) = rows_of(result, method=method)
        assert (row["tuning"], row["layers"], row["marks"]) == ("none", "none", 0)
    texts = {tuple(v for v in row.values() if isinstance(v, str)) for row in result.rows}
    assert len(texts) == len(result.rows)
    assert set(DetectFeedback.shown) <= set(result.rows[0])
    assert len(result.summary) == len(result.rows)


def test_a_tuned_row_has_the_memory_of_its_fit(result: BenchResult) -> None:
    for method in ("anotuner", "anotuner-paper"):
        (memory,) = {row["memory_mb"] for row in rows_of(result, method=method)}
        assert memory is None or float(memory) >= 0
    assert all("memory_mb" in row for row in result.rows)


def test_sets_that_cannot_carry_feedback_are_named(result: BenchResult) -> None:
    assert {row["dataset"] for row in result.rows} == {"JS2"}
    assert any(note.startswith("MSL is left out: ") for note in result.notes)


def test_the_first_30_percent_are_never_judged(result: BenchResult) -> None:
    assert {(row["rows"], row["anomalous_rows"]) for row in result.rows} == {(2 * 140, 2 * 12)}


def test_marks_are_counted_by_kind(result: BenchResult) -> None:
    for method in ("anotuner", "anotuner-paper"):
        rows = {
            str(row["tuning"]): row
            for row in rows_of(result, method=method)
            if row["layers"] in ("none", "all")
        }
        given = {name: [int(row[kind] or 0) for kind in _KINDS] for name, row in rows.items()}
        false, missed, confirmed = given["fp+fn+tp"]
        assert min(false, missed, confirmed) > 0
        # Two anomalies of three rows in the first part of each entity.
        assert missed + confirmed == 2 * 2
        assert given["none"] == [0, 0, 0]
        assert given["fp"] == [false, 0, 0]
        assert given["fn"] == [0, missed, 0]
        assert given["fp+fn"] == [false, missed, 0]
        for name, row in rows.items():
            assert row["marks"] == sum(given[name])
            assert row["fn_rows"] == 3 * missed
            assert int(row["fp_rows"] or 0) >= false
            assert row["fp_rows_per_fn_row"] == int(row["fp_rows"] or 0) / (3 * missed)


def test_tuning_says_which_layers_were_kept(result: BenchResult) -> None:
    def kept(row: Row) -> dict[str, object]:
        return {name: share for name, share in row.items() if name.startswith("kept_")}

    # The paper has one layer and no guard.
    (paper,) = rows_of(result, method="anotuner-paper", tuning="fp+fn")
    assert kept(paper) == {"kept_fine_tuning": 1.0}
    (ours,) = rows_of(result, method="anotuner", tuning="fp+fn", layers="all")
    # Too few marks to fine-tune the network by.
    assert {"kept_history_correction", "kept_residual_head"} <= set(kept(ours))
    assert "kept_fine_tuning" not in kept(ours)
    (over_seeds,) = [
        row
        for row in result.summary
        if (row["method"], row["tuning"], row["layers"]) == ("anotuner", "fp+fn", "all")
    ]
    assert kept(over_seeds) == kept(ours)
    assert float(ours["seconds_tune"] or 0) > 0


def test_methods_without_a_seed_run_once_where_the_data_stay(tiny_sets: Path) -> None:
    context = Context(
        data_dir=tiny_sets, datasets=("JS2",), methods=("pca",), seed=3, cases=2, workers=1
    )
    found = run_scenario("detect/feedback", context)
    assert [(row["method"], row["seed"]) for row in found.rows] == [
        ("pca", "3"),
        ("random_score", "3"),
        ("random_score", "4"),
    ]
    assert [(row["method"], row["seeds"]) for row in found.summary] == [
        ("pca", 1),
        ("random_score", 2),
    ]


def test_no_tuning_is_begun_when_the_seconds_are_spent(
    tiny_sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DetectFeedback, "epochs", 0)
    context = Context(
        data_dir=tiny_sets, datasets=("JS2",), methods=("anotuner",), cases=2, seconds=1e-9,
        workers=1,
    )  # fmt: skip
    found = run_scenario("detect/feedback", context)
    assert [(row["method"], row["tuning"], row["seed"]) for row in found.rows] == [
        ("anotuner", "none", "0"), ("anotuner", "none", "1"),
        ("random_score", "none", "0"), ("random_score", "none", "1"),
    ]  # fmt: skip
    assert "anotuner on JS2, seed 0: 1 of 11 rows, then its 1e-09 s were spent" in found.notes
    assert "anotuner on JS2, seed 1: 1 of 5 rows, then its 1e-09 s were spent" in found.notes
    assert not any("random_score" in note for note in found.notes)


def test_a_run_that_was_interrupted_goes_on_from_its_journal(
    tiny_sets: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "feedback.jsonl"
    context = Context(
        data_dir=tiny_sets, datasets=("JS2",), methods=("ridge_var",), cases=2, workers=1,
        journal=journal,
    )  # fmt: skip
    whole = run_scenario("detect/feedback", context)
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + 3  # ridge VAR has no seed, the random score has two
    journal.write_bytes(b"".join(lines[:2]) + lines[2][:40])
    again = run_scenario("detect/feedback", context)
    untimed = [
        [{k: v for k, v in row.items() if not k.startswith(("seconds", "memory"))} for row in rows]
        for rows in (whole.rows, again.rows)
    ]
    assert untimed[0] == untimed[1]
    assert any("1 of 3 cells are of earlier starts" in note for note in again.notes)


def test_gains_are_over_the_same_seed_untuned() -> None:
    def row(tuning: str, seed: str, precision: float | None) -> Row:
        return {
            "dataset": "S", "method": "m", "tuning": tuning, "layers": "x", "seed": seed,
            "average_precision": precision, "vus_pr": 0.5, "f1_deployed": None,
            "f1_point_adjusted": 1.0,
        }  # fmt: skip

    rows = [row("none", "0", 0.2), row("fp", "0", 0.6) | {"kept_head": 1.0},
            row("none", "1", 0.5), row("fp", "1", 0.4)]  # fmt: skip
    untuned, tuned = _over_seeds(rows)
    assert untuned["average_precision_mean"] == pytest.approx(0.35)
    assert untuned["average_precision_std"] == pytest.approx(0.15 * 2**0.5)
    assert "gap_closed_mean" not in untuned
    assert (tuned["seeds"], tuned["average_precision_mean"]) == (2, 0.5)
    assert tuned["average_precision_gain_mean"] == pytest.approx(0.15)
    assert tuned["average_precision_gain_min"] == pytest.approx(-0.1)
    # 0.4 of 0.8 was won, then 0.1 of 0.5 lost.
    assert tuned["gap_closed_mean"] == pytest.approx(0.15)
    assert tuned["gap_closed_min"] == pytest.approx(-0.2)
    assert (tuned["vus_pr_std"], tuned["vus_pr_gain_mean"]) == (0.0, 0.0)
    assert tuned["f1_deployed_mean"] is None
    assert tuned["f1_deployed_gain_min"] is None
    assert tuned["kept_head"] == 0.5
