"""CSV for spreadsheets: cells and headings that run nothing, and that can be read back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.feedback import read_marks
from faultsight.core.spreadsheet import cell, spreadsheet_csv, text_of
from faultsight.core.tables import read_table

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
STARTS = st.sampled_from(["=", "+", "-", "@", "\t", "\r", "'", "''=", " =", "\n=", "＝", "x", '"'])  # noqa: RUF001
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝")  # noqa: RUF001


@given(STARTS, TEXTS)
def test_a_cell_is_never_a_formula_and_reads_back(start: str, rest: str) -> None:
    text = start + rest
    shown = cell(text)
    assert not shown.lstrip(" ").startswith(FORMULA)
    assert shown == text or (shown[0] == "'" and shown[1:] == text)
    assert text_of(shown) == text


@given(st.lists(st.tuples(STARTS, TEXTS), min_size=1, max_size=4, unique=True))
def test_headings_and_cells_of_a_table(parts: list[tuple[str, str]]) -> None:
    names = list(dict.fromkeys("".join(part) for part in parts))
    table = pl.DataFrame({name: [name] for name in names})
    heading, row = csv.reader(io.StringIO(spreadsheet_csv(table), newline=""))
    assert [text_of(name) for name in heading] == [text_of(value) for value in row] == names
    assert not any(name.lstrip(" ").startswith(FORMULA) for name in (*heading, *row))


def test_numbers_stay_numbers() -> None:
    table = pl.DataFrame({"a": [-1.5, None], "b": [-2, 3], "c": [True, None]})
    assert spreadsheet_csv(table) == "a,b,c\r\n-1.5,-2,true\n,3,\n"


def test_quotes_in_headings_come_back_plain(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table = pl.DataFrame({'a"b': ["007"], 'say "x"': [1.5], "c": [2.5]})
    path.write_text(spreadsheet_csv(table))
    assert read_table(path, names=['a"b']).equals(table)
    assert read_table(path, as_text=['a"b']).equals(table)
    assert read_table(path, as_text=True).columns == table.columns
    table.write_csv(path)
    assert read_table(path, names=['a"b']).equals(table)


def test_a_sheet_of_marks_is_read_as_it_was_written() -> None:
    sheet = pl.DataFrame({"entity": ["=cmd()", "'=1", "a"], "start": ["0"] * 3, "end": ["60"] * 3,
                          "kind": ["missed"] * 3})  # fmt: skip
    shown = pl.read_csv(spreadsheet_csv(sheet).encode())
    assert [mark.entity for mark in read_marks(shown)] == ["'=1", "=cmd()", "a"]
