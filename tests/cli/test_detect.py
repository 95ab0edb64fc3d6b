"""faultsight detect, as a newcomer types it: the whole story, and what can go wrong on the way."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from faultsight.cli import app
from faultsight.cli._alarm_table import alarm_table
from faultsight.cli._progress import progress
from faultsight.core.kpi_frame import TimeWindow
from faultsight.detect.alarms import Alarm
from faultsight.detect.anotuner import _training
from faultsight.detect.anotuner.model_versions import ModelVersions
from faultsight.detect.tuning.active_learning import ActiveLearning

DAY_S, HOUR_S = 86_400, 3600
START_S = 1_704_067_200  # 2024-01-01, a Monday
QUICK = ("--set", "epochs=1", "--set", "window=12", "--set", "n_hidden=8")
QUICK_TUNING = ("--set", "epochs=1", "--set", "most_history=40")


class Told:
    """What a command printed and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


def call(*words: object, columns: int = 120, code: int | None = 0) -> Told:
    result = CliRunner().invoke(app, [str(w) for w in words], env={"COLUMNS": str(columns)})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    if code is not None:
        assert result.exit_code == code, result.output
    return Told(result.exit_code, result.stdout, result.stderr)


def detect(*words: object, columns: int = 120, code: int | None = 0) -> Told:
    return call("detect", *words, columns=columns, code=code)


def seconds(text: str) -> int:
    return int(pl.Series([text]).str.to_datetime(time_zone="UTC").dt.epoch("s")[0])


