"""Intervals over fiber nodes."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.core.errors import InputError, SettingError
from faultsight.diagnose.metrics.bootstrap import percentile_interval, resampled_sums


def test_width_is_that_of_the_sum() -> None:
    values = np.random.default_rng(0).normal(10.0, 2.0, size=(400, 1))
    sums = resampled_sums(values, n=2000)
    low, high = percentile_interval(sums)
    assert low[0] < values.sum() < high[0]
    # Twice 1.96 standard deviations of the sum of 400 of deviation 2.
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * 2 * 20, rel=0.15)


def test_columns_of_a_node_stay_together() -> None:
    values = np.random.default_rng(1).integers(0, 50, size=(30, 1))
    sums = resampled_sums(np.hstack([values, 3 * values, np.ones_like(values)]), n=50)
    np.testing.assert_array_equal(sums[:, 1], 3 * sums[:, 0])
    assert (sums[:, 2] == 30).all()
    assert np.unique(sums[:, 0]).size > 40


def test_a_seed_repeats() -> None:
    values = np.arange(20)[:, None]
    first, again, other = (resampled_sums(values, n=9, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_draws_without_a_value_are_left_out() -> None:
    draws = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    low, high = percentile_interval(draws, level=0.5)
    assert (low[0], high[0]) == (1.5, 2.5)
    assert np.isnan([low[1], high[1]]).all()


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(InputError, match="no fiber node"):
        resampled_sums(np.zeros((0, 2)))
    with pytest.raises(SettingError, match="n must"):
        resampled_sums(np.zeros((1, 2)), n=0)
    with pytest.raises(SettingError, match="between 0 and 1"):
        percentile_interval(np.zeros((2, 2)), level=1.0)
