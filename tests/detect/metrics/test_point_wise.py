"""Every row for itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.detect.metrics import Counts, best_f1, best_pointwise_f1, pointwise_counts

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 2.0, 3.0, math.nan]), st.booleans()),
    min_size=1,
    max_size=25,
).filter(lambda rows: any(is_true for _, is_true in rows))


def test_a_row_without_a_score_never_alarms() -> None:
    assert pointwise_counts([math.nan, 5.0, -math.inf], [1, 1, 0], -9.0) == Counts(1, 0, 1)


@given(ROWS)
def test_best_is_that_of_the_best_of_all_levels_and_below_the_adjusted(
    rows: list[tuple[float, bool]],
) -> None:
    score, truth = (np.array(column) for column in zip(*rows, strict=True))
    found = best_pointwise_f1(score, truth)
    levels = (-1.0, 0.0, 1.0, 2.0, 3.0)
    assert found.f1 == pytest.approx(max(pointwise_counts(score, truth, at).f1 for at in levels))
    assert found.f1 == pytest.approx(pointwise_counts(score, truth, found.level).f1)
    assert found.f1 <= best_f1(score, truth).f1 + 1e-12