class Story:
    """The folder of a newcomer, and what every command said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = folder / "model"
        self.data = (folder / "stations" / "train.parquet", folder / "stations" / "test.parquet")
        self.marks = folder / "marks.csv"
        self.told: dict[str, Told] = {}

    def read(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("newcomer")
    it = Story(folder)

    def step(name: str, *words: object, columns: int = 80) -> None:
        it.told[name] = call(*words, "--json", folder / f"{name}.json", columns=columns)

    stations = ("--stations", 6, "--days", 3)
    step("simulate", "simulate", "stations", "--out", folder / "stations", *stations)
    step("fit", "detect", "fit", it.data[0], "--model", it.model, *QUICK)
    both = (it.model, *it.data)
    since = ("--since", "2024-01-04")
    step("score", "detect", "score", *both, *since, "--out", folder / "first.parquet")
    until = ("--until", "2024-01-05 12:00")
    step("marks", "detect", "marks", *both, *since, *until, "--out", it.marks)
    step("tune", "detect", "tune", *both, "--feedback", it.marks, *QUICK_TUNING)
    step("tuned", "detect", "score", *both, *since, "--out", folder / "tuned.parquet")
    step("evaluate", "detect", "evaluate", *both, "--report", folder / "report.html")
    step("versions", "detect", "versions", it.model)
    return it


@pytest.fixture
def copied(story: Story, tmp_path: Path) -> Story:
    """The same folder, to be changed."""
    shutil.copytree(story.folder, tmp_path / "copy")
    return Story(tmp_path / "copy")


def test_fit_tells_what_it_learned_from(story: Story) -> None:
    told = story.told["fit"]
    assert "trained on 6 entities, 432 rows, 25 KPIs: version 1" in told.out
    assert re.search(r"^epoch 1 of 1: loss [\d.]+$", told.err, re.M)
    card = story.read("fit")
    assert (len(card["entities"]), len(card["kpis"]), card["card"]["step"]) == (6, 25, "fit")
    assert card["card"]["data"] == ["train.parquet"]
    assert not list(story.model.glob("*.safetensors"))


def test_the_table_of_alarms_is_the_json(story: Story) -> None:
    told, document = story.told["score"].out, story.read("score")
    alarms = sorted(document["alarms"], key=lambda a: (-a["peak"], a["entity"], a["start_s"]))
    assert alarms
    assert told.startswith(f"{len(alarms)} alarms in 432 rows of 6 entities (model version 1)\n")
    assert document["rows"] == 432
    assert all(len(line) <= 80 for line in told.splitlines() if str(story.folder) not in line)
    rows = re.findall(r"^(cell-\d+)  (\d\d-\d\d \d\d:\d\d)  ([\d: -]+?)  +([\d.,]+)  (.*)$",
                      told, re.M)  # fmt: skip
    assert len(rows) == min(len(alarms), 20)
    for (entity, start, end, peak, kpis), alarm in zip(rows, alarms, strict=False):
        assert entity == alarm["entity"]
        assert seconds(f"2024-{start}") == alarm["start_s"]
        whole = f"2024-{start[:5]} {end}" if len(end.strip()) == 5 else f"2024-{end}"
        assert seconds(whole.strip()) == alarm["end_s"]
        assert float(peak.replace(",", "")) == pytest.approx(alarm["peak"], abs=0.051, rel=0.01)
        first = alarm["kpis"][0]
        assert first["kpi"].startswith(kpis.split()[0].rstrip(","))
        assert f"{first['share']:.0%}" in told


def test_scores_in_a_file_are_those_that_alarm(story: Story) -> None:
    table = pl.read_parquet(story.folder / "first.parquet")
    assert (table.height, table["entity"].n_unique()) == (432, 6)
    assert table["timestamp"].dt.epoch("s").min() == START_S + 3 * DAY_S
    in_alarm = table.filter("alarm")
    assert (in_alarm["score"] > in_alarm["level"]).all()
    hours = sum(a["end_s"] - a["start_s"] for a in story.read("score")["alarms"]) // HOUR_S
    assert in_alarm.height == hours
    assert sum(c.startswith("residual ") for c in table.columns) == 25


def test_the_sheet_of_marks(story: Story) -> None:
    sheet, counts = pl.read_csv(story.marks), story.read("marks")["marks"]
    assert sheet.columns == ["entity", "start", "end", "kind"]
    assert dict(sheet["kind"].value_counts().iter_rows()) == counts
    assert f"{sheet.height} rows in " in story.told["marks"].out
    assert sheet["start"].min() >= "2024-01-04 00:00"  # type: ignore[operator]
    assert sheet["end"].max() <= "2024-01-05 12:00"  # type: ignore[operator]


def test_tuning_tells_its_layers_and_where_its_marks_end(story: Story) -> None:
    told, document = story.told["tune"].out, story.read("tune")
    n_marks = sum(document["marks"].values())
    assert document["version"] == 2
    assert f"learned from {n_marks} marks: " in told
    assert document["layers"]
    for layer in document["layers"]:
        assert re.search(rf"{layer['step']} +{'yes' if layer['kept'] else 'no'} ", told)
    latest = max(pl.read_csv(story.marks)["end"].to_list())
    assert document["marked_until"] == latest.replace(" ", "T") + ":00+00:00"
    assert f"version 2 is in use; faultsight detect revert {story.model} goes back" in told


def test_evaluating_starts_where_the_marks_end(story: Story) -> None:
    told, document = story.told["evaluate"].out, story.read("evaluate")
    until = story.read("tune")["marked_until"]
    assert document["since"] == until
    assert document["warnings"] == []
    shown = until[:16].replace("T", " ")
    assert f"judging rows from {shown} UTC on, where the marks that tuned it end" in told
    rows = {row["model"]: row for row in document["rows"]}
    assert list(rows) == ["version 1", "version 2", "random"]
    assert rows["random"]["rows"] == 6 * (START_S + 6 * DAY_S - seconds(shown)) // HOUR_S
    *lines, sentence, _report = told.splitlines()
    assert sentence.startswith("version 2 beside version 1")
    assert max(map(len, lines)) <= 80
    line = re.search(r"^ average precision +([\d.]+) +([\d.]+) +([\d.]+)", told, re.M)
    assert line
    for text, row in zip(line.groups(), rows.values(), strict=True):
        assert float(text) == pytest.approx(row["average_precision"], abs=0.0006)
    page = (story.folder / "report.html").read_text(encoding="utf-8")
    assert "version 1 and version 2" in page


@pytest.mark.parametrize(
    ("since", "judged_on", "n_warnings"),
    [("2024-01-05", ["version 2"], 1), ("2024-01-02", ["version 2", "trained on"], 2)],
)
def test_judging_on_what_was_told_is_warned_of(
    story: Story, tmp_path: Path, since: str, judged_on: list[str], n_warnings: int
) -> None:
    file = tmp_path / "e.json"
    told = detect("evaluate", story.model, *story.data, "--since", since, "--json", file)
    document = json.loads(file.read_text())
    assert document["since"] == f"{since}T00:00:00+00:00"
    warned = [line for line in told.out.splitlines() if line.startswith("warning: ")]
    assert warned == [f"warning: {text}" for text in document["warnings"]]
    assert len(warned) == n_warnings
    assert all(any(word in line for line in warned) for word in judged_on)


def test_a_version_that_no_mark_tuned_is_judged_after_training(story: Story) -> None:
    told = detect("evaluate", story.model, *story.data, "--version", 1, "--json")
    document = json.loads(told.out)
    assert document["since"] == "2024-01-04T00:00:00+00:00"
    assert [row["model"] for row in document["rows"]] == ["version 1", "random"]


def test_versions_and_the_way_back(copied: Story) -> None:
    table = detect("versions", copied.model, columns=80).out
    first, second = json.loads(detect("versions", copied.model, "--json").out)
    assert (first["step"], first["in use"], first["parent"]) == ("fit", "", None)
    assert (second["step"], second["in use"], second["parent"]) == ("tune", "yes", 1)
    assert second["marks"] == pl.read_csv(copied.marks).height
    assert re.search(rf"^ +2 +yes +tune +1 +{second['marks']}\b", table, re.M)
    assert max(map(len, table.splitlines())) <= 80

    tuned = pl.read_parquet(copied.folder / "tuned.parquet")
    before = pl.read_parquet(copied.folder / "first.parquet")
    assert not tuned["level"].equals(before["level"]) or not tuned["score"].equals(before["score"])
    assert detect("revert", copied.model).out == "version 1 is in use\n"
    again = copied.folder / "again.parquet"
    detect("score", copied.model, *copied.data, "--since", "2024-01-04", "--out", again)
    assert pl.read_parquet(again).equals(before)
    assert "the current version is the first" in detect("revert", copied.model, code=3).err
    assert json.loads(detect("revert", copied.model, "--to", 2, "--json").out) == {"version": 2}
    assert "no version 7; there are 1, 2" in detect("revert", copied.model, "--to", 7, code=3).err


def test_versions_tell_what_they_reached_when_last_judged(copied: Story) -> None:
    since = "2024-01-06T00:00:00+00:00"
    told = json.loads(
        detect("evaluate", copied.model, *copied.data, "--since", since, "--json").out
    )
    listed = json.loads(detect("versions", copied.model, "--json").out)
    for version, row in zip(listed, told["rows"], strict=False):
        data = [path.name for path in copied.data]
        expected = row | {"since": since, "data": data}
        del expected["model"]
        assert version["figures"] == expected
    table = detect("versions", copied.model, columns=80).out
    assert "as last judged" in table
    assert "2024-01-06" in table.partition("as last judged")[2]
    assert max(map(len, table.splitlines())) <= 80
    # A damaged file says so; the versions are as good as before.
    figures = copied.model / "figures.json"
    figures.write_text("[1]")
    assert "figures.json: holds no figures" in detect("versions", copied.model, code=3).err
    told_again = detect("evaluate", copied.model, *copied.data, "--since", since).out
    assert "not kept with the model" in told_again
    figures.unlink()
    assert [v["figures"] for v in json.loads(detect("versions", copied.model, "--json").out)] == [
        None, None,
    ]  # fmt: skip


def test_figures_that_cannot_be_kept_are_told_and_no_failure(
    copied: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(ModelVersions, "keep_figures", refuse)
    told = detect("evaluate", copied.model, *copied.data).out
    assert "these figures are not kept with the model: read-only" in told


def test_marks_of_a_version_count_for_the_next(copied: Story) -> None:
    early = copied.folder / "early.csv"
    early.write_text("entity,start,end,kind\n" + "".join(
        f"cell-000{n},2024-01-04 0{n}:00,2024-01-04 0{n + 1}:00,false_alarm\n" for n in (1, 2, 3)
    ))  # fmt: skip
    first = json.loads((copied.model / "0002" / "model.json").read_text())["card"]["marked_until"]
    told = detect("tune", copied.model, *copied.data, "--feedback", early, *QUICK_TUNING,
                  "--set", "fine_tuning=none", "--set", "head=no", "--json")  # fmt: skip
    assert json.loads(told.out)["marked_until"] == first > "2024-01-05"


# What can go wrong.


def cells(
    path: Path, *, names: tuple[str, ...] = ("a", "b"), n_rows: int = 72, labels: bool = False
) -> Path:
    """Write a table of two KPIs; the last entity is far off in one row."""
    rng = np.random.default_rng(0)
    tables = []
    for name in names:
        drops = rng.normal(size=n_rows)
        drops[n_rows - 5] += 40.0 * (name == names[-1])
        table = {
            "timestamp": START_S + np.arange(n_rows) * HOUR_S,
            "entity": [name] * n_rows,
            "drops": drops,
            "load": rng.normal(size=n_rows),
        }
        if labels:
            table["label"] = (np.arange(n_rows) == n_rows - 5).astype(int)
        tables.append(pl.DataFrame(table))
    pl.concat(tables).write_csv(path)
    return path


def swapped(path: Path, row: int, column: str, text: str) -> Path:
    """Write another text into one cell; rows count from 1."""
    table = pl.read_csv(path, infer_schema=False)
    column_of = table[column].to_list()
    column_of[row - 1] = text
    table.with_columns(pl.Series(column, column_of)).write_csv(path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model of two cells, and their table with one more day, where one is far off."""
    folder = tmp_path_factory.mktemp("cells")
    train = cells(folder / "train.csv", n_rows=48)
    detect("fit", train, "--model", folder / "model", *QUICK)
    return folder / "model", cells(folder / "cells.csv")


