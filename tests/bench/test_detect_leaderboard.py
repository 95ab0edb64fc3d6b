"""detect/leaderboard on tiny sets."""

from __future__ import annotations

import doctest
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from faultsight.bench.engine import BenchResult, Context, Row, run_scenario
from faultsight.bench.scenarios import detect_leaderboard
from faultsight.bench.scenarios.detect_base import DetectBase
from faultsight.bench.scenarios.detect_leaderboard import (
    DetectLeaderboard,
    leaderboard_fleets,
    over_sets,
)

_METHODS = ("anotuner", "input_norm", "pca", "random_score")
_MEASURED = ("seconds_fit", "seconds_score", "memory_mb")


def _context(tiny_sets: Path, **asked: object) -> Context:
    known = {"data_dir": tiny_sets, "datasets": ("JS2", "CDN"), "methods": _METHODS} | asked
    return Context(**known)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def result(tiny_sets: Path) -> BenchResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DetectLeaderboard, "epochs", 1)
        return run_scenario("detect/leaderboard", _context(tiny_sets))


def _figures(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in _MEASURED}


def test_rows_are_those_of_detect_base(result: BenchResult, tiny_sets: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DetectBase, "epochs", 1)
        base = run_scenario("detect/base", _context(tiny_sets))
    assert [_figures(row) for row in result.rows] == [_figures(row) for row in base.rows]
    assert all(row[name] is not None for row in result.rows for name in _MEASURED)
    assert set(DetectLeaderboard.shown) <= set(result.rows[0])


def test_the_budget_is_told_in_the_notes_where_none_is_asked_for(result: BenchResult) -> None:
    assert result.parameters["budget_s"] is None
    assert "no method is begun on a set after 2400 s" in result.notes


def test_sets_are_described_methods_ranked_and_tested(result: BenchResult) -> None:
    parts = {part: [row for row in result.summary if row["part"] == part]
             for part in ("dataset", "method", "test")}  # fmt: skip
    assert [(row["dataset"], row["entities"], row["fleets"]) for row in parts["dataset"]] == [
        ("JS2", 2, 1), ("CDN", 3, 2),
    ]  # fmt: skip
    assert {row["method"] for row in parts["method"]} == set(_METHODS)
    for figure in ("average_precision", "vus_pr", "f1_deployed", "f1_point_adjusted"):
        ranks = [float(row[f"{figure}_mean_rank"] or 0) for row in parts["method"]]
        assert sum(ranks) == pytest.approx(len(_METHODS) * (len(_METHODS) + 1) / 2)
    order = [float(row["average_precision_mean_rank"] or 0) for row in parts["method"]]
    assert order == sorted(order)
    assert parts["method"][-1]["method"] == "random_score"
    for test in parts["test"]:
        assert (test["methods"], test["datasets"]) == (len(_METHODS), 2)
        first = next(row for row in parts["method"] if row["method"] == test["first"])
        assert first[f"{test['figure']}_like_first"] is True
        alike = sum(bool(row[f"{test['figure']}_like_first"]) for row in parts["method"])
        assert alike == test["like_first"]


