"""Events found, alarms that are right, delay, false alarms a day."""

from __future__ import annotations

import math

import pytest

from faultsight.core.errors import InputError, SettingError
from faultsight.detect.metrics import EventCounts, count_events, pool_events


def test_by_hand() -> None:
    truth = [0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 0]
    alarm = [0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0]
    found = count_events(alarm, truth)
    assert found == EventCounts(3, 1, 2, 1, delay_rows=2, n_rows=12)
    assert found.precision == 0.5
    assert found.recall == pytest.approx(1 / 3)
    assert found.mean_delay_rows == 2.0


def test_one_alarm_may_find_two_events_and_two_alarms_one() -> None:
    assert count_events([1, 1, 1, 1], [1, 0, 1, 0]) == EventCounts(2, 2, 1, 1, 0, 4)
    assert count_events([1, 0, 1, 0], [1, 1, 1, 0]) == EventCounts(1, 1, 2, 2, 0, 4)


def test_an_alarm_that_is_already_open_finds_at_once() -> None:
    assert count_events([1, 1, 1, 0], [0, 1, 1, 1]).mean_delay_rows == 0.0


def test_false_alarms_are_counted_per_entity_and_day() -> None:
    # Two entities of half a day each: one false alarm of three rows, one of a row.
    one = count_events([0] * 4 + [1] * 3 + [0] * 5, [0] * 12)
    two = count_events([1] + [0] * 11, [0] * 12)
    fleet = pool_events([one, two])
    assert fleet.false_alarms_per_entity_day(3600) == 2.0
    assert fleet.false_alarms_per_entity_day(300) == 24.0


def test_pooled_events_count_alike() -> None:
    many = EventCounts(n_true=9, n_found=9, n_alarms=3, n_right=3, delay_rows=18, n_rows=100)
    none = EventCounts(n_true=1, n_found=0, n_alarms=1, n_right=0, delay_rows=0, n_rows=50)
    fleet = pool_events([many, none])
    assert (fleet.recall, fleet.precision, fleet.mean_delay_rows) == (0.9, 0.75, 2.0)


def test_where_it_is_not_defined() -> None:
    nothing = count_events([0, 0], [0, 0])
    assert math.isnan(nothing.precision)
    assert math.isnan(nothing.recall)
    assert math.isnan(nothing.mean_delay_rows)
    assert nothing.false_alarms_per_entity_day(60) == 0.0
    assert math.isnan(count_events([], []).false_alarms_per_entity_day(60))
    with pytest.raises(SettingError, match="interval_s"):
        nothing.false_alarms_per_entity_day(0)
    with pytest.raises(InputError, match="no entity"):
        pool_events([])
