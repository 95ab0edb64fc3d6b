"""The head on patterns: like is treated like what was marked, as far as marks bear it out."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import TimeWindow
from faultsight.detect.contract import Score
from faultsight.detect.tuning.aggregation import aggregate
from faultsight.detect.tuning.marked_rows import rows_of_marks
from faultsight.detect.tuning.pattern_head import PatternConfig, PatternHead, fit_patterns

KPIS = ("load", "drops", "delay", "noise")
HISTORY, LENGTH, LEVEL = 100, 160, 12.0
ENTITIES = [f"e{i}" for i in range(12)]


def table(rows: list[list[float]]) -> NDArray[np.float32]:
    return np.array(rows, dtype=np.float32)


def of(deviations: NDArray[np.float64], entity: str = "e") -> Score:
    residuals = np.square(deviations).astype(np.float32)
    return Score(entity, 0, 60, KPIS, aggregate(residuals), residuals, deviations < 0)


def fleet(seed: int, events: Sequence[tuple[int, int, Sequence[float]]]) -> list[Score]:
    """Usual deviations, and at (entity, row) what an event adds."""
    stream = np.random.default_rng(seed)
    tables = {e: stream.normal(size=(LENGTH, 4)) * 0.7 for e in ENTITIES}
    for place, row, adds in events:
        tables[ENTITIES[place]][row : row + 2] += np.array(adds)
    return [of(tables[e], e) for e in ENTITIES]


def mark(place: int, row: int, kind: MarkKind) -> Mark:
    return Mark(ENTITIES[place], TimeWindow(60 * row, 60 * (row + 2)), kind)


def fitted(scores: list[Score], marks: list[Mark]) -> PatternHead:
    return fit_patterns(
        scores, scores, dict.fromkeys(ENTITIES, LEVEL), dict.fromkeys(ENTITIES, HISTORY),
        rows_of_marks(scores, marks),
    )  # fmt: skip


UPGRADE, FAULT = (5.0, -5.0, 0.0, 0.0), (3.0, 3.0, 0.0, 0.0)


def test_recurring_false_alarms_sink_at_entities_that_nobody_marked() -> None:
    scores = fleet(0, [(i, 120, UPGRADE) for i in range(12)])
    head = fitted(scores, [mark(i, 120, MarkKind.FALSE_ALARM) for i in range(8)])
    assert head.strength > 0.2
    for score in scores[8:]:
        seen = head.apply(score, score.deviations)
        assert seen.total[120] < 0.8 * score.total[120]
        assert seen.residuals is not None
        np.testing.assert_allclose(seen.residuals.sum(axis=1), seen.total, rtol=1e-5)


def test_the_opposite_direction_is_another_pattern() -> None:
    head = PatternHead(KPIS, np.empty((0, 4), np.float32), table([[0.7, -0.7, 0.1, 0.1]]), 1.0)
    same, opposite = head.factors(np.array([[7.0, -7.0, 0, 0], [-7.0, 7.0, 0, 0]]))
    assert same < 0.4
    assert opposite == 1.0


def test_anomalies_that_recur_beside_false_alarms_rise() -> None:
    events = [(i, 120, UPGRADE) for i in range(12)] + [(i, 140, FAULT) for i in range(12)]
    scores = fleet(1, events)
    marks = [mark(i, 120, MarkKind.FALSE_ALARM) for i in range(8)]
    marks += [mark(i, 140, MarkKind.MISSED) for i in range(8)]
    head = fitted(scores, marks)
    for score in scores[8:]:
        seen = head.apply(score, score.deviations).total
        assert seen[140] > score.total[140]
        assert seen[120] < score.total[120]


def test_marks_that_say_nothing_of_each_other_count_little() -> None:
    """One direction, called right and wrong in turn: each mark misleads about the next."""
    scores = fleet(2, [(i, 120, UPGRADE) for i in range(12)])
    kinds = [MarkKind.FALSE_ALARM, MarkKind.MISSED]
    mixed = fitted(scores, [mark(i, 120, kinds[i % 2]) for i in range(12)])
    alike = fitted(scores, [mark(i, 120, MarkKind.FALSE_ALARM) for i in range(12)])
    assert mixed.strength < alike.strength / 2


def test_one_mark_alone_has_nothing_to_bear_it_out() -> None:
    scores = fleet(3, [(0, 120, UPGRADE)])
    head = fitted(scores, [mark(0, 120, MarkKind.FALSE_ALARM)])
    assert head.strength < 0.05
    assert fitted(scores, []).strength == 0.0


def test_no_row_depends_on_the_seenbeside_it() -> None:
    stream = np.random.default_rng(4)
    seen = stream.normal(size=(501, 4)).astype(np.float32)
    told = stream.normal(size=(37, 4)).astype(np.float32)
    head = PatternHead(KPIS, told[:20], told[20:], 1.3)
    whole = head.factors(seen)
    for rows in (slice(0, 1), slice(3, 500), slice(250, 300)):
        assert head.factors(seen[rows]).tobytes() == whole[rows].tobytes()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_marks_and_a_round_trip_change_nothing(seed: int, order: object) -> None:
    scores = fleet(seed, [(i, 120, UPGRADE) for i in range(6)])
    marks = [mark(i, 120, MarkKind.FALSE_ALARM) for i in range(5)] + [mark(5, 120, MarkKind.MISSED)]
    head = fitted(scores, marks)
    shuffled = list(marks)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fitted(scores, shuffled).to_dict() == head.to_dict()
    again = PatternHead.from_dict(json.loads(json.dumps(head.to_dict())))
    deviations = scores[0].deviations
    assert deviations is not None
    assert again.factors(deviations).tobytes() == head.factors(deviations).tobytes()


def test_missing_kpis_do_not_matter_and_a_missing_row_is_unlike_all() -> None:
    head = PatternHead(KPIS, table([[1, 0, 0, 0]]), np.empty((0, 4), np.float32), 1.0)
    nan = float("nan")
    assert head.factors(np.array([[5.0, nan, nan, nan], [nan] * 4])).round(3).tolist() == [1.284, 1]


def test_a_score_without_signs_or_of_other_kpis_is_refused() -> None:
    head = PatternHead(KPIS, np.empty((0, 4), np.float32), np.empty((0, 4), np.float32), 1.0)
    unsigned = Score("a", 0, 60, KPIS, np.zeros(2), np.zeros((2, 4), np.float32))
    with pytest.raises(InputError, match="signed residuals"):
        head.apply(unsigned, unsigned.deviations)
    other = Score("a", 0, 60, tuple("wxyz"), np.zeros(2), np.zeros((2, 4), np.float32),
                  np.zeros((2, 4), bool))  # fmt: skip
    with pytest.raises(InputError, match="other KPIs"):
        head.apply(other, other.deviations)


@pytest.mark.parametrize(
    "told",
    [{}, {"kpis": ["a"], "anomalies": [[1.0, 2.0]], "false_alarms": [], "strength": 1.0,
          "reach": 0.6, "raised": float("nan")},
     {"kpis": ["a"], "anomalies": [[float("inf")]], "false_alarms": [], "strength": 1.0,
      "reach": 0.6, "raised": 0.5},
     {"kpis": ["a"], "anomalies": [], "false_alarms": [], "strength": 99.0, "reach": 0.6,
      "raised": 0.5}],
)  # fmt: skip
def test_what_is_no_head_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(InputError):
        PatternHead.from_dict(told)


@pytest.mark.parametrize(
    "wrong", [{"reach": 1.0}, {"shrinkage": 0.0}, {"peak_share": 0.0}, {"most": 0}]
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        PatternConfig(**wrong)  # type: ignore[arg-type]