def test_a_journal_is_gone_on_with(tiny_sets: Path, tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    asked = {"methods": ("pca",), "datasets": ("JS2",), "journal": journal}
    first = run_scenario("detect/leaderboard", _context(tiny_sets, **asked, budget_s=0.0))
    assert list(first.rows) == []
    assert any("2 of 2 cells" in note for note in first.notes)
    assert "no method is begun on a set after 0 s" in first.notes
    whole = run_scenario("detect/leaderboard", _context(tiny_sets, **asked))
    assert [row["method"] for row in whole.rows] == ["pca", "random_score"]
    again = run_scenario("detect/leaderboard", _context(tiny_sets, **asked))
    assert again.rows == whole.rows  # measured times and all
    assert again.summary == whole.summary


def test_small_learns_from_fewer_windows_and_says_so(
    tiny_sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(detect_leaderboard._MOST_WINDOWS, "small", 20)

    def found(preset: str) -> Row:
        (row,) = detect_leaderboard.run_cell(
            {"dataset": "JS2", "method": "knn"}, data_dir=tiny_sets, seed=0, cases=None,
            preset=preset, seconds=60.0,
        )  # fmt: skip
        return row

    assert found("small")["average_precision"] != found("large")["average_precision"]
    result = run_scenario(
        "detect/leaderboard", _context(tiny_sets, methods=("pca",), datasets=("JS2",), budget_s=0.0)
    )
    assert any("at most 20 in an epoch" in note for note in result.notes)


def test_small_takes_one_entity_of_so_many_of_large_sets_the_same_each_time(
    tiny_sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(detect_leaderboard._MOST_TEST_ROWS, "small", 400)

    def kept(dataset: str, preset: str, seed: int = 0) -> tuple[list[str], list[str]]:
        notes: list[str] = []
        fleets = leaderboard_fleets(dataset, tiny_sets, seed, None, preset, notes)
        for fleet in fleets:
            assert [f.entity for f in fleet.train] == [f.entity for f in fleet.test]
        return [frame.entity for fleet in fleets for frame in fleet.test], notes

    entities, notes = kept("ASD", "small")
    assert entities == ["omi-1", "omi-3"]
    assert notes == [
        "ASD: one entity of 2, 2 of 4 in all, so that there are no more than 400 test rows; "
        "--preset large takes all"
    ]
    assert kept("ASD", "small", seed=1)[0] == ["omi-2", "omi-4"]
    assert kept("ASD", "small", seed=2)[0] == entities
    assert kept("ASD", "large") == (["omi-1", "omi-2", "omi-3", "omi-4"], [])
    assert kept("JS2", "small")[1] == []
    # Over fleets, too: of three entities in two fleets the first and the third.
    entities, notes = kept("CDN", "small")
    assert len(entities) == 2
    assert len(kept("CDN", "small", seed=1)[0]) == 1
    assert len(notes) == 1


def test_the_detector_of_the_how_to_is_one_file_and_stands_in_the_leaderboard(
    tiny_sets: Path, tmp_path: Path
) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-detector.md"
    examples = doctest.DocTestParser().get_examples(page.read_text())
    definitions = "".join(e.source for e in examples[: _after_class(examples)])
    (tmp_path / "same_time_yesterday.py").write_text(definitions)
    # As a distribution of its own announces it.
    announced = tmp_path / "own_detectors-1.0.dist-info"
    announced.mkdir()
    (announced / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: own-detectors\nVersion: 1.0\n"
    )
    (announced / "entry_points.txt").write_text(
        "[faultsight.detectors]\nsame_time_yesterday = same_time_yesterday:SameTimeYesterday\n"
    )
    written = tmp_path / "found.json"
    subprocess.run(
        [sys.executable, "-c", "import faultsight.cli as cli; cli.main()", "bench", "run",
         "detect/leaderboard", "--methods", "same_time_yesterday,pca", "--datasets", "JS2",
         "--data", str(tiny_sets), "--json", str(written)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=True, capture_output=True,
    )  # fmt: skip
    found = json.loads(written.read_text())
    assert [note.partition(":")[0] for note in found["notes"]] == [
        "methods with the setting most_windows",
        "no method is begun on a set after 2400 s",
    ]
    assert [row["method"] for row in found["rows"]] == [
        "pca",
        "random_score",
        "same_time_yesterday",
    ]
    assert found["rows"][2]["average_precision"] > 2 * found["rows"][1]["average_precision"]
    assert found["rows"][2]["network"] is False


def _after_class(examples: list[doctest.Example]) -> int:
    return 1 + next(n for n, e in enumerate(examples) if "(Detector):" in e.source)


def test_a_method_without_a_row_ranks_last() -> None:
    rows: list[Row] = [
        {"dataset": dataset, "method": method, "average_precision": value, "vus_pr": value,
         "f1_deployed": value, "f1_point_adjusted": None}
        for dataset, method, value in (
            ("A", "a", 0.9), ("A", "b", 0.5), ("A", "c", 0.1), ("B", "b", 0.5), ("B", "c", 0.1),
        )
    ]  # fmt: skip
    found = {row["method"]: row for row in over_sets(rows) if row["part"] == "method"}
    ranks = {method: row["average_precision_mean_rank"] for method, row in found.items()}
    assert ranks == {"a": 2.0, "b": 1.5, "c": 2.5}
    assert (found["a"]["datasets"], found["a"]["average_precision"]) == (1, 0.9)
    assert found["a"]["f1_point_adjusted"] is None
    assert {row["f1_point_adjusted_mean_rank"] for row in found.values()} == {2.0}
    assert over_sets([]) == []
