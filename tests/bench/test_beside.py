"""A run of some methods beside an earlier result of others is the run of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from faultsight.bench.engine import BenchResult, Context, Row, run_scenario, write_result
from faultsight.core.errors import InputError, SettingError

_MEASURED = ("seconds_fit", "seconds_score", "memory_mb")
_METHODS = ("input_norm", "pca", "random_score")


def _run(
    tiny_sets: Path,
    methods: tuple[str, ...],
    *,
    beside: Path | None = None,
    journal: Path | None = None,
    budget_s: float | None = None,
) -> BenchResult:
    context = Context(
        data_dir=tiny_sets, datasets=("JS2", "CDN"), methods=methods, workers=1,
        beside=beside, journal=journal, budget_s=budget_s,
    )  # fmt: skip
    return run_scenario("detect/leaderboard", context)


@pytest.fixture(scope="module")
def whole(tiny_sets: Path) -> BenchResult:
    return _run(tiny_sets, _METHODS)


def _figures(rows: Sequence[Row]) -> list[Row]:
    return [{k: v for k, v in row.items() if k not in _MEASURED} for row in rows]


def test_rows_ranks_and_order_are_those_of_a_run_of_all(
    whole: BenchResult, tiny_sets: Path, tmp_path: Path
) -> None:
    path = write_result(whole, tmp_path / "all.json")
    found = _run(tiny_sets, ("pca",), beside=path)
    assert _figures(found.rows) == _figures(whole.rows)
    assert _figures(found.summary) == _figures(whole.summary)
    assert found.parameters["beside"] == "all.json"
    # Times of what was not run are those of then, and it is said.
    pairs = zip(found.rows, whole.rows, strict=True)
    kept = [(a, b) for a, b in pairs if a["method"] == "input_norm"]
    assert len(kept) == 2
    assert all(a == b for a, b in kept)
    said = "rows, times and memory of input_norm are of all.json (faultsight "
    assert len([note for note in found.notes if note.startswith(said)]) == 1
    # What the run of then says and this one, too, is said once.
    assert not [note for note in found.notes if note.startswith("of all.json: ")]


def test_what_only_the_earlier_run_has_to_say_is_said_of_it(
    whole: BenchResult, tiny_sets: Path, tmp_path: Path
) -> None:
    path = write_result(replace(whole, notes=["no row for pca"]), tmp_path / "all.json")
    found = _run(tiny_sets, ("pca",), beside=path)
    assert found.notes[-1] == "of all.json: no row for pca"


def test_a_method_that_is_new_comes_last_in_each_set(
    whole: BenchResult, tiny_sets: Path, tmp_path: Path
) -> None:
    rows = [row for row in whole.rows if row["method"] != "input_norm"]
    path = write_result(replace(whole, rows=rows), tmp_path / "others.json")
    found = _run(tiny_sets, ("input_norm",), beside=path)
    assert [(row["dataset"], row["method"]) for row in found.rows] == [
        (dataset, method)
        for dataset in dict.fromkeys(row["dataset"] for row in whole.rows)
        for method in ("pca", "random_score", "input_norm")
    ]


def test_what_was_run_now_never_stands_with_its_rows_of_then(
    whole: BenchResult, tiny_sets: Path, tmp_path: Path
) -> None:
    path = write_result(whole, tmp_path / "all.json")
    found = _run(tiny_sets, ("pca",), beside=path, budget_s=0.0)
    assert {row["method"] for row in found.rows} == {"input_norm"}  # random_score is always run
    assert any("4 of 4 cells have no row" in note for note in found.notes)


def test_a_journal_goes_on_beside_a_result_or_without(
    whole: BenchResult, tiny_sets: Path, tmp_path: Path
) -> None:
    path, journal = write_result(whole, tmp_path / "all.json"), tmp_path / "journal.jsonl"
    alone = _run(tiny_sets, ("pca",), journal=journal)
    found = _run(tiny_sets, ("pca",), journal=journal, beside=path)
    assert [row for row in found.rows if row["method"] == "pca"] == [
        row for row in alone.rows if row["method"] == "pca"
    ]
    assert any("4 of 4 cells are of earlier starts" in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("seed", 1, "seed is 1, not 0"),
        ("preset", "large", "preset is 'large', not 'small'"),
        ("datasets", ["JS2"], "datasets is ['JS2'], not ['JS2', 'CDN']"),
    ],
)
def test_the_result_of_another_run_is_refused(
    whole: BenchResult, tiny_sets: Path, tmp_path: Path, name: str, value: object, said: str
) -> None:
    other = replace(whole, parameters={**whole.parameters, name: value})
    assert said in _refused(other, tiny_sets, tmp_path)


def test_the_result_of_another_scenario_or_without_datasets_is_refused(
    whole: BenchResult, tiny_sets: Path, tmp_path: Path
) -> None:
    other = replace(whole, scenario="detect/table1")
    assert "is a result of detect/table1" in _refused(other, tiny_sets, tmp_path)
    other = replace(whole, rows=[{"f1": 1.0}])
    assert "has a row without a dataset or method" in _refused(other, tiny_sets, tmp_path)


def _refused(other: BenchResult, tiny_sets: Path, tmp_path: Path) -> str:
    path = write_result(other, tmp_path / "other.json")
    with pytest.raises(InputError, match=r"other\.json") as raised:
        _run(tiny_sets, ("pca",), beside=path)
    return str(raised.value)


def test_a_scenario_without_cells_cannot_be_run_beside_another(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="beside"):
        run_scenario("localize/accuracy", Context(beside=tmp_path / "all.json"))