@pytest.mark.parametrize("kind", ["missing", "empty", "broken"])
def test_where_there_is_no_model(tmp_path: Path, kind: str) -> None:
    data, model = cells(tmp_path / "cells.csv", labels=True), tmp_path / "model"
    if kind != "missing":
        model.mkdir()
    if kind == "broken":
        (model / "current").write_text("0003\n")
    sheet = tmp_path / "marks.csv"
    sheet.write_text("entity,start,end,kind\na,0,60,missed\n")
    for words in (
        ("score", model, data), ("marks", model, data, "--out", tmp_path / "m.csv"),
        ("tune", model, data, "--feedback", sheet), ("evaluate", model, data),
        ("versions", model), ("revert", model),
    ):  # fmt: skip
        told = detect(*words, code=3)
        why = "names version 3, which is not here" if kind == "broken" else "there is no model here"
        assert why in told.err, words
        assert str(model) in told.err


def test_a_version_that_is_not_there(story: Story) -> None:
    told = detect("evaluate", story.model, *story.data, "--version", 9, code=3)
    assert "no version 9; there are 1, 2" in told.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--set", "epoch=2"), "AnoTuner has no setting 'epoch'; it has"),
        (("--set", "epochs=two"), "epochs must be of type int"),
        (("--set", "threshold=mean"), "no threshold is called 'mean'"),
        (("--mode", "best"), "--mode"),
        (("--device", "tpu"), "device is 'cpu' or 'cuda', not 'tpu'"),
    ],
)
def test_wrong_settings_are_told_before_training(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    told = detect("fit", tmp_path / "none.csv", "--model", tmp_path / "model", *words, code=2)
    assert why in told.err
    assert not (tmp_path / "model").exists()


def test_a_model_is_a_folder(small: tuple[Path, Path]) -> None:
    told = detect("fit", small[1], "--model", small[1], code=2)
    assert f"--model: {small[1]} is a file" in told.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("score", "--since", "tomorrow"), "--since: 'tomorrow' is neither"),
        (("score", "--since", "1e300"), "--since: '1e300' is no moment"),
        (("score", "--out", "scores.txt"), "--out: scores are written as .csv or .parquet"),
        (("marks", "--out", "m.parquet"), "--out: the sheet is written as .csv"),
        (("marks", "--out", "m.csv", "--since", "2024-02-01", "--until", "2024-01-01"),
         "--until must be later than --since"),
    ],
)  # fmt: skip
def test_wrong_options(
    small: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...], why: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert why in detect(words[0], *small, *words[1:], code=2).err
    assert not list(tmp_path.iterdir())


def test_no_row_is_as_late(small: tuple[Path, Path]) -> None:
    assert "they end at 2024-01-04 00:00 UTC" in detect(
        "score", *small, "--since", "2025-01-01", code=3
    ).err  # fmt: skip


