"""Point adjustment, and the best level found by sorting against all levels tried one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from faultsight.core.errors import InputError
from faultsight.detect.contract import Score
from faultsight.detect.metrics import adjusted_counts, best_f1, best_fleet_f1, point_adjusted
from faultsight.detect.thresholds.best_f1 import BestF1

Rows = list[tuple[float, bool]]

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 2.5, 3.0, -1.0, math.nan, math.inf]), st.booleans()),
    min_size=1,
    max_size=25,
)


def test_figure_9_of_the_anotuner_paper() -> None:
    truth = [0, 0, 1, 1, 1, 1, 0, 0, 1, 1]
    result = [1, 0, 0, 1, 0, 1, 0, 0, 0, 0]
    assert point_adjusted(result, truth).tolist() == [1, 0, 1, 1, 1, 1, 0, 0, 0, 0]


def test_adjusting_twice_changes_nothing_more() -> None:
    alarm, truth = [0, 1, 0, 1, 0], [1, 1, 1, 0, 1]
    once = point_adjusted(alarm, truth)
    assert once.tolist() == [1, 1, 1, 1, 0]
    assert point_adjusted(once, truth).tolist() == once.tolist()


@given(ROWS)
@example([(math.nan, True), (math.nan, False)])
@example([(math.inf, True), (0.0, True), (math.inf, False)])
def test_best_f1_is_that_of_the_best_of_all_levels(rows: Rows) -> None:
    score, truth = (np.array(column) for column in zip(*rows, strict=True))
    levels = [*np.unique(score[~np.isnan(score)]), -2.0]
    found = best_f1(score, truth)
    if not truth.any():
        assert math.isnan(found.f1)
        assert adjusted_counts(score, truth, found.level).fp == 0
        return
    assert found.f1 == pytest.approx(max(adjusted_counts(score, truth, at).f1 for at in levels))
    reached = adjusted_counts(score, truth, found.level)
    assert found[:3] == pytest.approx((reached.precision, reached.recall, reached.f1))


@given(ROWS)
def test_the_level_is_the_one_of_the_threshold_of_that_name(rows: Rows) -> None:
    score, truth = (np.array(column) for column in zip(*rows, strict=True))
    if not np.isfinite(score).any() or np.isinf(score).any():
        return
    levels = BestF1().levels_from_labels([Score("a", 0, 60, (), score)], {"a": truth})
    assert best_f1(score, truth).level == levels["a"]


def test_of_equal_levels_the_highest_is_returned() -> None:
    # Above 4 one of two rows is found cleanly; above 0 both are, with two false rows: both 2/3.
    score, truth = [5.0, 0.0, 4.0, 1.0, 2.0], [1, 0, 0, 1, 0]
    found = best_f1(score, truth)
    assert found == pytest.approx((1.0, 0.5, 2 / 3, 4.0))


def test_a_score_that_is_never_known_finds_nothing() -> None:
    assert best_f1([math.nan, math.nan], [0, 1]) == (0.0, 0.0, 0.0, math.inf)


def test_fleet_takes_each_entity_at_its_own_best_level() -> None:
    # The scales differ by a thousand; no common level would find both without a false row.
    fleet = {
        "small": ([0.001, 0.009, 0.002], [0, 1, 0]),
        "large": ([1.0, 2.0, 9.0], [0, 0, 1]),
        "healthy": ([5.0, 6.0], [0, 0]),
    }
    assert best_fleet_f1(fleet) == (1.0, 1.0, 1.0)
    assert best_fleet_f1(list(fleet.values())) == (1.0, 1.0, 1.0)


def test_refuses_unequal_lengths() -> None:
    with pytest.raises(InputError, match="3 scores, but 2"):
        best_f1([1.0, 2.0, 3.0], [0, 1])
    with pytest.raises(InputError, match="one value a row"):
        best_f1([[1.0, 2.0]], [0, 1])
    with pytest.raises(InputError, match="no entity"):
        best_fleet_f1({})
