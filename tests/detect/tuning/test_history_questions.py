"""What is asked about history, and what the answers say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import SettingError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import TimeWindow
from faultsight.detect.contract import Score
from faultsight.detect.tuning.active_learning import Query
from faultsight.detect.tuning.history_questions import HistoryQuestions, marks_of_answers
from faultsight.detect.tuning.marked_rows import MarkedRows, rows_of_marks

KPIS = ("drops", "load", "delay_ms")
LEVELS = {"a": 10.0, "b": 10.0}
HISTORY = {"a": 80, "b": 80}
NOTHING = MarkedRows((), {}, {})


def _scores() -> list[Score]:
    """Two kinds of trouble in history: drops at a and b, load at b; and drops again, later."""
    scores = []
    for entity in "ab":
        residuals = np.full((100, 3), 0.4, np.float32)
        residuals[[10, 11, 40], 0] = 12.0
        if entity == "b":
            residuals[[20, 60], 1] = 6.0
        residuals[90, 0] = 20.0
        total = residuals.sum(axis=1, dtype=np.float64)
        scores.append(Score(entity, 0, 60, KPIS, total, residuals))
    return scores


class Operator:
    """Answers by the entity and row, and remembers what was asked."""

    def __init__(self, answer: bool | None) -> None:
        self.answer = answer
        self.asked: list[Query] = []

    def __call__(self, query: Query) -> bool | None:
        self.asked.append(query)
        return self.answer


def test_each_kind_of_trouble_is_asked_about_once() -> None:
    operator = Operator(None)
    assert marks_of_answers(_scores(), LEVELS, HISTORY, NOTHING, operator) == []
    assert sorted(query.size for query in operator.asked) == [2, 6]
    assert all(query.at < 80 for query in operator.asked)
    assert all(query.time_s == 60 * query.at > 0 for query in operator.asked)


def test_an_answer_holds_for_the_rows_like_it() -> None:
    yes = marks_of_answers(_scores(), LEVELS, HISTORY, NOTHING, Operator(True))
    assert [(m.entity, m.window.start_s // 60) for m in yes] == [
        ("a", 10), ("a", 11), ("a", 40), ("b", 10), ("b", 11), ("b", 20), ("b", 40), ("b", 60),
    ]  # fmt: skip
    assert {mark.kind for mark in yes} == {MarkKind.CONFIRMED}
    no = marks_of_answers(_scores(), LEVELS, HISTORY, NOTHING, Operator(False))
    # Load at b was never above the level: there is no alarm to call false.
    assert [(m.entity, m.window.start_s // 60) for m in no] == [
        ("a", 10), ("a", 11), ("a", 40), ("b", 10), ("b", 11), ("b", 40),
    ]  # fmt: skip
    assert {mark.kind for mark in no} == {MarkKind.FALSE_ALARM}


def test_what_a_mark_has_told_is_not_asked() -> None:
    scores = _scores()
    told = rows_of_marks(scores, [Mark("a", TimeWindow(90 * 60, 91 * 60), MarkKind.MISSED)])
    operator = Operator(True)
    marks = marks_of_answers(scores, LEVELS, HISTORY, told, operator)
    assert [query.size for query in operator.asked] == [2]
    assert {m.entity for m in marks} == {"b"}


def test_the_nearest_to_the_level_comes_first() -> None:
    operator = Operator(None)
    marks_of_answers(_scores(), {"a": 7.0, "b": 7.0}, HISTORY, NOTHING, operator)
    assert [query.size for query in operator.asked] == [2, 6]
    operator = Operator(None)
    marks_of_answers(_scores(), {"a": 13.0, "b": 13.0}, HISTORY, NOTHING, operator)
    assert [query.size for query in operator.asked] == [6, 2]


def test_without_residuals_nothing_is_asked() -> None:
    bare = [Score(s.entity, 0, 60, KPIS, s.total) for s in _scores()]
    operator = Operator(True)
    assert marks_of_answers(bare, LEVELS, HISTORY, NOTHING, operator) == []
    quiet = [s[:9] for s in _scores()]
    assert marks_of_answers(quiet, LEVELS, {"a": 9, "b": 9}, NOTHING, operator) == []
    assert operator.asked == []


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), answer=st.booleans())
def test_marks_are_of_history_alone_and_the_same_twice(seed: int, answer: bool) -> None:
    chance = np.random.default_rng(seed)
    scores = []
    for entity in "ab":
        residuals = chance.exponential(1.0, (100, 3)).astype(np.float32)
        residuals[chance.random((100, 3)) < 0.05] = np.nan
        scores.append(
            Score(entity, 0, 60, KPIS, np.nansum(residuals, axis=1, dtype=float), residuals)
        )
    levels = {"a": 5.0, "b": 6.0}
    first = marks_of_answers(scores, levels, HISTORY, NOTHING, Operator(answer))
    assert first == marks_of_answers(scores, levels, HISTORY, NOTHING, Operator(answer))
    assert all(mark.window.end_s <= 80 * 60 for mark in first)
    assert len(set(first)) == len(first)


def test_settings_that_cannot_be() -> None:
    for wrong in ({"near": 0.0}, {"distance": 0.0}, {"reach": 1.5}, {"most_rows": 1}):
        with pytest.raises(SettingError):
            HistoryQuestions(**wrong)
