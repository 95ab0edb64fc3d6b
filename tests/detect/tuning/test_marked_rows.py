"""Marks on rows: half-open, cut to the data, contradictions settled."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.contract import Score
from faultsight.detect.tuning.marked_rows import MarkedRows, rows_of_marks

FALSE_ALARM, MISSED = MarkKind.FALSE_ALARM, MarkKind.MISSED
CONFIRMED, IGNORE = MarkKind.CONFIRMED, MarkKind.IGNORE


def mark(start_s: int, end_s: int, kind: MarkKind = FALSE_ALARM, entity: str = "a") -> Mark:
    return Mark(entity, TimeWindow(start_s, end_s), kind)


def laid(*marks: Mark, n_rows: int = 10) -> MarkedRows:
    """Lay marks on ten minutes that start at second 600."""
    return rows_of_marks([KpiFrame("a", ("x",), 600, 60, np.zeros((n_rows, 1)))], marks)


def rows(marked: MarkedRows) -> list[list[int]]:
    return [span.rows.tolist() for span in marked.spans]


def test_a_row_belongs_to_a_span_if_it_starts_inside() -> None:
    assert rows(laid(mark(600, 720))) == [[0, 1]]
    assert rows(laid(mark(601, 721))) == [[1, 2]]
    assert rows(laid(mark(659, 661))) == [[1]]


def test_what_lies_outside_the_data_is_cut_or_dropped() -> None:
    assert rows(laid(mark(0, 661))) == [[0, 1]]
    assert rows(laid(mark(1140, 9999))) == [[9]]
    assert rows(laid(mark(0, 9999))) == [list(range(10))]
    for outside in (mark(0, 600), mark(1200, 1300), mark(610, 650), mark(-900, -100)):
        marked = laid(outside)
        assert rows(marked) == []
        assert dict(marked.dropped) == {"outside_data": 1}
    assert dict(laid(mark(600, 660), n_rows=0).dropped) == {"outside_data": 1}


@given(st.integers(0, 2000), st.integers(1, 900), st.integers(0, 12))
def test_rows_are_those_of_the_frames_own_rule(start_s: int, length_s: int, n_rows: int) -> None:
    frame = KpiFrame("a", ("x",), 600, 60, np.zeros((n_rows, 1)))
    told = mark(start_s, start_s + length_s)
    expected = list(range(n_rows))[frame.rows_in(told.window)]
    assert rows(rows_of_marks([frame], [told])) == ([expected] if expected else [])


def test_scores_and_frames_are_laid_on_alike() -> None:
    score = Score("a", 600, 60, ("x",), np.zeros(10))
    told = [mark(610, 790), mark(900, 960, MISSED)]
    assert rows(rows_of_marks([score], told)) == rows(laid(*told)) == [[1, 2, 3], [5]]


def test_contradicted_rows_are_ignored_and_the_rest_counts() -> None:
    marked = laid(mark(600, 840), mark(720, 960, MISSED))
    assert rows(marked) == [[0, 1], [4, 5]]
    assert np.flatnonzero(marked.ignored["a"]).tolist() == [2, 3]
    assert dict(marked.dropped) == {}


def test_marks_that_contradict_each_other_in_full_teach_nothing() -> None:
    marked = laid(mark(600, 720), mark(600, 720, CONFIRMED))
    assert rows(marked) == []
    assert dict(marked.dropped) == {"contradicted": 2}
    assert np.flatnonzero(marked.ignored["a"]).tolist() == [0, 1]


def test_missed_and_confirmed_agree() -> None:
    marked = laid(mark(600, 720, MISSED), mark(600, 720, CONFIRMED))
    assert rows(marked) == [[0, 1], [0, 1]]
    assert all(span.is_anomaly for span in marked.spans)


def test_ignored_rows_are_taken_from_every_mark() -> None:
    marked = laid(mark(600, 840), mark(660, 720, IGNORE), mark(780, 800, IGNORE))
    assert rows(marked) == [[0, 2]]
    assert np.flatnonzero(marked.ignored["a"]).tolist() == [1, 3]
    assert dict(laid(mark(660, 720), mark(600, 900, IGNORE)).dropped) == {"contradicted": 1}


def test_unknown_entities_are_counted_and_the_same_mark_counts_once() -> None:
    marked = laid(mark(600, 660), mark(600, 660), mark(600, 660, entity="b"))
    assert rows(marked) == [[0]]
    assert dict(marked.dropped) == {"unknown_entity": 1}


def test_all_that_any_mark_speaks_of_is_marked() -> None:
    marked = laid(mark(600, 660), mark(720, 780, MISSED), mark(900, 960, IGNORE))
    assert np.flatnonzero(marked.is_marked("a", 10)).tolist() == [0, 2, 5]
    assert not marked.is_marked("b", 4).any()
    fewer = marked.only([span for span in marked.spans if span.is_anomaly])
    assert np.flatnonzero(fewer.is_marked("a", 10)).tolist() == [2, 5]
    # Asking changes nothing.
    assert np.flatnonzero(marked.ignored["a"]).tolist() == [5]
