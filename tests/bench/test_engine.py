"""The engine: ids, results that can be read back, comparisons."""

import io
import json
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


def test_a_table_shows_what_it_is_told_and_takes_names_literally() -> None:
    text = io.StringIO()
    rows: list[Row] = [{"method": "[red]scan[/red]", "f1": 0.12345, "n": 3}, {"method": "x"}]
    print_rows(rows, Console(file=text, width=100), columns=("method", "f1"))
    assert "[red]scan[/red]" in text.getvalue()
    assert "0.123" in text.getvalue()
    assert "n" not in text.getvalue().splitlines()[1].replace("method", "")


def test_a_run_keeps_what_repeats_it() -> None:
    context = Context(methods=("random_guess",), datasets=("shipped",), seed=3, cases=2)
    result = run_scenario("localize/accuracy", context)
    assert result.parameters["seed"] == 3
    assert result.parameters["methods"] == ["random_guess"]
    assert "polars" in result.versions
    assert result.machine["cores"] >= 1
    assert result.seconds > 0
