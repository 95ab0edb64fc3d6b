"""Average precision against scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from faultsight.core.errors import InputError
from faultsight.detect.metrics import average_precision

ROWS = st.lists(
    st.tuples(st.integers(0, 6).map(float), st.booleans()), min_size=1, max_size=40
).filter(lambda rows: any(is_true for _, is_true in rows))


@given(ROWS)
def test_equals_scikit_learn_with_ties(rows: list[tuple[float, bool]]) -> None:
    score, truth = (np.array(column) for column in zip(*rows, strict=True))
    assert average_precision(score, truth) == pytest.approx(average_precision_score(truth, score))


def test_equals_scikit_learn_on_many_rows() -> None:
    random = np.random.default_rng(0)
    truth = random.random(5000) < 0.05
    score = random.normal(size=5000) + truth
    expected = average_precision_score(truth, score)
    assert average_precision(score, truth) == pytest.approx(expected, abs=1e-12)


def test_a_true_row_without_a_score_is_never_found() -> None:
    assert average_precision([3.0, math.nan, 1.0], [1, 1, 0]) == 0.5
    assert average_precision([math.nan, math.nan], [1, 0]) == 0.0


def test_undefined_without_an_anomaly() -> None:
    assert math.isnan(average_precision([1.0, 2.0], [0, 0]))
    with pytest.raises(InputError):
        average_precision([1.0], [0, 1])