def test_names_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    names = ("../x", "<script>alert(1)</script>", "[red]y[/red]", '\x1b[31mz, "q"\n')
    data, model = cells(tmp_path / "cells.csv", names=names, labels=True), tmp_path / "in" / "model"
    detect("fit", data, "--model", model, *QUICK)
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["model"]
    listed = detect("score", model, data, "--top", 500).out
    assert "\x1b" not in listed
    shown_names = {line.split("  ")[0] for line in listed.splitlines()[4:]}
    assert shown_names <= {*names[:3], '\\x1b[31mz, "q"\\n'}
    assert '\\x1b[31mz, "q"\\n' in shown_names
    sheet = tmp_path / "marks.csv"
    detect("marks", model, data, "--since", "2024-01-01", "--out", sheet)
    assert set(pl.read_csv(sheet)["entity"]) == set(names)
    page = tmp_path / "report.html"
    detect("evaluate", model, data, "--since", "2024-01-01", "--report", page)
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    told = detect("tune", model, data, "--feedback", sheet, *QUICK_TUNING)
    assert "put aside" not in told.out


@pytest.mark.parametrize(
    ("words", "column"),
    [
        (("--timestamp", "time"), "'time'"),
        (("--kpis", "drops,lod"), "'lod'"),
    ],
)
def test_a_missing_column_is_named(tmp_path: Path, words: tuple[str, ...], column: str) -> None:
    data = cells(tmp_path / "cells.csv")
    told = detect("fit", data, "--model", tmp_path / "model", *words, code=3)
    assert f"{data}, column {column}: no such column; the table has 'timestamp'" in told.err


@pytest.mark.parametrize("command", ["fit", "fit kpis", "score"])
def test_a_cell_that_is_no_number_is_named(
    small: tuple[Path, Path], tmp_path: Path, command: str
) -> None:
    data = swapped(cells(tmp_path / "bad.csv"), 31, "drops", "n/a")
    words: tuple[object, ...] = ("fit", data, "--model", tmp_path / "model")
    if command == "score":
        words = ("score", small[0], data)
    elif command == "fit kpis":
        words = (*words, "--kpis", "drops")
    told = detect(*words, code=3)
    assert f"{data}, column 'drops', row 31: 'n/a' is not a number" in told.err


def test_a_column_of_texts_is_told(tmp_path: Path) -> None:
    data = cells(tmp_path / "cells.csv")
    pl.read_csv(data).with_columns(site=pl.lit("north"), code=pl.lit("7b")).write_csv(data)
    told = detect("fit", data, "--model", tmp_path / "model", *QUICK)
    assert "no columns of numbers, and so no KPIs: site, code\n" in told.out
    assert "2 KPIs" in told.out


def test_a_stamp_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    data = swapped(cells(tmp_path / "cells.csv"), 7, "timestamp", "noon")
    told = detect("fit", data, "--model", tmp_path / "model", code=3)
    assert f"{data}, column 'timestamp', row 7: 'noon' is neither" in told.err


def test_milliseconds_are_told(tmp_path: Path) -> None:
    data = cells(tmp_path / "cells.csv")
    pl.read_csv(data).with_columns(pl.col("timestamp") * 1000).write_csv(data)
    told = detect("fit", data, "--model", tmp_path / "model", code=3)
    assert f"{data}, column 'timestamp': stamps lie thousands of years from now" in told.err
    assert "are these milliseconds?" in told.err


def test_a_kpi_that_the_model_knows_and_the_data_lacks(
    small: tuple[Path, Path], tmp_path: Path
) -> None:
    one = tmp_path / "one.csv"
    pl.read_csv(small[1]).drop("load").write_csv(one)
    assert "not in the data, and so unknown: load\n" in detect("score", small[0], one).out
    pl.read_csv(small[1]).rename({"load": "x", "drops": "y"}).write_csv(one)
    told = detect("score", small[0], one, code=3)
    assert f"{one}: holds none of the model's KPIs, which are drops, load" in told.err


def test_a_kpi_that_the_data_has_and_the_model_does_not_know_is_told(
    small: tuple[Path, Path], tmp_path: Path
) -> None:
    rows = pl.read_csv(small[1])
    plain = detect("score", small[0], small[1], "--json")
    assert plain.err == ""
    more = rows.with_columns(
        pl.lit("north").alias("site"), pl.lit(1).alias("na\x1bme"),
        *(pl.lit(float(n)).alias(f"new {n}") for n in range(5)),
    )  # fmt: skip
    for name in ("more.csv", "more.parquet"):
        data = tmp_path / name
        more.write_csv(data) if name.endswith("csv") else more.write_parquet(data)
        told = detect("score", small[0], data, "--json")
        assert told.err == (
            "not among the model's KPIs, and so not looked at: "
            "na\\x1bme, new 0, new 1, new 2, new 3 and 1 more\n"
        )
        assert told.out == plain.out
    # Those who name the KPIs know of the others.
    assert detect("score", small[0], data, "--kpis", "drops,load").err == ""


def test_infinite_values_are_counted_and_taken_for_missing(
    small: tuple[Path, Path], tmp_path: Path
) -> None:
    data = cells(tmp_path / "cells.csv")
    for row, text in ((3, "inf"), (9, "-inf"), (100, "1e300")):
        swapped(data, row, "load", text)
    told = detect("fit", data, "--model", tmp_path / "model", *QUICK)
    assert "infinite, and taken for missing: 3 values\n" in told.out
    one = swapped(cells(tmp_path / "one.csv"), 3, "load", "inf")
    assert "infinite, and taken for missing: 1 value\n" in detect("score", small[0], one).out
    assert "infinite" not in detect("score", small[0], small[1]).out


