"""The engine: ids, results that can be read back, comparisons."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from faultsight.bench.compare import compare
from faultsight.bench.engine import (
    SCENARIOS,
    BenchResult,
    Context,
    Row,
    load_scenario,
    print_rows,
    read_result,
    run_scenario,
    scenario_ids,
    write_result,
)
from faultsight.core.errors import InputError, SettingError, UnknownMemberError


def _result(*rows: Row, scenario: str = "localize/accuracy") -> BenchResult:
    return BenchResult(scenario, {"seed": 0}, {"python": "3"}, {"cores": 2}, list(rows))


def test_permanent_ids_follow_from_file_names() -> None:
    assert {"localize/accuracy", "localize/speed", "localize/stream"} <= set(scenario_ids())
    for scenario_id in scenario_ids():
        scenario = load_scenario(scenario_id)
        assert scenario.id == scenario_id
        assert scenario.title
    assert len(scenario_ids()) == len(SCENARIOS.names())
    with pytest.raises(UnknownMemberError, match="localize/accuracy"):
        load_scenario("localize_accuracy")


def test_a_result_is_written_and_read_back(tmp_path: Path) -> None:
    result = _result({"method": "scan", "dataset": "S", "f1": 0.5, "memory_mb": None})
    path = write_result(result, tmp_path / "new" / "result.json")
    assert read_result(path).to_json() == result.to_json()
    known = json.loads(path.read_text())
    assert list(known) == [
        "scenario", "parameters", "versions", "machine", "seconds", "notes", "summary", "rows",
    ]  # fmt: skip


def test_numbers_that_are_not_finite_become_null() -> None:
    text = _result({"method": "scan", "f1": float("nan"), "ratio": float("inf")}).to_json()
    assert json.loads(text)["rows"] == [{"method": "scan", "f1": None, "ratio": None}]


def test_files_that_are_no_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.json"):
        read_result(tmp_path / "gone.json")
    for text in ("{", "[]", '{"scenario": 1}', '{"rows": 3}'):
        path = tmp_path / "bad.json"
        path.write_text(text)
        with pytest.raises(InputError, match=r"bad\.json"):
            read_result(path)


def test_comparison_matches_rows_by_their_texts() -> None:
    before = _result(
        {"method": "scan", "dataset": "S", "f1": 0.8, "cases": 4, "exact": True},
        {"method": "old", "dataset": "S", "f1": 0.1},
    )
    after = _result(
        {"method": "new", "dataset": "S", "f1": 0.2},
        {"method": "scan", "dataset": "S", "f1": 0.6, "cases": 4, "exact": False, "rank": 2},
    )
    found = compare(before, after)
    scan = {"method": "scan", "dataset": "S"}
    assert found.rows == [
        {**scan, "figure": "f1", "before": 0.8, "after": 0.6, "change": pytest.approx(-0.2)},
        {**scan, "figure": "exact", "before": True, "after": False, "change": None},
        {**scan, "figure": "rank", "before": None, "after": 2, "change": None},
        {"method": "old", "dataset": "S", "only_in": "before"},
        {"method": "new", "dataset": "S", "only_in": "after"},
    ]
    assert (found.compared, found.unchanged) == (4, 1)
    with pytest.raises(InputError, match="cannot be compared"):
        compare(before, _result(scenario="localize/speed"))


def test_comparison_tells_only_what_changed_by_more_than_the_tolerance() -> None:
    before = _result({"method": "scan", "f1": 0.3, "seconds": 1.0})
    after = _result({"method": "scan", "f1": 0.2, "seconds": 9.0})
    for tolerance, told in ((0.0, ["f1", "seconds"]), (0.1, ["seconds"]), (8.0, [])):
        found = compare(before, after, tolerance=tolerance)
        assert [row["figure"] for row in found.rows] == told
        assert (found.compared, found.unchanged) == (2, 2 - len(told))
    assert [row["figure"] for row in compare(before, after, figures=("f1",)).rows] == ["f1"]
    with pytest.raises(SettingError, match="'f2'"):
        compare(before, after, figures=("f2",))
    with pytest.raises(SettingError, match="tolerance"):
        compare(before, after, tolerance=float("nan"))


def test_comparison_matches_rows_of_equal_texts_in_their_order() -> None:
    before = _result({"method": "scan", "n": 1, "f1": 0.1}, {"method": "scan", "n": 2, "f1": 0.2})
    after = _result({"method": "scan", "n": 1, "f1": 0.1}, {"method": "scan", "n": 2, "f1": 0.4})
    (row,) = compare(before, after).rows
    assert (row["before"], row["after"]) == (0.2, 0.4)


def test_lists_of_figures_do_not_tell_rows_apart() -> None:
    before = _result({"method": "scan", "f1": 0.5, "entity_f1": "[0.25, 0.75]"})
    after = _result({"method": "scan", "f1": 0.75, "entity_f1": "[0.75, null]"})
    found = compare(before, after)
    assert found.rows == [
        {"method": "scan", "figure": "f1", "before": 0.5, "after": 0.75, "change": 0.25}
    ]
    assert found.compared == 1


def test_comparison_tells_how_the_runs_differ() -> None:
    before = _result({"method": "scan", "f1": 0.5})
    after = BenchResult(
        before.scenario, {"seed": 1, "methods": ["scan", "pca"]}, {"python": "3"}, {"cores": 4},
        before.rows,
    )  # fmt: skip
    assert compare(before, after).about == [
        {"part": "parameters", "name": "seed", "before": "0", "after": "1"},
        {"part": "parameters", "name": "methods", "before": "-", "after": "scan, pca"},
        {"part": "machine", "name": "cores", "before": "2", "after": "4"},
    ]
    assert compare(before, before).about == []


def _over(*summary: Row, notes: tuple[str, ...] = ()) -> BenchResult:
    return replace(_result({"method": "scan", "f1": 0.5}), summary=list(summary), notes=notes)


def test_comparison_tells_what_changed_over_all_rows() -> None:
    before = _over(
        {"part": "method", "method": "scan", "f1_mean_rank": 1.5, "f1_like_first": True},
        {"part": "method", "method": "old", "f1_mean_rank": 2.0, "f1_like_first": True},
        {"part": "test", "figure": "f1", "first": "scan", "p_value": 0.5},
    )
    after = _over(
        {"part": "method", "method": "scan", "f1_mean_rank": 2.5, "f1_like_first": True},
        {"part": "test", "figure": "f1", "first": "pca", "p_value": 0.25},
    )
    found = compare(before, after)
    test = {"part": "test"}
    assert found.summary == [
        {"part": "method", "method": "scan", "figure": "f1_mean_rank",
         "before": 1.5, "after": 2.5, "change": 1.0},
        {"part": "method", "method": "old", "only_in": "before"},
        {**test, "figure": "f1: first", "before": "scan", "after": "pca", "change": None},
        {**test, "figure": "f1: p_value", "before": 0.5, "after": 0.25, "change": -0.25},
    ]  # fmt: skip
    assert found.rows == []
    # f1 of the one row, rank and likeness of scan, and both of the test.
    assert (found.compared, found.unchanged) == (5, 2)
    few = compare(before, after, tolerance=0.3, figures=("p_value",))
    assert few.summary == [{"part": "method", "method": "old", "only_in": "before"}]
    assert (few.compared, few.unchanged) == (1, 1)


def test_what_is_named_first_tells_rows_apart_where_it_is_no_finding() -> None:
    before, after = (
        _over(
            {"figure": "f1", "first": "scan", "second": "a", "difference": 0.5},
            {"figure": "f1", "first": first, "second": "a", "difference": 0.25},
        )
        for first in ("b", "c")
    )
    assert compare(before, after).summary == [
        {"figure": "f1", "first": "b", "second": "a", "only_in": "before"},
        {"figure": "f1", "first": "c", "second": "a", "only_in": "after"},
    ]


def test_comparison_lists_notes_that_one_result_alone_has() -> None:
    before = _over(notes=("both have this", "A is left out"))
    after = _over(notes=("B is left out", "both have this"))
    assert compare(before, after).notes == [
        {"only_in": "before", "note": "A is left out"},
        {"only_in": "after", "note": "B is left out"},
    ]
    assert compare(before, before).notes == []


def test_a_table_shows_what_it_is_told_and_takes_names_literally() -> None:
    text = io.StringIO()
    rows: list[Row] = [{"method": "[red]scan[/red]", "f1": 0.12345, "n": 3}, {"method": "x"}]
    print_rows(rows, Console(file=text, width=100), columns=("method", "f1"))
    assert "[red]scan[/red]" in text.getvalue()
    assert "0.123" in text.getvalue()
    assert "n" not in text.getvalue().splitlines()[1].replace("method", "")


def test_a_long_name_is_broken_and_none_of_it_left_out() -> None:
    text = io.StringIO()
    rows: list[Row] = [{"part": "test", "figure": "average_precision_mean_rank"}]
    print_rows(rows, Console(file=text, width=26))
    assert "average_precision_mean_rank" in "".join(text.getvalue().split())


def test_a_run_keeps_what_repeats_it() -> None:
    context = Context(methods=("random_guess",), datasets=("shipped",), seed=3, cases=2)
    result = run_scenario("localize/accuracy", context)
    assert result.parameters["seed"] == 3
    assert result.parameters["methods"] == ["random_guess"]
    assert "polars" in result.versions
    assert result.machine["cores"] >= 1
    assert result.seconds > 0
