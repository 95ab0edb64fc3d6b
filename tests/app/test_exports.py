"""Exports: cells that run nothing."""

from __future__ import annotations

import csv
import io
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from faultsight.app.exports import as_csv, as_json_lines
from faultsight.core.spreadsheet import cell

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.lists(st.tuples(TEXTS, st.integers() | st.none()), max_size=5))
def test_csv_reads_back(pairs: list[tuple[str, int | None]]) -> None:
    rows: list[dict[str, Any]] = [{"a": a, "b": b} for a, b in pairs]
    text = "".join(as_csv(rows))
    read = list(csv.reader(io.StringIO(text, newline="")))
    if not rows:
        assert read == []
        return
    assert read[0] == ["a", "b"]
    told = [[cell(row["a"]), "" if row["b"] is None else str(row["b"])] for row in rows]
    assert read[1:] == told


def test_lists_and_mappings_are_json() -> None:
    assert "".join(as_csv([{"kpis": [["drops", 0.9]]}])) == 'kpis\r\n"[[""drops"", 0.9]]"\r\n'
    assert list(as_json_lines([])) == []


def test_headings_run_nothing_either() -> None:
    assert "".join(as_csv([{"=cmd()": 1, 'a"b': 2}])) == '\'=cmd(),"a""b"\r\n1,2\r\n'
