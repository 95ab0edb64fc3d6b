"""Intervals over entities."""

from __future__ import annotations

import math

import numpy as np
import pytest

from faultsight.core.errors import InputError, SettingError
from faultsight.detect.metrics import Counts, bootstrap_interval, fleet_f1


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_width_is_that_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(10.0, 2.0, size=400).tolist()
    low, high = bootstrap_interval(values, mean)
    assert low < mean(values) < high
    # Twice 1.96 standard errors of 2 / sqrt(400).
    assert high - low == pytest.approx(2 * 1.96 * 0.1, rel=0.15)


def test_a_higher_level_is_wider_and_a_seed_repeats() -> None:
    values = [1.0, 4.0, 2.0, 8.0, 5.0, 7.0]
    low, high = bootstrap_interval(values, mean, level=0.5, seed=3)
    wide_low, wide_high = bootstrap_interval(values, mean, level=0.99, seed=3)
    assert wide_low < low < high < wide_high
    assert bootstrap_interval(values, mean, level=0.5, seed=3) == (low, high)
    assert bootstrap_interval(values, mean, level=0.99, seed=4) != (wide_low, wide_high)


def test_equal_entities_leave_no_doubt_about_any_statistic() -> None:
    fleet = [Counts(3, 1, 1)] * 5
    low, high = bootstrap_interval(fleet, lambda drawn: fleet_f1(drawn).f1, n=20)
    assert low == high == pytest.approx(0.75)


def test_draws_without_a_value_are_left_out() -> None:
    fleet = [Counts(3, 1, 1), Counts(0, 0, 0)]
    assert bootstrap_interval(fleet, lambda drawn: fleet_f1(drawn).recall, n=50) == (0.75, 0.75)
    nothing = bootstrap_interval([1.0, 2.0], lambda _: math.nan, n=5)
    assert all(math.isnan(bound) for bound in nothing)


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(InputError, match="no entity"):
        bootstrap_interval([], mean)
    with pytest.raises(SettingError, match="n must"):
        bootstrap_interval([1.0], mean, n=0)
    with pytest.raises(SettingError, match="between 0 and 1"):
        bootstrap_interval([1.0], mean, level=1.0)