def test_fit_tells_which_kpis_never_move_or_are_all_missing(tmp_path: Path) -> None:
    data = cells(tmp_path / "cells.csv", names=("a", "b", "c"))
    of_a, of_c = pl.col("entity") == "a", pl.col("entity") == "c"
    rows = pl.read_csv(data).with_columns(
        pl.when(of_a).then(7.0).otherwise(pl.col("load")).alias("load"),
        pl.when(of_c).then(None).otherwise(pl.col("drops")).alias("drops"),
        *(pl.lit(0).alias(f"still {n}") for n in range(6)),
    )
    rows.write_csv(data)
    told = detect("fit", data, "--model", tmp_path / "model", *QUICK).out
    still = ", ".join(f"still {n} at 3 of 3 entities" for n in range(5))
    assert f"constant: {still} and 2 more\n" in told
    assert "all missing: drops at 1 of 3 entities\n" in told
    cells(data)
    told = detect("fit", data, "--model", tmp_path / "other", *QUICK).out
    assert "constant: " not in told
    assert "missing: " not in told


def test_one_known_value_is_not_said_to_be_constant(tmp_path: Path) -> None:
    data = cells(tmp_path / "cells.csv", names=("a",))
    first = pl.int_range(pl.len()) == 0
    rows = pl.read_csv(data)
    rows.with_columns(pl.when(first).then(1.0).alias("seldom")).write_csv(data)
    assert "constant: " not in detect("fit", data, "--model", tmp_path / "model", *QUICK).out


def test_rows_told_twice_are_counted(small: tuple[Path, Path], tmp_path: Path) -> None:
    rows = pl.read_csv(small[1])
    again = rows.filter(pl.col("entity") == "a").head(4)
    changed = rows.tail(1).with_columns(pl.col("drops") + 1)
    data = tmp_path / "twice.csv"
    pl.concat([rows, again, changed]).write_csv(data)
    file = tmp_path / "s.json"
    told = detect("score", small[0], data, "--json", file)
    assert "put aside: 1 row, whose moment is told again further down\n" in told.out
    assert "put aside: 4 rows, which say the same twice\n" in told.out
    assert json.loads(file.read_text())["dropped_rows"] == {"conflicting": 1, "duplicated": 4}
    card = json.loads(detect("fit", data, "--model", tmp_path / "m", *QUICK, "--json").out)
    assert card["card"]["dropped_rows"] == {"conflicting": 1, "duplicated": 4}


def test_data_may_be_folders(small: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    folder.mkdir()
    rows = pl.read_csv(small[1])
    rows.filter(pl.col("entity") == "a").drop("entity").write_csv(folder / "a.csv")
    rows.filter(pl.col("entity") == "b").write_parquet(folder / "b.parquet")
    (folder / "README.txt").write_text("nothing")
    whole, parts = (
        json.loads(detect("score", small[0], data, "--json").out) for data in (small[1], folder)
    )
    assert whole["alarms"]
    assert whole == parts
    empty = tmp_path / "empty"
    empty.mkdir()
    told = detect("score", small[0], empty, code=3)
    assert f"{empty}: holds no .csv or .parquet file" in told.err


def test_without_labels_the_sheet_is_the_operators(
    small: tuple[Path, Path], tmp_path: Path
) -> None:
    sheet = tmp_path / "marks.csv"
    told = detect("marks", *small, "--out", sheet)
    assert "rows from 2024-01-03 00:00 UTC on\n" in told.out
    rows = pl.read_csv(sheet, infer_schema=False)
    assert (
        f"{rows.height} row{'s' * (rows.height > 1)} in {sheet}: {rows.height} to be marked\n"
        in told.out
    )
    assert ("b", "2024-01-03 19:00") in set(zip(rows["entity"], rows["start"], strict=True))
    assert not any(rows["kind"].fill_null(""))
    told = detect("tune", *small, "--feedback", sheet, code=3)
    assert f"{sheet}, column 'kind': no row is marked" in told.err
    assert json.loads(detect("versions", small[0], "--json").out)[-1]["version"] == 1
    assert "there is no column of labels" in detect("evaluate", *small, code=3).err


def test_marks_that_cannot_be_used_are_told(small: tuple[Path, Path], tmp_path: Path) -> None:
    model, sheet = tmp_path / "model", tmp_path / "marks.csv"
    shutil.copytree(small[0], model)
    good = [f"a,2024-01-03 0{n}:00,2024-01-03 0{n + 1}:00,false_alarm" for n in (0, 3, 6)]
    good.append("b,2024-01-03 19:00,2024-01-03 20:00,confirmed")
    bad = [
        "a,2031-01-01,2031-01-02,missed", "c,2024-01-03,2024-01-04,missed",
        "c,2024-01-02,2024-01-03,missed",
        "b,2024-01-03 05:00,2024-01-03 06:00,missed",
        "b,2024-01-03 05:00,2024-01-03 06:00,false_alarm",
        "a,2024-01-03 10:00,2024-01-03 12:00,",
    ]  # fmt: skip
    sheet.write_text("\n".join(["entity,start,end,kind", *good, *bad]) + "\n")
    file = tmp_path / "t.json"
    told = detect("tune", model, small[1], "--feedback", sheet, *QUICK_TUNING, "--json", file).out
    assert "put aside: 2 marks, contradicted by others\n" in told
    assert "put aside: 1 mark, outside the time of the data\n" in told
    assert "put aside: 2 marks, of entities that the data does not hold\n" in told
    assert "learned from 4 marks: 1 confirmed, 3 false_alarm\n" in told
    document = json.loads(file.read_text())
    assert document["dropped_marks"] == {
        "contradicted": 2, "outside_data": 1, "unknown_entity": 2,
    }  # fmt: skip
    assert document["marked_until"] == "2024-01-03T20:00:00+00:00"

    more = detect("tune", model, small[1], "--feedback", sheet, *QUICK_TUNING).out
    assert "together with the 9 marks that version 2 has learned from\n" in more

    sheet.write_text("\n".join(["entity,start,end,kind", *bad]) + "\n")
    detect("revert", model, "--to", 1)
    told_ = detect("tune", model, small[1], "--feedback", sheet, *QUICK_TUNING, code=3)
    assert "nothing can be learned from 5 marks" in told_.err
    assert json.loads(detect("versions", model, "--json").out)[-1]["version"] == 3


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ("a,2024-01-03,2024-01-04,false", "column 'kind', row 1: 'false' is not one of"),
        ("a,2024-01-03,2024-01-02,missed", "column 'end', row 1: the span ends before"),
        ("a,noon,2024-01-02,missed", "column 'start', row 1: 'noon' is neither"),
        ("a,0001-01-01,9999-12-31,missed", "column 'end', row 1: the span is longer than ten"),
    ],
)
def test_a_wrong_mark_is_named(
    small: tuple[Path, Path], tmp_path: Path, row: str, place: str
) -> None:
    sheet = tmp_path / "marks.csv"
    sheet.write_text(f"entity,start,end,kind\n{row}\n")
    assert f"{sheet}, {place}" in detect("tune", *small, "--feedback", sheet, code=3).err


