"""The figures in the README and in the comparison are those that the benchmarks wrote."""

import re
import runpy
from pathlib import Path

import pytest

from faultsight.bench.detection_report import write_detection_report

ROOT = Path(__file__).parents[1]


def test_the_table_in_the_readme_is_the_result_that_was_written() -> None:
    tables = runpy.run_path(str(ROOT / "docs" / "benchmark_tables.py"))
    rows = tables["published_rows"]("localize-accuracy")
    table = tables["f1_table"](rows)
    methods = {line.split("|")[1].strip() for line in table}
    assert {"`scan`", "`rapminer`", "`random_guess`"} <= methods
    assert "\n".join(table) in (ROOT / "README.md").read_text()


def test_the_table_of_tuning_in_the_readme_is_the_result_that_was_written() -> None:
    tables = runpy.run_path(str(ROOT / "docs" / "benchmark_tables.py"))
    table = tables["tuned_table"]()
    assert len(table) == 2 + 5
    assert "\n".join(table) in (ROOT / "README.md").read_text()


def test_the_standings_of_detectors_in_the_readme_are_the_result_that_was_written() -> None:
    tables = runpy.run_path(str(ROOT / "docs" / "benchmark_tables.py"))
    table = tables["standings_table"]()
    methods = {line.split("|")[1].strip() for line in table}
    assert {"`anotuner`", "`ridge_var`", "`random_score`"} <= methods
    assert "\n".join(table) in (ROOT / "README.md").read_text()


def test_the_table_of_a_gpu_is_the_result_that_was_written() -> None:
    tables = runpy.run_path(str(ROOT / "docs" / "benchmark_tables.py"))
    table = tables["gpu_table"]()
    assert len(table) == 2 + 5
    assert "\n".join(table) in (ROOT / "docs" / "explanation" / "anotuner.md").read_text()


@pytest.mark.parametrize("reports", ["LASTING", "LASTING_SEED_1"])
def test_the_tables_of_what_lasts_are_the_results_that_were_written(reports: str) -> None:
    tables = runpy.run_path(str(ROOT / "docs" / "benchmark_tables.py"))
    table = tables["lasting_table"](tables[reports])
    assert len(table) == 2 + 6
    explained = ROOT / "docs" / "explanation" / "detection-benchmarks.md"
    assert "\n".join(table) in explained.read_text()


def test_the_standings_with_marks_are_the_results_that_were_written() -> None:
    tables = runpy.run_path(str(ROOT / "docs" / "benchmark_tables.py"))
    table = tables["marked_table"]()
    methods = {line.split("|")[1].strip() for line in table}
    assert {"`anotuner`", "`lstm_ndt`", "`ridge_var`", "`random_score`"} <= methods
    explained = ROOT / "docs" / "explanation" / "detection-benchmarks.md"
    assert "\n".join(table) in explained.read_text()


def test_the_table_of_verdicts_in_the_readme_is_the_result_that_was_written() -> None:
    tables = runpy.run_path(str(ROOT / "docs" / "benchmark_tables.py"))
    table = tables["verdict_table"]()
    methods = {line.split("|")[1].strip() for line in table}
    assert {"`telapart`", "`telapart-paper`", "`random_verdict`", "`majority`"} <= methods
    assert "\n".join(table) in (ROOT / "README.md").read_text()


def test_the_table_of_the_demo_in_the_readme_is_the_result_that_was_written() -> None:
    tables = runpy.run_path(str(ROOT / "docs" / "benchmark_tables.py"))
    table = tables["demo_table"]()
    assert len(table) == 2 + 10
    assert "\n".join(table) in (ROOT / "README.md").read_text()


def test_the_comparison_of_detectors_is_what_the_results_say(tmp_path: Path) -> None:
    reports = ROOT / "benchmarks" / "reports"
    for path in write_detection_report(reports, tmp_path):
        if path.suffix != ".html":
            committed = ROOT / "docs" / "explanation" / path.name
            assert committed.read_bytes() == path.read_bytes(), f"{path.name}: `make comparison`"


def test_the_pictures_in_the_readme_are_there_and_small() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert len(pictures) == 3
    for picture in pictures:
        content = (ROOT / picture).read_bytes()
        assert content.startswith(b"\x89PNG"), picture
        assert len(content) < 200_000, picture
