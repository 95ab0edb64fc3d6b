import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from faultsight.cli._settings import configured
from faultsight.core.errors import SettingError
from faultsight.localize import RAPMiner

RAP = ("--method", "rapminer")


def test_it_says_what_where_how_much_and_why(run: Any, case: Path) -> None:
    outcome = run("localize", case, *RAP)
    assert outcome.code == 0
    # 15 leaves of 100; the three of S1 hold 60 in place of 300.
    assert "real is 16 % below expectation (1,260, expected 1,500)" in outcome.out
    assert "1 site = S1  ▼ drop" in outcome.out
    assert "60, expected 300 | impact 100 % | 3 leaves (20 %) | layer 1" in outcome.out
    assert "kept: " in outcome.out


def test_columns_are_mapped_by_name(run: Any, case: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    table = pl.read_csv(case).rename({"real": "now", "predict": "usual"})
    table.with_columns(note=pl.lit(0.5)).write_parquet(other)
    outcome = run("localize", other, *RAP, "--actual", "now", "--forecast", "usual",
                  "--attributes", "os, site", "--json")  # fmt: skip
    document = json.loads(outcome.out)["cases"][0]
    assert document["attributes"] == ["os", "site"]
    assert document["patterns"][0]["text"] == "(*, S1)"


def test_a_kpi_may_not_take_another_columns_name(run: Any, case: Path) -> None:
    outcome = run("localize", case, *RAP, "--time", "predict", "--kpi", "os=real")
    assert outcome.code == 2
    assert "another column of that name" in outcome.err


def test_ratios_of_several_kpis(run: Any, case: Path, tmp_path: Path) -> None:
    path = tmp_path / "ratio.csv"
    pl.read_csv(case).select(
        "site", "os", s=120 - pl.col("real"), sf=20.0, v=100.0, vf=100.0
    ).write_csv(path)
    outcome = run("localize", path, *RAP, "--kpi", "stalls=s,sf", "--kpi", "viewers=v,vf",
                  "--ratio", "stall_ratio=stalls/viewers", "--json")  # fmt: skip
    (pattern,) = json.loads(outcome.out)["cases"][0]["patterns"]
    assert pattern["combination"] == {"site": "S1"}
    assert pattern["kpis"] == ["stall_ratio"]
    assert (pattern["actual"], pattern["forecast"]) == (1.0, 0.2)


def test_history_alone_is_forecast_from_its_past(run: Any, case: Path, tmp_path: Path) -> None:
    path, page = tmp_path / "history.csv", tmp_path / "history.html"
    now = pl.read_csv(case)
    past = [now.select("site", "os", pl.col("predict").alias("requests"), minute=pl.lit(60 * m))
            for m in range(5)]  # fmt: skip
    later = now.select("site", "os", pl.lit(9e9).alias("requests"), minute=pl.lit(600))
    moment = now.select("site", "os", pl.col("real").alias("requests"), minute=pl.lit(300))
    pl.concat([*past, later, moment]).write_csv(path)
    outcome = run(
        "localize", path, *RAP, "--time", "minute", "--at", "1970-01-01T00:05", "--actual",
        "requests", "--forecast-set", "window=3", "--report", page, "--json",
    )  # fmt: skip
    assert outcome.code == 0
    (found,) = json.loads(outcome.out)["cases"]
    assert found["at"] == "1970-01-01 00:05:00 UTC"
    assert [p["combination"] for p in found["patterns"]] == [{"site": "S1"}]
    assert found["patterns"][0]["forecast"] == 300.0
    assert "Over time: requests" in page.read_text(encoding="utf-8")


def test_a_folder_goes_on_after_a_bad_file(run: Any, case: Path) -> None:
    case.with_name("bad.csv").write_text("site,real,predict\na,inf,1\n")
    case.with_name("broken.parquet").write_bytes(b"PAR1 nonsense")
    case.with_name("injection_info.csv").write_text("timestamp,set\ncase,site=S1\n")
    outcome = run("localize", case.parent, *RAP)
    assert outcome.code == 3
    assert "1 of 3 cases localized" in outcome.out
    assert f"{case}: site = S1" in outcome.out
    assert "bad.csv, column 'real', row 1: 1 infinite values" in outcome.err
    assert "broken.parquet: cannot be read as a table" in outcome.err
    assert "Traceback" not in outcome.err
    detailed = run("localize", case.parent, *RAP, "-v")
    assert "impact 100 %" in detailed.out
    assert "impact" not in outcome.out


def test_damaged_files_are_refused_by_name(run: Any, case: Path) -> None:
    sound = case.with_suffix(".parquet")
    pl.read_csv(case).write_parquet(sound)
    content = sound.read_bytes()
    for folder in ("cut", "flipped"):
        (case.parent / folder).mkdir()
    for end in range(0, len(content), 97):
        (case.parent / "cut" / f"{end:05d}.parquet").write_bytes(content[:end])
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        (case.parent / "flipped" / f"{place:05d}.parquet").write_bytes(damaged)
    cut = run("localize", case.parent / "cut", *RAP)
    assert cut.code == 3
    assert f"0 of {len(range(0, len(content), 97))} cases localized" in cut.out
    # A flipped byte may hit a value and leave a table; it must never end the run.
    flipped = run("localize", case.parent / "flipped", *RAP)
    assert flipped.code in {0, 3}
    assert f"of {len(range(0, len(content), 7))} cases localized" in flipped.out


def test_quarantined_rows_are_counted(run: Any, case: Path) -> None:
    case.write_text(case.read_text() + "S9,ios,,5\nS9,web,-1,5\n")
    outcome = run("localize", case, *RAP)
    assert "not all of the input was used" in outcome.out
    assert "real: no value: row set aside (1 rows, first 16)" in outcome.out
    assert "real: negative actual value: row set aside (1 rows, first 17)" in outcome.out


def test_repeated_leaves_are_refused_or_added_up(run: Any, case: Path) -> None:
    case.write_text(case.read_text() + "S1,ios,1,1\n")
    assert run("localize", case, *RAP).code == 3
    assert run("localize", case, *RAP, "--duplicates", "sum").code == 0


def test_names_are_read_as_they_are_written(run: Any, case: Path) -> None:
    case.write_text("site,release,real,predict\n007,1.10,10,100\n007,1.1,10,100\n7,1.1,99,99\n")
    (found,) = json.loads(
        run("localize", case, *RAP, "--attributes", "site,release", "--json").out
    )["cases"]
    assert found["leaves"] == 3
    assert found["patterns"][0]["combination"] == {"site": "007"}


def test_a_folder_that_is_called_like_a_table_is_no_case(run: Any, case: Path) -> None:
    case.rename(case.with_name("x.csv"))
    case.with_name("folder.csv").mkdir()
    assert run("localize", case.parent, *RAP).code == 0


def test_an_empty_answer_says_why(run: Any, case: Path) -> None:
    pl.read_csv(case).with_columns(real="predict").write_csv(case)
    outcome = run("localize", case, *RAP)
    assert outcome.code == 0
    assert "No root pattern: no leaf deviates by more than 0.2" in outcome.out


def test_hostile_names_neither_steer_the_terminal_nor_crash(run: Any, case: Path) -> None:
    text = case.read_text().replace("S1", "[red]\x1b[31mS1[/nonsense]").replace("site", "[bold]s")
    case.write_text(text)
    outcome = run("localize", case, *RAP)
    assert outcome.code == 0
    assert "[bold]s = [red]\\x1b[31mS1[/nonsense]" in outcome.out
    assert "\x1b" not in outcome.out


def test_top_cuts_the_list(run: Any, case: Path) -> None:
    table = pl.read_csv(case)
    lost = pl.when(pl.col("site") == "S3").then(30.0).otherwise("real")
    table.with_columns(real=lost).write_csv(case)
    for more, expected in (((), 2), (("--top", 1), 1)):
        document = json.loads(run("localize", case, *RAP, *more, "--json").out)
        assert len(document["cases"][0]["patterns"]) == expected


def test_settings_are_typed_from_the_config() -> None:
    config = configured(RAPMiner, ["t_conf=0.6", "k=3", "early_stop=no"]).config
    assert (config.t_conf, config.k, config.early_stop) == (0.6, 3, False)
    assert configured(RAPMiner, ["k=none"]).config.k is None


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("t_cnf=1", "no setting 't_cnf'"),
        ("t_conf=high", "t_conf must be of type float"),
        ("k=2.5", "k must be of type int"),
        ("early_stop=maybe", "early_stop must be of type bool"),
        ("t_conf", "not of the form key=value"),
        ("t_conf=7", r"t_conf must lie in \[0, 1\)"),
    ],
)
def test_wrong_settings_are_told(setting: str, problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        configured(RAPMiner, [setting])


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["CASE", "--method", "skan"], 2, "no localizer is called 'skan'"),
        (["CASE", *RAP, "--set", "nonsense=1"], 2, "no setting 'nonsense'"),
        (["CASE", *RAP, "--at", "5"], 2, "need --time"),
        (["CASE", *RAP, "--kpi", "a"], 2, "not of the form NAME=ACTUAL,FORECAST"),
        (["CASE", *RAP, "--ratio", "a=b"], 2, "not of the form NAME=A/B"),
        (["CASE", *RAP, "--duplicates", "drop"], 2, "--duplicates must be error or sum"),
        (["CASE", *RAP, "--time", "real", "--forecast-by", "tarot"], 2, "no forecaster"),
        (["CASE", "--no-such-option"], 2, "No such option"),
        ([], 2, "Missing argument"),
        (["/no/such/case.csv", *RAP], 3, "no such file"),
        (["CASE", *RAP, "--actual", "reel"], 3, "no such column"),
        (["SEMICOLONS", *RAP], 3, "the table has 'site;os;real;predict'"),
        (["HEADER", *RAP], 3, "no row with usable values"),
        (["NO-ATTRIBUTE", *RAP], 3, "no attribute column"),
        (["EMPTY", *RAP], 3, "no CSV or Parquet file"),
        (["CASE", *RAP, "--report", "CASE/below.html"], 5, "case.csv: "),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    run: Any, case: Path, words: list[str], code: int, told: str
) -> None:
    empty = case.parent / "empty"
    empty.mkdir()
    made = {"CASE": case, "EMPTY": empty}
    for name, lines in {
        "SEMICOLONS": "site;os;real;predict\na;ios;1;2\n",
        "HEADER": "site,os,real,predict\n",
        "NO-ATTRIBUTE": "real,predict\n1,2\n",
    }.items():
        made[name] = case.parent / f"{name.lower()}.csv"
        made[name].write_text(lines)
    filled = list(words)
    for name, path in made.items():
        filled = [word.replace(name, str(path)) for word in filled]
    outcome = run("localize", *filled)
    assert outcome.code == code
    assert told in outcome.err
    assert "Traceback" not in outcome.err


def test_same_case_same_report(run: Any, case: Path, tmp_path: Path) -> None:
    pages = [tmp_path / f"{n}.html" for n in "ab"]
    for page in pages:
        assert run("localize", case, *RAP, "--report", page).code == 0
    assert pages[0].read_bytes() == pages[1].read_bytes()
