"""The frozen back-test: its split, its figures and its rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import SettingError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.contract import Score
from faultsight.flow.learn.back_test import BackTestFigures, BackTestRule, Split

DAY_S = 86_400
QUIET = TimeWindow(20 * DAY_S, 21 * DAY_S)
MARKS = st.lists(
    st.builds(
        lambda e, start, length, kind: Mark(f"c{e}", TimeWindow(start, start + length), kind),
        st.integers(0, 5), st.integers(0, 21 * DAY_S - 1), st.integers(1, DAY_S),
        st.sampled_from(MarkKind),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(MARKS, MARKS)
def test_a_mark_is_always_on_the_same_side(marks: list[Mark], more: list[Mark]) -> None:
    rule = BackTestRule()
    one, all_ = rule.split("cells", marks, QUIET), rule.split("cells", marks + more, QUIET)
    assert set(one.held_out) <= set(all_.held_out)
    assert not set(all_.learned) & set(all_.held_out)
    assert set(all_.learned) | set(all_.held_out) <= set(marks + more)
    assert rule.split("cells", marks[::-1] * 2, QUIET) == one
    for mark in set(marks):
        if mark.kind is MarkKind.IGNORE:
            assert mark in one.learned
        elif QUIET.holds(mark.window.start_s):
            assert mark in one.held_out


@settings(max_examples=100, deadline=None)
@given(MARKS)
def test_what_is_learned_lies_apart_from_what_is_held_out(marks: list[Mark]) -> None:
    rule = BackTestRule()
    split = rule.split("cells", marks, QUIET)
    for mark in split.learned:
        if mark.kind is MarkKind.IGNORE:
            continue
        wide = TimeWindow(mark.window.start_s - rule.apart_s, mark.window.end_s + rule.apart_s)
        assert not any(o.entity == mark.entity and o.window.overlaps(wide) for o in split.held_out)


def test_about_one_day_in_five_is_held_out() -> None:
    marks = [
        Mark(f"cell-{e}", TimeWindow(d * DAY_S, d * DAY_S + 3600), MarkKind.MISSED)
        for e in range(200)
        for d in range(0, 20, 2)
    ]
    held_out = BackTestRule().split("cells", marks, QUIET).held_out
    assert 0.17 < len(held_out) / len(marks) < 0.23
    other = BackTestRule().split("cdn", marks, QUIET).held_out
    assert set(other) != set(held_out)


class Fixed:
    """A model whose scores are the values of its frames."""

    def __init__(self, level: float) -> None:
        self.level = level

    def score(self, frames: Sequence[KpiFrame]) -> list[Score]:
        return [
            Score(f.entity, f.start_s, f.interval_s, f.kpis, f.values[:, 0].astype(np.float64))
            for f in frames
        ]

    def level_of(self, entity: str) -> float:
        return self.level


def test_figures_count_marks_and_alarms() -> None:
    values = np.zeros((48, 1))
    values[[2, 3, 5, 30, 34, 40]] = 2.0
    values[10] = 1.2
    frame = KpiFrame("a", ("x",), 0, 3600, values)
    quiet = TimeWindow(DAY_S, 2 * DAY_S)

    def mark(hour: int, kind: MarkKind) -> Mark:
        return Mark("a", TimeWindow(hour * 3600, (hour + 1) * 3600), kind)

    held_out = (
        mark(2, MarkKind.CONFIRMED), mark(5, MarkKind.FALSE_ALARM), mark(10, MarkKind.MISSED),
        mark(30, MarkKind.FALSE_ALARM), mark(34, MarkKind.CONFIRMED), mark(99, MarkKind.MISSED),
    )  # fmt: skip
    split = Split((mark(3, MarkKind.MISSED),), held_out)
    found = BackTestFigures.of(Fixed(1.5), [frame], split, quiet)
    assert (found.false_alarms, found.still_raised) == (2, 2)
    assert (found.anomalies, found.not_raised) == (3, 1)
    # One in the quiet window was called right, one false, and of one nobody spoke.
    assert (found.quiet_alarms, found.entity_days) == (2, 1.0)
    lower = BackTestFigures.of(Fixed(1.0), [frame], split, quiet)
    assert lower.not_raised == 0
    higher = BackTestFigures.of(Fixed(9.0), [frame], split, quiet)
    assert (higher.still_raised, higher.not_raised, higher.quiet_alarms) == (0, 3, 0)


_BASE = BackTestFigures(10, 10, 5, 2, 8, 10.0)


@pytest.mark.parametrize(
    ("after", "passed", "word"),
    [
        (_BASE, True, "7 errors on the 20 marks"),
        (replace(_BASE, still_raised=6), False, "it makes 8 errors"),
        (replace(_BASE, still_raised=4, not_raised=3), True, "7 errors"),
        (replace(_BASE, quiet_alarms=12), True, "12 alarms in the quiet window"),
        (replace(_BASE, quiet_alarms=13), False, "12 would be allowed"),
        (replace(_BASE, quiet_alarms=0), True, "0 alarms in the quiet window"),
    ],
)
def test_the_rule(after: BackTestFigures, passed: bool, word: str) -> None:
    found = BackTestRule().judge(_BASE, after)
    assert found.passed is passed
    assert word in found.why
    assert found.to_dict()["passed"] is passed


def test_a_few_alarms_more_are_allowed_where_there_was_none() -> None:
    none = replace(_BASE, quiet_alarms=0)
    assert BackTestRule().judge(none, replace(none, quiet_alarms=1)).passed
    assert not BackTestRule().judge(none, replace(none, quiet_alarms=2)).passed


def test_a_quiet_window_that_was_trained_on_does_not_count() -> None:
    loud = replace(_BASE, quiet_alarms=100)
    found = BackTestRule().judge(_BASE, loud, quiet_counts=False)
    assert found.passed
    assert "does not count" in found.why


def test_settings_that_cannot_be() -> None:
    for wrong in ({"one_in": 1}, {"quiet_s": -1}, {"most_growth": 0.5}, {"spare_alarms": -1.0}):
        with pytest.raises(SettingError):
            BackTestRule(**wrong)
