"""Runs of ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.errors import InputError
from faultsight.detect.metrics import n_segments, segment_lengths, segments


@given(st.lists(st.booleans(), max_size=40))
def test_segments_are_apart_and_hold_exactly_the_ones(truth: list[bool]) -> None:
    runs = segments(truth)
    rebuilt = np.zeros(len(truth), dtype=bool)
    for start, stop in runs:
        assert start < stop
        rebuilt[start:stop] = True
    assert rebuilt.tolist() == truth
    assert (runs[:-1, 1] < runs[1:, 0]).all()
    assert segment_lengths(truth).sum() == sum(truth)
    assert n_segments(truth) == len(runs)


def test_runs_at_both_ends() -> None:
    assert segments([1, 0, 1, 1]).tolist() == [[0, 1], [2, 4]]
    assert segments([]).shape == (0, 2)


@pytest.mark.parametrize("truth", [[0, 2], [[0, 1]], [0.0, np.nan]])
def test_refuses_what_is_not_a_row_of_zeros_and_ones(truth: list[float]) -> None:
    with pytest.raises(InputError):
        segments(truth)
