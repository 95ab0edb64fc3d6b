"""Marks: read from tables, sorted, each once; whatever is wrong is named."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.feedback import Mark, MarkKind, read_marks
from faultsight.core.kpi_frame import TimeWindow

ROW: dict[str, Any] = {"entity": "a", "start": 0, "end": 60, "kind": "missed"}


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{**ROW, **row} for row in rows], infer_schema_length=None)


def test_two_of_four_kinds_say_that_something_was_wrong() -> None:
    assert {kind.value for kind in MarkKind if kind.is_anomaly} == {"missed", "confirmed"}
    assert len(MarkKind) == 4


def test_marks_are_sorted_and_each_comes_once() -> None:
    marks = read_marks(
        table(
            {"entity": "b", "kind": "ignore"}, {"start": 30, "kind": " false_alarm "}, {},
            {"start": 30, "kind": "false_alarm"}, {"kind": "confirmed"},
        )
    )  # fmt: skip
    assert marks == [
        Mark("a", TimeWindow(0, 60), MarkKind.CONFIRMED),
        Mark("a", TimeWindow(0, 60), MarkKind.MISSED),
        Mark("a", TimeWindow(30, 60), MarkKind.FALSE_ALARM),
        Mark("b", TimeWindow(0, 60), MarkKind.IGNORE),
    ]


def test_kpis_are_named_with_semicolons() -> None:
    marks = read_marks(table({"kpis": "load; drops;;"}, {"entity": "b", "kpis": None}))
    assert [mark.kpis for mark in marks] == [("drops", "load"), ()]
    assert read_marks(table({}))[0].kpis == ()


def test_numbers_are_entities_too_and_times_may_be_iso() -> None:
    (mark,) = read_marks(
        pl.DataFrame(
            {"entity": [7], "start": ["1970-01-01 00:01"], "end": ["1970-01-01T01:02:00+01:00"],
             "kind": ["missed"]}
        )
    )  # fmt: skip
    assert mark == Mark("7", TimeWindow(60, 120), MarkKind.MISSED)


def test_parts_of_a_second_belong_to_the_span() -> None:
    (mark,) = read_marks(table({"start": 10.7, "end": 11.2}))
    assert mark.window == TimeWindow(10, 12)


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"kind": "false"}, "column 'kind', row 2: 'false' is not one of false_alarm, missed,"),
        ({"entity": None}, "column 'entity', row 2: the entity is missing"),
        ({"start": None}, "column 'start', row 2: the time is missing"),
        ({"end": None}, "column 'end', row 2: the time is missing"),
        ({"end": 0}, "column 'end', row 2: the span ends before it starts"),
        ({"start": 61}, "column 'end', row 2: the span ends before it starts"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(wrong: dict[str, Any], place: str) -> None:
    with pytest.raises(InputError) as caught:
        read_marks(table({}, wrong), source="marks.csv")
    assert str(caught.value).startswith(f"marks.csv, {place}")


def test_a_time_that_cannot_be_read_is_named() -> None:
    marks = table({"start": "0", "end": "60"}, {"start": "noon", "end": "60"})
    with pytest.raises(InputError, match=r"marks.csv, column 'start', row 2: 'noon'"):
        read_marks(marks, source="marks.csv")


@pytest.mark.parametrize("column", ["entity", "start", "end", "kind"])
def test_every_column_but_kpis_is_needed(column: str) -> None:
    with pytest.raises(MissingColumnError, match=f"column '{column}': no such column"):
        read_marks(table({}).drop(column))


def test_a_row_that_nobody_has_marked_is_passed_over() -> None:
    marks = read_marks(table({"kind": None, "start": None}, {"kind": "  "}, {"entity": "b"}))
    assert [mark.entity for mark in marks] == ["b"]


def test_no_row_is_no_mark() -> None:
    assert read_marks(table({}).clear()) == []