def test_marks_of_every_row_are_warned_of(small: tuple[Path, Path], tmp_path: Path) -> None:
    model, sheet = tmp_path / "model", tmp_path / "marks.csv"
    shutil.copytree(small[0], model)
    sheet.write_text("entity,start,end,kind\na,2023-12-01,2024-02-01,false_alarm\n")
    told = detect("tune", model, small[1], "--feedback", sheet, *QUICK_TUNING)
    assert "warning: marks cover every row of a; none is left to judge by\n" in told.out


# Files of other tools.


@pytest.mark.parametrize("command", ["score", "tune"])
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text.replace(",", ";").encode(), "columns are separated by semicolons"),
        (lambda text: text.replace(",", "\t").encode(), "columns are separated by tabs"),
        (lambda text: text.encode("utf-16"), "the text is UTF-16"),
        (lambda text: ("kind," + text.replace("\n", "\n,").replace("drops", "kind")).encode(),
         "column 'kind': two columns have this name"),
    ],
    ids=["semicolons", "tabs", "utf-16", "told twice"],
)  # fmt: skip
def test_other_files_are_refused_by_name(
    small: tuple[Path, Path],
    tmp_path: Path,
    command: str,
    change: Callable[[str], bytes],
    problem: str,
) -> None:
    file = tmp_path / "other.csv"
    if command == "score":
        file.write_bytes(change(small[1].read_text()))
        told = detect("score", small[0], file, code=3)
    else:
        sheet = "entity,start,end,kind\na,2024-01-03,2024-01-04,missed\n"
        file.write_bytes(change(sheet))
        told = detect("tune", *small, "--feedback", file, code=3)
    assert problem in told.err
    assert str(file) in told.err
    assert told.out == ""


def test_a_decimal_comma_is_told(tmp_path: Path) -> None:
    data = tmp_path / "cells.csv"
    rows = pl.read_csv(cells(data)).with_columns(pl.format("{},5", "timestamp").alias("drops"))
    for table in (rows, rows.drop("load")):
        table.write_csv(data)
        told = detect("fit", data, "--model", tmp_path / "model", code=3)
        assert f"{data}, column 'drops', row 1: '{START_S},5' has a decimal comma" in told.err


def test_blanks_around_headings_are_taken_off(small: tuple[Path, Path], tmp_path: Path) -> None:
    data = tmp_path / "cells.csv"
    heading, _, rows = small[1].read_text().partition("\n")
    data.write_text(f"{heading.replace(',', ' , ')}\n{rows}")
    assert detect("score", small[0], data).out == detect("score", *small).out


# Grids.


def test_jitter_of_a_clock_changes_no_score(small: tuple[Path, Path], tmp_path: Path) -> None:
    data, file = tmp_path / "cells.csv", tmp_path / "s.json"
    late = np.random.default_rng(0).integers(-5, 6, 144)
    pl.read_csv(small[1]).with_columns(pl.col("timestamp") + late).write_csv(data)
    exact = json.loads(detect("score", *small, "--json").out)
    told = detect("score", small[0], data, "--json", file)
    moved = json.loads(file.read_text())
    n_moved = int(np.count_nonzero(late))
    assert f"rows an hour apart, and moved there: {n_moved} rows, by 5 s at most\n" in told.out
    assert (exact.pop("moved_rows"), moved.pop("moved_rows")) == (0, n_moved)
    assert moved == exact
    again = detect("fit", data, "--model", tmp_path / "model", *QUICK)
    assert "\nrows an hour apart\n" in again.out


def test_a_row_an_entity_is_scored_on_the_grid_of_the_model(
    small: tuple[Path, Path], tmp_path: Path
) -> None:
    data = tmp_path / "now.csv"
    pl.read_csv(small[1]).filter(pl.col("timestamp") == START_S).write_csv(data)
    assert "in 2 rows of 2 entities" in detect("score", small[0], data).out


