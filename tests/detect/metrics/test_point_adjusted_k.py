"""PA%K between point adjustment and point-wise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.errors import SettingError
from faultsight.detect.metrics import adjusted_counts, f1_pa_k, f1_pa_k_area, pointwise_counts

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, math.nan]), st.booleans()), min_size=1, max_size=30
).filter(lambda rows: any(is_true for _, is_true in rows))


@given(ROWS)
def test_the_ends_are_point_adjustment_and_point_wise(rows: list[tuple[float, bool]]) -> None:
    score, truth = (np.array(column) for column in zip(*rows, strict=True))
    assert f1_pa_k(score, truth, 0.5, 0) == adjusted_counts(score, truth, 0.5).f1
    assert f1_pa_k(score, truth, 0.5, 100) == pointwise_counts(score, truth, 0.5).f1


@given(ROWS)
def test_the_area_is_the_mean_over_a_fine_grid(rows: list[tuple[float, bool]]) -> None:
    score, truth = (np.array(column) for column in zip(*rows, strict=True))
    # The F1 falls by at most 1 in all, and each fall is placed to within half a step of the grid.
    grid = [f1_pa_k(score, truth, 0.5, k) for k in np.arange(0.5, 100.0)]
    assert f1_pa_k_area(score, truth, 0.5) == pytest.approx(np.mean(grid), abs=0.00501)


def test_a_share_of_exactly_k_is_not_enough() -> None:
    score, truth = [1.0] * 7 + [0.0] * 93, [1] * 100
    assert f1_pa_k(score, truth, 0.5, 7) == pytest.approx(0.14 / 1.07)
    assert f1_pa_k(score, truth, 0.5, 6.9) == 1.0


def test_two_segments_by_hand() -> None:
    # Shares 1/2 and 1/4, one false row: F1 12/13 up to 25 %, 6/10 up to 50 %, 4/9 beyond.
    score = [1, 0, 0, 1, 0, 0, 0, 1]
    truth = [1, 1, 0, 1, 1, 1, 1, 0]
    expected = 0.25 * 12 / 13 + 0.25 * 6 / 10 + 0.5 * 4 / 9
    assert f1_pa_k_area(score, truth, 0.5) == pytest.approx(expected)


def test_undefined_without_an_anomaly_and_for_what_is_no_percentage() -> None:
    assert math.isnan(f1_pa_k_area([1.0, 0.0], [0, 0], 0.5))
    assert math.isnan(f1_pa_k([1.0, 0.0], [0, 0], 0.5, 50))
    with pytest.raises(SettingError, match="percentage"):
        f1_pa_k([1.0], [1], 0.5, 101)
