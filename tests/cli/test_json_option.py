import json
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    "words",
    [
        ["--method", "rapminer", "CASE", "--json"],
        ["--json", "--method", "rapminer", "CASE"],
        ["CASE", "--json", "--method", "rapminer"],
        ["--method", "rapminer", "--json", "CASE"],
        ["--method", "rapminer", "--json", "-", "CASE"],
        ["--method", "rapminer", "--json=-", "CASE"],
        ["--json", "--method", "rapminer", "--", "CASE"],
    ],
)
def test_without_a_file_json_goes_to_stdout(run: Any, case: Path, words: list[str]) -> None:
    before = case.read_bytes()
    outcome = run("localize", *[case if word == "CASE" else word for word in words])
    assert outcome.code == 0
    document = json.loads(outcome.out)
    assert document["cases"][0]["patterns"][0]["combination"] == {"site": "S1"}
    assert case.read_bytes() == before


@pytest.mark.parametrize("form", ["{} {}", "{}={}"])
def test_with_a_file_json_goes_there_and_words_to_stdout(
    run: Any, case: Path, tmp_path: Path, form: str
) -> None:
    target = tmp_path / "deep" / "answer.json"
    words = form.format("--json", target).split()
    outcome = run("localize", case, "--method", "rapminer", *words)
    assert outcome.code == 0
    assert "site = S1" in outcome.out
    assert json.loads(target.read_text(encoding="utf-8"))["failed"] == 0


def test_a_folder_after_json_is_an_input(run: Any, case: Path) -> None:
    outcome = run("localize", "--method", "rapminer", "--json", case.parent)
    assert outcome.code == 0
    assert [Path(c["source"]) for c in json.loads(outcome.out)["cases"]] == [case]


@pytest.mark.parametrize(
    "command", [["doctor"], ["data", "list"], ["data", "fetch", "shipped"], ["bench", "list"]]
)
def test_every_command_has_it(run: Any, command: list[str]) -> None:
    outcome = run(*command, "--json")
    assert outcome.code == 0
    json.loads(outcome.out)