def test_another_step_than_the_models_is_told(small: tuple[Path, Path], tmp_path: Path) -> None:
    data = tmp_path / "cells.csv"
    rows = pl.read_csv(small[1])
    rows.with_columns(timestamp=START_S + (pl.col("timestamp") - START_S) // 4).write_csv(data)
    told = detect("score", small[0], data, code=3)
    assert f"{data}, column 'timestamp': the rows are 15 minutes apart" in told.err
    assert "--interval-s 3600" in told.err


@pytest.mark.parametrize("n_rows", [1, 19])
def test_too_few_rows_to_learn_from(tmp_path: Path, n_rows: int) -> None:
    data = tmp_path / "cells.csv"
    pl.read_csv(cells(data, names=("a",))).head(n_rows).write_csv(data)
    told = detect("fit", data, "--model", tmp_path / "model", code=3)
    assert f"{data}: no entity has more than {n_rows} row" in told.err
    assert "at least 20" in told.err


def test_an_empty_file_is_told_and_nothing_else(small: tuple[Path, Path], tmp_path: Path) -> None:
    data = tmp_path / "empty.csv"
    data.write_text("")
    told = detect("score", small[0], data, code=3)
    assert (told.out, "empty CSV" in told.err) == ("", True)


def test_what_cannot_be_judged_is_told(small: tuple[Path, Path], tmp_path: Path) -> None:
    data = tmp_path / "cells.csv"
    rows = pl.read_csv(cells(data, labels=True))

    def told(table: pl.DataFrame, code: int = 3) -> Told:
        table.write_csv(data)
        return detect("evaluate", small[0], data, code=code)

    nothing = pl.lit(None, pl.Float64)
    unknown = told(rows.with_columns(drops=nothing, load=nothing))
    assert "not one value of the rows to judge is known" in unknown.err
    assert "there is no column of labels" in told(rows.with_columns(label=nothing)).err
    half = pl.when(pl.col("entity") == "a").then(None).otherwise("label").alias("label")
    assert "\n1 entity, 24 rows, 1 of them anomalous" in told(rows.with_columns(half), 0).out


def test_the_ablation_is_a_result_of_its_benchmark(
    small: tuple[Path, Path], tmp_path: Path
) -> None:
    data, page, file = tmp_path / "cells.csv", tmp_path / "page.html", tmp_path / "ablation.json"
    cells(data, labels=True)
    told = detect("evaluate", small[0], data, "--ablation", file, code=2)
    assert "--ablation is drawn in the page that --report writes" in told.err
    result = {"parameters": {}, "versions": {}, "machine": {}, "rows": [
        {"dataset": "<b>set</b>", "setting": setting, "value": value, "average_precision": figure}
        for setting, value, figure in (
            ("detector", "random_score", 0.1), ("detector", "anotuner", 0.3),
            ("layers", "all", 0.5), ("layers", "without head", 0.4),
            ("hinge", "decoder", 0.45), ("ratio", "1", 0.41),
            ("history", "tsal", 0.43), ("history", "uniform", None),
        )
    ]}  # fmt: skip
    file.write_text(json.dumps({"scenario": "detect/table1", **result}))
    told = detect("evaluate", small[0], data, "--report", page, "--ablation", file, code=3)
    assert f"{file}: is a result of detect/table1, not of detect/ablation" in told.err
    file.write_text(json.dumps({"scenario": "detect/ablation", **result}))
    detect("evaluate", small[0], data, "--report", page, "--ablation", file)
    text = page.read_text(encoding="utf-8")
    assert "<h3>&lt;b&gt;set&lt;/b&gt;</h3>" in text
    for bar in ("without head: 0.4", "hinge, decoder: 0.45", "1: 0.41", "tsal: 0.43"):
        assert f"<title>{bar}</title>" in text
    assert (
        text.count("<title>untuned: 0.3</title>") == text.count("<title>random: 0.1</title>") == 4
    )
    assert "uniform" not in text
    detect("evaluate", small[0], data, "--report", page)
    text = page.read_text(encoding="utf-8")
    assert "faultsight bench run detect/ablation --json FILE" in text
    assert "id=ablations" not in text


def test_what_active_learning_asks_is_written_and_answers_are_learned(
    small: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data, sheet = tmp_path / "model", small[1], tmp_path / "questions.csv"
    shutil.copytree(small[0], model)
    marks = tmp_path / "marks.csv"
    first, last = (str(np.datetime64(START_S + row * HOUR_S, "s")) for row in (60, 64))
    marks.write_text(f"entity,start,end,kind\na,{first},{last},false_alarm\n")
    words = ["tune", model, data, "--feedback", marks, "--questions", sheet]
    told = detect(*words, code=2)
    assert "nothing is asked without active learning" in told.err
    assert not sheet.exists()
    # So fine that there are clusters without marks even in two days of two cells.
    fine = partial(ActiveLearning, distance=1e-5)
    monkeypatch.setattr("faultsight.detect.anotuner._tuning.ActiveLearning", fine)
    words += ["--mode", "paper", "--set", "epochs=1"]
    told = detect(*words)
    asked = pl.read_csv(sheet)
    assert asked.columns == ["entity", "time", "is_anomaly"]
    n = asked.height
    assert asked["is_anomaly"].to_list() == [""] * n
    assert n > 0
    assert f"{n} questions in {sheet}, {n} open" in " ".join(told.out.split())
    times = asked["time"].str.to_datetime().dt.epoch("s")
    assert set(times) <= {START_S + row * HOUR_S for row in range(48)}

    said = asked.with_columns(pl.lit("Yes").alias("is_anomaly"))
    said.write_csv(sheet)
    told = detect(*words)
    assert f"in {sheet}, 0 open" in " ".join(told.out.split())
    assert pl.read_csv(sheet)["is_anomaly"].to_list() == ["yes"] * n
    said.with_columns(pl.lit("perhaps").alias("is_anomaly")).write_csv(sheet)
    told = detect(*words, code=3)
    assert "questions.csv, column 'is_anomaly', row 1: 'perhaps' is no answer" in told.err


def stopped_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    """Press Ctrl-C once so many epochs are kept."""
    keep: Callable[..., None] = _training._keep

    def _keep(*args: Any) -> None:
        keep(*args)
        if len(args[-1]) == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(_training, "_keep", _keep)


def test_interrupted_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, model = cells(tmp_path / "cells.csv"), tmp_path / "model"
    words = ("--set", "epochs=3", "--set", "window=12", "--set", "n_hidden=8")
    with monkeypatch.context() as patch:
        stopped_after(patch, 2)
        told = detect("fit", data, "--model", model, *words, code=130)
    assert "interrupted; the same command goes on after the last whole epoch" in told.out
    assert (model / "training.safetensors").is_file()
    assert "there is no model here" in detect("score", model, data, code=3).err

    other = detect("fit", data, "--model", model, *words, "--set", "seed=1", code=3)
    assert f"{model / 'training.safetensors'}: belongs to other data or settings" in other.err
    assert "remove it to start anew" in other.err

    told = detect("fit", data, "--model", model, *words)
    assert told.err.splitlines()[0] == "resumed after epoch 2 of 3"
    assert "epoch 2 of 3" not in told.err.split("\n", 1)[1]
    assert not (model / "training.safetensors").exists()
    detect("fit", data, "--model", tmp_path / "straight", *words)
    resumed, straight = (
        json.loads((folder / "0001" / "model.json").read_text())
        for folder in (model, tmp_path / "straight")
    )
    assert resumed == straight


@pytest.mark.parametrize(
    "words",
    [("fit", "x.csv", "--model", "m"), ("evaluate", "m", "x.csv"),
     ("tune", "m", "x.csv", "--feedback", "f.csv")],
    ids=lambda words: str(words[0]),
)  # fmt: skip
def test_without_torch_it_says_how_to_install_it(words: tuple[str, ...], tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        f"sys.argv = ['faultsight', 'detect', *{words!r}]\n"
        "from faultsight.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120,
        cwd=tmp_path, env={**os.environ},
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (4, "")
    assert result.stderr == (
        "faultsight: AnoTuner needs an optional part: pip install 'faultsight[detect]'\n"
    )


# How it looks.


def shown(alarms: list[Alarm], width: int) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=width).print(alarm_table(alarms, width))
    return text.getvalue().splitlines()


LONG = "rab_establishment_success_rate_qci1"
ALARM = Alarm(
    "cell-0001",
    TimeWindow(START_S + 21 * HOUR_S, START_S + 28 * HOUR_S),
    4.25,
    ((LONG, 0.5), ("drops", 0.25), ("load", 0.125)),
)


def test_an_alarm_on_a_narrow_and_on_a_wide_terminal() -> None:
    narrow, wide = shown([ALARM], 80), shown([ALARM], 120)
    assert narrow[3].startswith("cell-0001  01-01 21:00  01-02 04:00    4.2  ")
    assert narrow[1].split()[:3] == ["entity", "2024,", "UTC"]
    assert [line[44:].strip() for line in narrow[3:]] == [LONG, "50%"]
    assert wide[3].startswith("cell-0001  2024-01-01 21:00  01-02 04:00    4.2  ")
    assert wide[3].rstrip().endswith(f"{LONG} 50%, drops 25%, load 12%")
    assert len(wide) == 4


def test_a_name_that_is_too_long_goes_on_where_a_word_ends() -> None:
    alarm = Alarm("base-station-0001", ALARM.window, 2.0, ALARM.shares)
    named = [line.rpartition("  ")[2] for line in map(str.rstrip, shown([alarm], 72)[3:])]
    assert named == ["rab_establishment_", "success_rate_qci1", "50%"]


def test_alarms_of_two_years_say_which() -> None:
    later = Alarm("b", TimeWindow(START_S + 366 * DAY_S, START_S + 366 * DAY_S + HOUR_S), 2.0)
    lines = shown([ALARM, later], 80)
    assert any("2024-01-01 21:00" in line for line in lines)
    assert any("2025-01-01 00:00  01:00" in line for line in lines)


@settings(max_examples=50)
@given(
    st.lists(
        st.builds(
            Alarm,
            st.text(min_size=1, max_size=60),
            st.builds(lambda a, n: TimeWindow(a, a + n), st.integers(0, 2**32),
                      st.integers(1, 10**6)),
            st.floats(1.0, 1e9),
            st.lists(st.tuples(st.text(max_size=60), st.floats(0, 1)), max_size=3).map(tuple),
        ),
        min_size=1, max_size=3,
    ),
    st.integers(80, 200),
)  # fmt: skip
def test_no_name_breaks_the_table(alarms: list[Alarm], width: int) -> None:
    from rich.cells import cell_len

    assert all(cell_len(line) <= width for line in shown(alarms, width))


def test_progress_is_lines_in_a_log_and_one_line_on_a_terminal() -> None:
    log, terminal = io.StringIO(), io.StringIO()
    with progress("training", Console(file=log, width=80)) as told:
        told("epoch 1 of 2: [loss] 3")
        told("epoch 2 of 2: [loss] 2")
    assert log.getvalue() == "epoch 1 of 2: [loss] 3\nepoch 2 of 2: [loss] 2\n"
    with progress("training", Console(file=terminal, width=80, force_terminal=True)) as told:
        told("epoch 1 of 2: [loss] 3")
    assert "epoch 1 of 2: [loss] 3" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K")  # the line is wiped: nothing of it stays
